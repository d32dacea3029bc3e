// SPDX-License-Identifier: Apache-2.0
//
// From samples to a machine profile (docs/profile.md): laws of CPU times by batch, start-up idle
// and busy, transport, and beside them the points at which the simulator's own prediction was
// compared with what was measured.
//
// Threads: pure functions.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "spate/lab/profile_samples.h"

namespace spate::lab {

// The file's content, which sim::read_machine_profile() reads. Requires at least one model, calls
// of batch 1 and idle starts of each.
nlohmann::ordered_json assemble_profile(const ProfileSamples& samples);

// The time after the order at which consumption turned from the rate before it to the rate after
// it: the corner of two lines through the readings, by least squares. The rates are those of the
// readings themselves, from 0.6 s before the order and from 0.3 s after it on. Nothing when they
// differ by less than a fifth of a CPU: then there is no corner.
std::optional<Duration> follow_delay(const FollowSample& sample);

// For people: a few lines per model, with the errors of prediction.
std::string profile_table(const nlohmann::ordered_json& profile);

}  // namespace spate::lab
