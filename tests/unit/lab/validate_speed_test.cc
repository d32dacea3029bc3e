// SPDX-License-Identifier: Apache-2.0
#include "spate/lab/validate_speed.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace spate::lab {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

// `image` is answered once a second; its worker `a` uses 0.3 CPUs all the time.
RunFiles run() {
  RunFiles out;
  out.measured_from = 100.0;
  out.measured_until = 110.0;
  ComponentSeries a{"worker", "image", "a", {}};
  for (int i = 0; i <= 12; ++i) {
    const double at = 99.0 + i;
    GatewaySample sample;
    sample.unix_s = at;
    sample.answered = 2.0 * i;
    out.gateway["image"].push_back(sample);
    a.samples.push_back({at, 0.3, 0.0, 0.0, 0.0});
  }
  out.components.push_back(a);
  return out;
}

TEST(ValidateSpeed, IsCpuTimePerAnswer) {
  const RunFiles one = run();
  EXPECT_NEAR(cpu_per_answer_ms({&one}, "image").value(), 150.0, 1e-9) << "0.3 s for two answers";
  EXPECT_FALSE(cpu_per_answer_ms({&one}, "table").has_value());
  EXPECT_FALSE(cpu_per_answer_ms({}, "image").has_value());
}

TEST(ValidateSpeed, CountsTheMeasuredWindowOnly) {
  RunFiles one = run();
  one.components[0].samples[12].cpu_cores = 100.0;  // after the window
  EXPECT_NEAR(cpu_per_answer_ms({&one}, "image").value(), 150.0, 1e-9);
  one.components[0].samples[5].cpu_cores = 1.3;
  EXPECT_NEAR(cpu_per_answer_ms({&one}, "image").value(), 150.0 + 1000.0 / 22.0, 1e-9)
      << "one second more, over 22 answers";
}

// A worker's first reading has no use of its own, though it may have answered: that second is out.
TEST(ValidateSpeed, LeavesOutTheSecondInWhichAWorkerIsNew) {
  RunFiles one = run();
  ComponentSeries b{"worker", "image", "b", {}};
  for (int i = 6; i <= 12; ++i) b.samples.push_back({99.0 + i, 0.3, 0.0, 0.0, 0.0});
  one.components.push_back(b);
  auto& answers = one.gateway["image"];
  for (int i = 6; i <= 12; ++i)
    answers[static_cast<std::size_t>(i)].answered = 10.0 + 4.0 * (i - 5);
  EXPECT_NEAR(cpu_per_answer_ms({&one}, "image").value(), 150.0, 1e-9);
}

TEST(ValidateSpeed, MakesEveryCallOfThatModelLonger) {
  sim::MachineProfile profile;
  profile.models.resize(2);
  for (auto& m : profile.models) {
    m.service.entries = {{1, sim::Law::constant(100ms)}, {8, sim::Law::measured({400ms, 800ms})}};
    m.service_rested = sim::Law::constant(120ms);
    m.start.load = sim::Law::constant(50ms);
  }
  profile.models[0].name = "resnet50";
  profile.models[1].name = "other";
  const auto scaled = at_speed(profile, {{"image", "resnet50", 120.0, 100.0}});
  const auto& m = scaled.models[0];
  EXPECT_NEAR(m.service.mean_ns(1), 120e6, 1.0);
  EXPECT_NEAR(m.service.entries[1].law.quantile_ns(1.0), 960e6, 1.0);
  EXPECT_NEAR(m.service_rested.mean_ns(), 144e6, 1.0);
  EXPECT_NEAR(m.start.load.mean_ns(), 50e6, 1.0) << "loading is no call";
  EXPECT_NEAR(scaled.models[1].service.mean_ns(1), 100e6, 1.0);
}

TEST(ValidateSpeed, IsSaid) {
  EXPECT_THAT(speed_text({{"image", "resnet50", 120.0, 100.0}}),
              HasSubstr("image 120 ms of CPU per answer live, 100 simulated (+20.0 %)"));
}

}  // namespace
}  // namespace spate::lab
