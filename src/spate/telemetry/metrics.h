// SPDX-License-Identifier: Apache-2.0
//
// Metrics: a process's Prometheus metrics (gateway and workers), a thin layer over
// prometheus-cpp's registry. Who counts keeps the reference it was given at start-up; nothing
// is looked up by name on a hot path.
//
// Names are checked when a metric is made (SPATE_CHECK): snake_case with the prefix spate_ (or
// process_), base units (…_seconds, …_bytes, …_cpus, …_ratio), counters end in _total and nothing
// else does, help is not empty. docs/metrics.md lists them all.
//
// Threads: any. References stay valid until remove() of that series or the end of this object.
#pragma once

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "spate/base/clock.h"

namespace spate::telemetry {

// Label values are few: models, outcomes, replicas of this run; never a request id.
using Labels = std::map<std::string, std::string>;
using Counter = prometheus::Counter;
using Gauge = prometheus::Gauge;
using Histogram = prometheus::Histogram;

class Metrics {
 public:
  Metrics();
  ~Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  // The series of `name` with these `labels`; the same one when called again. Every series of a
  // name has the same help and the same label names.
  Counter& counter(const std::string& name, const std::string& help, const Labels& labels = {});
  Gauge& gauge(const std::string& name, const std::string& help, const Labels& labels = {});
  // `edges`: upper ends of the buckets, ascending, in the unit of the name; +Inf is added.
  Histogram& histogram(const std::string& name, const std::string& help, const Labels& labels,
                       const std::vector<double>& edges);

  // Takes a series out (its replica is gone). The reference is dead afterwards.
  void remove(const std::string& name, const Counter& series);
  void remove(const std::string& name, const Gauge& series);
  void remove(const std::string& name, const Histogram& series);

  // Text exposition format 0.0.4; its media type is kTextContentType. A family without a series
  // is left out.
  std::string text() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

inline constexpr const char* kTextContentType = "text/plain; version=0.0.4; charset=utf-8";

// Edges for a latency histogram in seconds: 1, 2, 5 steps per decade from 100 µs to 60 s, and one
// exactly at each of `slos`, so that attainment can be read off without interpolation.
std::vector<double> latency_edges(const std::vector<Duration>& slos);

// Raises a counter to `total`, a count that is kept elsewhere (a core's own). A lower `total`
// changes nothing.
void advance_to(Counter& counter, double total);

// The standard process_* metrics of this process, read from /proc when update() is called.
class ProcessMetrics {
 public:
  explicit ProcessMetrics(Metrics& metrics);
  void update();

 private:
  Counter& cpu_seconds_;
  Gauge& resident_bytes_;
  Gauge& private_bytes_;
  Gauge& threads_;
  Gauge& open_fds_;
};

}  // namespace spate::telemetry
