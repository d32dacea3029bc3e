// SPDX-License-Identifier: Apache-2.0
//
// What a world needs does not depend on how long it runs: a run ten times as long, with scaling,
// crashes and hung workers all the time, has the same peak of live memory.
#include <gtest/gtest.h>

#include "unit/sim/allocations.h"
#include "unit/sim/worlds.h"

namespace spate::sim {
namespace {

using namespace std::chrono_literals;

WorldConfig busy_world(double duration_s) {
  SimModel model = simple_model("m", 2, 1, 1, Law::exponential(40ms));
  model.settings.cpu_request = model.settings.cpu_limit = 0.5;
  model.settings.bounds = {
      .min_replicas = 1, .max_replicas = 6, .min_cpu = 0.5, .max_cpu = 0.5, .cpu_ceiling = 3.0};
  // A small day of two minutes.
  std::vector<influx::Piece> pieces;
  for (double t = 0.0; t < duration_s; t += 120.0) {
    pieces.push_back({60.0, 8.0, 0, 0, 0, 0});
    pieces.push_back({60.0, 40.0, 0, 0, 0, 0});
  }
  model.profile = std::make_shared<const influx::Profile>(pieces);
  model.deadline = 1s;
  model.route.attempt_timeout = 2s;
  model.start.load = Law::constant(300ms);
  model.start.failure_ratio = 0.1;
  model.faults.crashes_per_hour = 20.0;
  model.faults.hangs_per_hour = 20.0;
  WorldConfig config = simple_world(std::move(model), duration_s);
  config.most_bins = 64;
  config.most_holds = 50;
  config.most_records = 400;
  return config;
}

struct Peak {
  std::uint64_t bytes = 0;
  RunOutput output;
};

Peak peak_of(double duration_s, const std::string& name, Duration fluid_step = Duration{0}) {
  WorldConfig config = busy_world(duration_s);
  config.fluid_step = fluid_step;
  // The demand itself is the caller's: a long trace is as long as it is.
  World world(config, strategy(name));
  start_peak();
  const std::uint64_t before = live_bytes();
  Peak out;
  out.output = world.run();
  out.bytes = peak_bytes() - before;
  return out;
}

TEST(Memory, DoesNotGrowWithTheRun) {
  for (const Duration step : {Duration{0}, Duration(100ms)}) {
    const Peak brief = peak_of(1200.0, "horizontal", step);
    const Peak tenfold = peak_of(12'000.0, "horizontal", step);
    EXPECT_GT(brief.output.records_dropped, 0U) << "both runs fill what is bounded";
    EXPECT_GT(tenfold.output.requests, 9 * brief.output.requests);
    EXPECT_LT(static_cast<double>(tenfold.bytes), 1.1 * static_cast<double>(brief.bytes));
  }
}

}  // namespace
}  // namespace spate::sim
