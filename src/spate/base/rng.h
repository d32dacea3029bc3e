// SPDX-License-Identifier: Apache-2.0
//
// Rng: seeded random numbers with samplers of our own, so that equal seeds give equal
// bytes whatever the standard library. Streams are named ("arrivals", "payload",
// "service_time", "faults"), so that each question can be varied alone.
//
// Threads: one Rng, one thread.
#pragma once

#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <string_view>

namespace spate {

class Rng {
 public:
  // A stream: the same (seed, stream, run) always gives the same sequence; different ones
  // are independent for all practical purposes.
  explicit Rng(std::uint64_t seed, std::string_view stream = "", std::uint64_t run = 0);

  // xoshiro256++ (Blackman and Vigna, 2019), seeded through splitmix64.
  std::uint64_t next() {
    auto& s = state_;
    const std::uint64_t result = std::rotl(s[0] + s[3], 23) + s[0];
    const std::uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = std::rotl(s[3], 45);
    return result;
  }

  double uniform() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }  // [0, 1), 53 bits
  double uniform(double low, double high) { return low + (high - low) * uniform(); }  // [low, high)
  std::uint64_t below(std::uint64_t n);                     // [0, n), unbiased. Requires n > 0.
  double exponential() { return -std::log1p(-uniform()); }  // mean 1
  double normal();  // mean 0, variance 1 (Marsaglia polar method)
  // Mean shape * 1, by Marsaglia and Tsang (2000). Requires shape > 0.
  double gamma(double shape);
  std::uint64_t poisson(double mean);  // Requires mean >= 0.

 private:
  std::array<std::uint64_t, 4> state_;
  double spare_normal_ = 0.0;
  bool has_spare_ = false;
};

// Order of a permutation of [0, n): Fisher-Yates with `rng`.
template <class Vector>
void shuffle(Vector& items, Rng& rng) {
  for (std::size_t i = items.size(); i > 1; --i) {
    std::swap(items[i - 1], items[static_cast<std::size_t>(rng.below(i))]);
  }
}

}  // namespace spate
