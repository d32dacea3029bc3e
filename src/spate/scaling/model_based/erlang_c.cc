// SPDX-License-Identifier: Apache-2.0
//
// The fewest replicas whose waiting-time quantile meets the latency objective (staffing.h), for
// the arrivals plus what waits spread over `drain_s`.
#include <fmt/format.h>

#include "spate/scaling/kit/per_model.h"
#include "spate/scaling/model_based/model_based.h"
#include "spate/scaling/model_based/staffing.h"

namespace spate::scaling {
namespace {

class ErlangC final : public PerModelStrategy<LoadMemory> {
 public:
  explicit ErlangC(const StrategyOptions& options)
      : PerModelStrategy("erlang_c"),
        sensor_(options),
        staffing_(StaffingOptions::read(options)),
        drain_s_(options.number("drain_s")),
        scale_in_(options.seconds("scale_in_s")) {
    needs_ = sensor_.needs();
  }

 private:
  Target decide_model(TimePoint now, const ModelView& model, LoadMemory& memory) override {
    std::string why;
    const auto load = sensor_.read(now, model, memory.cost, why);
    if (!load) return hold(model, Rule::NoData, why);
    const double rate = load->arrivals_per_s + (drain_s_ > 0.0 ? load->waiting / drain_s_ : 0.0);
    const Staffing staffing = staff(model, load->cost_cpu_s, rate, staffing_);
    Target target;
    target.replicas = memory.peak.push(now, staffing.replicas, scale_in_);
    target.rule = target.replicas > staffing.replicas ? Rule::PeakHold : Rule::Load;
    target.reason =
        fmt::format("{:.1f} arrivals/s and {:.0f} waiting need {} replicas: {}",
                    load->arrivals_per_s, load->waiting, staffing.replicas, staffing.how);
    if (target.replicas > staffing.replicas) {
      target.reason +=
          fmt::format("; {} was the most in {:g} s", target.replicas, to_seconds(scale_in_));
    }
    return target;
  }

  const LoadSensor sensor_;
  const StaffingOptions staffing_;
  const double drain_s_;
  const Duration scale_in_;
};

}  // namespace

StrategyInfo erlang_c_strategy() {
  StrategyInfo info;
  info.name = "erlang_c";
  info.summary =
      "The fewest replicas whose waiting time, by the M/G/c formula, meets the latency objective.";
  info.source =
      "Erlang C with the Allen-Cunneen correction, as in A. O. Allen, \"Probability, Statistics, "
      "and Queueing Theory\" (1978)";
  info.options = StaffingOptions::specs();
  info.options.push_back({"drain_s", 5.0, 0.0, 3600.0,
                          "what waits counts as arrivals of so many seconds; 0 = does not count"});
  info.options.push_back({"scale_in_s", 30.0, 0.0, 86400.0,
                          "scaling in takes the largest need of the last so many seconds"});
  for (auto& option : LoadSensor::option_specs()) info.options.push_back(std::move(option));
  info.make = [](const StrategyOptions& options) { return std::make_unique<ErlangC>(options); };
  info.check = LoadSensor::check;
  info.rules = {Rule::NoData, Rule::Load, Rule::PeakHold};
  return info;
}

}  // namespace spate::scaling
