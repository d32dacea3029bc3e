// SPDX-License-Identifier: Apache-2.0
#include "spate/scaling/sampler.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <deque>
#include <map>

#include "spate/base/check.h"

namespace spate::scaling {
namespace {

constexpr std::size_t kSignals = 13;
constexpr std::size_t index_of(Signal signal) { return static_cast<std::size_t>(signal); }

bool sane(double x) { return std::isfinite(x) && x >= 0.0; }

bool is_gauge(Signal signal) {
  return signal == Signal::InFlight || signal == Signal::QueueLength ||
         signal == Signal::Concurrency || signal == Signal::OldestAge;
}

struct Fraction {
  double num = 0.0;
  double den = 0.0;
};

// A total that only grows. A step back (reset) or a value that is no number gives no growth.
class Counter {
 public:
  std::optional<double> growth(double now) {
    if (!sane(now)) return std::nullopt;
    const std::optional<double> before = std::exchange(last_, now);
    if (!before || now < *before) return std::nullopt;
    return now - *before;
  }

 private:
  std::optional<double> last_;
};

// One signal since the beginning: its integral as a fraction, and its value now if a gauge.
struct Channel {
  Fraction sum;
  double gauge = 0.0;
  bool gauge_known = false;

  void add(double num, double den) {
    sum.num += num;
    sum.den += den;
  }
  // The old value held for `dt_s`; from now on it is `value`.
  void set_gauge(double value, double dt_s) {
    if (gauge_known) add(gauge * dt_s, dt_s);
    gauge_known = sane(value);
    gauge = gauge_known ? value : 0.0;
  }
};

struct Reading {
  TimePoint at{};
  Duration span{0};
  Fraction value;
};

// The readings one spec took of one channel.
struct Series {
  Fraction before;  // the channel's sum at the last reading
  TimePoint before_at{};
  bool begun = false;
  std::deque<Reading> readings;

  void begin(const Channel& channel, TimePoint at) {
    if (begun) return;
    begun = true;
    before = channel.sum;
    before_at = at;
  }

  // The replica was missing from the reading at `at`. What it shows next begins there, not at the
  // reading before: its value is taken as held from when it was last seen.
  void skip(const Channel& channel, TimePoint seen_at, TimePoint at) {
    const double held_s = to_seconds(at - seen_at);
    before = channel.sum;
    if (channel.gauge_known) {
      before.num += channel.gauge * held_s;
      before.den += held_s;
    }
    before_at = at;
  }

  void take(const MetricSpec& spec, const Channel& channel, TimePoint at) {
    Reading reading{.at = at, .span = at - before_at, .value = {}};
    bool known = false;
    if (is_gauge(spec.signal) && !spec.period_mean) {
      reading.value = {channel.gauge, 1.0};
      reading.span = std::min(spec.period, std::max(reading.span, Duration{1}));
      known = channel.gauge_known;
    } else {
      reading.value = {channel.sum.num - before.num, channel.sum.den - before.den};
      known = reading.span > Duration{0} && reading.value.den > 0.0;
    }
    before = channel.sum;
    before_at = at;
    if (known) readings.push_back(reading);
    const TimePoint keep_after = at - spec.delay - spec.window;
    while (!readings.empty() && readings.front().at <= keep_after) readings.pop_front();
  }
};

double ratio(const Fraction& f) { return f.num / f.den; }

// What `spec` makes of the readings in its window at `now`; nullopt when there is none.
std::optional<ReplicaReading> aggregate(const MetricSpec& spec, const std::deque<Reading>& readings,
                                        TimePoint now) {
  const TimePoint to = now - spec.delay;
  const TimePoint from = to - spec.window;
  ReplicaReading out;
  Fraction sum;
  for (auto it = readings.rbegin(); it != readings.rend() && it->at > from; ++it) {
    if (it->at > to) continue;
    const double value = ratio(it->value);
    if (out.readings == 0) {
      out.newest = it->at;
      out.newest_span = it->span;
      out.value = value;  // Last
    }
    ++out.readings;
    out.covered += it->span;
    sum.num += it->value.num;
    sum.den += it->value.den;
    if (spec.aggregate == Aggregate::Max) out.value = std::max(out.value, value);
    if (spec.replica_series) out.series.push_back({it->at, value});
  }
  if (out.readings == 0) return std::nullopt;
  std::reverse(out.series.begin(), out.series.end());
  if (spec.aggregate == Aggregate::Mean) out.value = ratio(sum);
  return out;
}

struct LatencyReading {
  TimePoint at{};
  Duration span{0};
  Histogram answers;
};

struct ReplicaTrack {
  TimePoint at{};
  double limit = 0.0;
  double request = 0.0;
  Counter cpu, periods, throttled;
  std::array<Channel, kSignals> channels;
  std::vector<Series> series;  // by spec; unused for specs per model

