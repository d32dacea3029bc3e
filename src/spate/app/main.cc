// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <exception>

#include "spate/app/command.h"
#include "spate/base/config_error.h"

int main(int argc, char** argv) {
  CLI::App app(
      "Spate measures which scaling strategy keeps an ML system inside its latency objective, at "
      "the lowest cost, when the data flow swells and falls.");
  app.name("spate");
  app.set_version_flag("--version", SPATE_VERSION);
  app.require_subcommand(1);
  app.get_formatter()->column_width(34);

  spate::app::Run run;
  // The one list of subcommands, in the order in which --help shows them.
  spate::app::add_experiment_commands(app, run);
  spate::app::add_dataset_command(app, run);
  spate::app::add_model_command(app, run);
  spate::app::add_gateway_command(app, run);
  spate::app::add_worker_command(app, run);
  spate::app::add_influx_command(app, run);
  spate::app::add_strategies_command(app, run);
  spate::app::add_doctor_command(app, run);

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
