// SPDX-License-Identifier: Apache-2.0
//
// The cheapest of all allowed pairs of replicas n and CPU per replica c that carry the demand,
// over the next `horizon_s`:
//
//   demand     D = (arrivals + waiting / drain) / utilisation          requests per second
//   capacity   n x rate(c) >= D
//   running    n x (c + replica_overhead_cpus)                         CPUs
//   starting   max(0, n - existing) x start_up / horizon x 1 CPU       the start-up boost
//   missing    max(0, D - ready x rate(c)) / rate(1 CPU) x start_up / horizon x miss_factor
//   least of the sum; of equals the one nearest to what is wanted now
//
// So a replica more, which takes effect after its start-up, is weighed against CPU more, which
// takes effect at once: a short rise is met with CPU, a level that stays with whatever reserves
// least. c goes in steps of `step_cpus` from min_cpu to max_cpu, and above one CPU only whole
// CPUs are looked at (one thread a call). Where nothing carries the demand, the most capacity is
// taken.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "spate/scaling/kit/load.h"
#include "spate/scaling/kit/per_model.h"
#include "spate/scaling/model_based/model_based.h"

namespace spate::scaling {
namespace {

constexpr double kStartUpGuess_s = 2.0;
constexpr double kSlack = 1e-6;
constexpr int kMostSteps = 64;

struct Choice {
  int replicas = 0;
  double cpu = 0.0;
  double cost = std::numeric_limits<double>::infinity();
  double capacity_per_s = 0.0;
  bool carries = false;
};

class Hybrid final : public PerModelStrategy<LoadMemory> {
 public:
  explicit Hybrid(const StrategyOptions& options)
      : PerModelStrategy("hybrid"),
        sensor_(options),
        utilisation_(options.number("utilisation_ratio")),
        drain_s_(options.number("drain_s")),
        scale_in_(options.seconds("scale_in_s")),
        horizon_s_(options.number("horizon_s")),
        overhead_cpus_(options.number("replica_overhead_cpus")),
        miss_factor_(options.number("miss_factor")),
        step_cpus_(options.number("step_cpus")) {
    needs_ = sensor_.needs();
  }

 private:
  Target decide_model(TimePoint now, const ModelView& model, LoadMemory& memory) override {
    std::string why;
    const auto load = sensor_.read(now, model, memory.cost, why);
    if (!load) return hold(model, Rule::NoData, why);
    const double asked = (load->arrivals_per_s + load->waiting / drain_s_) / utilisation_;
    // Remembered in thousandths of requests per second; a fall is believed after scale_in_s.
    const int milli = static_cast<int>(std::min(std::ceil(asked * 1e3), 2e9));
    const double demand = memory.peak.push(now, milli, scale_in_) / 1e3;
    const Choice best = cheapest(model, *load, demand);
    Target target;
    target.replicas = best.replicas;
    target.cpu_limit = best.cpu;
    target.rule = !best.carries                               ? Rule::AtBound
                  : demand > static_cast<double>(milli) / 1e3 ? Rule::PeakHold
                                                              : Rule::Load;
    target.reason = fmt::format(
        "{:.1f} arrivals/s and {:.0f} waiting are {:.1f}/s with reserve; {} x {:.2f} CPU {}",
        load->arrivals_per_s, load->waiting, demand, best.replicas, best.cpu,
        best.carries ? fmt::format("carry it cheapest over {:g} s", horizon_s_)
                     : std::string("are the most there is"));
    return target;
  }

  std::vector<double> cpu_grid(const ModelView& model) const {
    std::vector<double> out;
    const Bounds& b = model.bounds;
    const double step = std::max(step_cpus_, (b.max_cpu - b.min_cpu) / kMostSteps);
    const auto add = [&](double cpu) {
      if (cpu > 1.0 + kSlack && std::abs(cpu - std::round(cpu)) > kSlack) return;
      out.push_back(cpu);
    };
    for (int i = 0; b.min_cpu + i * step <= b.max_cpu + kSlack; ++i) add(b.min_cpu + i * step);
    if (out.empty() || out.back() < b.max_cpu - kSlack) out.push_back(b.max_cpu);
    // Whole CPUs that the steps jump over.
    for (double whole = 1.0; whole <= b.max_cpu + kSlack && whole <= kMostSteps; whole += 1.0) {
      if (whole >= b.min_cpu) out.push_back(whole);
    }
    std::sort(out.begin(), out.end());
    return out;
  }

