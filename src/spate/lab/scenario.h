// SPDX-License-Identifier: Apache-2.0
//
// Scenario: what is run: models with their objectives, data sets, demand and bounds, the
// machine's budget, prices and the strategies' settings. Read strictly from YAML at start-up;
// docs/scenario.md documents every key with its range and default.
//
// A scenario becomes effective when its demand is in requests per second: resolve() puts in the
// measured capacity of one replica. effective_json() is what a run directory keeps.
//
// Threads: plain data.
#pragma once

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "spate/base/config_reader.h"
#include "spate/influx/profile.h"
#include "spate/lab/cost.h"
#include "spate/lab/surge.h"
#include "spate/sim/world_config.h"

namespace spate::lab {

struct ModelScenario {
  std::string name;                // route: [a-z0-9][a-z0-9_-]*
  std::filesystem::path model;     // model directory, from the working directory
  std::filesystem::path dataset;   // data set directory, from the working directory
  std::string split = "held_out";  // which of its rows or images are sent

  double slo_latency_ms = 1000.0;
  double slo_target = 0.95;
  double deadline_ms = 1000.0;  // budget sent with each request; past it the gateway drops it

  std::optional<ConfigReader> profile_settings;
  std::string arrivals_json;    // {"kind": "poisson"}
  bool needs_capacity = false;  // its profile has rates in units of one replica's capacity
  influx::Profile profile;      // requests per second; valid once resolved
  std::optional<nlohmann::json> capacity;  // the measurement behind it, if it needed one

  nlohmann::json manifest;  // kind, version, variant, backbone, quality, runtime; null if unread

  double cpu_request = 0.0;  // CPUs reserved per replica
  double cpu_limit = 0.0;    // CPUs a replica may use at the start
  bool scaled = false;       // strategies see it
  std::string mode = "throughput";

  int replicas = 1;  // at the start
  int min_replicas = 1;
  int max_replicas = 1;
  double min_cpu = 0.0;      // CPUs per replica
  double max_cpu = 0.0;      // CPUs per replica
  double cpu_ceiling = 0.0;  // CPUs over all replicas
  int warm_pool = 0;         // parked replicas at the start
  int max_warm_pool = 0;     // a strategy may ask for no more

  int max_batch = 1;
  double max_delay_ms = 0.0;
  std::int64_t max_queue_messages = 10000;
  std::int64_t max_queue_bytes = 256LL << 20;
  int max_attempts = 3;
  double attempt_timeout_ms = 10000.0;
  std::string dispatch = "least_outstanding";
  bool early_overload = true;  // refuse at once what cannot be answered in time
};

struct MachineBudget {
  std::optional<double> cores;  // CPUs the scenario may plan with; unset: what this machine has
  double reserve = 0.5;         // CPUs kept for gateway, broker, influx and the system
  std::vector<double> more;     // CPUs of further machines; simulated runs only
};

struct BrokerScenario {
  // How much of what the broker has accepted survives its restart: "off" nothing, "on_exit" a
  // clean stop, "every_change" even SIGKILL (about 20 times the cost per publish).
  std::string persistence = "off";
  std::int64_t max_queued_bytes = 512LL << 20;  // per client
  std::int64_t message_size_limit = 32LL << 20;
};

// A strategy as the scenario names it: one kind may stand under several labels with different
// settings, and be compared with itself.
struct StrategyChoice {
  std::string label;
  std::string kind;
  std::string options_json = "{}";
};

struct Scenario {
  std::string name;
  std::string description;
  std::filesystem::path file;
  std::uint64_t seed = 1;
  double warm_up_s = 5.0;
  double settle_s = 10.0;
  double duration_s = 0.0;  // of the measured window
  int qos = 1;
  MachineBudget machine;
  Prices prices;
  BrokerScenario broker;
  std::vector<ModelScenario> models;  // in the order of the file
  std::vector<StrategyChoice> strategies;
  // At given moments, in the order of the file; simulated runs only.
  std::vector<sim::ScriptedFault> faults;

  const ModelScenario* find_model(const std::string& model) const;
  std::vector<std::string> model_names() const;  // in the order of the file
  // The choice under this label; a label that the scenario does not name is taken as a strategy
  // kind with its default settings.
  StrategyChoice strategy(const std::string& label) const;
};

// Throw ConfigError with file, line, path, what was expected and what was found. Models and data
// sets are not looked at here.
Scenario read_scenario(const std::filesystem::path& file);
Scenario read_scenario_text(const std::string& text, const std::string& name);

// Throws ConfigError when the scenario has what only a simulated run can do.
void require_live(const Scenario& scenario);

// Puts requests per second into `model`'s profile, 1 in `rate` standing for `capacity_per_s`.
// Requires a capacity when model.needs_capacity.
void resolve_demand(ModelScenario& model, std::optional<double> capacity_per_s, double duration_s);

// Requires every model resolved. Has all settings, defaults included, the resolved profiles,
// their phases and surges, and the capacities.
nlohmann::json effective_json(const Scenario& scenario);

// The budget's arithmetic, one line an item, ending in the sum and the machine's cores.
struct BudgetCheck {
  bool fits = false;
  double needed = 0.0;
  double cores = 0.0;
  std::string arithmetic;
};
BudgetCheck check_budget(const Scenario& scenario, double machine_cores);

}  // namespace spate::lab
