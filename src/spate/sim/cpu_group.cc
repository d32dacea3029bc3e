// SPDX-License-Identifier: Apache-2.0
#include "spate/sim/cpu_group.h"

#include <algorithm>
#include <cmath>

namespace spate::sim {
namespace {

// Rounded up. std::ceil is a call of the library where the processor's own may not be assumed.
std::int64_t up(double ns) {
  const auto whole = static_cast<std::int64_t>(ns);
  return whole + (static_cast<double>(whole) < ns ? 1 : 0);
}

}  // namespace

void CpuGroup::advance_limited(std::int64_t now) {
  // Periods that went by while nothing ran.
  if (const std::int64_t start = start_now(); start != period_start_) roll(start);
  if (now < period_start_ + period_) {
    step(now);
    return;
  }
  step(period_start_ + period_);  // at_ lies before it, see start_now()
  roll(at_);
  if (const std::int64_t whole = (now - at_) / period_; whole > 0) {
    const double wanted = rate_ * static_cast<double>(period_);
    consume(static_cast<double>(whole) * std::min(wanted, quota_));
    periods_ += static_cast<std::uint64_t>(whole);
    if (wanted > quota_ + kDust) throttled_ += static_cast<std::uint64_t>(whole);
    at_ += whole * period_;
    roll(at_);
  }
  if (now > at_) step(now);
}

std::int64_t CpuGroup::when(double target) const {
  if (rate_ <= 0.0) return kNever;
  double need = (target - v_) * threads_;
  if (need <= kDust) return at_;
  if (quota_ <= 0.0) return at_ + up(need / rate_);
  const std::int64_t end = start_now() + period_;
  const double now_can =
      std::min(std::max(0.0, room_now()), rate_ * static_cast<double>(end - at_));
  if (need <= now_can + kDust) return at_ + up((need - kDust) / rate_);
  need -= now_can;
  const double each = std::min(quota_, rate_ * static_cast<double>(period_));
  const double whole = std::max(0.0, std::ceil((need - kDust) / each) - 1.0);
  return end + static_cast<std::int64_t>(whole) * period_ +
         up((need - whole * each - kDust) / rate_);
}

std::int64_t CpuGroup::next_switch() const {
  if (rate_ <= 0.0 || quota_ <= 0.0) return kNever;
  const std::int64_t end = start_now() + period_;
  const double room = room_now();
  if (room <= kDust) return end;
  if (const std::int64_t spent = at_ + up(room / rate_); spent < end) return spent;
  if (rate_ * static_cast<double>(period_) <= quota_) return kNever;
  return end + up(quota_ / rate_);
}

}  // namespace spate::sim
