// SPDX-License-Identifier: Apache-2.0
//
// ArrivalFeed: when the requests of one model are meant to leave: the very times that influx plans
// for the same seed, made in chunks while the run goes on.
//
// Threads: one at a time. No allocation after construction.
#pragma once

#include <array>
#include <limits>
#include <memory>
#include <optional>
#include <string>

#include "spate/influx/schedule.h"

namespace spate::sim {

class ArrivalFeed {
 public:
  static constexpr std::int64_t kOver = std::numeric_limits<std::int64_t>::max();

  ArrivalFeed(const std::string& model, std::shared_ptr<const influx::Profile> profile,
              const influx::ArrivalOptions& law, double warm_up_s, std::uint64_t seed,
              std::uint64_t run);

  // The next request's time in ns from the start of the measured window (negative in the
  // warm-up), kOver when there is none.
  std::int64_t next() const { return times_[at_]; }
  void take() {
    if (++at_ == times_.size()) fill();
  }

 private:
  void fill();
  std::int64_t draw();

  std::int64_t warm_up_ns_ = 0;
  std::optional<influx::ArrivalTimes> warm_up_;
  influx::ArrivalTimes main_;
  bool over_ = false;
  std::size_t at_ = 0;
  std::array<std::int64_t, 256> times_{};
};

}  // namespace spate::sim
