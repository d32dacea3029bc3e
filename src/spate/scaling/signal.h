// SPDX-License-Identifier: Apache-2.0
//
// Signals: what strategies can be told, and how they want to be told it.
//
// A strategy declares MetricSpecs; the samplers (sampler.h) turn the raw stream of readings into
// what an autoscaler with that sampling period, window and delay would have seen. The samplers
// are the same live and simulated.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "spate/base/clock.h"

namespace spate::scaling {

enum class Signal : std::uint8_t {
  // Per replica. CPUs consumed (a rate: 0.3 = three tenths of one CPU).
  CpuUsage,
  // Per replica. CPU usage over its limit, 0 to 1 (slightly above is possible).
  CpuOverLimit,
  // Per replica. CPU usage over its request.
  CpuOverRequest,
  // Per replica. Share of CFS periods in which it was throttled, 0 to 1.
  Throttled,
  // Per replica. Requests dispatched to it and not yet answered.
  InFlight,
  // Per model. Requests per second that arrived, were answered, were refused.
  ArrivalRate,
  CompletionRate,
  RejectionRate,
  // Per model. Requests waiting in the gateway.
  QueueLength,
  // Per model. Queue plus in flight.
  Concurrency,
  // Per model. Age of the oldest waiting request, seconds.
  OldestAge,
  // Per model. Latency quantile of the answers in the window, seconds (MetricSpec::quantile).
  LatencyQuantile,
  // Per model. Mean service time of a request inside a worker, seconds.
  ServiceTime,
};

std::string_view to_string(Signal signal);
std::optional<Signal> signal_from_string(std::string_view name);
bool is_per_replica(Signal signal);

enum class Aggregate : std::uint8_t { Mean, Max, Last };

// How a strategy wants a signal.
struct MetricSpec {
  std::string name{};  // the strategy's own name for it
  Signal signal = Signal::CpuUsage;
  Duration period = std::chrono::seconds(1);  // a reading each
  Duration window = std::chrono::seconds(5);  // aggregated over the readings of the last …
  Duration delay{0};                          // known only this long after it was taken
  Aggregate aggregate = Aggregate::Mean;
  double quantile = 0.99;  // LatencyQuantile only
  Duration history{0};     // also keep the series of readings for so long (forecasters)
  // Gauges (InFlight, QueueLength, Concurrency, OldestAge): a reading is the time-weighted mean
  // over its period instead of the value at its end (Knative's queue proxy reports so).
  bool period_mean = false;
  // Per-replica signals: ReplicaReading::series is filled (autoscalers that merge the replicas'
  // own series, as Ray Serve does).
  bool replica_series = false;
};

struct TimedValue {
  TimePoint at{};
  double value = 0.0;
};

struct ReplicaReading {
  std::string replica{};
  double value = 0.0;  // aggregated over the window for this replica
  TimePoint newest{};  // when the newest reading in it was taken
  int readings = 0;
  Duration newest_span{0};  // time the newest reading alone speaks for
  Duration covered{0};      // time the readings in the window speak for; a full window when gapless
  std::vector<TimedValue> series{};  // only if asked for: the readings in the window, oldest first
};

// A metric as the strategy sees it now.
struct MetricView {
  // The model's value. For per-replica signals: the mean over `replicas`. Unset when no reading
  // lies in the window: the strategy must hold.
  std::optional<double> value{};
  TimePoint newest{};
  int readings = 0;                        // per-replica signals: of the replica that has fewest
  Duration covered{0};                     // the same
  std::vector<ReplicaReading> replicas{};  // per-replica signals only, in order of replica id
  std::vector<TimedValue> history{};       // only if asked for; oldest first
  // When the model was last read for this metric, at or before now - delay, whether or not any
  // value could be had; unset before the first time. A replica whose `newest` is older was
  // missing from that reading.
  std::optional<TimePoint> last_read{};
  std::optional<TimePoint> previous_read{};  // the one before last_read
};

}  // namespace spate::scaling
