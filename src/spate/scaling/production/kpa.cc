// SPDX-License-Identifier: Apache-2.0
#include "spate/scaling/production/kpa.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "spate/scaling/kit/per_model.h"
#include "spate/scaling/kit/readings.h"
#include "spate/scaling/production/kpa_autoscaler.h"
#include "spate/scaling/production/kpa_scaler.h"

namespace spate::scaling {
namespace {

using std::chrono::seconds;

constexpr std::size_t kRunning = 0, kWaiting = 1, kWaitingNow = 2;  // needs().metrics
constexpr Duration kScrape = seconds(1);
constexpr Duration kTick = seconds(2);
constexpr Duration kKept = seconds(10);
constexpr Duration kActivationBuffer = seconds(30);

bool sane(double x) { return std::isfinite(x) && x >= 0.0 && x <= kAbsurd; }

// How many of `total` replicas must have been read for a mean over all: 95 % confidence of a
// margin of 5 with a variance of 100 (pkg/autoscaler/metrics/sample_size.go).
std::size_t sample_size(std::size_t total) {
  constexpr double kUnbounded = 1.96 * 1.96 * 100.0 / (5.0 * 5.0);
  const auto n = static_cast<double>(total);
  return total <= 3 ? total
                    : static_cast<std::size_t>(std::ceil(n * kUnbounded / (n + kUnbounded - 1.0)));
}

struct Memory {
  TimePoint created{};
  bool begun = false;
  KpaAutoscaler autoscaler{};
  KpaScaler scaler{};
  int desired = -1;
  bool burst_ok = true;
  KpaScale seen{};  // the last one
  TimePoint scraped{};
  // The activator knows the model from its first waiting request until a second without one.
  TimePoint reported{};
  bool known = false;
  TimePoint known_since{};
  double first_request = 0.0;  // reported ahead of the others

  void save(MemoryWriter& out) const {
    out.put(created);
    out.put(std::int64_t{begun});
    autoscaler.save(out);
    scaler.save(out);
    out.put(std::int64_t{desired});
    out.put(std::int64_t{burst_ok});
    out.put(seen.stable);
    out.put(seen.panic);
    out.put(scraped);
    out.put(reported);
    out.put(std::int64_t{known});
    out.put(known_since);
    out.put(first_request);
  }
  static Memory load(MemoryReader& in) {
    Memory m;
    m.created = in.time();
    m.begun = in.integer(0, 1) == 1;
    m.autoscaler = KpaAutoscaler::load(in);
    m.scaler = KpaScaler::load(in);
    m.desired = static_cast<int>(in.integer(-1, kMostAsked));
    m.burst_ok = in.integer(0, 1) == 1;
    m.seen.stable = in.number();
    m.seen.panic = in.number();
    m.scraped = in.time();
    m.reported = in.time();
    m.known = in.integer(0, 1) == 1;
    m.known_since = in.time();
    m.first_request = in.number();
    return m;
  }
};

KpaSettings settings_of(const StrategyOptions& o) {
  KpaSettings s;
  const double limit = o.number("container_concurrency");
  const double target = o.number("target");
  s.total = limit == 0.0 ? 100.0 : limit;
  if (target > 0.0) s.total = limit == 0.0 ? target : std::min(target, limit);
  s.target = std::max(0.01, s.total * (o.number("target_utilization_percent") / 100.0));
  s.up_rate = o.number("max_scale_up_rate");
  s.down_rate = o.number("max_scale_down_rate");
  s.panic_ratio = o.number("panic_threshold_percent") / 100.0;
  s.burst_capacity = o.number("target_burst_capacity");
  s.stable_s = o.integer("stable_window_s");
  const double panic_s = static_cast<double>(s.stable_s) * o.number("panic_window_percent") / 100.0;
  s.panic_s = std::max<std::int64_t>(1, std::llround(panic_s));
  s.scale_down_delay_s = o.integer("scale_down_delay_s");
  s.activation_scale = static_cast<int>(o.integer("activation_scale"));
  s.initial_scale = static_cast<int>(o.integer("initial_scale"));
  s.reachable = o.boolean("reachable");
  s.weighted = o.text("aggregation") == "weighted_exponential";
  return s;
}

class Kpa final : public PerModelStrategy<Memory> {
 public:
  explicit Kpa(const StrategyOptions& options)
      : PerModelStrategy("kpa"), settings_(settings_of(options)) {
    scaler_ = {.to_zero = options.boolean("scale_to_zero"),
               .stable = seconds(settings_.stable_s),
               .grace = options.seconds("scale_to_zero_grace_s"),
               .retention = options.seconds("pod_retention_s"),
               .activation_timeout = options.seconds("progress_deadline_s") + kActivationBuffer,
               .activator_always = settings_.burst_capacity == -1.0,
               .reachable = settings_.reachable};
    needs_.tick = options.seconds("tick_s");
    const Signal waiting = scaler_.activator_always ? Signal::Concurrency : Signal::QueueLength;
    needs_.metrics = {{.name = "running",
                       .signal = Signal::InFlight,
                       .period = kScrape,
                       .window = kKept,
                       .aggregate = Aggregate::Last,
                       .period_mean = true,
                       .replica_series = true},
                      {.name = "waiting",
                       .signal = waiting,
                       .period = kScrape,
                       .window = kKept,
                       .aggregate = Aggregate::Last,
                       .history = kKept,
                       .period_mean = true},
                      {.name = "waiting_now",
                       .signal = waiting,
                       .period = needs_.tick,
                       .window = kKept,
                       .aggregate = Aggregate::Last}};
  }

