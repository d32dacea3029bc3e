// SPDX-License-Identifier: Apache-2.0
//
// `spate validate`.
#include <fmt/format.h>

#include <memory>
#include <string>
#include <vector>

#include "spate/app/command.h"
#include "spate/base/config_error.h"
#include "spate/base/files.h"
#include "spate/base/log.h"
#include "spate/lab/validate.h"
#include "spate/report/report.h"

namespace spate::app {
namespace {

int run_validation(const lab::ValidateOptions& given) {
  init_logging("spate", "warn");
  lab::ValidateOptions options = given;
  options.compare.version = SPATE_VERSION;
  const lab::ValidationOutcome outcome = lab::validate(options);
  std::vector<lab::ValidationLine> lines;
  std::vector<lab::ValidationLine> at_speed;
  std::string speeds;
  for (const auto& s : outcome.scenarios) {
    lines.insert(lines.end(), s.lines.begin(), s.lines.end());
    at_speed.insert(at_speed.end(), s.lines_at_speed.begin(), s.lines_at_speed.end());
    if (!s.speeds.empty()) speeds += s.name + "\n" + lab::speed_text(s.speeds);
  }
  for (const auto& s : outcome.skipped) fmt::print("skipped {}: {}\n", s.strategy, s.reason);
  for (const auto& note : outcome.notes) fmt::print("note: {}\n", note);
  if (lines.empty()) {
    fmt::print(stderr, "spate: there is no valid live run to compare with\n");
    return outcome.interrupted ? kInterrupted : kInvalid;
  }
  std::string table = lab::validation_table(lines);
  if (!at_speed.empty()) {
    table += "\nHow fast the machine was beside the profile:\n" + speeds +
             "\nThe same, simulated with calls of the live runs' speed:\n" +
             lab::validation_table(at_speed);
  }
  fmt::print("\n{}\n", table);
  const Status written = write_file(options.out / "table.txt", table);
  const auto page = report::write_validation(outcome, options.out);
  if (!written || !page) {
    fmt::print(stderr, "spate: {}\n", (!written ? written.error() : page.error()).message);
    return kFailed;
  }
  fmt::print("summary: {}\nreport:  {}\n", (options.out / "summary.json").string(), page->string());
  if (outcome.interrupted) return kInterrupted;
  return outcome.counted.all_within() ? kDone : kFailed;
}

void add_options(CLI::App& command, const std::shared_ptr<lab::ValidateOptions>& o) {
  command
      .add_option_function<std::vector<std::string>>(
          "scenarios",
          [o](const std::vector<std::string>& files) {
            o->scenarios.assign(files.begin(), files.end());
          },
          "Scenario files (scenarios/validate/*.yaml)")
      ->required()
      ->type_name("SCENARIO.yaml …");
  command
      .add_option("--strategies", o->strategies,
                  "Strategies or labels of the scenarios, separated by commas; all: every strategy "
                  "that runs live without settings of its own. Default: none,horizontal,vertical; "
                  "with --live all that are there")
      ->delimiter(',')
      ->type_name("A,B,…");
  command
      .add_option("--repeat", o->repetitions,
                  "Live repetitions of each strategy, 2 to 100. Default: 5")
      ->check(CLI::Range(2, 100))
      ->type_name("N");
  command
      .add_option("--profile", o->profile,
                  "Machine profile, of this very machine. Default: profiles/default.json")
      ->type_name("FILE");
  command
      .add_option("--live", o->live,
                  "Take finished live runs from here (an --out of spate validate, or a directory "
                  "of spate compare) and make none")
      ->type_name("DIR");
  command
      .add_option("--out", o->out,
                  "Where live and simulated runs and the report go. Valid live runs that are there "
                  "are kept, so that a set can be made in several goes. Default: var/validation")
      ->type_name("DIR");
  add_limits_option(command, o->compare.limits);
  command.add_flag("--remeasure", o->compare.remeasure,
                   "Measure the capacity of one replica again. A scenario that has live runs keeps "
                   "theirs");
}

}  // namespace

void add_validate_command(CLI::App& app, Run& run) {
  auto options = std::make_shared<lab::ValidateOptions>();
  options->profile = "profiles/default.json";
  options->out = "var/validation";
  CLI::App* command = app.add_subcommand(
      "validate",
      "Show how far the simulator's figures are from live runs: the same scenarios, requests and\n"
      "strategies live and simulated, with a verdict per scenario, strategy and model\n"
      "(docs/validation.md). A live run takes about a minute; run it on a quiet machine.");
  add_options(*command, options);
  command->footer(
      "Example:\n  spate validate scenarios/validate/*.yaml --repeat 5 --out var/validation\n\n" +
      exit_text({{kDone, "all within"},
                 {kFailed, "some not, too few runs to tell, or the report could not be written"},
                 {kRefused, "a scenario does not fit this machine"},
                 {kInvalid, "there is no valid live run to compare with"},
                 {kInterrupted, "interrupted (the same command goes on)"}}));
  command->callback([options, &run] { run = [options] { return run_validation(*options); }; });
}

}  // namespace spate::app
