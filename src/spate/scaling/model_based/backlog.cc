// SPDX-License-Identifier: Apache-2.0
//
//   n = ceil((arrivals + waiting / drain) / (rate of a replica x utilisation))
//
// Enough replicas for what arrives and, besides, to serve what waits within `drain_s`. Scaling out
// is at once; scaling in takes the largest n of the last `scale_in_s`.
#include <fmt/format.h>

#include "spate/scaling/kit/load.h"
#include "spate/scaling/kit/per_model.h"
#include "spate/scaling/model_based/model_based.h"

namespace spate::scaling {
namespace {

class Backlog final : public PerModelStrategy<LoadMemory> {
 public:
  explicit Backlog(const StrategyOptions& options)
      : PerModelStrategy("backlog"),
        sensor_(options),
        utilisation_(options.number("utilisation_ratio")),
        drain_s_(options.number("drain_s")),
        scale_in_(options.seconds("scale_in_s")) {
    needs_ = sensor_.needs();
  }

 private:
  Target decide_model(TimePoint now, const ModelView& model, LoadMemory& memory) override {
    std::string why;
    const auto load = sensor_.read(now, model, memory.cost, why);
    if (!load) return hold(model, Rule::NoData, why);
    const double rate = load->rate_per_s(model.cpu_limit);
    const int needed =
        ceil_replicas((load->arrivals_per_s + load->waiting / drain_s_) / (rate * utilisation_));
    Target target;
    target.replicas = memory.peak.push(now, needed, scale_in_);
    target.rule = target.replicas > needed ? Rule::PeakHold : Rule::Load;
    target.reason = fmt::format(
        "{:.1f} arrivals/s and {:.0f} waiting, to be served in {:g} s, need {} replicas at "
        "{:.1f}/s "
        "each and utilisation {:.2f}",
        load->arrivals_per_s, load->waiting, drain_s_, needed, rate, utilisation_);
    if (target.replicas > needed) {
      target.reason +=
          fmt::format("; {} was the most in {:g} s", target.replicas, to_seconds(scale_in_));
    }
    return target;
  }

  const LoadSensor sensor_;
  const double utilisation_;
  const double drain_s_;
  const Duration scale_in_;
};

}  // namespace

StrategyInfo backlog_strategy() {
  StrategyInfo info;
  info.name = "backlog";
  info.summary = "Enough replicas for the arrivals and to work off the queue within a set time.";
  info.source = "our own; the true rate per replica as in DS2 (Kalavri et al., OSDI 2018)";
  info.options = LoadSensor::option_specs();
  info.options.insert(
      info.options.begin(),
      {{"utilisation_ratio", 0.7, 0.05, 1.0, "share of its rate that a replica is planned for"},
       {"drain_s", 5.0, 0.1, 3600.0, "seconds in which what waits is to be served"},
       {"scale_in_s", 30.0, 0.0, 86400.0,
        "scaling in takes the largest need of the last so many seconds"}});
  info.make = [](const StrategyOptions& options) { return std::make_unique<Backlog>(options); };
  info.check = LoadSensor::check;
  info.rules = {Rule::NoData, Rule::Load, Rule::PeakHold};
  return info;
}

}  // namespace spate::scaling
