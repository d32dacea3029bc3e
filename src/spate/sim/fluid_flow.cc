// SPDX-License-Identifier: Apache-2.0
#include "spate/sim/fluid_flow.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "spate/sim/cpu_group.h"

namespace spate::sim {
namespace {

constexpr double kNever = std::numeric_limits<double>::infinity();
constexpr int kDraws = 4096;    // that a law's quantiles are taken from
constexpr int kWorkPoints = 8;  // quantiles of a call's CPU time
constexpr int kPhases = 4;      // moments of a CFS period at which a call begins
constexpr int kWaitPoints = 4;  // quantiles of a wait by chance
// Closer to saturation the waits of a steady state would not be reached within minutes.
constexpr double kMostRho = 0.98;
constexpr double kGolden = 0.6180339887498949;

// The middle of each of `n` equally likely parts.
double middle(int i, int n) { return (static_cast<double>(i) + 0.5) / static_cast<double>(n); }

double arrival_cv2(const influx::ArrivalOptions& law) {
  using Kind = influx::ArrivalOptions::Kind;
  if (law.kind == Kind::Even) return 0.0;
  return law.kind == Kind::Gamma || law.kind == Kind::Weibull ? law.cv * law.cv : 1.0;
}

}  // namespace

FluidFlow::FluidFlow(const SimModel& model, const WorldConfig& config, Duration step,
                     Recorder& recorder)
    : model_(model),
      recorder_(recorder),
      step_s_(to_seconds(step)),
      period_ns_(config.limits ? static_cast<double>(config.cfs_period.count()) : 0.0),
      deadline_ns_(model.deadline == Duration::max() ? kNever
                                                     : static_cast<double>(model.deadline.count())),
      margin_ns_(
          std::min(static_cast<double>(model.route.deadline_margin.count()), deadline_ns_ / 10.0)),
      to_gateway_ns_(config.to_gateway.mean_ns()),
      from_gateway_ns_(config.from_gateway.mean_ns()),
      arrival_cv2_(arrival_cv2(model.arrivals)) {
  work_ns_.push_back(0.0);
  for (int batch = 1; batch <= model.route.max_batch; ++batch) {
    work_ns_.push_back(model.service.mean_ns(batch));
  }
  // Any law's quantiles, whatever its kind.
  Rng rng(1, "fluid");
  const auto draw = model.service.of(1);
  std::vector<double> values;
  double sum = 0.0;
  double squares = 0.0;
  for (int i = 0; i < kDraws; ++i) {
    values.push_back(draw.law->sample_ns(rng));
    sum += values.back();
    squares += values.back() * values.back();
  }
  const double mean = std::max(sum / kDraws, 1e-9);
  service_cv2_ = std::max(0.0, squares / kDraws / (mean * mean) - 1.0);
  std::sort(values.begin(), values.end());
  double points = 0.0;
  for (int i = 0; i < kWorkPoints; ++i) {
    work_points_.push_back(values[static_cast<std::size_t>(middle(i, kWorkPoints) * kDraws)] /
                           mean);
    points += work_points_.back() / kWorkPoints;
  }
  for (double& point : work_points_) point /= points;
}

std::uint64_t FluidFlow::whole(double expected) {
  fraction_ += expected;
  const double count = std::floor(fraction_);
  fraction_ -= count;
  return static_cast<std::uint64_t>(count);
}

// The smallest batch whose throughput suffices, else the largest: workers take what waits.
int FluidFlow::batch_for(double rate_per_s, const FluidCapacity& capacity) const {
  const int most = model_.route.max_batch;
  if (queued_ > 0) {
    const double each = static_cast<double>(queued_) / std::max(1.0, capacity.calls);
    return static_cast<int>(std::clamp(std::ceil(each), 1.0, static_cast<double>(most)));
  }
  const double cpus = capacity.cpus * capacity.speed;
  for (int batch = 1; batch < most; ++batch) {
    if (cpus * 1e9 * batch / work_ns(batch) >= rate_per_s) return batch;
  }
  return most;
}

// How long calls last when a share `rho` of the quota is used on average: a call begins at any
// moment of a period, of whose quota that share is gone so far.
void FluidFlow::spread_calls(int batch, const FluidCapacity& capacity, double rho) {
  const double step = std::round(rho * 32.0) / 32.0;
  if (batch == spread_batch_ && capacity.limit == spread_limit_ && step == spread_rho_ &&
      capacity.speed == spread_speed_) {
    return;
  }
  spread_batch_ = batch;
  spread_limit_ = capacity.limit;
  spread_rho_ = step;
  spread_speed_ = capacity.speed;
  call_ns_.clear();
  const double speed = capacity.speed;
  const double per_call = work_ns(batch) / capacity.threads;  // of each thread
  const double at_once = capacity.calls / std::max(1, capacity.replicas) * capacity.threads;
  const bool quota = period_ns_ > 0.0 && capacity.limit > 0.0 && capacity.limit < at_once * speed;
  const auto period = static_cast<std::int64_t>(period_ns_);
  for (const double point : work_points_) {
    if (!quota) {
      call_ns_.push_back(per_call * point / speed);
      continue;
    }
    for (int phase = 0; phase < kPhases; ++phase) {
      const auto begin = static_cast<std::int64_t>(middle(phase, kPhases) * period_ns_);
      CpuGroup group(period);
      group.set_limit(capacity.limit, 0);
      // What others of the same replica have used of this period.
      group.set_demand(at_once, step * speed);
      group.advance(begin);
      group.set_demand(at_once, speed);
      call_ns_.push_back(static_cast<double>(group.when(group.v() + per_call * point) - begin));
    }
  }
  double sum = 0.0;
  for (const double call : call_ns_) sum += call;
  call_mean_ns_ = sum / static_cast<double>(call_ns_.size());
  double deviation = 0.0;
  for (const double call : call_ns_) deviation += std::abs(call - call_mean_ns_);
  call_safe_ns_ = call_mean_ns_ + deviation / static_cast<double>(call_ns_.size());
}

void FluidFlow::spread_waits(double rho, double calls) {
  outcomes_.clear();
  const double each = 1.0 / static_cast<double>(call_ns_.size());
  const double load = std::min(rho, kMostRho);
  const double waits = load <= 0.0 ? 0.0 : std::pow(load, std::sqrt(2.0 * (calls + 1.0)) - 1.0);
  const double mean = call_mean_ns_ * (arrival_cv2_ + service_cv2_) / (2.0 * calls * (1.0 - load));
  for (const double call : call_ns_) {
    outcomes_.push_back({(1.0 - waits) * each, 0.0, call});
    for (int i = 0; i < kWaitPoints; ++i) {
      outcomes_.push_back(
          {waits * each / kWaitPoints, -std::log1p(-middle(i, kWaitPoints)) * mean, call});
    }
  }
}

void FluidFlow::end(const Cohort& cohort, Outcome outcome, std::uint64_t count) {
  if (count == 0) return;
  recorder_.ended_many(cohort.second, outcome, Duration{0}, count);
  refused_ += count;
}

// What the route would refuse: more than its bounds hold, or than can be answered in time.
void FluidFlow::admit(std::int64_t now, std::uint32_t second, std::uint64_t count, double per_s) {
  made_ += count;
  recorder_.planned_many(second, count);
  double room = static_cast<double>(model_.route.max_queue_messages);
  room = std::min(room, static_cast<double>(model_.route.max_queue_bytes) /
                            std::max(1.0, static_cast<double>(model_.request_bytes)));
  if (model_.route.early_overload && deadline_ns_ < kNever && per_s > 0.0) {
    const double patience = deadline_ns_ - margin_ns_ - to_gateway_ns_ - call_safe_ns_;
    room = std::min(room, std::max(0.0, patience * 1e-9 * per_s));
  }
  room += credit_;  // these go to a worker at once
  const auto most = static_cast<std::uint64_t>(std::min(room, 1e18));
  const std::uint64_t taken = std::min(count, most > queued_ ? most - queued_ : 0);
  const Cohort cohort{now, second, taken};
  end(cohort, Outcome::Overloaded, count - taken);
  if (taken == 0) return;
  queue_.push_back(cohort);
  queued_ += taken;
}

void FluidFlow::expire(std::int64_t now) {
  while (!queue_.empty() &&
         static_cast<double>(now - queue_.front().at) + to_gateway_ns_ >= deadline_ns_) {
    queued_ -= queue_.front().count;
    end(queue_.front(), Outcome::Expired, queue_.front().count);
    queue_.pop_front();
  }
}

// `count` requests of the cohort are begun after `waited_ns` in the queue.
void FluidFlow::answer(const Cohort& cohort, std::uint64_t count, double waited_ns,
                       Histogram* latency) {
  offset_ = offset_ + kGolden;
  offset_ -= std::floor(offset_);
  const bool early = model_.route.early_overload && deadline_ns_ < kNever;
  double before = offset_;
  double sum = 0.0;
  std::uint64_t left = count;
  for (std::size_t i = 0; i < outcomes_.size() && left > 0; ++i) {
    const Outcomes& one = outcomes_[i];
    // Behind a queue the wait is known; chance is in it.
    const double wait = waited_ns > 0.0 ? waited_ns : one.wait_ns;
    sum += one.chance;
    const double until = static_cast<double>(count) * sum + offset_;
    auto many = static_cast<std::uint64_t>(std::floor(until) - std::floor(before));
    many = i + 1 == outcomes_.size() ? left : std::min(many, left);
    before = until;
    left -= many;
    if (many == 0) continue;
    const double budget = deadline_ns_ - to_gateway_ns_ - wait;
    if (one.wait_ns > 0.0 && waited_ns <= 0.0 && early && call_safe_ns_ > budget - margin_ns_) {
      end(cohort, Outcome::Overloaded, many);
      continue;
    }
    if (budget <= 0.0) {
      end(cohort, Outcome::Expired, many);
      continue;
    }
    const double inside = wait + one.call_ns;
    recorder_.ended_many(cohort.second, Outcome::Answered,
                         Duration(std::llround(to_gateway_ns_ + inside + from_gateway_ns_)), many);
    if (latency != nullptr) latency->record(Duration(std::llround(inside)), many);
    answered_ += many;
    service_sum_ns_ += one.call_ns * static_cast<double>(many);
  }
}

Duration FluidFlow::oldest_age(std::int64_t now) const {
  return queue_.empty() ? Duration{0} : Duration(now - queue_.front().at);
}

FluidStep FluidFlow::advance(std::int64_t now, std::uint32_t second, double expected,
                             double rate_per_s, const FluidCapacity& capacity, Histogram* latency) {
  FluidStep out;
  const int batch = batch_for(rate_per_s, capacity);
  const double each_ns = work_ns(batch) / batch;  // CPU time of a request
  const double per_s = capacity.cpus * capacity.speed * 1e9 / each_ns;
  const double demand = rate_per_s + static_cast<double>(queued_) / step_s_;
  const double rho = per_s > 0.0 ? std::min(1.0, demand / per_s) : 1.0;
  if (capacity.replicas > 0) {
    spread_calls(batch, capacity, rho);
    credit_ += per_s * step_s_;
  } else {
    credit_ = 0.0;
  }
  expire(now);
  const bool behind = queued_ > 0;  // who comes now has to queue
  // Chance keeps a full queue below its bound, by a geometric number of requests when more comes
  // than can be done: as if the queue were served more slowly.
  double bound_per_s = per_s;
  const double patience_ns = deadline_ns_ - margin_ns_ - to_gateway_ns_ - call_safe_ns_;
  if (rate_per_s > per_s && per_s > 0.0 && patience_ns > 0.0) {
    const double below = (arrival_cv2_ + service_cv2_) / 2.0 / (rate_per_s / per_s - 1.0);
    bound_per_s = std::max(per_s / 2.0, per_s - below * 1e9 / patience_ns);
  }
  admit(now, second, whole(expected), bound_per_s);
  if (capacity.replicas > 0) {
    // Batches grow while requests wait: chance meets the replicas at their largest batch.
    const double most = per_s * each_ns * model_.route.max_batch / work_ns(model_.route.max_batch);
    spread_waits(std::min(1.0, demand / most), capacity.calls);
  }
  std::uint64_t served = 0;
  while (!queue_.empty() && credit_ >= 1.0) {
    Cohort& cohort = queue_.front();
    const auto count = std::min(cohort.count, static_cast<std::uint64_t>(credit_));
    const double waited = static_cast<double>(now - cohort.at);
    answer(cohort, count, waited > 0.0 ? waited : (behind ? 1.0 : 0.0), latency);
    credit_ -= static_cast<double>(count);
    served += count;
    queued_ -= count;
    cohort.count -= count;
    if (cohort.count == 0) queue_.pop_front();
  }
  if (capacity.replicas == 0) return out;
  // Free workers begin at once what comes next; beyond that the CPUs' speed counts.
  if (queue_.empty()) credit_ = std::min(credit_, capacity.calls * batch);
  const double used = static_cast<double>(served) * each_ns;
  batches_ += static_cast<double>(served) / batch;
  out.cpu_ns = used;
  // A step of a low rate has a request now and then; the rate is what the replicas see.
  const double busy = std::min(1.0, per_s > 0.0 ? std::min(demand, per_s) / per_s : 0.0);
  out.busy_ratio = busy;
  out.in_flight = std::min(demand, per_s) * call_mean_ns_ * 1e-9;
  out.in_flight = std::min(out.in_flight, capacity.calls * batch);
  if (period_ns_ > 0.0 && capacity.limit > 0.0) {
    const double quota = capacity.limit * period_ns_;
    // Calls that begin in a period, Poisson; throttled when they want more than the quota.
    const double calls = std::min(demand, per_s) / batch / capacity.replicas * period_ns_ * 1e-9;
    const double call_ns = work_ns(batch);
    double none = std::exp(-calls);
    out.busy_periods = std::min(1.0, (1.0 - none) * std::max(1.0, call_ns / quota));
    double fits = 0.0;
    for (int k = 0; k <= static_cast<int>(quota / call_ns) && none > 0.0; ++k) {
      fits += none;
      none *= calls / (k + 1);
    }
    out.throttled = busy >= 1.0 ? 1.0 : std::clamp(1.0 - fits, 0.0, out.busy_periods);
    if (busy >= 1.0) out.busy_periods = 1.0;
  }
  return out;
}

}  // namespace spate::sim
