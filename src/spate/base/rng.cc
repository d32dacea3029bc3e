// SPDX-License-Identifier: Apache-2.0
#include "spate/base/rng.h"

#include <cmath>
#include <utility>

#include "spate/base/check.h"

namespace spate {
namespace {

std::uint64_t splitmix64(std::uint64_t& x) {
  x += 0x9E3779B97F4A7C15ULL;
  std::uint64_t z = x;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
  return z ^ (z >> 31);
}

// FNV-1a, 64 bit: stream names are short and few, so any well-spread hash serves.
std::uint64_t hash(std::string_view text) {
  std::uint64_t h = 0xCBF29CE484222325ULL;
  for (const char c : text) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001B3ULL;
  return h;
}

}  // namespace

Rng::Rng(std::uint64_t seed, std::string_view stream, std::uint64_t run) {
  std::uint64_t x = seed;
  x = splitmix64(x) ^ hash(stream);
  x = splitmix64(x) ^ run;
  for (auto& word : state_) word = splitmix64(x);
}

std::uint64_t Rng::below(std::uint64_t n) {
  SPATE_CHECK(n > 0, "below() needs a positive bound");
  const std::uint64_t reject_from = -n % n;  // 2^64 mod n
  for (;;) {
    const std::uint64_t x = next();
    if (x >= reject_from) return x % n;
  }
}

double Rng::normal() {
  if (has_spare_) {
    has_spare_ = false;
    return spare_normal_;
  }
  double u = 0.0;
  double v = 0.0;
  double s = 0.0;
  do {
    u = uniform(-1.0, 1.0);
    v = uniform(-1.0, 1.0);
    s = u * u + v * v;
  } while (s >= 1.0 || s == 0.0);
  const double factor = std::sqrt(-2.0 * std::log(s) / s);
  spare_normal_ = v * factor;
  has_spare_ = true;
  return u * factor;
}

double Rng::gamma(double shape) {
  SPATE_CHECK(shape > 0.0, "gamma() needs a positive shape");
  if (shape < 1.0) {
    const double u = 1.0 - uniform();  // (0, 1]
    return gamma(shape + 1.0) * std::pow(u, 1.0 / shape);
  }
  const double d = shape - 1.0 / 3.0;
  const double c = 1.0 / std::sqrt(9.0 * d);
  for (;;) {
    double x = 0.0;
    double v = 0.0;
    do {
      x = normal();
      v = 1.0 + c * x;
    } while (v <= 0.0);
    v = v * v * v;
    const double u = 1.0 - uniform();
    if (std::log(u) < 0.5 * x * x + d - d * v + d * std::log(v)) return d * v;
  }
}

std::uint64_t Rng::poisson(double mean) {
  SPATE_CHECK(mean >= 0.0, "poisson() needs a mean of at least 0");
  // Count unit-rate arrivals; split large means so that no step costs more than ~30 draws
  // of precision: Poisson(a + b) = Poisson(a) + Poisson(b). Gamma jumps keep it O(log mean)
  // (Ahrens and Dieter, 1974).
  std::uint64_t count = 0;
  while (mean > 30.0) {
    const double m = std::floor(mean * 7.0 / 8.0);
    const double x = gamma(m);
    if (x > mean) {
      // Of the m-1 arrivals before x, each falls before `mean` with probability mean/x.
      std::uint64_t before = 0;
      const double p = mean / x;
      for (std::uint64_t i = 0; i + 1 < static_cast<std::uint64_t>(m); ++i) before += uniform() < p;
      return count + before;
    }
    count += static_cast<std::uint64_t>(m);
    mean -= x;
  }
  for (double t = exponential(); t <= mean; t += exponential()) ++count;
  return count;
}

}  // namespace spate
