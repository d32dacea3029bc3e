// SPDX-License-Identifier: Apache-2.0
//
// react (T. Chieu et al., ICEBE 2009): keeps `spare_replicas` more than the load needs.
//   L >= cap              -> L + spare
//   L <  cap - spare      -> L + spare       (a prototype in use removes `spare` more)
//   in between            hold
//
// adapt, inspired by A. Ali-Eldin et al., NOMS 2012: the gap between load and capacity, weighted
// by the share of the existing replicas that were ready in the last period, is accumulated; its
// whole part is applied, all of it outwards, a fifteenth of it a period inwards, and only while
// L + spare stay. Where that leaves too few for the load now, it tops up to L + spare.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "spate/scaling/classical/classical.h"
#include "spate/scaling/kit/per_model.h"

namespace spate::scaling {
namespace {

struct ReactiveMemory {
  RequestCost cost;
  double gathered = 0.0;  // adapt: replicas not yet applied

  void save(MemoryWriter& out) const {
    cost.save(out);
    out.put(gathered);
  }
  static ReactiveMemory load(MemoryReader& in) {
    ReactiveMemory out;
    out.cost = RequestCost::load(in);
    out.gathered = in.number();
    return out;
  }
};

class Reactive : public PerModelStrategy<ReactiveMemory> {
 public:
  Reactive(std::string name, const StrategyOptions& options)
      : PerModelStrategy(std::move(name)),
        sensor_(options),
        utilisation_(options.number("utilisation_ratio")),
        spare_(static_cast<int>(options.integer("spare_replicas"))) {
    needs_ = sensor_.needs();
  }

 protected:
  virtual Target rule(const ModelView& model, ReactiveMemory& memory, int load) const = 0;
  int spare() const { return spare_; }

 private:
  Target decide_model(TimePoint now, const ModelView& model, ReactiveMemory& memory) override {
    std::string why;
    const auto load = sensor_.read(now, model, memory.cost, why);
    if (!load) return hold(model, Rule::NoData, why);
    const double each = load->rate_per_s(model.cpu_limit) * utilisation_;
    return rule(model, memory, ceil_replicas(load->arrivals_per_s / each));
  }

  const LoadSensor sensor_;
  const double utilisation_;
  const int spare_;
};

class React final : public Reactive {
 public:
  explicit React(const StrategyOptions& options) : Reactive("react", options) {}

 private:
  Target rule(const ModelView& model, ReactiveMemory&, int load) const override {
    const int cap = model.wanted_replicas;
    if (load < cap && load >= cap - spare()) {
      return hold(
          model, Rule::Spare,
          fmt::format("the load of {} replicas leaves at most {} of {} spare", load, spare(), cap));
    }
    Target target;
    target.replicas = std::min(load + spare(), kMostAsked);
    target.rule = Rule::Load;
    target.reason =
        fmt::format("the load needs {} replicas, of {} there are; {} spare", load, cap, spare());
    return target;
  }
};

class Adapt final : public Reactive {
 public:
  explicit Adapt(const StrategyOptions& options) : Reactive("adapt", options) {}

 private:
  Target rule(const ModelView& model, ReactiveMemory& memory, int load) const override {
    const int cap = model.wanted_replicas;
    const auto existing = static_cast<double>(std::max<std::size_t>(1, model.replicas.size()));
    const double gap = std::min(1.0, count_ready(model) / existing) * (load - cap);
    memory.gathered = std::clamp(memory.gathered + (gap < 0.0 ? gap / 15.0 : gap), -1e6, 1e6);
    const int whole = static_cast<int>(memory.gathered);
    int next = cap;
    if (whole > 0 || (whole < 0 && cap + whole >= load + spare())) {
      next = cap + whole;
      memory.gathered -= whole;
    } else if (whole < 0) {
      memory.gathered = 0.0;  // there is nothing to give back
    }
    const int proactive = next - cap;
    if (load > cap) next = std::max(next, load + spare());
    Target target;
    target.replicas = std::clamp(next, 0, kMostAsked);
    target.rule = next - cap == proactive ? Rule::Gap : Rule::Load;
    target.reason = fmt::format(
        "{}the load needs {} of {} replicas; {:+d} by the accumulated gap, {:+d} to top up",
        target.replicas == cap ? "hold: " : "", load, cap, proactive, next - cap - proactive);
    return target;
  }
};

StrategyInfo reactive_info(const char* name, const char* summary, const char* source) {
  StrategyInfo info;
  info.name = name;
  info.summary = summary;
  info.source = source;
  info.options = classical_options();
  info.options.insert(info.options.begin(), {"spare_replicas", std::int64_t{2}, 0, 1000,
                                             "replicas kept beyond what the load needs"});
  info.check = LoadSensor::check;
  return info;
}

}  // namespace

std::vector<OptionSpec> classical_options() {
  std::vector<OptionSpec> out = {
      {"utilisation_ratio", 0.8, 0.05, 1.0, "share of its rate that a replica is planned for"}};
  for (auto& option : LoadSensor::option_specs()) {
    if (option.name == "tick_s") option.otherwise = 30.0;
    out.push_back(std::move(option));
  }
  return out;
}

StrategyInfo react_strategy() {
  StrategyInfo info =
      reactive_info("react", "Keeps a fixed number of replicas more than the load needs.",
                    "Chieu et al., ICEBE 2009, as intended");
  info.make = [](const StrategyOptions& options) { return std::make_unique<React>(options); };
  info.rules = {Rule::NoData, Rule::Load, Rule::Spare};
  return info;
}

StrategyInfo adapt_strategy() {
  StrategyInfo info =
      reactive_info("adapt",
                    "Follows the accumulated gap between load and capacity; quick to add, "
                    "slow to remove.",
                    "inspired by Ali-Eldin et al., NOMS 2012; no claim of fidelity");
  info.make = [](const StrategyOptions& options) { return std::make_unique<Adapt>(options); };
  info.rules = {Rule::NoData, Rule::Load, Rule::Gap};
  return info;
}

void add_classical(StrategyRegistry& registry) {
  registry.add(react_strategy());
  registry.add(adapt_strategy());
  registry.add(hist_strategy());
  registry.add(reg_strategy());
  registry.add(conpaas_strategy());
}

}  // namespace spate::scaling