 private:
  Target decide_model(TimePoint now, const ModelView& model, Memory& memory) override {
    const int ready = count_ready(model);
    if (!memory.begun || !memory.autoscaler.fits(settings_)) begin(now, model, ready, memory);
    collect(now, model, ready, memory);
    // The autoscaler's own beat.
    const auto beats = [&](TimePoint at) { return (at - memory.created) / kTick; };
    if (beats(now) > beats(now - needs_.tick)) scale(now, ready, memory);
    const auto applied =
        memory.scaler.reconcile(scaler_, now, model, ready, memory.desired, memory.burst_ok);
    Target target;
    target.replicas = applied.replicas;
    const bool panic = memory.autoscaler.panicking();
    target.rule = applied.rule == Rule::StableWindow && panic ? Rule::PanicWindow : applied.rule;
    target.reason = reason(applied, model, memory);
    return target;
  }

  // As Knative makes the decider and reconciles for the first time.
  void begin(TimePoint now, const ModelView& model, int ready, Memory& memory) const {
    memory = Memory{};
    memory.begun = true;
    memory.created = now - needs_.tick;
    memory.scraped = memory.reported = memory.created;
    memory.autoscaler = KpaAutoscaler(settings_, memory.created, ready);
    // Knative makes a revision's deployment with as many replicas as the initial scale.
    const int initial =
        settings_.initial_scale >= 0 ? settings_.initial_scale : model.wanted_replicas;
    memory.scaler = KpaScaler(memory.created, initial);
    // The original converts to an integer, which takes up to one replica's worth for none missing.
    memory.burst_ok = settings_.burst_capacity == 0.0 ||
                      (settings_.burst_capacity > 0.0 &&
                       initial * settings_.total - settings_.burst_capacity > -1.0);
    memory.scaler.reconcile(scaler_, memory.created, model, ready, memory.desired, memory.burst_ok);
  }

  void scale(TimePoint now, int ready, Memory& memory) const {
    const auto result = memory.autoscaler.scale(settings_, now, ready);
    if (!result) return;
    memory.desired = result->wanted;
    memory.burst_ok = result->burst_excess >= 0.0;
    memory.seen = *result;
  }

