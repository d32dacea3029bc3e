// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <thread>

#include "spate/app/command.h"
#include "spate/base/config_error.h"
#include "spate/base/files.h"
#include "spate/scaling/strategies.h"
#include "spate/suite/clairvoyant.h"
#include "spate/suite/league.h"
#include "spate/suite/run_suite.h"

namespace spate::app {
namespace {

namespace fs = std::filesystem;

struct SuiteArguments {
  std::vector<std::string> files;
  std::string out;
  std::string prices;
  std::vector<std::string> strategies;
  std::vector<std::string> demands;
  int threads = 0;
  bool fresh = false;
  int clairvoyant = 0;  // schedules to try; 0: none
};

// Keeps what is named; throws ConfigError for a name that is not there.
template <class Item, class Name>
void keep(std::vector<Item>& items, const std::vector<std::string>& wanted, const char* what,
          Name name) {
  if (wanted.empty()) return;
  for (const auto& w : wanted) {
    if (std::none_of(items.begin(), items.end(), [&](const Item& i) { return name(i) == w; })) {
      std::vector<std::string> known;
      for (const auto& i : items) known.push_back(name(i));
      throw ConfigError(
          fmt::format("no {} \"{}\" in the suite; it has {}", what, w, fmt::join(known, ", ")));
    }
  }
  items.erase(std::remove_if(items.begin(), items.end(),
                             [&](const Item& i) {
                               return std::find(wanted.begin(), wanted.end(), name(i)) ==
                                      wanted.end();
                             }),
              items.end());
}

Result<std::vector<suite::Clairvoyant>> clairvoyants_of(const suite::Suite& suite,
                                                        const SuiteArguments& arguments,
                                                        const suite::RunOptions& run) {
  suite::ClairvoyantOptions options;
  options.out = run.out;
  options.evaluations = arguments.clairvoyant;
  options.threads = run.threads;
  options.fresh = run.fresh;
  options.version = run.version;
  options.progress = [](const suite::Clairvoyant& c, std::size_t done, std::size_t total, bool) {
    fmt::print(stderr, "clairvoyant {}/{}: {} {}\n", done, total, c.demand, c.why);
  };
  return suite::find_clairvoyants(suite, options);
}

int run_one(const SuiteArguments& arguments, const std::string& file) {
  const auto registry = scaling::builtin_strategies();
  std::optional<suite::Prices> prices;
  if (!arguments.prices.empty()) {
    prices = judge::read_price_file(arguments.prices);
  }
  suite::Suite suite = suite::read_suite(file, registry, prices);
  keep(suite.strategies, arguments.strategies, "strategy",
       [](const suite::SuiteStrategy& s) { return s.label; });
  keep(suite.demands, arguments.demands, "demand", [](const suite::Demand& d) { return d.name; });

  suite::RunOptions options;
  options.out =
      arguments.out.empty() ? fs::path("var/suites") / suite.name : fs::path(arguments.out);
  options.threads = arguments.threads > 0
                        ? arguments.threads
                        : static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  options.fresh = arguments.fresh;
  options.version = SPATE_VERSION;
  const bool terminal = ::isatty(STDERR_FILENO) == 1;
  double requests = 0.0;
  std::size_t kept_cells = 0;
  options.progress = [&](const suite::Cell& cell, std::size_t done, std::size_t total, bool kept) {
    requests += kept ? 0.0 : cell.requests;
    kept_cells += kept ? 1 : 0;
    // On a terminal one line that moves; in a log one for each twentieth.
    if (terminal) {
      fmt::print(stderr, "\r{}/{} {} on {}\x1b[K", done, total, cell.strategy, cell.demand);
      if (done == total) fmt::print(stderr, "\n");
    } else if (done == total || done * 20 / total != (done - 1) * 20 / total) {
      fmt::print(stderr, "{}/{} cells\n", done, total);
    }
  };
  const auto cells = run_suite(suite, registry, options);
  if (!cells) return fail(cells.error());
  for (const auto& c : *cells) {
    for (const auto& problem : c.problems) {
      fmt::print(stderr, "spate: {} on {}, seed {}: {}\n", c.strategy, c.demand, c.seed, problem);
    }
  }
  std::vector<suite::Clairvoyant> clairvoyants;
  if (arguments.clairvoyant > 0) {
    auto found = clairvoyants_of(suite, arguments, options);
    if (!found) return fail(found.error());
    clairvoyants = std::move(*found);
  }
  const auto league = judge_suite(suite, *cells, clairvoyants);
  for (const auto& [name, text] :
       {std::pair{"summary.json", league_json(suite, league).dump(1) + "\n"},
        std::pair{"report.html", league_html(suite, league)}}) {
    if (auto written = write_file(options.out / name, text); !written) return fail(written.error());
  }
  fmt::print("{}\nsummary: {}\nreport:  {}\n", league_table(suite, league),
             (options.out / "summary.json").string(), (options.out / "report.html").string());
  fmt::print("simulated {:.4g} requests in {} cells, {} taken from an earlier run\n", requests,
             cells->size() - kept_cells, kept_cells);
  return kDone;
}

}  // namespace

void add_suite_command(CLI::App& app, Run& run) {
  auto* command = app.add_subcommand(
      "suite", "Strategies on many demands, simulated and ranked. See docs/suites.md.");
  command->require_subcommand(1);
  auto arguments = std::make_shared<SuiteArguments>();
  auto* add = command->add_subcommand(
      "run",
      "Runs every strategy on every demand with every seed, and writes report.html and "
      "summary.json. What an earlier run has done is kept: the same command goes on.");
  add->add_option("files", arguments->files, "Suites (suites/standard.yaml)")
      ->required()
      ->check(CLI::ExistingFile);
  add->add_option("--out", arguments->out, "Output directory. Default: var/suites/<name>");
  add->add_option("--strategies", arguments->strategies, "Only these of the suite")->delimiter(',');
  add->add_option("--demands", arguments->demands, "Only these of the suite")->delimiter(',');
  add->add_option("--prices", arguments->prices, "Prices in place of the suite's (docs/prices.md)")
      ->type_name("FILE");
  add->add_option("--threads", arguments->threads, "Cells at once. Default: this machine's CPUs")
      ->check(CLI::Range(1, 1024));
  add->add_option("--clairvoyant", arguments->clairvoyant,
                  "Also search the cheapest schedule of one who knows the demand, trying so many "
                  "per model (as many requests as N strategies take). Default: no search")
      ->check(CLI::Range(2, 10'000))
      ->type_name("N");
  add->add_flag("--fresh", arguments->fresh, "Simulate again what is there already");
  add->footer("Example:\n  spate suite run suites/standard.yaml --strategies hpa_cpu,keda\n\n" +
              exit_text({{kDone, "simulated, whatever came out"},
                         {kFailed, "a file could not be read or written"}}));
  add->callback([arguments, &run] {
    run = [arguments] {
      if (arguments->files.size() > 1 && !arguments->out.empty()) {
        throw ConfigError("--out takes one suite; without it each has a directory of its own");
      }
      int status = kDone;
      for (const auto& file : arguments->files)
        status = std::max(status, run_one(*arguments, file));
      return status;
    };
  });
}

}  // namespace spate::app
