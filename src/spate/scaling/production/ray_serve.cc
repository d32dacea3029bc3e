// SPDX-License-Identifier: Apache-2.0
#include "spate/scaling/production/ray_serve.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>

#include "spate/scaling/production/ray_merge.h"

namespace spate::scaling {
namespace {

using nlohmann::json;
using Series = std::vector<TimedValue>;

constexpr double kAbsurdRequests = 1e9;
constexpr double kMostReplicas = 1e6;
// Slack in the original's comparison of the time that passed with a delay.
constexpr double kDelaySlackS = 1e-6;
constexpr std::size_t kQueue = 0, kRunning = 1, kArrivals = 2, kQueueNow = 3;  // needs().metrics

bool sane(double x) { return std::isfinite(x) && x >= 0.0 && x <= kAbsurdRequests; }

struct Report {
  TimePoint at{};
  Series queued;
  std::map<std::string, Series, std::less<>> running;  // by replica
};

// What the router's own counters say.
struct Counts {
  double queued = 0.0;
  std::map<std::string, int, std::less<>> in_flight;  // by replica
};

struct Memory {
  TimePoint grid{};  // pushes lie on this plus multiples of metrics_interval
  std::optional<Report> report;
  // A replica's series begins with its first request, as the router's does.
  std::map<std::string, TimePoint, std::less<>> first_used;
  Counts before;                   // at the decision before
  int direction = 0;               // of the want that differs from the target: 1 up, -1 down
  std::optional<TimePoint> since;  // when it began to
};

json to_json(const Series& series) {
  json out = json::array();
  for (const auto& point : series) {
    out.push_back({point.at.time_since_epoch().count(), point.value});
  }
  return out;
}

Series series_from(const json& from) {
  Series out;
  for (const auto& point : from) {
    out.push_back({TimePoint(Duration(point.at(0).get<std::int64_t>())), point.at(1)});
  }
  return out;
}

class RayServe final : public Strategy {
 public:
  explicit RayServe(const StrategyOptions& options)
      : target_(options.number("target_ongoing_requests")),
        up_delay_s_(options.number("upscale_delay_s")),
        down_delay_s_(options.number("downscale_delay_s")),
        to_zero_delay_s_(options.number("downscale_to_zero_delay_s")),
        up_factor_(options.number("upscaling_factor")),
        down_factor_(options.number("downscaling_factor")),
        look_back_(options.seconds("look_back_period_s")),
        push_(options.seconds("metrics_interval_s")),
        aggregate_(options.text("aggregation_function")) {
    if (to_zero_delay_s_ < 0.0) to_zero_delay_s_ = down_delay_s_;
    needs_.tick = options.seconds("tick_s");
    const Duration record =
        std::min(from_seconds(options.number("look_back_period_s") * kRecordFactor), push_);
    // A push lies up to a tick before the decision that first sees it.
    const Duration kept = look_back_ + needs_.tick;
    needs_.metrics = {{.name = "queued",
                       .signal = Signal::QueueLength,
                       .period = record,
                       .window = kept,
                       .aggregate = Aggregate::Last,
                       .history = kept},
                      {.name = "running",
                       .signal = Signal::InFlight,
                       .period = record,
                       .window = kept,
                       .aggregate = Aggregate::Last,
                       .replica_series = true},
                      {.name = "arrivals",
                       .signal = Signal::ArrivalRate,
                       .period = needs_.tick,
                       .window = needs_.tick,
                       .aggregate = Aggregate::Last},
                      {.name = "queued_now",
                       .signal = Signal::QueueLength,
                       .period = needs_.tick,
                       .window = kept,
                       .aggregate = Aggregate::Last}};
  }

  std::string_view name() const override { return "ray_serve"; }
  const Needs& needs() const override { return needs_; }

  std::vector<Target> decide(const Observation& seen) override {
    std::vector<Target> out;
    for (const auto& model : seen.models) out.push_back(decide(seen.now, model));
    return out;
  }

