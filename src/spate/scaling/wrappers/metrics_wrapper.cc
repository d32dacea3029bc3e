// SPDX-License-Identifier: Apache-2.0
//
// `metrics`: what the strategy is shown is later and less exact than what could be known.
#include "spate/scaling/wrappers/metrics_wrapper.h"

#include <fmt/format.h>

#include <algorithm>

#include "spate/base/rng.h"

namespace spate::scaling {
namespace {

class MetricsWrapper final : public Strategy {
 public:
  MetricsWrapper(const StrategyOptions& o, std::unique_ptr<Strategy> inner)
      : inner_(std::move(inner)),
        needs_(inner_->needs()),
        noise_(o.number("noise_ratio")),
        seed_(static_cast<std::uint64_t>(o.integer("noise_seed"))) {
    for (MetricSpec& spec : needs_.metrics) spec.delay += o.seconds("delay_s");
  }

  std::string_view name() const override { return inner_->name(); }
  const Needs& needs() const override { return needs_; }

  std::vector<Target> decide(const Observation& seen) override {
    if (noise_ <= 0.0) return inner_->decide(seen);
    Observation noisy = seen;
    for (ModelView& model : noisy.models) {
      for (std::size_t i = 0; i < model.metrics.size(); ++i) {
        blur(fmt::format("{}/{}", model.model, i), model.metrics[i]);
      }
    }
    return inner_->decide(noisy);
  }

  std::string snapshot() const override { return inner_->snapshot(); }
  Status restore(std::string_view snapshot) override { return inner_->restore(snapshot); }

 private:
  // The error belongs to the reading: whoever looks at it again sees the same. So decisions stay
  // a function of what was observed.
  double blurred(const std::string& what, TimePoint taken, double value) const {
    Rng rng(seed_, what, static_cast<std::uint64_t>(taken.time_since_epoch().count()));
    return value * std::max(0.0, 1.0 + noise_ * rng.normal());
  }

  void blur(const std::string& what, MetricView& view) const {
    double sum = 0.0;
    for (ReplicaReading& replica : view.replicas) {
      const std::string whose = what + "/" + replica.replica;
      replica.value = blurred(whose, replica.newest, replica.value);
      for (TimedValue& point : replica.series) point.value = blurred(whose, point.at, point.value);
      sum += replica.value;
    }
    if (view.value) {
      view.value = view.replicas.empty() ? blurred(what, view.newest, *view.value)
                                         : sum / static_cast<double>(view.replicas.size());
    }
    for (TimedValue& point : view.history) point.value = blurred(what, point.at, point.value);
  }

  std::unique_ptr<Strategy> inner_;
  Needs needs_;
  const double noise_;
  const std::uint64_t seed_;
};

}  // namespace

WrapperInfo metrics_wrapper() {
  WrapperInfo out;
  out.info.name = "metrics";
  out.info.summary = "Shows the strategy its metrics later, and with an error.";
  out.info.source = "our own";
  out.info.options = {
      {"kind", std::string("metrics"), 0, 0, "which wrapper"},
      {"delay_s", 0.0, 0.0, 3600.0, "seconds by which every reading is known later"},
      {"noise_ratio", 0.0, 0.0, 1.0,
       "standard deviation of each reading's relative error (normal, never below 0)"},
      {"noise_seed", std::int64_t{1}, 0, 1'000'000'000, "another seed, other errors"}};
  out.wrap = [](const StrategyOptions& o, std::unique_ptr<Strategy> inner) {
    return std::make_unique<MetricsWrapper>(o, std::move(inner));
  };
  return out;
}

}  // namespace spate::scaling
