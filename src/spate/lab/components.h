// SPDX-License-Identifier: Apache-2.0
//
// Components: where broker, gateway and influx of a run live: as processes of the supervisor, or
// each in a container of its own (container_components.h). The Runner says what and when.
//
// Threads: the loop's thread.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "spate/adapters/child_process.h"
#include "spate/base/result.h"
#include "spate/lab/broker.h"
#include "spate/lab/run_config.h"
#include "spate/lab/scenario.h"
#include "spate/lab/supervisor.h"

namespace spate::lab {

class Components {
 public:
  using ExitHandler = std::function<void(const adapters::ExitStatus&)>;
  virtual ~Components() = default;

  // Before a run's first start: its folder and name.
  virtual Status begin_run(const RunPaths& paths, const std::string& run_id) = 0;
  // Starts mosquitto as "broker" and returns when it accepts connections.
  virtual Result<BrokerAddress> start_broker(const BrokerScenario& settings) = 0;
  // Starts `spate ARGUMENTS`, its output in the run's logs/<name>.log. Requires that no component
  // of that name runs. `on_exit` is called when it has ended, unless stop() ended it.
  virtual Status start(const std::string& name, const std::vector<std::string>& arguments,
                       ExitHandler on_exit = {}) = 0;
  virtual bool running(const std::string& name) const = 0;
  // Its exit, once it has ended.
  virtual std::optional<adapters::ExitStatus> exit_of(const std::string& name) const = 0;
  // SIGTERM, SIGKILL after `grace`; returns when it has ended.
  virtual void stop(const std::string& name, Duration grace) = 0;
  // Ends what is left of the run, workers included; says what it was.
  virtual std::vector<std::string> end_all() = 0;
  // Now and then during a run.
  virtual void tend() {}

  // What this kind needs the gateway's settings to say beyond the scenario.
  virtual void complete_gateway_settings(nlohmann::json& settings) const = 0;
  virtual void complete_influx_settings(nlohmann::json& settings) const = 0;
  // For run.json: {"kind": "process"} or {"kind": "docker", "image", "engine", …}.
  virtual nlohmann::json description() const = 0;
};

// Processes of `supervisor`. Borrows both.
std::unique_ptr<Components> make_process_components(LiveLoop& loop, Supervisor& supervisor,
                                                    std::filesystem::path program);

}  // namespace spate::lab
