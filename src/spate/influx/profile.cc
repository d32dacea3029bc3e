// SPDX-License-Identifier: Apache-2.0
#include "spate/influx/profile.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "spate/base/check.h"

namespace spate::influx {

double Piece::rate(double u) const {
  double r = rate_per_s + slope_per_s2 * u;
  if (amplitude_per_s != 0.0) r += amplitude_per_s * std::sin(omega * u + angle);
  return std::max(r, 0.0);
}

double Piece::mass(double u) const {
  double m = (rate_per_s + 0.5 * slope_per_s2 * u) * u;
  if (amplitude_per_s != 0.0) {
    // cos(a) - cos(a + x) without cancellation for small x.
    const double half = 0.5 * omega * u;
    m += amplitude_per_s / omega * 2.0 * std::sin(angle + half) * std::sin(half);
  }
  return m;
}

double Piece::when(double wanted) const {
  if (wanted <= 0.0) return 0.0;
  if (amplitude_per_s == 0.0) {
    // The same as below for a slope of 0, to the last bit, without its root.
    if (slope_per_s2 == 0.0 && rate_per_s > 0.0) return std::min(wanted / rate_per_s, length_s);
    // Root of slope/2 u^2 + rate u = wanted in the form that does not cancel.
    const double root =
        std::sqrt(std::max(0.0, rate_per_s * rate_per_s + 2.0 * slope_per_s2 * wanted));
    const double below = rate_per_s + root;
    return below > 0.0 ? std::min(2.0 * wanted / below, length_s) : length_s;
  }
  // Newton inside a bracket; halves the bracket where the rate is near 0.
  double low = 0.0;
  double high = length_s;
  double u = std::min(wanted / std::max(rate_per_s, 1e-300), length_s);
  for (int i = 0; i < 200; ++i) {
    const double error = mass(u) - wanted;
    if (error < 0.0) {
      low = u;
    } else {
      high = u;
    }
    if (error == 0.0 || high - low <= 1e-15 * length_s) break;
    const double r = rate(u);
    double next = r > 0.0 ? u - error / r : low;
    if (!(next > low && next < high)) next = 0.5 * (low + high);
    if (std::abs(next - u) <= 1e-15 * (1.0 + u)) break;
    u = next;
  }
  return std::clamp(u, 0.0, length_s);
}

Profile::Profile(const std::vector<Piece>& pieces, std::vector<Phase> phases,
                 std::string description)
    : phases_(std::move(phases)), description_(std::move(description)) {
  placed_.reserve(pieces.size());
  for (const Piece& piece : pieces) {
    SPATE_CHECK(piece.length_s > 0.0, "a piece of a profile has a positive length");
    const double mass = piece.mass(piece.length_s);
    placed_.push_back({piece, duration_s_, total_, std::max(mass, 0.0)});
    duration_s_ += piece.length_s;
    total_ += std::max(mass, 0.0);
    peak_ = std::max({peak_, piece.rate(0.0), piece.rate(piece.length_s)});
    if (piece.amplitude_per_s != 0.0) {
      peak_ = std::max(peak_, piece.rate_per_s + std::abs(piece.amplitude_per_s));
    }
  }
  if (description_.empty()) description_ = fmt::format("{:.6g} requests", total_);
  if (phases_.empty() && duration_s_ > 0.0) {
    phases_.push_back({"all", 0.0, duration_s_, total_ / duration_s_});
  }
}

Profile Profile::constant(double rate_per_s, double duration_s) {
  SPATE_CHECK(rate_per_s >= 0.0, "a rate is at least 0");
  if (duration_s <= 0.0) return {};
  return Profile({Piece{duration_s, rate_per_s}}, {{"constant", 0.0, duration_s, rate_per_s}},
                 fmt::format("constant {:.6g}/s", rate_per_s));
}

double Profile::rate(double t_s) const {
  if (!(t_s >= 0.0 && t_s < duration_s_)) return 0.0;
  const auto after = std::upper_bound(placed_.begin(), placed_.end(), t_s,
                                      [](double t, const Placed& p) { return t < p.from_s; });
  const Placed& p = *std::prev(after);
  return p.piece.rate(t_s - p.from_s);
}

double Profile::cumulative(double t_s) const {
  if (!(t_s > 0.0)) return 0.0;
  if (t_s >= duration_s_) return total_;
  const auto after = std::upper_bound(placed_.begin(), placed_.end(), t_s,
                                      [](double t, const Placed& p) { return t < p.from_s; });
  const Placed& p = *std::prev(after);
  return p.before + p.piece.mass(t_s - p.from_s);
}

double Profile::inverse(double requests) const {
  if (requests <= 0.0) return 0.0;
  if (requests > total_) return std::numeric_limits<double>::infinity();
  // First piece whose end reaches `requests`.
  const auto at =
      std::lower_bound(placed_.begin(), placed_.end(), requests,
                       [](const Placed& p, double wanted) { return p.before + p.mass < wanted; });
  if (at == placed_.end()) return duration_s_;
  return at->from_s + at->piece.when(requests - at->before);
}

const Phase* Profile::phase_at(double t_s) const {
  if (phases_.empty()) return nullptr;
  const auto after = std::upper_bound(phases_.begin(), phases_.end(), t_s,
                                      [](double t, const Phase& p) { return t < p.from_s; });
  return after == phases_.begin() ? &phases_.front() : &*std::prev(after);
}

double ProfileCursor::advance(double requests) {
  offset_ += requests;
  const auto& placed = profile_->placed_;
  while (index_ < placed.size() && offset_ > placed[index_].mass) {
    offset_ -= placed[index_].mass;
    ++index_;
  }
  if (index_ == placed.size()) return std::numeric_limits<double>::infinity();
  const auto& p = placed[index_];
  const double u =
      p.piece.amplitude_per_s == 0.0 ? p.piece.when(offset_) : sine_.when(p.piece, offset_);
  return p.from_s + u;
}

double ProfileCursor::until(double t_s) const {
  const auto& placed = profile_->placed_;
  double sum = 0.0;
  for (std::size_t i = index_; i < placed.size() && t_s > placed[i].from_s; ++i) {
    const auto& p = placed[i];
    const double u = t_s - p.from_s;
    sum += u >= p.piece.length_s ? p.mass : std::min(p.mass, p.piece.mass(u));
  }
  return std::max(0.0, sum - offset_);
}

void ProfileCursor::move_to(double t_s) {
  const auto& placed = profile_->placed_;
  while (index_ < placed.size() && t_s >= placed[index_].from_s + placed[index_].piece.length_s) {
    ++index_;
    offset_ = 0.0;
  }
  if (index_ == placed.size() || t_s <= placed[index_].from_s) return;
  const auto& p = placed[index_];
  offset_ = std::max(offset_, std::min(p.mass, p.piece.mass(t_s - p.from_s)));
}

bool ProfileCursor::over() const { return index_ >= profile_->placed_.size(); }

}  // namespace spate::influx
