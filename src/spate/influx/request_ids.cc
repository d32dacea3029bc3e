// SPDX-License-Identifier: Apache-2.0
#include "spate/influx/request_ids.h"

#include <fmt/format.h>

#include <cstring>
#include <random>

namespace spate::influx {
namespace {

// The finaliser of splitmix64: every bit of the result depends on every bit of x.
std::uint64_t mix(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ULL;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBULL;
  return x ^ (x >> 31);
}

}  // namespace

RequestIds::Key RequestIds::random_key() {
  std::random_device device;
  const auto word = [&device] { return (std::uint64_t{device()} << 32) | std::uint64_t{device()}; };
  return {word(), word()};
}

std::uint64_t RequestIds::tag(std::uint64_t hidden) const {
  return mix(mix(hidden ^ key_.b) + key_.a);
}

std::string RequestIds::correlation(std::uint64_t request) const {
  const std::uint64_t words[2] = {request ^ key_.a, tag(request ^ key_.a)};
  std::string bytes(kBytes, '\0');
  std::memcpy(bytes.data(), words, kBytes);
  return bytes;
}

std::optional<std::uint64_t> RequestIds::request(std::string_view correlation) const {
  if (correlation.size() != kBytes) return std::nullopt;
  std::uint64_t words[2];
  std::memcpy(words, correlation.data(), kBytes);
  if (words[1] != tag(words[0])) return std::nullopt;
  return words[0] ^ key_.a;
}

std::string RequestIds::text(std::uint64_t request) const {
  return fmt::format("{:08x}-{}", mix(key_.b) >> 32, request);
}

std::string RequestIds::run_hex() const { return fmt::format("{:016x}", mix(key_.b)); }

}  // namespace spate::influx