  void update(TimePoint now, const RawReplica& raw) {
    const double dt = to_seconds(now - at);
    auto& of = channels;
    if (const auto used = cpu.growth(raw.cpu_seconds); used && dt > 0.0) {
      of[index_of(Signal::CpuUsage)].add(*used, dt);
      if (limit > 0.0) of[index_of(Signal::CpuOverLimit)].add(*used, limit * dt);
      if (request > 0.0) of[index_of(Signal::CpuOverRequest)].add(*used, request * dt);
    }
    const auto gone = periods.growth(static_cast<double>(raw.cfs_periods));
    const auto hit = throttled.growth(static_cast<double>(raw.cfs_throttled_periods));
    if (gone && hit) of[index_of(Signal::Throttled)].add(std::min(*hit, *gone), *gone);
    of[index_of(Signal::InFlight)].set_gauge(raw.in_flight, dt);
    limit = sane(raw.cpu_limit) ? raw.cpu_limit : 0.0;
    request = sane(raw.cpu_request) ? raw.cpu_request : 0.0;
    at = now;
  }
};

struct SpecTrack {
  TimePoint next_due{};
  std::deque<TimePoint> read_at;  // oldest first; of those before now - delay, two are kept
  Series series;                  // specs per model
  // LatencyQuantile only.
  Histogram latency_before;
  std::deque<LatencyReading> latency;
  std::deque<TimedValue> history;
};

struct ModelTrack {
  bool begun = false;
  TimePoint at{};
  Counter arrived, answered, refused, answers, service;
  std::array<Channel, kSignals> channels;
  std::vector<SpecTrack> specs;
  using Replicas = std::map<std::string, ReplicaTrack, std::less<>>;
  Replicas replicas;
  // In the order of the last reading, which is mostly the next one's too: no search. Empty once one
  // of them is gone.
  std::vector<Replicas::value_type*> order;

  // The track of `id`, which is number `place` of a reading; whether it is a new one.
  std::pair<ReplicaTrack*, bool> track_of(const std::string& id, std::size_t place) {
    if (place < order.size() && order[place]->first == id) return {&order[place]->second, false};
    const auto [it, added] = replicas.try_emplace(id);
    order.resize(std::max(order.size(), place + 1), &*it);
    order[place] = &*it;
    return {&it->second, added};
  }

