// SPDX-License-Identifier: Apache-2.0
#include "spate/influx/influx_metrics.h"

#include <algorithm>

namespace spate::influx {
namespace {

constexpr std::array<const char*, 7> kOutcomes{"in_time", "late", "malformed", "rejected",
                                               "expired", "lost", "shed"};

Duration tightest_slo(const Plan& plan) {
  Duration tightest = plan.models.front().slo_latency;
  for (const ModelPlan& model : plan.models) tightest = std::min(tightest, model.slo_latency);
  return tightest;
}

}  // namespace

InfluxMetrics::InfluxMetrics(telemetry::Metrics& metrics, const Plan& plan)
    : plan_(plan),
      time_(metrics.gauge("spate_influx_window_time_seconds",
                          "Time since the measured window began; negative in the warm-up.")),
      outstanding_(metrics.gauge("spate_influx_outstanding_requests",
                                 "Requests sent and not answered yet.")) {
  static_assert(kOutcomes.size() == kEndings);
  metrics
      .gauge("spate_influx_lag_limit_seconds",
             "A p99 of the generator's lag above this over the whole window makes a run invalid.")
      .Set(to_seconds(plan.rules.lag_limit(tightest_slo(plan))));
  for (const ModelPlan& config : plan.models) {
    const telemetry::Labels labels{{"model", config.name}};
    Model model;
    for (std::size_t i = 0; i < kOutcomes.size(); ++i) {
      model.ended[i] = &metrics.counter("spate_influx_requests_total",
                                        "Requests of the measured window by how they ended.",
                                        {{"model", config.name}, {"outcome", kOutcomes[i]}});
    }
    model.sent = &metrics.counter("spate_influx_sent_requests_total",
                                  "Requests of the measured window that were sent.", labels);
    model.wrong = &metrics.counter("spate_influx_wrong_answers_total",
                                   "Answers that differ from the offline prediction.", labels);
    model.planned_rate = &metrics.gauge("spate_influx_planned_requests_per_second",
                                        "What the demand profile asks for now.", labels);
    model.lag =
        &metrics.gauge("spate_influx_lag_p99_seconds",
                       "How late the generator itself was in the last second, p99.", labels);
    models_.push_back(model);
  }
}

void InfluxMetrics::update(const Verifier& verifier, double t_s) {
  using telemetry::advance_to;
  time_.Set(t_s);
  outstanding_.Set(static_cast<double>(verifier.outstanding()));
  for (std::size_t m = 0; m < models_.size(); ++m) {
    Model& model = models_[m];
    const Tally& t = verifier.tally(m);
    const std::array<std::uint64_t, kEndings> ended{
        t.in_time, t.late, t.malformed, t.rejected_total(), t.expired, t.lost, t.shed};
    for (std::size_t i = 0; i < ended.size(); ++i) {
      advance_to(*model.ended[i], static_cast<double>(ended[i]));
    }
    advance_to(*model.sent, static_cast<double>(t.sent));
    advance_to(*model.wrong, static_cast<double>(t.wrong));
    const auto& profile =
        plan_.models[m].profile;  // none in a replay; the warm-up has its first rate
    model.planned_rate->Set(profile && t_s < plan_.duration_s ? profile->rate(std::max(0.0, t_s))
                                                              : 0.0);
    // The newest second that is over.
    const double newest_s = std::min(t_s - 1.0, static_cast<double>(verifier.seconds()) - 1.0);
    if (newest_s >= 0.0) {
      const auto second = verifier.second(m, static_cast<std::size_t>(newest_s));
      model.lag->Set(to_seconds(second.lag_p99));
    }
  }
}

}  // namespace spate::influx
