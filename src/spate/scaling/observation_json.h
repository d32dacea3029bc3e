// SPDX-License-Identifier: Apache-2.0
//
// The protocol of strategies in other languages: one JSON observation a line out, one JSON
// decision a line in. docs/external-strategy.md is its description, with every field.
//
// Threads: pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "spate/base/result.h"
#include "spate/scaling/strategy.h"

namespace spate::scaling {

inline constexpr int kObservationVersion = 1;

// One line, without its end. `sequence` comes back with the decision. `metrics` are the specs of
// the views in `seen`. Numbers that are not finite become null.
std::string observation_line(const Observation& seen, const std::vector<MetricSpec>& metrics,
                             std::uint64_t sequence);

struct DecisionLine {
  std::uint64_t sequence = 0;
  std::vector<Target> targets{};  // one per model of `seen`, in its order
};

// InvalidArgument, quoting what is wrong, when it is not a decision on `seen`. Models that it does
// not name are held. Unknown keys are an error: a misspelt one must not go unnoticed.
Result<DecisionLine> parse_decision(std::string_view line, const Observation& seen);

}  // namespace spate::scaling