  void update(TimePoint now, const RawModel& raw) {
    const double dt = begun ? to_seconds(now - at) : 0.0;
    const auto rate = [&](Signal signal, Counter& counter, std::uint64_t total) {
      const auto grown = counter.growth(static_cast<double>(total));
      if (grown && dt > 0.0) channels[index_of(signal)].add(*grown, dt);
    };
    rate(Signal::ArrivalRate, arrived, raw.arrived);
    rate(Signal::CompletionRate, answered, raw.answered);
    rate(Signal::RejectionRate, refused, raw.refused);
    const auto done = answers.growth(static_cast<double>(raw.answered));
    const auto served = service.growth(raw.service_sum_s);
    if (done && served) channels[index_of(Signal::ServiceTime)].add(*served, *done);
    channels[index_of(Signal::QueueLength)].set_gauge(raw.queue_length, dt);
    channels[index_of(Signal::Concurrency)].set_gauge(raw.queue_length + raw.in_flight, dt);
    channels[index_of(Signal::OldestAge)].set_gauge(raw.oldest_age_s, dt);
    at = now;
    begun = true;
  }
};

void take_latency(const MetricSpec& spec, SpecTrack& track, const Histogram* all, TimePoint at) {
  if (all == nullptr) return;
  LatencyReading reading{
      .at = at, .span = at - track.series.before_at, .answers = all->since(track.latency_before)};
  track.latency_before = *all;
  track.series.before_at = at;
  if (reading.answers.count() > 0 && reading.span > Duration{0}) {
    track.latency.push_back(std::move(reading));
  }
  const TimePoint keep_after = at - spec.delay - spec.window;
  while (!track.latency.empty() && track.latency.front().at <= keep_after) {
    track.latency.pop_front();
  }
}

MetricView latency_view(const MetricSpec& spec, const SpecTrack& track, TimePoint now) {
  const TimePoint to = now - spec.delay;
  const TimePoint from = to - spec.window;
  MetricView out;
  Histogram window;
  double best = 0.0;
  for (auto it = track.latency.rbegin(); it != track.latency.rend() && it->at > from; ++it) {
    if (it->at > to) continue;
    if (out.readings == 0) out.newest = it->at;
    ++out.readings;
    out.covered += it->span;
    if (spec.aggregate == Aggregate::Mean) {
      window.merge(it->answers);
    } else if (out.readings == 1 || spec.aggregate == Aggregate::Max) {
      best = std::max(best, to_seconds(it->answers.quantile(spec.quantile)));
    }
  }
  if (out.readings == 0) return out;
  out.value = spec.aggregate == Aggregate::Mean ? to_seconds(window.quantile(spec.quantile)) : best;
  return out;
}

}  // namespace

struct Sampler::State {
  std::vector<MetricSpec> specs;
  TimePoint start{};
  std::map<std::string, ModelTrack, std::less<>> models;

  void take(ModelTrack& model, std::size_t number, TimePoint at, const RawModel& raw) {
    const MetricSpec& spec = specs[number];
    SpecTrack& track = model.specs[number];
    const std::size_t channel = index_of(spec.signal);
    std::optional<double> newest;
    if (is_per_replica(spec.signal)) {
      double sum = 0.0;
      int count = 0;
      for (auto& [id, replica] : model.replicas) {
        Series& series = replica.series[number];
        if (replica.at != at) {  // not in this reading
          if (spec.period_mean) series.skip(replica.channels[channel], replica.at, at);
          continue;
        }
        series.take(spec, replica.channels[channel], at);
        if (!series.readings.empty() && series.readings.back().at == at) {
          sum += ratio(series.readings.back().value);
          ++count;
        }
      }
      if (count > 0) newest = sum / count;
    } else if (spec.signal == Signal::LatencyQuantile) {
      take_latency(spec, track, raw.latency, at);
      if (!track.latency.empty() && track.latency.back().at == at) {
        newest = to_seconds(track.latency.back().answers.quantile(spec.quantile));
      }
    } else {
      track.series.take(spec, model.channels[channel], at);
      const auto& readings = track.series.readings;
      if (!readings.empty() && readings.back().at == at) newest = ratio(readings.back().value);
    }
    if (spec.history > Duration{0}) {
      if (newest) track.history.push_back({at, *newest});
      const TimePoint keep_after = at - spec.delay - spec.history;
      while (!track.history.empty() && track.history.front().at <= keep_after) {
        track.history.pop_front();
      }
    }
  }

