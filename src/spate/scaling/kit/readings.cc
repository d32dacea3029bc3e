// SPDX-License-Identifier: Apache-2.0
#include "spate/scaling/kit/readings.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace spate::scaling {
namespace {

constexpr double kCostGain = 0.1;
constexpr double kFewestAnswers = 5.0;
constexpr std::size_t kStartsLookedAt = 3;

bool plausible(double value) { return std::isfinite(value) && value >= 0.0 && value <= kAbsurd; }

bool stale(TimePoint now, TimePoint newest, const MetricSpec& spec) {
  return newest + spec.delay + 2 * spec.period < now;
}

}  // namespace

std::optional<double> usable(TimePoint now, const MetricView& metric, const MetricSpec& spec,
                             std::string& why) {
  if (!metric.value) {
    why = "no reading of " + spec.name;
  } else if (!plausible(*metric.value)) {
    why = fmt::format("absurd reading {} of {}", *metric.value, spec.name);
  } else if (stale(now, metric.newest, spec)) {
    why = fmt::format("the newest reading of {} is {:.1f} s old", spec.name,
                      to_seconds(now - metric.newest));
  } else {
    return metric.value;
  }
  return std::nullopt;
}

int ceil_replicas(double value) {
  return static_cast<int>(
      std::clamp(std::ceil(value * (1.0 - 1e-9)), 0.0, static_cast<double>(kMostAsked)));
}

int count_ready(const ModelView& model) {
  return static_cast<int>(std::count_if(
      model.replicas.begin(), model.replicas.end(),
      [](const ReplicaView& replica) { return replica.state == ReplicaState::Ready; }));
}

int count_starting(const ModelView& model) {
  return static_cast<int>(std::count_if(
      model.replicas.begin(), model.replicas.end(),
      [](const ReplicaView& replica) { return replica.state == ReplicaState::Starting; }));
}

double start_up_s(const ModelView& model, double otherwise) {
  if (model.start_ups.empty()) return otherwise;
  const auto count = std::min(model.start_ups.size(), kStartsLookedAt);
  const auto longest =
      *std::max_element(model.start_ups.end() - static_cast<long>(count), model.start_ups.end());
  return std::max(0.0, to_seconds(longest));
}

std::optional<double> ready_cpus(TimePoint now, const ModelView& model, const MetricView& cpu,
                                 const MetricSpec& spec, std::string& why) {
  double sum = 0.0;
  int ready = 0;
  for (const auto& replica : model.replicas) {
    if (replica.state != ReplicaState::Ready) continue;
    const auto reading = std::find_if(cpu.replicas.begin(), cpu.replicas.end(),
                                      [&](const auto& r) { return r.replica == replica.id; });
    if (reading == cpu.replicas.end() || !plausible(reading->value) ||
        stale(now, reading->newest, spec)) {
      why = "no usable reading of " + spec.name + " of " + replica.id;
      return std::nullopt;
    }
    sum += reading->value;
    ++ready;
  }
  if (ready == 0) {
    why = "no replica is ready";
    return std::nullopt;
  }
  return sum;
}

int PeakHold::push(TimePoint now, int asked, Duration span) {
  std::erase_if(kept_, [&](const auto& entry) { return entry.first + span <= now; });
  while (!kept_.empty() && kept_.back().second <= asked) kept_.pop_back();
  kept_.emplace_back(now, asked);
  return kept_.front().second;
}

void PeakHold::save(MemoryWriter& out) const {
  out.put(static_cast<std::int64_t>(kept_.size()));
  for (const auto& [at, asked] : kept_) {
    out.put(at);
    out.put(std::int64_t{asked});
  }
}

PeakHold PeakHold::load(MemoryReader& in) {
  PeakHold out;
  const auto count = in.integer(0, 10'000'000);
  for (std::int64_t i = 0; i < count; ++i) {
    const TimePoint at = in.time();
    out.kept_.emplace_back(at, static_cast<int>(in.integer(0, 2'000'000'000)));
  }
  return out;
}

std::vector<MetricSpec> RequestCost::specs(Duration period, Duration window) {
  return {
      {.name = "cpu", .signal = Signal::CpuUsage, .period = period, .window = window},
      {.name = "answers", .signal = Signal::CompletionRate, .period = period, .window = window}};
}

void RequestCost::observe(TimePoint now, const ModelView& model, const MetricView& cpu,
                          const MetricView& answers, const std::vector<MetricSpec>& specs) {
  const Duration window = specs.at(0).window;
  for (const auto& replica : model.replicas) {
    // Loading costs CPU and answers nothing; a draining replica answers, but may leave unread.
    if (replica.state == ReplicaState::Parked) continue;
    if (replica.state != ReplicaState::Ready || now - replica.state_since < window) return;
  }
  std::string why;
  const auto rate = usable(now, answers, specs.at(1), why);
  if (!rate || *rate * to_seconds(window) < kFewestAnswers) return;
  const auto cpus = ready_cpus(now, model, cpu, specs.at(0), why);
  if (!cpus || *cpus <= 0.0) return;
  const double cost = *cpus / *rate;
  cpu_s_ = cpu_s_ == 0.0 ? cost : cpu_s_ + kCostGain * (cost - cpu_s_);
}

double RequestCost::rate_per_s(double cpu_limit) const {
  return cpu_s_ > 0.0 ? useful_cpus(cpu_limit) / cpu_s_ : 0.0;
}

void RequestCost::save(MemoryWriter& out) const { out.put(cpu_s_); }

RequestCost RequestCost::load(MemoryReader& in) {
  RequestCost out;
  out.cpu_s_ = in.number();
  if (out.cpu_s_ < 0.0) throw std::invalid_argument("a cost below 0");
  return out;
}

double useful_cpus(double cpu_limit) {
  return cpu_limit < 1.0 ? std::max(cpu_limit, 1e-3) : std::floor(cpu_limit + 1e-6);
}

int calls_at_once(double cpu_limit) {
  return std::max(1, static_cast<int>(std::floor(std::min(cpu_limit, 1e6) + 1e-6)));
}

}  // namespace spate::scaling
