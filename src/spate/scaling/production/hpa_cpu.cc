// SPDX-License-Identifier: Apache-2.0
#include "spate/scaling/production/hpa_cpu.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "spate/scaling/production/hpa.h"

namespace spate::scaling {
namespace {

constexpr double kAbsurdCpus = 1e6;
// metrics-server shows no container younger than this (freshContainerMinMetricsResolution).
constexpr Duration kFreshMinimum = std::chrono::seconds(10);
// A total of CPU seconds is a double; a use that is a whole number of nanocores may lie this far
// below it.
constexpr double kNanoSlack = 1e-3;

std::int64_t millicores(double cpus) {
  const auto nanos = static_cast<std::int64_t>(cpus * 1e9 + kNanoSlack);
  return (nanos + 999'999) / 1'000'000;
}

std::int64_t millicores_asked(double cpus) {
  return static_cast<std::int64_t>(std::ceil(cpus * 1000.0 - 1e-6));
}

struct Pod {
  std::int64_t use_m = 0;
  std::int64_t request_m = 0;
};

struct Utilization {
  int percent = 0;
  double ratio = 0.0;
};

std::optional<Utilization> utilization(const std::map<std::string_view, Pod>& pods, int target) {
  std::int64_t use = 0;
  std::int64_t requests = 0;
  for (const auto& [id, pod] : pods) {
    use += pod.use_m;
    requests += pod.request_m;
  }
  if (requests == 0) return std::nullopt;
  const auto percent = static_cast<std::int32_t>(use * 100 / requests);
  return Utilization{.percent = percent, .ratio = static_cast<double>(percent) / target};
}

class HpaCpu final : public Strategy {
 public:
  explicit HpaCpu(const StrategyOptions& options)
      : settings_(hpa_settings(options)),
        target_(static_cast<int>(options.integer("target_utilization_percent"))),
        resolution_(options.seconds("metrics_resolution_s")),
        initialization_(options.seconds("cpu_initialization_s")),
        readiness_delay_(options.seconds("initial_readiness_delay_s")),
        pending_(options.seconds("pending_s")) {
    needs_.tick = options.seconds("sync_s");
    needs_.metrics = {{.name = "cpu",
                       .signal = Signal::CpuUsage,
                       .period = resolution_,
                       .window = 2 * resolution_,
                       .delay = options.seconds("metrics_delay_s"),
                       .aggregate = Aggregate::Last,
                       .replica_series = true}};
  }

  std::string_view name() const override { return "hpa_cpu"; }
  const Needs& needs() const override { return needs_; }

  std::vector<Target> decide(const Observation& seen) override {
    std::vector<Target> out;
    for (const auto& model : seen.models) {
      out.push_back(memory_.of(model.model).reconcile(settings_, seen.now, model, false, [&] {
        return propose(seen.now, model);
      }));
    }
    return out;
  }

  std::string snapshot() const override { return memory_.snapshot(); }
  Status restore(std::string_view snapshot) override { return memory_.restore(snapshot, name()); }

 private:
  // What metrics-server has of a replica, if anything.
  struct Sample {
    TimePoint at{};
    Duration window{};
    std::int64_t use_m = 0;
  };
  std::optional<Sample> sample_of(const ReplicaView& replica, const MetricView& metric) const {
    const auto found = std::find_if(metric.replicas.begin(), metric.replicas.end(),
                                    [&](const auto& r) { return r.replica == replica.id; });
    if (found == metric.replicas.end() || !metric.last_read) return std::nullopt;
    if (found->newest != *metric.last_read) return std::nullopt;  // the last reading missed it
    if (!std::isfinite(found->value) || found->value < 0.0 || found->value > kAbsurdCpus) {
      return std::nullopt;
    }
    const Duration window = found->newest_span;
    const Duration age = found->newest - replica.created;
    const bool fresh = age < resolution_ && age >= kFreshMinimum;
    const bool twice = metric.previous_read && replica.created < *metric.previous_read &&
                       window <= *metric.last_read - *metric.previous_read;
    if (!fresh && !twice) return std::nullopt;
    return Sample{.at = found->newest, .window = window, .use_m = millicores(found->value)};
  }

  // One that was ready never is again.
  bool pending(TimePoint now, const ReplicaView& replica) const {
    return replica.state == ReplicaState::Starting && replica.state_since == replica.created &&
           now < replica.created + pending_;
  }

  // Whether the sample of a running replica is ignored.
  bool unready(TimePoint now, const ReplicaView& replica, const Sample& sample) const {
    const bool ready = replica.state == ReplicaState::Ready;
    if (replica.created + initialization_ > now) {
      return !ready || sample.at < replica.state_since + sample.window;
    }
    return !ready && replica.created + readiness_delay_ > replica.state_since;
  }

  HpaProposal propose(TimePoint now, const ModelView& model) const {
    const MetricView& metric = model.metrics.at(0);
    const int current = model.wanted_replicas;
    std::map<std::string_view, Pod> measured, ignored, missing;
    int existing = 0;
    for (const auto& replica : model.replicas) {
      const bool draining = replica.state == ReplicaState::Draining;
      if (replica.state == ReplicaState::Parked) continue;
      ++existing;
      if (draining) continue;
      Pod pod{.use_m = 0, .request_m = millicores_asked(model.cpu_request)};
      const auto sample = sample_of(replica, metric);
      if (pending(now, replica)) {
        ignored.emplace(replica.id, pod);
      } else if (!sample) {
        missing.emplace(replica.id, pod);
      } else if (unready(now, replica, *sample)) {
        ignored.emplace(replica.id, pod);
      } else {
        pod.use_m = sample->use_m;
        measured.emplace(replica.id, pod);
      }
    }
    if (existing == 0) return {.replicas = {}, .reason = "no replica exists"};
    if (measured.empty()) return {.replicas = {}, .reason = "no CPU reading of a ready replica"};
    return rule(current, measured, ignored, missing);
  }

  HpaProposal rule(int current, std::map<std::string_view, Pod> pods,
                   const std::map<std::string_view, Pod>& ignored,
                   const std::map<std::string_view, Pod>& missing) const {
    const auto seen = utilization(pods, target_);
    if (!seen) return {.replicas = {}, .reason = "the replicas request no CPU"};
    const std::string said =
        fmt::format("CPU {} % of request, target {} %, {} ready {} ignored {} missing",
                    seen->percent, target_, pods.size(), ignored.size(), missing.size());
    const bool up_with_ignored = !ignored.empty() && seen->ratio > 1.0;
    if (!up_with_ignored && missing.empty()) {
      if (settings_.tolerance.within(seen->ratio)) return {.replicas = current, .reason = said};
      return {.replicas = hpa_ceil(seen->ratio * static_cast<double>(pods.size())), .reason = said};
    }
    if (seen->ratio != 1.0) {
      for (auto [id, pod] : missing) {
        pod.use_m = seen->ratio < 1.0 ? pod.request_m * std::max(100, target_) / 100 : 0;
        pods.emplace(id, pod);
      }
    }
    if (up_with_ignored) pods.insert(ignored.begin(), ignored.end());
    const auto again = utilization(pods, target_);
    const bool turned =
        (seen->ratio < 1.0 && again->ratio > 1.0) || (seen->ratio > 1.0 && again->ratio < 1.0);
    if (settings_.tolerance.within(again->ratio) || turned) {
      return {.replicas = current, .reason = said};
    }
    const int wanted = hpa_ceil(again->ratio * static_cast<double>(pods.size()));
    if ((again->ratio < 1.0 && wanted > current) || (again->ratio > 1.0 && wanted < current)) {
      return {.replicas = current, .reason = said};
    }
    return {.replicas = wanted, .reason = said};
  }

  const HpaSettings settings_;
  const int target_;
  const Duration resolution_;
  const Duration initialization_;
  const Duration readiness_delay_;
  const Duration pending_;
  Needs needs_;
  HpaMemory memory_;
};

}  // namespace

StrategyInfo hpa_cpu_strategy() {
  StrategyInfo info;
  info.name = "hpa_cpu";
  info.summary = "Kubernetes' HPA on CPU use over request, as metrics-server shows it.";
  info.source =
      "Kubernetes v1.37.2 pkg/controller/podautoscaler and its defaults; metrics-server v0.9.0";
  info.options = {
      {"target_utilization_percent", std::int64_t{80}, 1, 10'000, "CPU use over request aimed at"},
      {"metrics_resolution_s", 15.0, 0.1, 600.0, "seconds between two CPU readings of a replica"},
      {"metrics_delay_s", 0.0, 0.0, 600.0, "seconds until a reading is known"},
      {"cpu_initialization_s", 300.0, 0.0, 86'400.0,
       "for so long after its start a replica's CPU counts only once ready for a whole reading"},
      {"initial_readiness_delay_s", 30.0, 0.0, 86'400.0,
       "a replica not ready that was last so within this of its start never was"},
      {"pending_s", 0.0, 0.0, 3600.0,
       "seconds a new replica counts as Pending (scheduling, image); processes have none"},
  };
  for (auto& option : hpa_options()) info.options.push_back(std::move(option));
  info.make = [](const StrategyOptions& options) { return std::make_unique<HpaCpu>(options); };
  info.check = hpa_check;
  info.rules = hpa_rules();
  return info;
}

}  // namespace spate::scaling