  // The first point of the grid after `at`.
  TimePoint after(const MetricSpec& spec, TimePoint at) const {
    return start + spec.period * ((at - start) / spec.period + 1);
  }
};

Sampler::Sampler(std::vector<MetricSpec> specs, std::vector<std::string> models, TimePoint start)
    : state_(std::make_unique<State>()) {
  for (const auto& spec : specs) {
    SPATE_CHECK(spec.period > Duration{0} && spec.window > Duration{0} && spec.delay >= Duration{0},
                "a metric needs a period and a window above zero: " + spec.name);
  }
  state_->specs = std::move(specs);
  state_->start = start;
  for (auto& name : models) {
    ModelTrack& model = state_->models[std::move(name)];
    model.specs.resize(state_->specs.size());
    for (auto& track : model.specs) track.next_due = start;
  }
}

Sampler::~Sampler() = default;
Sampler::Sampler(Sampler&&) noexcept = default;
Sampler& Sampler::operator=(Sampler&&) noexcept = default;

void Sampler::read(TimePoint at, std::string_view name, const RawModel& raw) {
  const auto found = state_->models.find(name);
  if (found == state_->models.end()) return;
  ModelTrack& model = found->second;
  if (at < state_->start || (model.begun && at < model.at)) return;
  const bool first = !model.begun;
  model.update(at, raw);
  if (first) {
    for (auto& track : model.specs) {
      track.series.before_at = at;
      if (raw.latency != nullptr) track.latency_before = *raw.latency;
    }
  }
  for (std::size_t i = 0; i < raw.replicas.size(); ++i) {
    const RawReplica& replica = raw.replicas[i];
    const auto [found_track, added] = model.track_of(replica.id, i);
    ReplicaTrack& track = *found_track;
    if (added) {
      track.at = at;
      track.series.resize(state_->specs.size());
      for (auto& series : track.series) series.begin(Channel{}, at);
    }
    track.update(at, replica);
  }
  for (std::size_t i = 0; i < state_->specs.size(); ++i) {
    SpecTrack& track = model.specs[i];
    if (at < track.next_due) continue;
    state_->take(model, i, at, raw);
    track.read_at.push_back(at);
    while (track.read_at.size() > 2 && track.read_at[2] <= at - state_->specs[i].delay) {
      track.read_at.pop_front();
    }
    track.next_due = state_->after(state_->specs[i], at);
  }
}

void Sampler::forget(std::string_view model, std::string_view replica) {
  const auto found = state_->models.find(model);
  if (found == state_->models.end()) return;
  const auto it = found->second.replicas.find(replica);
  if (it == found->second.replicas.end()) return;
  found->second.order.clear();
  found->second.replicas.erase(it);
}

MetricView Sampler::view(std::string_view name, std::size_t metric, TimePoint now) const {
  SPATE_CHECK(metric < state_->specs.size(), "the metric is one of the specs");
  const auto found = state_->models.find(name);
  SPATE_CHECK(found != state_->models.end(), "the sampler knows the model");
  const ModelTrack& model = found->second;
  const MetricSpec& spec = state_->specs[metric];
  const SpecTrack& track = model.specs[metric];
  MetricView out;
  if (is_per_replica(spec.signal)) {
    double sum = 0.0;
    for (const auto& [id, replica] : model.replicas) {
      auto reading = aggregate(spec, replica.series[metric].readings, now);
      if (!reading) continue;
      reading->replica = id;
      sum += reading->value;
      const bool first = out.replicas.empty();
      out.newest = first ? reading->newest : std::min(out.newest, reading->newest);
      out.readings = first ? reading->readings : std::min(out.readings, reading->readings);
      out.covered = first ? reading->covered : std::min(out.covered, reading->covered);
      out.replicas.push_back(std::move(*reading));
    }
    if (!out.replicas.empty()) out.value = sum / static_cast<double>(out.replicas.size());
  } else if (spec.signal == Signal::LatencyQuantile) {
    out = latency_view(spec, track, now);
  } else if (const auto reading = aggregate(spec, track.series.readings, now)) {
    out.value = reading->value;
    out.newest = reading->newest;
    out.readings = reading->readings;
    out.covered = reading->covered;
  }
  const TimePoint to = now - spec.delay;
  for (const TimePoint at : track.read_at) {
    if (at <= to) out.previous_read = std::exchange(out.last_read, at);
  }
  for (const TimedValue& value : track.history) {
    if (value.at > to - spec.history && value.at <= to) out.history.push_back(value);
  }
  return out;
}

TimePoint Sampler::next_due(std::string_view name) const {
  const auto found = state_->models.find(name);
  TimePoint due = TimePoint::max();
  if (found == state_->models.end()) return due;
  for (const auto& track : found->second.specs) due = std::min(due, track.next_due);
  return due;
}

const std::vector<MetricSpec>& Sampler::specs() const { return state_->specs; }

std::size_t Sampler::readings_held() const {
  std::size_t held = 0;
  for (const auto& [name, model] : state_->models) {
    for (const auto& track : model.specs) {
      held += track.series.readings.size() + track.latency.size() + track.history.size();
    }
    for (const auto& [id, replica] : model.replicas) {
      for (const auto& series : replica.series) held += series.readings.size();
    }
  }
  return held;
}

}  // namespace spate::scaling
