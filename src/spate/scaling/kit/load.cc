// SPDX-License-Identifier: Apache-2.0
#include "spate/scaling/kit/load.h"

namespace spate::scaling {

std::vector<OptionSpec> LoadSensor::option_specs() {
  return {
      {"window_s", 10.0, 1.0, 3600.0, "seconds over which arrivals and costs are averaged"},
      {"sample_s", 1.0, 0.05, 60.0, "seconds between two readings"},
      {"tick_s", 1.0, 0.05, 3600.0, "seconds between two decisions"},
      {"rate_per_s", 0.0, 0.0, 1e6,
       "requests per second that one replica serves at most at the scenario's CPU limit; 0 = "
       "learned from the CPU time that a request costs"},
  };
}

std::string LoadSensor::check(const StrategyOptions& options) {
  return options.number("window_s") < options.number("sample_s")
             ? "window_s must be at least sample_s"
             : "";
}

LoadSensor::LoadSensor(const StrategyOptions& options)
    : window_(options.seconds("window_s")),
      sample_(options.seconds("sample_s")),
      tick_(options.seconds("tick_s")),
      rate_per_s_(options.number("rate_per_s")),
      metrics_(RequestCost::specs(sample_, window_)) {
  metrics_.push_back(
      {.name = "arrivals", .signal = Signal::ArrivalRate, .period = sample_, .window = window_});
  metrics_.push_back({.name = "waiting",
                      .signal = Signal::QueueLength,
                      .period = sample_,
                      .window = sample_,
                      .aggregate = Aggregate::Last});
}

Needs LoadSensor::needs() const {
  Needs out;
  out.tick = tick_;
  out.metrics = metrics_;
  return out;
}

std::optional<double> LoadSensor::cost_cpu_s(const ModelView& model,
                                             const RequestCost& cost) const {
  if (rate_per_s_ > 0.0) return useful_cpus(model.initial_cpu_limit) / rate_per_s_;
  if (cost.cpu_s() > 0.0) return cost.cpu_s();
  return std::nullopt;
}

std::optional<Load> LoadSensor::read(TimePoint now, const ModelView& model, RequestCost& cost,
                                     std::string& why) const {
  cost.observe(now, model, model.metrics.at(0), model.metrics.at(1), metrics_);
  const auto arrivals = usable(now, model.metrics.at(2), metrics_[2], why);
  if (!arrivals) return std::nullopt;
  const auto waiting = usable(now, model.metrics.at(3), metrics_[3], why);
  if (!waiting) return std::nullopt;
  const auto cpu_s = cost_cpu_s(model, cost);
  if (!cpu_s) {
    why = "what a request costs is not known yet";
    return std::nullopt;
  }
  return Load{.arrivals_per_s = *arrivals, .waiting = *waiting, .cost_cpu_s = *cpu_s};
}

void LoadMemory::save(MemoryWriter& out) const {
  cost.save(out);
  peak.save(out);
}

LoadMemory LoadMemory::load(MemoryReader& in) {
  LoadMemory out;
  out.cost = RequestCost::load(in);
  out.peak = PeakHold::load(in);
  return out;
}

}  // namespace spate::scaling