  std::string snapshot() const override {
    json out = json::object();
    for (const auto& [model, memory] : memory_) {
      json& m = out[model];
      m["grid"] = memory.grid.time_since_epoch().count();
      m["direction"] = memory.direction;
      if (memory.since) m["since"] = memory.since->time_since_epoch().count();
      m["queued"] = memory.before.queued;
      m["in_flight"] = memory.before.in_flight;
      m["first_used"] = json::object();
      for (const auto& [id, at] : memory.first_used) {
        m["first_used"][id] = at.time_since_epoch().count();
      }
      if (!memory.report) continue;
      json& report = m["report"];
      report["at"] = memory.report->at.time_since_epoch().count();
      report["queued"] = to_json(memory.report->queued);
      report["running"] = json::object();
      for (const auto& [id, series] : memory.report->running) {
        report["running"][id] = to_json(series);
      }
    }
    return out.dump();
  }

  Status restore(std::string_view snapshot) override {
    std::map<std::string, Memory, std::less<>> read;
    try {
      const auto time = [](const json& j) { return TimePoint(Duration(j.get<std::int64_t>())); };
      const json all = json::parse(snapshot);
      if (!all.is_object()) throw std::runtime_error("no object");
      for (const auto& [model, m] : all.items()) {
        Memory& memory = read[model];
        memory.grid = time(m.at("grid"));
        memory.direction = m.at("direction").get<int>();
        memory.before.queued = m.at("queued").get<double>();
        for (const auto& [id, n] : m.at("in_flight").items()) {
          memory.before.in_flight[id] = n.get<int>();
        }
        if (m.contains("since")) memory.since = time(m.at("since"));
        for (const auto& [id, at] : m.at("first_used").items()) memory.first_used[id] = time(at);
        if (!m.contains("report")) continue;
        Report& report = memory.report.emplace();
        report.at = time(m.at("report").at("at"));
        report.queued = series_from(m.at("report").at("queued"));
        for (const auto& [id, series] : m.at("report").at("running").items()) {
          report.running[id] = series_from(series);
        }
      }
    } catch (const std::exception&) {
      return Error{ErrorCode::InvalidArgument, "not a snapshot of ray_serve"};
    }
    memory_ = std::move(read);
    return ok();
  }

 private:
  static constexpr double kRecordFactor = 0.2;

  struct Wanted {
    int replicas = 0;
    Rule rule = Rule::Ongoing;
    std::string reason{};
  };

  static Target hold(const ModelView& model, std::string why) {
    Target target;
    target.replicas = model.wanted_replicas;
    target.rule = Rule::NoData;
    target.reason = "hold: " + std::move(why);
    return target;
  }

  Target decide(TimePoint now, const ModelView& model) {
    const MetricView& queue = model.metrics.at(kQueue);
    if (!queue.value) return hold(model, "no reading of the queue");
    if (!sane(*queue.value)) return hold(model, "absurd reading of the queue");
    if (queue.newest + look_back_ < now) {
      return hold(model, fmt::format("the newest reading of the queue is {:.1f} s old",
                                     to_seconds(now - queue.newest)));
    }
    const auto [it, first] = memory_.try_emplace(model.model);
    Memory& memory = it->second;
    if (first) memory.grid = now - needs_.tick;
    note_first_use(now, model, memory);
    Counts counts = counts_of(model);
    push(now, model, counts, memory);
    memory.before = std::move(counts);
    Target target;
    const Wanted wanted = policy(now, model, memory);
    target.replicas =
        std::clamp(wanted.replicas, model.bounds.min_replicas, model.bounds.max_replicas);
    target.rule = wanted.rule;
    target.reason = wanted.reason;
    return target;
  }

  static void note_first_use(TimePoint now, const ModelView& model, Memory& memory) {
    std::map<std::string, TimePoint, std::less<>> used;
    for (const auto& replica : model.replicas) {
      const auto known = memory.first_used.find(replica.id);
      if (known != memory.first_used.end()) {
        used.insert(*known);
        continue;
      }
      std::optional<TimePoint> first;
      if (replica.in_flight > 0) first = now;
      for (const auto& reading : model.metrics.at(kRunning).replicas) {
        if (reading.replica != replica.id) continue;
        const auto busy = std::find_if(reading.series.begin(), reading.series.end(),
                                       [](const auto& point) { return point.value > 0.0; });
        if (busy != reading.series.end()) first = busy->at;
      }
      if (first) used.emplace(replica.id, *first);
    }
    memory.first_used = std::move(used);
  }

  static int ready(const ModelView& model) {
    return static_cast<int>(
        std::count_if(model.replicas.begin(), model.replicas.end(),
                      [](const auto& r) { return r.state == ReplicaState::Ready; }));
  }

