// SPDX-License-Identifier: Apache-2.0
//
// What one decision costs, for every built-in strategy, in the state that it works in: a simulated
// hour in front of six to sixteen replicas (a wave of ten minutes, 30 to 130 requests a second of
// 80 ms, starts of 3 s) has filled its memory and the metrics' histories; then each decide() of ten
// minutes is timed, and nothing but it. A figure is the mean over those, and the median of the
// repetitions, each with a demand of its own. The longest single decision is of all repetitions,
// with whatever else the machine did.
//
//   scaling_bench             a table, five repetitions; exit status 1 when a bound is exceeded
//   scaling_bench --markdown  the same as docs/strategies/README.md has it
//   scaling_bench --quick     one repetition after a simulated minute: that it runs
//
// The bounds: 50 us on average, 100 us for strategies that forecast.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "spate/influx/profile.h"
#include "spate/scaling/strategies.h"
#include "spate/sim/world.h"

namespace spate {
namespace {

constexpr double kDecideBound_us = 50.0;
constexpr double kForecastBound_us = 100.0;

struct Protocol {
  double before_s = 3600.0;
  double timed_s = 600.0;
  int repetitions = 5;
};

struct Times {
  double sum_us = 0.0;
  double longest_us = 0.0;
  std::uint64_t count = 0;
};

// Another strategy, with a watch around its decide() from a time on.
class Timed final : public scaling::Strategy {
 public:
  Timed(std::unique_ptr<scaling::Strategy> inner, double from_s, Times& times)
      : inner_(std::move(inner)), from_(from_seconds(from_s)), times_(times) {}

  std::string_view name() const override { return inner_->name(); }
  const scaling::Needs& needs() const override { return inner_->needs(); }
  std::string snapshot() const override { return inner_->snapshot(); }
  Status restore(std::string_view snapshot) override { return inner_->restore(snapshot); }

  std::vector<scaling::Target> decide(const scaling::Observation& seen) override {
    if (began_ == TimePoint::min()) began_ = seen.now;
    const auto before = std::chrono::steady_clock::now();
    auto targets = inner_->decide(seen);
    const auto after = std::chrono::steady_clock::now();
    if (seen.now - began_ < from_) return targets;
    const double us = std::chrono::duration<double, std::micro>(after - before).count();
    times_.sum_us += us;
    times_.longest_us = std::max(times_.longest_us, us);
    ++times_.count;
    return targets;
  }

 private:
  const std::unique_ptr<scaling::Strategy> inner_;
  const Duration from_;
  Times& times_;
  TimePoint began_ = TimePoint::min();
};

sim::WorldConfig world_of(const Protocol& protocol, int repetition) {
  sim::WorldConfig config;
  config.duration_s = protocol.before_s + protocol.timed_s;
  config.run = static_cast<std::uint64_t>(repetition);
  sim::SimModel model;
  model.settings.name = "images";
  model.settings.replicas = 8;
  model.settings.slo_latency_s = 0.5;
  model.settings.cpu_request = model.settings.cpu_limit = 1.0;
  model.settings.bounds = {
      .min_replicas = 6, .max_replicas = 16, .min_cpu = 0.5, .max_cpu = 4.0, .cpu_ceiling = 32.0};
  model.deadline = std::chrono::seconds(10);
  model.slo_latency = std::chrono::milliseconds(500);
  model.profile = std::make_shared<const influx::Profile>(influx::read_profile(
      ConfigReader::from_text("{kind: sine, mean_per_s: 80, amplitude_per_s: 50, period_s: 600}",
                              "scaling_bench"),
      {.duration_s = config.duration_s, .scale = {}, .folder = {}}));
  model.service.entries.push_back({1, sim::Law::gamma(std::chrono::milliseconds(80), 0.2)});
  model.start.load = sim::Law::constant(std::chrono::seconds(3));
  config.models.push_back(std::move(model));
  return config;
}

scaling::DemandSchedule schedule_of(const sim::WorldConfig& config) {
  scaling::DemandSchedule out{.step_s = 1.0, .rates_per_s = {}, .capacity_per_s = 10.0};
  for (double t = 0.5; t < config.duration_s; t += 1.0) {
    out.rates_per_s.push_back(config.models[0].profile->rate(t));
  }
  return out;
}

struct Figure {
  double mean_us = 0.0;
  double longest_us = 0.0;
  double tick_s = 0.0;
};

Figure measure(const std::string& name, const Protocol& protocol) {
  std::vector<double> means;
  Figure out;
  for (int i = 0; i < protocol.repetitions; ++i) {
    const sim::WorldConfig config = world_of(protocol, i);
    const auto registry = scaling::builtin_strategies({{"images", schedule_of(config)}});
    auto strategy = registry.make(name, std::nullopt);
    out.tick_s = to_seconds(strategy->needs().tick);
    Times times;
    sim::World world(config,
                     std::make_unique<Timed>(std::move(strategy), protocol.before_s, times));
    (void)world.run();
    means.push_back(times.sum_us / static_cast<double>(std::max<std::uint64_t>(1, times.count)));
    out.longest_us = std::max(out.longest_us, times.longest_us);
  }
  std::sort(means.begin(), means.end());
  out.mean_us = means[means.size() / 2];
  return out;
}

int run(const Protocol& protocol, bool markdown) {
  static const std::set<std::string> kForecasters{"predictive", "hist", "reg", "conpaas"};
  int beyond = 0;
  if (markdown) {
    fmt::print("| strategy | a decision each | µs on average | bound | longest, µs |\n");
    fmt::print("| --- | --- | --- | --- | --- |\n");
  } else {
    fmt::print("strategy               each s   mean us  bound us  longest us\n");
  }
  for (const auto& name : scaling::builtin_strategies().names()) {
    const Figure figure = measure(name, protocol);
    const double bound = kForecasters.count(name) > 0 ? kForecastBound_us : kDecideBound_us;
    if (markdown) {
      fmt::print("| `{}` | {:g} s | {:.1f} | {:g} | {:.0f} |\n", name, figure.tick_s,
                 figure.mean_us, bound, figure.longest_us);
    } else {
      fmt::print("{:<22} {:>6g} {:>9.2f} {:>9g} {:>11.0f}{}\n", name, figure.tick_s, figure.mean_us,
                 bound, figure.longest_us, figure.mean_us > bound ? "  BEYOND" : "");
    }
    beyond += figure.mean_us > bound ? 1 : 0;
  }
  return beyond > 0 ? 1 : 0;
}

}  // namespace
}  // namespace spate

int main(int argc, char** argv) {
  spate::Protocol protocol;
  bool markdown = false;
  bool quick = false;
  for (int i = 1; i < argc; ++i) {
    markdown = markdown || std::strcmp(argv[i], "--markdown") == 0;
    quick = quick || std::strcmp(argv[i], "--quick") == 0;
  }
  if (quick) protocol = {.before_s = 60.0, .timed_s = 60.0, .repetitions = 1};
  const int status = spate::run(protocol, markdown);
  return quick ? 0 : status;
}
