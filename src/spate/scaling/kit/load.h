// SPDX-License-Identifier: Apache-2.0
//
// LoadSensor: what the model-based strategies share: they measure arrivals, the queue and what a
// request costs, and size from that. Internal to scaling/.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "spate/scaling/kit/readings.h"
#include "spate/scaling/strategies.h"

namespace spate::scaling {

struct Load {
  double arrivals_per_s = 0.0;
  double waiting = 0.0;     // requests queued in the gateway
  double cost_cpu_s = 0.0;  // CPU-seconds per request, > 0

  // Requests per second that one replica of `cpus` can serve at most.
  double rate_per_s(double cpus) const { return useful_cpus(cpus) / cost_cpu_s; }
};

class LoadSensor {
 public:
  // The options that every user of a LoadSensor has: window_s, sample_s, tick_s, rate_per_s.
  static std::vector<OptionSpec> option_specs();
  // "" or what is wrong with them.
  static std::string check(const StrategyOptions& options);

  explicit LoadSensor(const StrategyOptions& options);
  // Tick and metrics; further metrics may be appended.
  Needs needs() const;
  Duration window() const { return window_; }

  // Learns `cost` from the model's metrics, then reads the load. Nothing, with `why`, when
  // something needed is not known.
  std::optional<Load> read(TimePoint now, const ModelView& model, RequestCost& cost,
                           std::string& why) const;
  // What one request costs, by option or as learned; nothing when not known yet.
  std::optional<double> cost_cpu_s(const ModelView& model, const RequestCost& cost) const;

 private:
  Duration window_;
  Duration sample_;
  Duration tick_;
  double rate_per_s_;
  std::vector<MetricSpec> metrics_;
};

// Memory of a strategy that has no more than these two.
struct LoadMemory {
  RequestCost cost;
  PeakHold peak;

  void save(MemoryWriter& out) const;
  static LoadMemory load(MemoryReader& in);
};

}  // namespace spate::scaling