  static Counts counts_of(const ModelView& model) {
    Counts out;
    const MetricView& queue = model.metrics.at(kQueueNow);
    if (queue.value && sane(*queue.value)) out.queued = *queue.value;
    for (const auto& replica : model.replicas) out.in_flight[replica.id] = replica.in_flight;
    return out;
  }

  // What the router pushed last, up to now.
  void push(TimePoint now, const ModelView& model, const Counts& counts, Memory& memory) const {
    const MetricView& arrivals = model.metrics.at(kArrivals);
    const bool arrived = arrivals.value && sane(*arrivals.value) && *arrivals.value > 0.0 &&
                         arrivals.newest > now - needs_.tick;
    const TimePoint due = memory.grid + push_ * ((now - memory.grid) / push_);
    // A request that arrives while nothing runs pushes what was recorded before it; a regular push
    // of that same moment is then no news to the controller.
    if (arrived && ready(model) == 0) {
      memory.report = records(now, now - Duration{1}, model, counts, memory);
    } else if (!memory.report || memory.report->at < due) {
      memory.report = records(due, due, model, due == now ? counts : memory.before, memory);
    }
  }

  // The records of the look-back period before `at`, up to `until`. Where there is none, the
  // router's counter is its only point.
  Report records(TimePoint at, TimePoint until, const ModelView& model, const Counts& counts,
                 const Memory& memory) const {
    const auto kept = [&](const TimedValue& point) {
      return point.at > at - look_back_ && point.at <= until && sane(point.value);
    };
    // A series whose last record lies right at the edge is emptied, but still a series.
    const auto at_edge = [&](const Series& points) {
      return std::any_of(points.begin(), points.end(),
                         [&](const auto& point) { return point.at == at - look_back_; });
    };
    Report out{.at = at, .queued = {}, .running = {}};
    for (const auto& point : model.metrics.at(kQueue).history) {
      if (kept(point)) out.queued.push_back(point);
    }
    if (out.queued.empty() && !at_edge(model.metrics.at(kQueue).history)) {
      out.queued.push_back({at, counts.queued});
    }
    for (const auto& [id, used] : memory.first_used) {
      if (used > at) continue;
      Series& series = out.running[id];
      const auto& readings = model.metrics.at(kRunning).replicas;
      const auto found = std::find_if(readings.begin(), readings.end(),
                                      [&, key = id](const auto& r) { return r.replica == key; });
      if (found != readings.end()) {
        for (const auto& point : found->series) {
          // Read with nothing in flight before its first request: the router had no record yet.
          const bool before_use = series.empty() && point.value == 0.0 && point.at < used;
          if (kept(point) && !before_use) series.push_back(point);
        }
      }
      // The router has no record from before the first use, at the edge neither.
      if (series.empty() && used <= at - look_back_ && found != readings.end() &&
          at_edge(found->series)) {
        continue;
      }
      const auto count = counts.in_flight.find(id);
      if (series.empty() && count != counts.in_flight.end()) {
        series.push_back({at, static_cast<double>(count->second)});
      }
    }
    return out;
  }

  double total(TimePoint now, const ModelView& model, const Memory& memory) const {
    std::vector<Series> sources;
    if (!memory.report) return 0.0;
    for (const auto& replica : model.replicas) {
      if (replica.state != ReplicaState::Ready) continue;
      const auto found = memory.report->running.find(replica.id);
      if (found == memory.report->running.end()) continue;
      if (!found->second.empty()) sources.push_back(found->second);
    }
    if (!memory.report->queued.empty()) sources.push_back(memory.report->queued);
    return ray_total(sources, now, aggregate_);
  }

