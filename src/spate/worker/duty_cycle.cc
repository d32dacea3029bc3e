// SPDX-License-Identifier: Apache-2.0
#include "spate/worker/duty_cycle.h"

#include <algorithm>
#include <cmath>

#include "spate/base/check.h"

namespace spate::worker {

void DutyCycle::refill(TimePoint now) {
  if (now <= filled_at_) return;
  const auto passed_ns = static_cast<double>((now - filled_at_).count());
  filled_at_ = now;
  tokens_ns_ = std::min(burst_ns(), tokens_ns_ + limit_ * passed_ns);
}

void DutyCycle::set_limit(double cpus, TimePoint now) {
  SPATE_CHECK(cpus >= 0.0 && std::isfinite(cpus), "a CPU limit is not negative");
  if (cpus == limit_) return;
  const bool was_limited = limit_ > 0.0;
  refill(now);
  limit_ = cpus;
  if (!was_limited) {
    restart(now);
  } else {
    tokens_ns_ = std::min(tokens_ns_, burst_ns());
  }
}

void DutyCycle::restart(TimePoint now) {
  filled_at_ = now;
  tokens_ns_ = burst_ns();
  charged_ = Duration{-1};
}

void DutyCycle::on_cpu_time(Duration total, TimePoint now) {
  if (limit_ <= 0.0) return;
  refill(now);
  if (charged_ >= Duration{0} && total > charged_) {
    tokens_ns_ -= static_cast<double>((total - charged_).count());
  }
  charged_ = std::max(charged_, total);
}

TimePoint DutyCycle::ready_at(TimePoint now) {
  if (limit_ <= 0.0) return now;
  refill(now);
  if (tokens_ns_ >= 0.0) return now;
  return now + Duration(static_cast<std::int64_t>(std::ceil(-tokens_ns_ / limit_)));
}

}  // namespace spate::worker
