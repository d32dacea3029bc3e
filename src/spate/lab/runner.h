// SPDX-License-Identifier: Apache-2.0
//
// Runner: one run: one strategy, one repetition, everything real. It starts broker, gateway and
// influx, waits for each to be ready, watches over them, ends them, and leaves a run directory
// from which results.h computes what it came to.
//
//   canary -> broker -> gateway -> initial replicas ready -> influx ... its end -> drain -> canary
//
// What goes wrong during a run does not stop a comparison: it stands in run.json as a problem, and
// the run is invalid for it. A gateway that dies is started again (its workers live on).
//
// Threads: the loop's thread.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "spate/lab/broker.h"
#include "spate/lab/components.h"
#include "spate/lab/live_loop.h"
#include "spate/lab/machine.h"
#include "spate/lab/progress.h"
#include "spate/lab/run_config.h"
#include "spate/lab/scenario.h"

namespace spate::lab {

// What is the same for all runs of an experiment.
struct Experiment {
  Scenario scenario;              // every model resolved
  std::filesystem::path program;  // the `spate` binary
  std::map<std::string, std::filesystem::path> expected;
  std::optional<BrokerAddress> broker;  // set: use this one
  std::string limits = "auto";          // how CPU limits are enforced: auto | cgroup | duty_cycle
  HttpAddress http;                     // where each run's gateway serves HTTP
  Machine machine;
  nlohmann::json versions;
};

struct RunSpec {
  std::string label;  // of the strategy
  int repetition = 1;
  std::filesystem::path directory;
  std::string title;  // for the progress: "vertical, repetition 2 (run 5 of 9)"
  // Asked about once a second while the load is on; true ends the run as if its plan were over.
  std::function<bool()> enough{};
};

class Runner {
 public:
  // Borrows everything.
  Runner(LiveLoop& loop, Components& components, ProgressPrinter& printer,
         const Experiment& experiment);

  // Returns when everything of the run has ended. An error only when it could not begin (no
  // broker, a gateway that does not come up): later trouble stands in run.json. Check
  // loop.interrupted() afterwards.
  Status run(const RunSpec& spec);

 private:
  struct Active;

  Status bring_up(Active& active);
  Status write_files(Active& active);
  Status start_gateway(Active& active);
  Status start_influx(Active& active);
  Status wait_for_replicas(Active& active);
  void watch_load(Active& active);
  void bring_down(Active& active);
  void gateway_ended(Active& active);
  Status write_record(Active& active, bool finished);

  LiveLoop& loop_;
  Components& components_;
  ProgressPrinter& printer_;
  const Experiment& experiment_;
};

}  // namespace spate::lab
