// SPDX-License-Identifier: Apache-2.0
#include "spate/scaling/baselines/baselines.h"

#include <fmt/format.h>

#include <algorithm>

#include "spate/scaling/kit/load.h"
#include "spate/scaling/kit/per_model.h"

namespace spate::scaling {
namespace {

enum class Kind { StaticPeak, StaticMean, OracleRate, OracleBoot };

constexpr double kStartUpGuess_s = 2.0;
constexpr std::size_t kArrivals = 2;  // of the sensor's metrics

struct BaselineMemory {
  RequestCost cost;
  TimePoint began = TimePoint::min();  // when the first arrivals were seen

  void save(MemoryWriter& out) const {
    cost.save(out);
    out.put(began);
  }
  static BaselineMemory load(MemoryReader& in) {
    BaselineMemory out;
    out.cost = RequestCost::load(in);
    out.began = in.time();
    return out;
  }
};

class Baseline final : public PerModelStrategy<BaselineMemory> {
 public:
  Baseline(Kind kind, const std::string& name, const StrategyOptions& options, DemandByModel demand)
      : PerModelStrategy(name),
        kind_(kind),
        sensor_(options),
        option_rate_(options.number("rate_per_s")),
        utilisation_(options.number("utilisation_ratio")),
        demand_(std::move(demand)) {
    needs_ = sensor_.needs();
  }

 private:
  Target decide_model(TimePoint now, const ModelView& model, BaselineMemory& memory) override {
    const auto& specs = needs_.metrics;
    memory.cost.observe(now, model, model.metrics.at(0), model.metrics.at(1), specs);
    const auto schedule = demand_.find(model.model);
    if (schedule == demand_.end())
      return hold(model, Rule::NoData, "no schedule of this model's demand");
    const DemandSchedule& demand = schedule->second;
    std::string why;
    if (kind_ == Kind::OracleRate || kind_ == Kind::OracleBoot) {
      const auto arrivals = usable(now, model.metrics.at(kArrivals), specs[kArrivals], why);
      if (memory.began == TimePoint::min() && arrivals && *arrivals > 0.0) {
        memory.began = now - specs[kArrivals].period;
      }
      if (memory.began == TimePoint::min())
        return hold(model, Rule::NoData, "the schedule has not begun");
    }
    double each = option_rate_;
    if (each <= 0.0) each = demand.capacity_per_s.value_or(0.0);
    if (each <= 0.0) each = memory.cost.rate_per_s(model.initial_cpu_limit) * utilisation_;
    if (each <= 0.0) return hold(model, Rule::NoData, "what a replica can serve is not known yet");
    const auto [rate, what] = scheduled(now, model, demand, memory);
    Target target;
    target.replicas = ceil_replicas(rate / each);
    target.rule = Rule::Schedule;
    target.reason = fmt::format("the schedule says {:.1f}/s {}: {} replicas at {:.1f}/s each", rate,
                                what, target.replicas, each);
    return target;
  }

  std::pair<double, std::string> scheduled(TimePoint now, const ModelView& model,
                                           const DemandSchedule& demand,
                                           const BaselineMemory& memory) const {
    if (kind_ == Kind::StaticPeak) return {demand.peak(), "at its peak"};
    if (kind_ == Kind::StaticMean) return {demand.mean(), "on average"};
    const double t = to_seconds(now - memory.began);
    if (kind_ == Kind::OracleRate) return {demand.rate(t), "now"};
    const double ahead = start_up_s(model, kStartUpGuess_s) + to_seconds(needs_.tick);
    return {demand.peak(t, t + ahead), fmt::format("at most within {:.1f} s", ahead)};
  }

  const Kind kind_;
  const LoadSensor sensor_;
  const double option_rate_;
  const double utilisation_;
  const DemandByModel demand_;
};

StrategyInfo info_of(Kind kind, const char* name, const char* summary,
                     const DemandByModel& demand) {
  StrategyInfo info;
  info.name = name;
  info.summary = summary;
  info.source = "a baseline of ours: it sees the schedule of the demand, which nobody has live";
  info.options = {{"utilisation_ratio", 0.7, 0.05, 1.0,
                   "share of its rate that a replica is planned for, where its rate is learned"}};
  for (auto& option : LoadSensor::option_specs()) info.options.push_back(std::move(option));
  info.rules = {Rule::NoData, Rule::Schedule};
  info.sees_schedule = true;
  const std::string text(name);
  info.make = [=](const StrategyOptions& options) {
    return std::make_unique<Baseline>(kind, text, options, demand);
  };
  info.check = [none = demand.empty(), text](const StrategyOptions& options) -> std::string {
    if (none) {
      return text +
             " needs the schedule of the demand, and none was given (spate run, compare and "
             "simulate give it; a gateway of your own: strategy.demand)";
    }
    return LoadSensor::check(options);
  };
  return info;
}

}  // namespace

void add_baselines(StrategyRegistry& registry, const DemandByModel& demand) {
  registry.add(info_of(Kind::StaticPeak, "static_peak",
                       "Baseline: always enough replicas for the schedule's highest rate.",
                       demand));
  registry.add(info_of(Kind::StaticMean, "static_mean",
                       "Baseline: always enough replicas for the schedule's mean rate.", demand));
  registry.add(info_of(Kind::OracleRate, "oracle_rate",
                       "Baseline: at each moment enough replicas for the scheduled rate.", demand));
  registry.add(info_of(Kind::OracleBoot, "oracle_boot",
                       "Baseline: enough replicas for the highest rate scheduled until one asked "
                       "for now is ready.",
                       demand));
}

}  // namespace spate::scaling
