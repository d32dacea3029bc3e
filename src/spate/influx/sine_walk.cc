// SPDX-License-Identifier: Apache-2.0
#include "spate/influx/sine_walk.h"

#include <algorithm>
#include <cmath>

#include "spate/influx/profile.h"

namespace spate::influx {
namespace {

// Up to this angle from the anchor the series below are exact: what they leave out is below 1e-17.
constexpr double kReach = 1.0 / 32.0;
// Newton's steps end when the next one would be smaller, in seconds: a ten-thousandth of a ns.
constexpr double kSharp = 1e-13;
constexpr int kMostSteps = 6;

}  // namespace

void SineWalk::enter(const Piece& piece) {
  piece_ = &piece;
  reach_ = kReach / piece.omega;
  bend_ = std::abs(piece.slope_per_s2) + std::abs(piece.amplitude_per_s) * piece.omega;
  wave_ = piece.amplitude_per_s / piece.omega;
  wanted_ = u_ = 0.0;
  rate_ = piece.rate(0.0);
  anchored_ = false;
}

void SineWalk::anchor(double u) {
  from_ = u;
  mass_ = piece_->mass(u);
  line_ = piece_->rate_per_s + piece_->slope_per_s2 * u;
  const double angle = piece_->omega * u + piece_->angle;
  sin_ = std::sin(angle);
  cos_ = std::cos(angle);
  anchored_ = true;
}

double SineWalk::when(const Piece& piece, double wanted) {
  if (piece_ != &piece || wanted < wanted_) enter(piece);
  const double guess = u_ + (wanted - wanted_) / rate_;
  bool found = false;
  double u = u_;
  double rate = rate_;
  if (guess - u_ < reach_) {  // false where the rate is 0
    if (!anchored_ || guess - from_ >= reach_) anchor(u_);
    double x = guess - from_;
    for (int i = 0; i < kMostSteps && x >= 0.0 && x <= 2.0 * reach_; ++i) {
      const double y = piece.omega * x;
      const double yy = y * y;
      const double sine = y * (1.0 - yy / 6.0 * (1.0 - yy / 20.0 * (1.0 - yy / 42.0)));
      const double versine = yy / 2.0 * (1.0 - yy / 12.0 * (1.0 - yy / 30.0 * (1.0 - yy / 56.0)));
      const double mass =
          (line_ + 0.5 * piece.slope_per_s2 * x) * x + wave_ * (cos_ * versine + sin_ * sine);
      rate = line_ + piece.slope_per_s2 * x +
             piece.amplitude_per_s * (sin_ * (1.0 - versine) + cos_ * sine);
      const double step = (mass_ + mass - wanted) / rate;
      // Where the rate is near 0 a straight line says too little (Kantorovich's condition).
      if (!(rate > 0.0) || bend_ * std::abs(step) > 0.25 * rate) break;
      x -= step;
      if (bend_ * step * step <= kSharp * rate) {
        u = from_ + x;
        found = true;
        break;
      }
    }
  }
  if (!found) {
    u = piece.when(wanted);
    rate = piece.rate(u);
    anchored_ = false;
  }
  wanted_ = wanted;
  rate_ = rate;
  // Rounding must not turn the order of two requests round.
  u_ = std::clamp(u, std::min(u_, piece.length_s), piece.length_s);
  return u_;
}

}  // namespace spate::influx
