// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "spate/base/config_error.h"
#include "spate/influx/schedule.h"
#include "unit/sim/allocations.h"
#include "unit/sim/worlds.h"

namespace spate::sim {
namespace {

using namespace std::chrono_literals;

// Everything of an output that a run directory would have.
std::string text_of(const RunOutput& output) {
  nlohmann::json out;
  for (const auto& m : output.models) {
    out["histograms"].push_back(m.latency.to_json());
    out["planned"].push_back(m.total.planned);
    for (const auto& bin : m.bins) {
      out["bins"].push_back({bin.tally.planned, bin.tally.in_time, bin.p99_ms, bin.gauges.ready,
                             bin.gauges.cpu_cores, bin.gauges.queue});
    }
  }
  for (const auto& d : output.decisions) {
    out["decisions"].push_back(
        {d.at.time_since_epoch().count(), d.to_replicas, d.to_cpu_limit, d.reason});
  }
  for (const auto& e : output.events) {
    out["events"].push_back({e.at.time_since_epoch().count(), e.event, e.replica});
  }
  return out.dump();
}

// A model whose load doubles what one replica can do, and a strategy that may add some.
WorldConfig surge_world(std::uint64_t seed = 1) {
  SimModel model = simple_model("images", 1, 1, 1, Law::gamma(45ms, 0.1));
  model.settings.cpu_request = model.settings.cpu_limit = 0.3;
  model.settings.bounds = {
      .min_replicas = 1, .max_replicas = 3, .min_cpu = 0.3, .max_cpu = 0.9, .cpu_ceiling = 0.9};
  model.profile = std::make_shared<const influx::Profile>(
      std::vector<influx::Piece>{{30.0, 3.0, 0, 0, 0, 0}, {60.0, 14.0, 0, 0, 0, 0}});
  model.deadline = 2s;
  model.slo_latency = 2s;
  model.start.spawn = Law::constant(5ms);
  model.start.to_main = Law::constant(20ms);
  model.start.load = Law::constant(150ms);
  model.memory_bytes = 1e8;
  WorldConfig config = simple_world(std::move(model), 90.0);
  config.seed = seed;
  config.warm_up_s = 5.0;
  config.machine_cpus = 2;
  config.limit_delay = Law::constant(1ms);
  return config;
}

TEST(World, EveryRequestEndsExactlyOneWay) {
  const RunOutput output = run(surge_world());
  const Tally& total = output.models[0].total;
  EXPECT_TRUE(output.problems.empty());
  EXPECT_GT(total.planned, 500U);
  EXPECT_EQ(total.lost(), 0U);
  Tally bins;
  for (const auto& bin : output.models[0].bins) bins += bin.tally;
  EXPECT_EQ(bins.planned, total.planned);
  EXPECT_EQ(bins.in_time, total.in_time);
  EXPECT_EQ(output.models[0].latency.count(), total.answered());
}

// One replica of 0.3 CPU with calls of 45 ms of CPU time serves 6.67/s; 14/s come.
TEST(World, AnOverloadedReplicaServesWhatItsQuotaAllows) {
  const RunOutput output = run(surge_world());
  const auto& bins = output.models[0].bins;
  std::uint64_t answered = 0;
  double cpu = 0.0;
  for (std::size_t s = 40; s < 85; ++s) {
    answered += bins[s].tally.answered();
    cpu += bins[s].gauges.cpu_cores;
  }
  EXPECT_NEAR(static_cast<double>(answered) / 45.0, 0.3 / 0.045, 0.4);
  EXPECT_NEAR(cpu / 45.0, 0.3, 0.01);
}

TEST(World, AStrategyScalesAndMeetsTheObjective) {
  const RunOutput none = run(surge_world());
  const RunOutput horizontal = run(surge_world(), "horizontal");
  const RunOutput vertical = run(surge_world(), "vertical");
  EXPECT_LT(none.models[0].total.in_time, 0.7 * static_cast<double>(none.models[0].total.planned));
  for (const RunOutput* output : {&horizontal, &vertical}) {
    const ModelOutput& m = output->models[0];
    EXPECT_GT(static_cast<double>(m.total.in_time), 0.85 * static_cast<double>(m.total.planned));
    EXPECT_GT(m.decisions.up, 0U);
    EXPECT_GT(m.accounts.cpu_reserved_s, 1.5 * none.models[0].accounts.cpu_reserved_s);
  }
  EXPECT_EQ(horizontal.models[0].accounts.most_replicas, 3);
  EXPECT_EQ(vertical.models[0].accounts.most_replicas, 1);
  // 90 s at 0.3 CPU and 100 MB.
  EXPECT_NEAR(none.models[0].accounts.cpu_reserved_s, 27.0, 1e-6);
  EXPECT_NEAR(none.models[0].accounts.memory_byte_s, 9e9, 1.0);
}

// A strategy may give a replica up before it is ready: what it wants is waited for, not what it
// began with.
TEST(World, TheLoadBeginsWithTheReplicasThatAreWanted) {
  SimModel model = simple_model("m", 2, 5.0, 20.0, Law::constant(10ms));
  model.settings.bounds.min_replicas = 0;
  model.start.load = Law::constant(3s);
  const WorldConfig config = simple_world(std::move(model), 20.0);
  for (const int wanted : {1, 0}) {
    const std::string options =
        R"({steps: '[{"at_s":0,"replicas":)" + std::to_string(wanted) + "}]'}";
    World world(config, scaling::builtin_strategies().make(
                            "scripted", ConfigReader::from_text(options, "test")));
    const RunOutput output = world.run();
    EXPECT_TRUE(output.problems.empty()) << wanted << " replicas";
    EXPECT_GT(output.models[0].total.planned, 0U);
    EXPECT_EQ(output.models[0].total.in_time > 0, wanted > 0);
  }
}

// What a strategy sees later it answers later, and no request is another one for it.
TEST(World, AStrategysSamplersMayBeLate) {
  const auto first_up = [](const RunOutput& output) {
    for (const auto& d : output.decisions) {
      if (d.direction == "up") return to_seconds(d.at - output.measured_from);
    }
    return -1.0;
  };
  const auto late = [](const char* metrics) {
    World world(
        surge_world(),
        scaling::builtin_strategies().make(
            "horizontal", ConfigReader::from_text(
                              std::string("{wrap: [{kind: metrics, ") + metrics + "}]}", "test")));
    return world.run();
  };
  const RunOutput at_once = run(surge_world(), "horizontal");
  const RunOutput delayed = late("delay_s: 1");
  ASSERT_GT(first_up(at_once), 30.0);
  EXPECT_NEAR(first_up(delayed), first_up(at_once) + 1.0, 0.3);
  EXPECT_EQ(first_up(late("delay_s: 20")), -1.0) << "it takes no readings that are so old";
  EXPECT_EQ(delayed.models[0].total.planned, at_once.models[0].total.planned);
  EXPECT_EQ(text_of(late("noise_ratio: 0.3")), text_of(late("noise_ratio: 0.3")));
}

TEST(World, EqualSeedsGiveEqualRuns) {
  const std::string first = text_of(run(surge_world(), "horizontal"));
  EXPECT_EQ(first, text_of(run(surge_world(), "horizontal")));
  EXPECT_NE(first, text_of(run(surge_world(2), "horizontal")));
}

// The simulated demand is the very one that influx sends for the same seed.
TEST(World, TheDemandIsInfluxs) {
  const WorldConfig config = surge_world(7);
  const SimModel& model = config.models[0];
  influx::ScheduleOptions options;
  options.seed = config.seed;
  options.run = config.run;
  options.warm_up_s = config.warm_up_s;
  options.duration_s = config.duration_s;
  options.models.push_back({model.settings.name, 10, model.profile, model.arrivals});
  const influx::Schedule schedule = influx::make_schedule(options);
  ArrivalFeed feed(model.settings.name, model.profile, model.arrivals, config.warm_up_s,
                   config.seed, config.run);
  for (const auto& request : schedule.requests) {
    ASSERT_EQ(feed.next(), request.at.count());
    feed.take();
  }
  EXPECT_EQ(feed.next(), ArrivalFeed::kOver);
  EXPECT_EQ(run(config).models[0].total.planned,
            schedule.requests.size() - schedule.warm_up_requests());
}

// Whatever the strategy does, it meets the same requests.
TEST(World, StrategiesMeetTheSameDemand) {
  const RunOutput none = run(surge_world());
  const RunOutput vertical = run(surge_world(), "vertical");
  ASSERT_EQ(none.models[0].bins.size(), vertical.models[0].bins.size());
  for (std::size_t i = 0; i < none.models[0].bins.size(); ++i) {
    EXPECT_EQ(none.models[0].bins[i].tally.planned, vertical.models[0].bins[i].tally.planned);
  }
}

// A long run's series becomes coarser, not longer.
TEST(World, TheSeriesDoesNotGrowWithTheRun) {
  WorldConfig config = surge_world();
  config.most_bins = 16;
  const RunOutput output = run(config);
  EXPECT_LE(output.models[0].bins.size(), 16U);
  EXPECT_EQ(output.models[0].bin_s, 8.0);
  Tally bins;
  for (const auto& bin : output.models[0].bins) bins += bin.tally;
  EXPECT_EQ(bins.planned, output.models[0].total.planned);
  // cpu_cores of a bin is a mean.
  EXPECT_NEAR(output.models[0].bins[8].gauges.cpu_cores, 0.3, 0.02);
}

TEST(World, BatchesAreFormedAndTakeTheirTime) {
  SimModel model = simple_model("m", 1, 300.0, 20.0, Law::constant(10ms));
  model.service.entries.push_back({8, Law::constant(20ms)});
  model.route.max_batch = 8;
  WorldConfig config = simple_world(std::move(model), 20.0);
  config.warm_up_s = 2.0;
  const ModelOutput m = run(config).models[0];
  EXPECT_EQ(m.total.lost(), 0U);
  // 300/s in batches: 100/s one by one would not do.
  EXPECT_NEAR(static_cast<double>(m.total.answered()), 6000.0, 300.0);
  EXPECT_LT(static_cast<double>(m.batches), 0.5 * 6600.0);
}

// Two models on one core: each wants all of it, each gets half.
TEST(World, ModelsShareTheMachinesCores) {
  WorldConfig config = simple_world(simple_model("a", 1, 30.0, 60.0, Law::constant(40ms)), 60.0);
  config.models.push_back(simple_model("b", 1, 30.0, 60.0, Law::constant(40ms)));
  for (auto& model : config.models) model.deadline = 1s;
  config.cores = 1.0;
  const RunOutput shared = run(config);
  config.cores = 0.0;
  const RunOutput alone = run(config);
  for (int i = 0; i < 2; ++i) {
    // 25/s with a core of its own, 12.5/s with half.
    EXPECT_NEAR(static_cast<double>(alone.models[i].total.answered()) / 60.0, 25.0, 1.0);
    EXPECT_NEAR(static_cast<double>(shared.models[i].total.answered()) / 60.0, 12.5, 0.7);
    EXPECT_NEAR(shared.models[i].accounts.cpu_used_s, 30.0, 1.0);
  }
}

// Four replicas on a machine of 1 CPU and one of 3: one and three of them, a CPU each.
TEST(World, ReplicasAreSpreadOverMachinesOfGivenSize) {
  WorldConfig config = simple_world(simple_model("m", 4, 200.0, 60.0, Law::constant(40ms)), 60.0);
  config.models[0].deadline = 1s;
  config.cores = 1.0;
  config.more_machines = {3.0};
  const RunOutput both = run(config);
  EXPECT_NEAR(both.models[0].accounts.cpu_used_s, 240.0, 3.0);
  EXPECT_NEAR(static_cast<double>(both.models[0].total.answered()) / 60.0, 100.0, 2.0);
  // Twice as many replicas do not get more CPUs, and a machine's CPUs are no help to another's.
  config.models[0].settings.replicas = 8;
  config.models[0].settings.bounds = {
      .min_replicas = 8, .max_replicas = 8, .min_cpu = 1.0, .max_cpu = 1.0, .cpu_ceiling = 8.0};
  EXPECT_NEAR(run(config).models[0].accounts.cpu_used_s, 240.0, 3.0);
  config.more_machines = {0.5};
  EXPECT_NEAR(run(config).models[0].accounts.cpu_used_s, 90.0, 3.0);
  EXPECT_EQ(text_of(run(config)), text_of(run(config)));
  config.cores = 0.0;
  EXPECT_THROW(run(config), ConfigError);
}

// With more cores than threads, sharing changes nothing.
TEST(World, ContentionWithCoresToSpareIsNone) {
  WorldConfig config = surge_world();
  const std::string without = text_of(run(config, "vertical"));
  config.cores = 8.0;
  const RunOutput with = run(config, "vertical");
  config.cores = 0.0;
  const RunOutput again = run(config, "vertical");
  EXPECT_EQ(with.models[0].total.planned, again.models[0].total.planned);
  EXPECT_NEAR(static_cast<double>(with.models[0].total.in_time),
              static_cast<double>(again.models[0].total.in_time), 6.0);
  EXPECT_EQ(without, text_of(again));
}

TEST(World, RefusesWhatItCannotSimulate) {
  WorldConfig config = surge_world();
  config.models[0].service.entries.clear();
  EXPECT_THROW(World(config, strategy("none")), ConfigError);
  config.models.clear();
  EXPECT_THROW(World(config, strategy("none")), ConfigError);
}

// Nothing is allocated for a request: four times as many need no more allocations than the
// control steps of the same time do.
TEST(World, RequestsAllocateNothing) {
  const auto allocated = [](double rate_per_s) {
    SimModel model = simple_model("m", 20, rate_per_s, 40.0, Law::exponential(10ms));
    model.route.max_batch = 4;
    model.deadline = 1s;
    World world(simple_world(std::move(model), 40.0), strategy("none"));
    (void)world.run_until(20.0);
    const std::uint64_t before = allocations();
    const std::uint64_t requests = world.requests();
    (void)world.run_until(30.0);
    EXPECT_NEAR(static_cast<double>(world.requests() - requests), 10.0 * rate_per_s,
                10.0 * std::sqrt(10.0 * rate_per_s));
    return allocations() - before;
  };
  const std::uint64_t few = allocated(400.0);
  const std::uint64_t many = allocated(1600.0);
  EXPECT_LT(many, few + 100) << "12 000 requests more";
}

}  // namespace
}  // namespace spate::sim
