// SPDX-License-Identifier: Apache-2.0
//
// Replicas as in `backlog`; while one of them starts, the ready ones get the CPU that it will
// have, so that the surge is absorbed at once, and give it back when it is ready:
//
//   n = ceil((arrivals + waiting / drain) / (rate x utilisation))
//   while ready < n and something starts or is about to:
//     CPU = the least with ready x rate(CPU) x utilisation >= the same demand
//   else CPU = what the scenario starts with
//
// The bounds hold: CPU at most max_cpu, and replicas x CPU at most cpu_ceiling, the starting ones
// included. Where n replicas at the initial limit fill the ceiling there is nothing to bridge
// with, and the reason says so: a bridge needs max_cpu and cpu_ceiling above that.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "spate/scaling/kit/load.h"
#include "spate/scaling/kit/per_model.h"
#include "spate/scaling/limits.h"
#include "spate/scaling/model_based/model_based.h"

namespace spate::scaling {
namespace {

class VerticalBridge final : public PerModelStrategy<LoadMemory> {
 public:
  explicit VerticalBridge(const StrategyOptions& options)
      : PerModelStrategy("vertical_bridge"),
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
    const double home = model.initial_cpu_limit;
    // CPUs' worth of work per second that has to be covered.
    const double demand = (load->arrivals_per_s + load->waiting / drain_s_) / utilisation_;
    const int needed = ceil_replicas(demand / load->rate_per_s(home));
    Target target;
    target.replicas = memory.peak.push(now, needed, scale_in_);
    target.cpu_limit = home;
    target.rule = target.replicas > needed ? Rule::PeakHold : Rule::Load;
    target.reason = fmt::format("{:.1f} arrivals/s and {:.0f} waiting need {} replicas of {:g} CPU",
                                load->arrivals_per_s, load->waiting, needed, home);
    const int ready = count_ready(model);
    const int allowed =
        std::clamp(target.replicas, model.bounds.min_replicas, most_replicas(model.bounds, home));
    if (ready > 0 && ready < allowed) bridge(model, *load, demand / ready, allowed, ready, target);
    return target;
  }

  static void bridge(const ModelView& model, const Load& load, double rate_each, int allowed,
                     int ready, Target& target) {
    const double home = model.initial_cpu_limit;
    double wanted = rate_each * load.cost_cpu_s;
    if (wanted > 1.0) wanted = std::ceil(wanted);  // only whole CPUs count above one
    const double most = most_cpu(model.bounds, allowed);
    const double cpu = std::clamp(wanted, home, std::max(home, most));
    if (cpu <= home + 1e-6) {
      target.reason += wanted > home + 1e-6 ? "; the ceiling leaves no CPU to bridge with" : "";
      return;
    }
    target.cpu_limit = cpu;
    target.rule = Rule::Bridge;
    target.reason +=
        fmt::format("; {} ready of {}: each bridges with {:.2f} CPU", ready, allowed, cpu);
  }

  const LoadSensor sensor_;
  const double utilisation_;
  const double drain_s_;
  const Duration scale_in_;
};

}  // namespace

StrategyInfo vertical_bridge_strategy() {
  StrategyInfo info;
  info.name = "vertical_bridge";
  info.summary =
      "Replicas as backlog; while one starts, the ready ones get more CPU and give it back after.";
  info.source = "our own; inspired by Themis (arXiv 2407.14843), no claim of fidelity";
  info.options = backlog_strategy().options;
  info.make = [](const StrategyOptions& options) {
    return std::make_unique<VerticalBridge>(options);
  };
  info.check = LoadSensor::check;
  info.rules = {Rule::NoData, Rule::Load, Rule::PeakHold, Rule::Bridge};
  return info;
}

}  // namespace spate::scaling