  Wanted policy(TimePoint now, const ModelView& model, Memory& memory) const {
    const int running = ready(model);
    const int target = model.wanted_replicas;
    const double requests = total(now, model, memory);
    if (running == 0) {
      if (requests > 0.0) {
        const int first = static_cast<int>(std::min(std::ceil(up_factor_), kMostReplicas));
        return {std::max(first, target), Rule::FromZero,
                fmt::format("{:.2f} requests and no replica runs", requests)};
      }
      if (target > 0)
        return {target, Rule::NoData, "hold: no replica runs yet and no request was seen"};
    }
    int scaled = 0;
    if (running > 0) {
      const double desired = running * (requests / (target_ * running));
      const double factor = desired > running ? up_factor_ : down_factor_;
      scaled = static_cast<int>(
          std::min(std::ceil(running + factor * (desired - running)), kMostReplicas));
      if (std::ceil(desired) < running && scaled == running) --scaled;
      scaled = std::max(scaled, 0);
    }
    return delayed(now, scaled, target,
                   fmt::format("{:.2f} requests at {:g} each want {} of {} running", requests,
                               target_, scaled, running),
                   memory);
  }

  // The want is taken once it has lain on one side of the target for that side's delay.
  Wanted delayed(TimePoint now, int want, int target, const std::string& said,
                 Memory& memory) const {
    const int direction = want > target ? 1 : want < target ? -1 : 0;
    if (direction == 0) {
      memory.direction = 0;
      memory.since.reset();
      return {target, Rule::Ongoing, "hold: " + said};
    }
    if (memory.direction != direction) memory.since.reset();
    memory.direction = direction;
    if (!memory.since) memory.since = now;
    const double delay_s = direction > 0 ? up_delay_s_
                           : target == 1 ? to_zero_delay_s_
                                         : down_delay_s_;
    if (direction < 0 && target != 1) want = std::max(1, want);
    const double waited_s = ray_seconds(now) - ray_seconds(*memory.since);
    if (waited_s + kDelaySlackS < delay_s) {
      return {target, Rule::Delay,
              fmt::format("hold: {}, for {:.1f} of {:g} s", said, waited_s, delay_s)};
    }
    memory.direction = 0;
    memory.since.reset();
    return {want, Rule::Ongoing, fmt::format("{}, for {:g} s", said, delay_s)};
  }

  const double target_;
  const double up_delay_s_;
  const double down_delay_s_;
  double to_zero_delay_s_;
  const double up_factor_;
  const double down_factor_;
  const Duration look_back_;
  const Duration push_;
  const std::string aggregate_;
  Needs needs_;
  std::map<std::string, Memory, std::less<>> memory_;  // by model
};

}  // namespace

StrategyInfo ray_serve_strategy() {
  StrategyInfo info;
  info.name = "ray_serve";
  info.summary =
      "Ray Serve's policy: replicas for the mean of waiting and running requests, after a delay.";
  info.source = "Ray 2.60.0, serve/autoscaling_policy.py, _private/autoscaling_state.py, router.py";
  info.options = {
      {"target_ongoing_requests", 2.0, 1e-3, 1e6, "requests per replica, waiting or running"},
      {"upscale_delay_s", 30.0, 0.0, 86400.0, "seconds a want for more must last"},
      {"downscale_delay_s", 600.0, 0.0, 86400.0, "seconds a want for fewer must last"},
      {"downscale_to_zero_delay_s", -1.0, -1.0, 86400.0,
       "seconds a want for none must last, from one; -1 = as downscale_delay_s"},
      {"upscaling_factor", 1.0, 1e-3, 1000.0, "share of the missing replicas that is added"},
      {"downscaling_factor", 1.0, 1e-3, 1000.0, "share of the surplus that is removed"},
      {"look_back_period_s", 30.0, 1.0, 3600.0, "seconds of records that are averaged"},
      {"metrics_interval_s", 10.0, 0.1, 600.0, "seconds between two pushes of the records"},
      {"aggregation_function", std::string("mean"), 0, 0, "mean (over time), max or min"},
      {"tick_s", 0.1, 0.05, 60.0, "seconds between two decisions (the controller's loop)"},
  };
  info.make = [](const StrategyOptions& options) { return std::make_unique<RayServe>(options); };
  info.rules = {Rule::NoData, Rule::FromZero, Rule::Delay, Rule::Ongoing};
  info.check = [](const StrategyOptions& options) -> std::string {
    const std::string& aggregate = options.text("aggregation_function");
    if (aggregate != "mean" && aggregate != "max" && aggregate != "min") {
      return fmt::format("aggregation_function is \"{}\"; expected mean, max or min", aggregate);
    }
    if (options.number("tick_s") > options.number("look_back_period_s")) {
      return "tick_s must be at most look_back_period_s";
    }
    return "";
  };
  return info;
}

}  // namespace spate::scaling
