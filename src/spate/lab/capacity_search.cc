// SPDX-License-Identifier: Apache-2.0
#include "spate/lab/capacity_search.h"

#include <algorithm>
#include <queue>
#include <unordered_map>

#include "spate/base/check.h"
#include "spate/base/rng.h"

namespace spate::lab {
namespace {

constexpr int kBisections = 13;
// Around the estimate, with the same arrivals, so that only the service times differ.
constexpr int kBootstrapBisections = 8;
constexpr double kBootstrapFrom = 0.6;
constexpr double kBootstrapTo = 1.5;
constexpr std::uint32_t kTypicalBytes = 1024;

// One replica in front of which requests queue, in virtual time.
class Replica final : public gateway::RouteSink {
 public:
  Replica(const CapacityQuestion& question, std::uint64_t seed)
      : question_(question),
        service_rng_(seed, "service_time"),
        route_(question.route, *this, kStart) {
    worker_ =
        route_.add_worker(static_cast<std::uint32_t>(question.route.max_batch), question.cpu_limit);
    route_.worker_ready(worker_, question.credits, kStart);
  }

  void arrive(TimePoint at, bool counted) {
    run_until(at);
    if (counted) ++asked_;
    const auto admission = route_.admit(at + question_.deadline, kTypicalBytes, at);
    if (admission.id != 0) arrived_[admission.id] = {at, counted};
    route_.pump(at);
    now_ = at;
  }

  // Plays everything that happens up to `until`.
  void run_until(TimePoint until) {
    for (;;) {
      const TimePoint answer = working_.empty() ? gateway::kNever : working_.top().at;
      const TimePoint timer = route_.next_deadline();
      const TimePoint next = std::min(answer, timer);
      if (next > until || next == gateway::kNever) return;
      now_ = std::max(now_, next);
      if (answer <= timer) {
        const Work work = working_.top();
        working_.pop();
        (void)route_.answered_all(worker_, work.batch, work.service, now_);
        route_.pump(now_);
      } else {
        route_.on_time(now_);
      }
    }
  }

  double attainment() const {
    return asked_ == 0 ? 1.0 : static_cast<double>(in_time_) / static_cast<double>(asked_);
  }

  static constexpr TimePoint kStart{std::chrono::hours(1)};

 private:
  struct Work {
    TimePoint at;
    gateway::BatchId batch;
    Duration service;
    bool operator>(const Work& other) const { return at > other.at; }
  };
  struct Arrival {
    TimePoint at;
    bool counted;
  };

  void on_batch(gateway::WorkerId, gateway::BatchId batch,
                std::span<const gateway::RequestId> requests, TimePoint now) override {
    auto sizes = question_.service.lower_bound(static_cast<int>(requests.size()));
    if (sizes == question_.service.end()) --sizes;
    const auto& times = sizes->second;
    const Duration service = times[service_rng_.below(times.size())];
    working_.push({now + service, batch, service});
  }
  void on_end(const gateway::Ended& ended) override {
    const auto arrival = arrived_.find(ended.id);
    if (arrival == arrived_.end()) return;
    if (arrival->second.counted && ended.outcome == gateway::Outcome::Answered &&
        now_ - arrival->second.at <= question_.slo_latency) {
      ++in_time_;
    }
    arrived_.erase(arrival);
  }
  void on_suspect(gateway::WorkerId worker) override { suspect_ = worker; }

  const CapacityQuestion& question_;
  Rng service_rng_;
  gateway::Route route_;
  gateway::WorkerId worker_ = 0;
  gateway::WorkerId suspect_ = 0;
  TimePoint now_ = kStart;
  std::priority_queue<Work, std::vector<Work>, std::greater<>> working_;
  std::unordered_map<gateway::RequestId, Arrival> arrived_;
  std::uint64_t asked_ = 0;
  std::uint64_t in_time_ = 0;
};

double mean_s(const std::vector<Duration>& times) {
  double sum = 0.0;
  for (const Duration t : times) sum += to_seconds(t);
  return sum / static_cast<double>(times.size());
}

double saturated(const CapacityQuestion& q) {
  double best = 0.0;
  for (const auto& [batch, times] : q.service) {
    best = std::max(best, static_cast<double>(batch) * q.credits / std::max(1e-9, mean_s(times)));
  }
  return best;
}

// The largest rate in [low, high] that attains the target.
double bisect(const CapacityQuestion& q, double low, double high, int steps) {
  for (int i = 0; i < steps; ++i) {
    const double middle = 0.5 * (low + high);
    (simulate_attainment(q, middle, q.requests, q.seed) >= q.target ? low : high) = middle;
  }
  return low;
}

}  // namespace

double simulate_attainment(const CapacityQuestion& question, double rate_per_s, int requests,
                           std::uint64_t seed) {
  SPATE_CHECK(rate_per_s > 0.0 && !question.service.empty(), "a rate and service times");
  Replica replica(question, seed);
  Rng arrivals(seed, "arrivals");
  const int warm_up = requests / 10;
  TimePoint at = Replica::kStart;
  for (int i = 0; i < warm_up + requests; ++i) {
    at += from_seconds(arrivals.exponential() / rate_per_s);
    replica.arrive(at, i >= warm_up);
  }
  replica.run_until(at + question.deadline + question.slo_latency + std::chrono::hours(1));
  return replica.attainment();
}

CapacityAnswer find_capacity(const CapacityQuestion& question) {
  CapacityAnswer out;
  out.saturated_per_s = saturated(question);
  // Above saturation by 1/target not even refusing the surplus at once attains the target.
  const double most = out.saturated_per_s / std::max(0.05, question.target) * 1.05;
  out.rate_per_s = bisect(question, 0.0, most, kBisections);
  out.low_per_s = out.high_per_s = out.rate_per_s;
  // Nothing but what bisection makes of "no rate at all".
  if (out.rate_per_s <= most * 1e-3) {
    out.rate_per_s = out.low_per_s = out.high_per_s = 0.0;
    return out;
  }
  Rng rng(question.seed, "bootstrap");
  std::vector<double> rates;
  for (int b = 0; b < question.bootstraps; ++b) {
    CapacityQuestion resampled = question;
    for (auto& [batch, times] : resampled.service) {
      const auto& measured = question.service.at(batch);
      for (auto& t : times) t = measured[rng.below(measured.size())];
    }
    rates.push_back(bisect(resampled, kBootstrapFrom * out.rate_per_s,
                           kBootstrapTo * out.rate_per_s, kBootstrapBisections));
  }
  if (rates.size() < 3) return out;
  std::sort(rates.begin(), rates.end());
  // The 5 % and 95 % points: of 20 the second from either end.
  const std::size_t cut = std::max<std::size_t>(1, rates.size() / 20);
  out.low_per_s = std::min(out.rate_per_s, rates[cut]);
  out.high_per_s = std::max(out.rate_per_s, rates[rates.size() - 1 - cut]);
  return out;
}

}  // namespace spate::lab
