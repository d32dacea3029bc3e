// SPDX-License-Identifier: Apache-2.0
//
// StrategyWorld: one model in front of one strategy; a test says what the metrics show.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>

#include "spate/scaling/strategies.h"

namespace spate::scaling {

using Values = std::map<std::string, double>;

class StrategyWorld {
 public:
  StrategyWorld(const std::string& strategy, const std::string& options,
                const DemandByModel& demand = {})
      : strategy_(
            builtin_strategies(demand).make(strategy, ConfigReader::from_text(options, "test"))) {
    model_.model = "m";
    model_.bounds = {.min_replicas = 0,
                     .max_replicas = 20,
                     .min_cpu = 0.1,
                     .max_cpu = 4.0,
                     .cpu_ceiling = 100.0};
    model_.slo_latency_s = 1.0;
    model_.slo_target = 0.95;
    model_.cpu_request = model_.cpu_limit = model_.initial_cpu_limit = 0.3;
    model_.wanted_replicas = 1;
  }

  ModelView& model() { return model_; }
  Strategy& strategy() { return *strategy_; }
  TimePoint now() const { return now_; }
  void pass(Duration time) { now_ += time; }

  // So many replicas, ready for an hour, and no others.
  void ready(int count) {
    model_.replicas.clear();
    add(count, ReplicaState::Ready);
  }
  void starting(int count) { add(count, ReplicaState::Starting); }

  // One tick later, with these values by metric name; a metric without one shows nothing. A
  // per-replica metric shows its value for every ready replica. The decision's replicas and CPU
  // are in force afterwards.
  Target decide(const Values& values) {
    now_ += strategy_->needs().tick;
    model_.metrics.clear();
    for (const auto& spec : strategy_->needs().metrics) {
      MetricView view;
      const auto value = values.find(spec.name);
      if (value != values.end()) show(view, spec, value->second);
      model_.metrics.push_back(std::move(view));
    }
    const auto targets = strategy_->decide({.now = now_, .models = {model_}});
    EXPECT_EQ(targets.size(), 1U);
    model_.wanted_replicas = targets.at(0).replicas;
    return targets.at(0);
  }

 private:
  void add(int count, ReplicaState state) {
    for (int i = 0; i < count; ++i) {
      model_.replicas.push_back({.id = "m-" + std::to_string(model_.replicas.size() + 1),
                                 .state = state,
                                 .created = now_ - std::chrono::hours(1),
                                 .state_since = now_ - std::chrono::hours(1),
                                 .cpu_request = model_.cpu_request,
                                 .cpu_limit = model_.cpu_limit});
    }
    model_.wanted_replicas = static_cast<int>(model_.replicas.size());
  }

  void show(MetricView& view, const MetricSpec& spec, double value) const {
    view.value = value;
    view.newest = now_ - spec.delay;
    view.readings = static_cast<int>(spec.window / spec.period);
    view.covered = spec.window;
    if (!is_per_replica(spec.signal)) return;
    for (const auto& replica : model_.replicas) {
      if (replica.state != ReplicaState::Ready) continue;
      view.replicas.push_back({.replica = replica.id,
                               .value = value,
                               .newest = view.newest,
                               .readings = view.readings,
                               .covered = view.covered,
                               .series = {}});
    }
  }

  std::unique_ptr<Strategy> strategy_;
  ModelView model_;
  TimePoint now_{std::chrono::hours(2)};
};

}  // namespace spate::scaling