  // What the replicas and the activator reported since the last decision, in order of time.
  void collect(TimePoint now, const ModelView& model, int ready, Memory& memory) const {
    const auto& waiting = model.metrics.at(kWaiting);
    const auto stats = scrapes(model, now, memory.scraped);
    auto stat = stats.begin();
    for (const auto& point : waiting.history) {
      if (point.at <= memory.reported || point.at > now || !waiting.value) continue;
      if (point.at > waiting.newest || !sane(point.value)) continue;
      for (; stat != stats.end() && stat->first <= point.at; ++stat)
        memory.autoscaler.record(stat->first, stat->second);
      report(point, now, model, ready, memory);
    }
    for (; stat != stats.end(); ++stat) memory.autoscaler.record(stat->first, stat->second);
    // The first request that waits is reported at once.
    if (memory.known || !(waiting_now(now, model) > 0.0)) return;
    memory.known = true;
    memory.known_since = now;
    memory.first_request = 1.0;
    memory.autoscaler.record(now, 1.0);
    if (memory.desired == 0) scale(now, ready, memory);
  }

  static double waiting_now(TimePoint now, const ModelView& model) {
    const MetricView& metric = model.metrics.at(kWaitingNow);
    const bool usable = metric.value && sane(*metric.value) && metric.newest + kKept > now;
    return usable ? *metric.value : 0.0;
  }

  // By the time of the scrape: the requests in flight at all ready replicas, estimated from those
  // that were read; nothing where too few were. `after`: the last scrape, whatever it gave.
  std::map<TimePoint, double> scrapes(const ModelView& model, TimePoint until,
                                      TimePoint& after) const {
    std::map<TimePoint, double> out;
    if (scaler_.activator_always) return out;
    std::vector<std::string_view> ready;
    for (const auto& replica : model.replicas) {
      if (replica.state == ReplicaState::Ready) ready.push_back(replica.id);
    }
    std::sort(ready.begin(), ready.end());
    std::map<TimePoint, std::pair<double, std::size_t>> read;  // sum, and of how many
    for (const auto& reading : model.metrics.at(kRunning).replicas) {
      const bool counts = std::binary_search(ready.begin(), ready.end(), reading.replica);
      const auto take = [&](const TimedValue& point) {
        if (point.at <= after || point.at > until || !sane(point.value)) return;
        auto& [sum, count] = read[point.at];
        if (!counts) return;
        sum += point.value;
        ++count;
      };
      if (reading.series.empty()) take({reading.newest, reading.value});
      for (const auto& point : reading.series) take(point);
    }
    const std::size_t total = ready.size();
    for (const auto& [at, sum] : read) {
      after = at;
      if (sum.second == 0 || sum.second < sample_size(total)) continue;
      out[at] = sum.first / static_cast<double>(sum.second) * static_cast<double>(total);
    }
    return out;
  }

  // The activator's report of a second: the mean since its first request, less what it reported
  // for that one already.
  void report(const TimedValue& point, TimePoint now, const ModelView& model, int ready,
              Memory& memory) const {
    const TimePoint before = std::exchange(memory.reported, point.at);
    if (!memory.known && point.value == 0.0) return;
    double mean = point.value;
    if (memory.known && memory.known_since > before && memory.known_since < point.at) {
      mean *= to_seconds(point.at - before) / to_seconds(point.at - memory.known_since);
    }
    const double left = std::max(mean - std::exchange(memory.first_request, 0.0), 0.0);
    memory.autoscaler.record(point.at, left);
    if (memory.desired == 0 && left != 0.0) scale(now, ready, memory);
    memory.known = mean != 0.0 || waiting_now(now, model) > 0.0;
  }

  std::string reason(const KpaScaler::Applied& applied, const ModelView& model,
                     const Memory& memory) const {
    std::string out = applied.replicas == model.wanted_replicas ? "hold: " : "";
    if (memory.desired < 0) return out + (*applied.why != 0 ? applied.why : "no data yet");
    out += fmt::format("{:.2f} requests over {} s and {:.2f} over {} s at {:g} each want {}{}",
                       memory.seen.stable, settings_.stable_s, memory.seen.panic, settings_.panic_s,
                       settings_.target, memory.desired,
                       memory.autoscaler.panicking() ? " in panic" : "");
    if (*applied.why != 0) out += fmt::format("; {}", applied.why);
    return out;
  }

