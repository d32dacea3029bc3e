// SPDX-License-Identifier: Apache-2.0
//
// Tally: the counts of one model, over the measured window or over one second of it.
//
// Every planned request ends in exactly one class:
//
//   planned = answered + rejected + expired + lost + shed + unsent
//   answered = in_time + late + malformed
//
// `wrong`, `correct` and `duplicate` are marks beside these classes.
#pragma once

#include <array>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>

#include "spate/influx/answer.h"

namespace spate::influx {

struct Tally {
  std::uint64_t planned = 0;
  std::uint64_t sent = 0;    // handed to the MQTT client
  std::uint64_t shed = 0;    // shed_by_generator: its bounded outbox was full (or QoS 0, no link)
  std::uint64_t unsent = 0;  // the run was stopped before their time

  std::uint64_t answered = 0;
  std::uint64_t in_time = 0;    // well formed, within the SLO's latency of the intended send
  std::uint64_t late = 0;       // well formed, later than that
  std::uint64_t malformed = 0;  // no result by the contract, or the id of another request
  std::array<std::uint64_t, kRejections> rejected{};
  std::uint64_t expired = 0;
  std::uint64_t lost = 0;  // no answer by the end of the settling time

  std::uint64_t compared = 0;   // answers for which an offline prediction is known
  std::uint64_t wrong = 0;      // malformed, or unlike the offline prediction
  std::uint64_t labelled = 0;   // class answers for which the true label is known
  std::uint64_t correct = 0;    // of those, equal to it
  std::uint64_t duplicate = 0;  // further answers to a request that had one

  std::uint64_t rejected_total() const;
  std::uint64_t resolved() const;  // requests whose class is known, lost included
  bool conserved() const { return planned == resolved(); }
  Tally& operator+=(const Tally& other);
  friend bool operator==(const Tally&, const Tally&) = default;
};

// {"overloaded": 3, …}: reasons that occurred.
nlohmann::json rejected_json(const Tally& tally);

}  // namespace spate::influx
