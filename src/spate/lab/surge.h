// SPDX-License-Identifier: Apache-2.0
//
// Surges: the steps up of the demand, and how a run came through them.
//
// A surge begins where the offered rate rises by at least half within a tenth of a second and
// ends where it falls back by a third, where the next surge begins, or at the end of the run.
// Ramps and sines have none.
//
// Threads: pure functions.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "spate/lab/run_files.h"

namespace spate::lab {

// A scaling system is given this long to react; what follows is `attainment_after`.
inline constexpr double kSettleAfterSurgeS = 20.0;
// Recovery must hold over this much of what follows.
inline constexpr double kRecoveryWindowS = 5.0;

struct Surge {
  double from_s = 0.0;      // of the plan
  double until_s = 0.0;     // exclusive
  double rate_per_s = 0.0;  // just after its beginning
};

// `rate(t_s)`: offered requests per second at second `t_s` of the plan. Requires
// 0 <= duration_s.
std::vector<Surge> find_surges(const std::function<double(double)>& rate, double duration_s);

struct SurgeResult {
  Surge surge;
  double asked = 0.0;                // requests that were to be sent in it
  double asked_after = 0.0;          // from kSettleAfterSurgeS after its beginning until its end
  double in_time_after = 0.0;        // of those
  std::optional<double> attainment;  // over the whole surge; unset when nothing was asked
  std::optional<double> attainment_after;  // unset when nothing was asked then
  // From the surge's beginning until the first second from which on both the requests of the
  // next kRecoveryWindowS and all later ones of the surge attain `target`. 0: it never missed.
  // Unset: it did not recover.
  std::optional<double> recovery_s;
};

SurgeResult judge_surge(const Surge& surge, const std::vector<InfluxSample>& samples,
                        double target);

}  // namespace spate::lab