  const KpaSettings settings_;
  KpaScalerSettings scaler_;
};

std::string check(const StrategyOptions& options) {
  const std::string& aggregation = options.text("aggregation");
  if (aggregation != "linear" && aggregation != "weighted_exponential") {
    return fmt::format("aggregation is \"{}\"; expected linear or weighted_exponential",
                       aggregation);
  }
  const double burst = options.number("target_burst_capacity");
  if (burst < 0.0 && burst != -1.0) {
    return fmt::format("target_burst_capacity is {:g}; expected -1 (unlimited), or at least 0",
                       burst);
  }
  return "";
}

}  // namespace

StrategyInfo kpa_strategy() {
  StrategyInfo info;
  info.name = "kpa";
  info.summary =
      "Knative's autoscaler: replicas for the concurrency of a stable and a panic window.";
  info.source =
      "Knative Serving v0.50.0, pkg/autoscaler, pkg/reconciler/autoscaling/kpa, "
      "config/core/configmaps/autoscaler.yaml";
  info.options = {
      {"target", 0.0, 0.0, 1e6,
       "concurrency of a replica to aim below; 0 = container_concurrency, or 100"},
      {"container_concurrency", 0.0, 0.0, 1000.0, "most a replica takes at once; 0 = unlimited"},
      {"target_utilization_percent", 70.0, 1.0, 100.0, "share of that which is aimed at"},
      {"stable_window_s", std::int64_t{60}, 6, 3600, "seconds of the stable mean"},
      {"panic_window_percent", 10.0, 1.0, 100.0, "length of the panic window, of the stable one"},
      {"panic_threshold_percent", 200.0, 110.0, 1000.0,
       "panic when the panic window wants this share of the ready replicas"},
      {"max_scale_up_rate", 1000.0, 1.0001, 1e6, "at most this many times the ready replicas"},
      {"max_scale_down_rate", 2.0, 1.0001, 1e6, "at least the ready replicas over this"},
      {"scale_down_delay_s", std::int64_t{0}, 0, 3600, "the most wanted of so many seconds"},
      {"activation_scale", std::int64_t{1}, 1, 1000, "least above zero while there are requests"},
      {"initial_scale", std::int64_t{-1}, -1, 1000,
       "least until so many were ready once; -1 = the replicas that the model starts with"},
      {"target_burst_capacity", 211.0, -1.0, 1e6,
       "spare concurrency below which the activator stays in the path; -1 = always"},
      {"scale_to_zero", true, 0, 0, "whether the last replica may go"},
      {"scale_to_zero_grace_s", 30.0, 0.1, 86'400.0,
       "seconds behind the activator before the last replica goes"},
      {"pod_retention_s", 0.0, 0.0, 86'400.0, "seconds that the last replica is kept at least"},
      {"progress_deadline_s", 600.0, 1.0, 86'400.0,
       "seconds until a start has failed, and 30 more"},
      {"aggregation", std::string("linear"), 0, 0, "linear or weighted_exponential"},
      {"reachable", true, 0, 0, "whether a route leads to it; else its least counts for nothing"},
      {"tick_s", 0.1, 0.05, 1.0, "seconds between two looks for a first request"},
  };
  info.make = [](const StrategyOptions& options) { return std::make_unique<Kpa>(options); };
  info.check = check;
  info.rules = {Rule::NoData,       Rule::StableWindow, Rule::PanicWindow,
                Rule::InitialScale, Rule::Activating,   Rule::StartTimedOut,
                Rule::AtBound,      Rule::Idle,         Rule::ToZero};
  return info;
}

}  // namespace spate::scaling
