// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "spate/app/command.h"
#include "spate/base/config_error.h"
#include "spate/base/config_reader.h"
#include "spate/lab/compare.h"

namespace {

// In a list of subcommands, only the first sentence of each one's description: the whole text is
// what its own --help is for.
class BriefSubcommands : public CLI::Formatter {
 public:
  std::string make_subcommand(const CLI::App* command) const override {
    std::string text = command->get_description();
    text.erase(std::min(text.find("\n\n"), text.size()));
    std::replace(text.begin(), text.end(), '\n', ' ');
    text.erase(std::min(text.find(". "), text.size()));
    if (!text.empty() && text.back() == '.') text.pop_back();
    std::stringstream out;
    CLI::detail::format_help(out, command->get_display_name(true), text, column_width_);
    return out.str();
  }
};

// What a word that `command` has no use for was meant to be.
std::string unknown_word(const CLI::App& command, const std::string& word) {
  const bool option = word.starts_with('-');
  const auto subcommands = command.get_subcommands({});
  if (!option && subcommands.empty()) return fmt::format("unexpected argument \"{}\"", word);
  std::vector<std::string> known;
  if (option) {
    for (const CLI::Option* o : command.get_options()) {
      for (const std::string& name : o->get_lnames()) known.push_back("--" + name);
    }
  } else {
    for (const CLI::App* c : subcommands) known.push_back(c->get_name());
  }
  const std::string given = word.substr(0, word.find('='));
  const std::string near = spate::nearest_word(given, known);
  return fmt::format("unknown {} {}{}", option ? "option" : "command", given,
                     near.empty() ? "" : "; did you mean " + near + "?");
}

// Says in one line what is wrong with the command line, and where its help is.
void print_usage_error(const CLI::App& app, const CLI::ParseError& error) {
  const CLI::App* command = &app;
  std::string name = app.get_name();
  // CLI11 complains of what is missing first; the word that it does not know is why.
  while (command->remaining().empty() && !command->get_subcommands().empty()) {
    command = command->get_subcommands().front();
    name += " " + command->get_name();
  }
  const auto unknown = command->remaining();
  fmt::print(stderr, "spate: {} (see {} --help)\n",
             unknown.empty() ? error.what() : unknown_word(*command, unknown.front()), name);
}

// The command that was chosen, to its end.
int run_chosen(const spate::app::Run& run) {
  try {
    return run();
  } catch (const spate::ConfigError& error) {
    fmt::print(stderr, "spate: {}\n", error.what());
    return spate::app::kBadSettings;
  } catch (const spate::lab::Refused& refused) {
    fmt::print(stderr, "spate: {}\n", refused.message);
    return spate::app::kRefused;
  } catch (const std::exception& error) {
    fmt::print(stderr, "spate: unexpected error: {}\n", error.what());
    return spate::app::kFailed;
  }
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app(
      "Spate measures which scaling strategy keeps an ML system inside its latency objective, at "
      "the lowest cost, when the data flow swells and falls.");
  app.name("spate");
  app.set_version_flag("--version", SPATE_VERSION);
  app.require_subcommand(1);
  const auto formatter = std::make_shared<BriefSubcommands>();
  formatter->column_width(34);
  app.formatter(formatter);

  spate::app::Run run;
  // The one list of subcommands, in the order in which --help shows them.
  spate::app::add_experiment_commands(app, run);
  spate::app::add_simulate_command(app, run);
  spate::app::add_validate_command(app, run);
  spate::app::add_profile_command(app, run);
  spate::app::add_capacity_command(app, run);
  spate::app::add_dataset_command(app, run);
  spate::app::add_model_command(app, run);
  spate::app::add_gateway_command(app, run);
  spate::app::add_worker_command(app, run);
  spate::app::add_influx_command(app, run);
  spate::app::add_suite_command(app, run);
  spate::app::add_tune_command(app, run);
  spate::app::add_export_command(app, run);
  spate::app::add_trace_command(app, run);
  spate::app::add_strategies_command(app, run);
  spate::app::add_doctor_command(app, run);
  spate::app::add_health_command(app, run);

  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& asked) {  // --help, --version
    return app.exit(asked);
  } catch (const CLI::ParseError& error) {
    print_usage_error(app, error);
    return spate::app::kBadSettings;
  }
  return run_chosen(run);
}
