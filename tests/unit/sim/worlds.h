// SPDX-License-Identifier: Apache-2.0
//
// Small worlds for tests: one model, so many replicas, a law of service times.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "spate/scaling/strategies.h"
#include "spate/sim/world.h"

namespace spate::sim {

inline SimModel simple_model(std::string name, int replicas, double rate_per_s, double duration_s,
                             Law service) {
  SimModel model;
  model.settings.name = std::move(name);
  model.settings.replicas = replicas;
  model.settings.cpu_request = model.settings.cpu_limit = 1.0;
  model.settings.bounds = {.min_replicas = replicas,
                           .max_replicas = replicas,
                           .min_cpu = 1.0,
                           .max_cpu = 1.0,
                           .cpu_ceiling = replicas * 1.0};
  model.deadline = Duration::max();
  model.profile =
      std::make_shared<const influx::Profile>(influx::Profile::constant(rate_per_s, duration_s));
  model.service.entries.push_back({1, std::move(service)});
  model.route.max_queue_messages = 100'000'000;
  model.route.attempt_timeout = std::chrono::hours(1000);
  return model;
}

inline WorldConfig simple_world(SimModel model, double duration_s) {
  WorldConfig config;
  config.duration_s = duration_s;
  config.settle_s = 60.0;
  config.models.push_back(std::move(model));
  return config;
}

inline std::unique_ptr<scaling::Strategy> strategy(const std::string& name) {
  return scaling::builtin_strategies().make(name, std::nullopt);
}

inline RunOutput run(const WorldConfig& config, const std::string& name = "none") {
  World world(config, strategy(name));
  return world.run();
}

}  // namespace spate::sim
