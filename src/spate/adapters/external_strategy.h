// SPDX-License-Identifier: Apache-2.0
//
// external: a strategy in any language. A child process gets one JSON observation a line and
// answers with one JSON decision a line (docs/external-strategy.md).
//
// At each tick the observation is sent and its answer is awaited for a short while; one that comes
// later, but within the time limit, is in force from the next tick on. A program that misbehaves
// (late, silent, invalid, dead) leaves the last decision in force; that is counted, logged once a
// spell, and stands in the decision's reason. A dead program, and one that
// left five observations in a row unanswered, is started again, after 1, 2, 4, … at most 64 ticks.
//
// The registry entry is external_strategy(); the program `spate` adds it to the built-in ones.
//
// Threads: one at a time, as for every strategy.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "spate/base/clock.h"
#include "spate/scaling/strategies.h"
#include "spate/telemetry/metrics.h"

namespace spate::adapters {

// Totals since the start; the gateway exports them.
struct ExternalFaults {
  std::atomic<std::uint64_t> late{0};     // its answer came after the time limit
  std::atomic<std::uint64_t> silent{0};   // a tick came and the answer to the last one had not
  std::atomic<std::uint64_t> invalid{0};  // a line that is not a decision
  std::atomic<std::uint64_t> dead{0};     // it ended, or could not be started
};

// Brings `spate_external_strategy_faults_total` in the registry up to date.
void export_faults(telemetry::Metrics& metrics, const ExternalFaults& faults);

// Where it runs: live, the loop that carries the data must not be held up by a slow program, so
// it waits `answer_wait_ms` (an option) at most; simulated, time stands still meanwhile and it
// waits for the whole time limit.
enum class ExternalPace { Live, Simulated };

scaling::StrategyInfo external_strategy(ExternalPace pace, std::shared_ptr<ExternalFaults> faults);

// The built-in strategies and `external`: all that a scenario may name. `demand` is for the
// baselines that see it; without it they refuse to be made.
scaling::StrategyRegistry all_strategies(
    ExternalPace pace = ExternalPace::Live,
    std::shared_ptr<ExternalFaults> faults = std::make_shared<ExternalFaults>(),
    const scaling::DemandByModel& demand = {});

}  // namespace spate::adapters