  Choice cheapest(const ModelView& model, const Load& load, double demand) const {
    const Bounds& b = model.bounds;
    Choice best;
    for (const double cpu : cpu_grid(model)) {
      const double rate = load.rate_per_s(cpu);
      const double least = std::ceil(demand / rate - 1e-9);
      const double fit = std::floor((b.cpu_ceiling + kSlack) / cpu);
      const int most = static_cast<int>(std::min<double>(b.max_replicas, fit));
      if (most < std::max(1, b.min_replicas)) continue;
      const int n = static_cast<int>(
          std::clamp(least, static_cast<double>(b.min_replicas), static_cast<double>(most)));
      const Choice choice = weigh(model, load, demand, n, cpu);
      if (better(model, choice, best)) best = choice;
    }
    if (!std::isfinite(best.cost)) {  // not one pair lies within the ceiling
      best.replicas = model.wanted_replicas;
      best.cpu = model.cpu_limit;
    }
    return best;
  }

  Choice weigh(const ModelView& model, const Load& load, double demand, int n, double cpu) const {
    const double rate = load.rate_per_s(cpu);
    const int ready = count_ready(model);
    const int existing = ready + count_starting(model);
    const double boot_share = std::min(1.0, start_up_s(model, kStartUpGuess_s) / horizon_s_);
    const double missing = std::max(0.0, demand - std::min(ready, n) * rate) * load.cost_cpu_s;
    return {.replicas = n,
            .cpu = cpu,
            .cost = n * (cpu + overhead_cpus_) + std::max(0, n - existing) * boot_share +
                    missing * boot_share * miss_factor_,
            .capacity_per_s = n * rate,
            .carries = n * rate >= demand * (1.0 - 1e-9)};
  }

  static bool better(const ModelView& model, const Choice& a, const Choice& b) {
    if (!std::isfinite(b.cost)) return true;
    if (a.carries != b.carries) return a.carries;
    if (!a.carries && std::abs(a.capacity_per_s - b.capacity_per_s) > kSlack) {
      return a.capacity_per_s > b.capacity_per_s;
    }
    if (std::abs(a.cost - b.cost) > 1e-9) return a.cost < b.cost;
    const auto change = [&](const Choice& c) {
      return std::abs(c.replicas * c.cpu - model.wanted_replicas * model.cpu_limit);
    };
    return change(a) < change(b) - kSlack;
  }

  const LoadSensor sensor_;
  const double utilisation_;
  const double drain_s_;
  const Duration scale_in_;
  const double horizon_s_;
  const double overhead_cpus_;
  const double miss_factor_;
  const double step_cpus_;
};

}  // namespace

StrategyInfo hybrid_strategy() {
  StrategyInfo info;
  info.name = "hybrid";
  info.summary =
      "The cheapest of replicas and CPU per replica that carry the demand, start-up weighed in.";
  info.source = "our own";
  info.options = backlog_strategy().options;
  info.options.insert(
      info.options.begin(),
      {{"horizon_s", 60.0, 1.0, 86400.0, "seconds over which a change has to pay off"},
       {"replica_overhead_cpus", 0.02, 0.0, 16.0,
        "what a replica costs besides its CPU limit (its memory), in CPUs"},
       {"miss_factor", 10.0, 0.0, 1e6, "CPUs that a CPU's worth of unserved demand counts as"},
       {"step_cpus", 0.1, 0.01, 16.0, "CPU limits are looked at in such steps"}});
  info.make = [](const StrategyOptions& options) { return std::make_unique<Hybrid>(options); };
  info.check = LoadSensor::check;
  info.rules = {Rule::NoData, Rule::Load, Rule::PeakHold, Rule::AtBound};
  return info;
}

}  // namespace spate::scaling
