// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstdio>
#include <exception>
#include <memory>
#include <sstream>
#include <string>

#include "spate/app/command.h"
#include "spate/base/config_error.h"

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

  CLI11_PARSE(app, argc, argv);
  try {
    return run ? run() : 2;
  } catch (const spate::ConfigError& error) {
    std::fprintf(stderr, "spate: %s\n", error.what());
    return 2;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "spate: unexpected error: %s\n", error.what());
    return 1;
  }
}
