// SPDX-License-Identifier: Apache-2.0
//
// RequestIds: turns the number of a request into correlation data and back. Ids of one run
// cannot be guessed from the ids of another, or from each other, so a stray answer (of an earlier
// run, or made up) is told from one of ours.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace spate::influx {

class RequestIds {
 public:
  // `key` must be fresh and random for each run (random_key()).
  struct Key {
    std::uint64_t a = 0;
    std::uint64_t b = 0;
  };
  explicit RequestIds(Key key) : key_(key) {}
  static Key random_key();  // from the system

  static constexpr std::size_t kBytes = 16;
  std::string correlation(std::uint64_t request) const;  // kBytes bytes
  std::optional<std::uint64_t> request(std::string_view correlation) const;

  // For people: "9f3c21ab-17", the run and the request's number.
  std::string text(std::uint64_t request) const;
  // 16 hex digits that name the run, for topics and client ids.
  std::string run_hex() const;

 private:
  std::uint64_t tag(std::uint64_t hidden) const;
  Key key_;
};

}  // namespace spate::influx
