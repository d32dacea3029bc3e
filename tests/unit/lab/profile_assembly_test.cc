// SPDX-License-Identifier: Apache-2.0
#include "spate/lab/profile_assembly.h"

#include <gmock/gmock.h>

#include "spate/sim/machine_profile.h"

namespace spate::lab {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr Duration ms(double value) { return Duration(static_cast<std::int64_t>(value * 1e6)); }

CallSamples calls(int batch, double cpus, double call_ms, double round_trip_ms, int count = 50,
                  int threads = 1) {
  CallSamples out{batch, cpus, threads, {}};
  for (int i = 0; i < count; ++i) {
    // A spread of 10 % either way around the mean.
    const double at = 0.9 + 0.2 * i / (count - 1);
    out.calls.push_back({batch, ms(round_trip_ms * at), ms(call_ms * at), ms(call_ms * at)});
  }
  return out;
}

ProfileSamples machine_of_two() {
  ProfileSamples out;
  out.spate = "0.1.0";
  out.machine = {{"cpu_model", "test"}};
  out.canary = {{"disturbed", false}};
  out.cores = 2;
  out.limit_mechanism = "cgroup_v1";
  ModelSamples m;
  m.name = "resnet50";
  m.variant = "fp32";
  m.calls = {calls(1, 1.9, 40.0, 41.0), calls(4, 1.9, 120.0, 121.0)};
  m.calls[0].memory_bytes = 1.5e8;
  m.calls[1].memory_bytes = 2.5e8;
  m.threads = {calls(1, 2.9, 22.0, 23.0, 50, 2)};
  m.idle = {{ms(10), ms(12), ms(100), ms(80), ms(50)}, {ms(12), ms(14), ms(120), ms(90), ms(60)}};
  m.busy = {{ms(20), ms(30), ms(150), ms(100), ms(90)}, {ms(20), ms(30), ms(150), ms(100), ms(90)}};
  m.busy_threads = 2;
  out.models = {m};
  out.transport.model = "resnet50";
  for (int i = 0; i < 100; ++i) out.transport.latency.record(ms(42.0));
  out.transport.high_per_s = 100.0;
  out.transport.low_per_s = 10.0;
  out.transport.high_cpus = 0.05;
  out.transport.low_cpus = 0.032;
  return out;
}

sim::MachineProfile read_back(const nlohmann::ordered_json& json) {
  return sim::read_machine_profile(ConfigReader::from_text(json.dump(), "profile.json"));
}

TEST(ProfileAssembly, IsWhatTheSimulatorReads) {
  ProfileSamples samples = machine_of_two();
  samples.transport.decision_to_process = {ms(15), ms(17)};
  const auto json = assemble_profile(samples);
  const sim::MachineProfile profile = read_back(json);
  const sim::ProfiledModel& m = profile.model("resnet50");
  EXPECT_EQ(profile.cores, 2);
  EXPECT_EQ(m.variant, "fp32");
  EXPECT_NEAR(m.service.mean_ns(1), 40e6, 0.4e6);
  EXPECT_NEAR(m.service.mean_ns(4), 120e6, 1.2e6);
  EXPECT_NEAR(m.service.mean_ns(2), 40e6 + 80e6 / 3.0, 1e6) << "on the line between 1 and 4";
  EXPECT_NEAR(m.service_threads.mean_ns(1), 44e6, 0.5e6) << "22 ms of two threads";
  EXPECT_NEAR(m.start.load.mean_ns(), 110e6, 6e6) << "idle: the time that passed";
  ASSERT_TRUE(m.start_busy.has_value());
  EXPECT_NEAR(m.start_busy->load.mean_ns(), 100e6, 1e6) << "busy: the CPU time";
  EXPECT_NEAR(m.start_busy->spawn.mean_ns(), 20e6, 1e3);
  // The bench's median spawn of 12 ms is part of what the decisions took.
  EXPECT_NEAR(profile.decide.mean_ns(), 4e6, 1.1e6);
}

TEST(ProfileAssembly, MemoryIsKeptByBatch) {
  const sim::MachineProfile profile = read_back(assemble_profile(machine_of_two()));
  EXPECT_EQ(sim::memory_bytes_of(profile.model("resnet50"), 1), 1.5e8);
  EXPECT_EQ(sim::memory_bytes_of(profile.model("resnet50"), 4), 2.5e8);
}

TEST(ProfileAssembly, CallsAfterARestAndTransportByLoad) {
  ProfileSamples samples = machine_of_two();
  EXPECT_EQ(read_back(assemble_profile(samples)).model("resnet50").rested_after, Duration{0});
  samples.models[0].rested = calls(1, 1.9, 41.0, 43.0);
  for (const double ratio : {0.0, 0.5}) {
    samples.transport.loaded.push_back({ratio, {}});
    for (int i = 0; i < 100; ++i) {
      samples.transport.loaded.back().latency.record(ms(42.0 + 6.0 * ratio));
    }
  }
  const auto json = assemble_profile(samples);
  const sim::MachineProfile profile = read_back(json);
  EXPECT_EQ(profile.model("resnet50").rested_after, ms(10));
  EXPECT_NEAR(profile.model("resnet50").service_rested.mean_ns(), 41e6, 0.4e6);
  // 42 and 45 ms less a call after a rest, both ways together.
  ASSERT_EQ(profile.transport.size(), 2U);
  EXPECT_NEAR(profile.transport[0].law.mean_ns(), 1e6, 0.3e6);
  EXPECT_NEAR(profile.transport[1].law.mean_ns(), 4e6, 0.4e6);
  EXPECT_THAT(profile_table(json), AllOf(HasSubstr("with  50 % of the CPUs computing: p50 4"),
                                         HasSubstr("after a rest            41 ms of CPU")));
}

TEST(ProfileAssembly, TransportIsWhatIsLeftOfTheLatency) {
  const sim::MachineProfile profile = read_back(assemble_profile(machine_of_two()));
  // 42 ms less a call of 40, a half each way.
  EXPECT_NEAR(profile.to_gateway.mean_ns(), 1e6, 0.3e6);
  EXPECT_EQ(profile.to_gateway.mean_ns(), profile.from_gateway.mean_ns());
  // 0.018 CPU for 90 requests a second more; what remains is there without any.
  EXPECT_NEAR(profile.message_cpu_ms, 0.2, 1e-6);
  EXPECT_NEAR(profile.idle_cpus, 0.03, 1e-6);
}

TEST(ProfileAssembly, ComparesThePredictionWithWhatWasMeasured) {
  ProfileSamples samples = machine_of_two();
  // 40 ms of CPU at 0.5 CPU: on average 80 ms pass. It was measured, and then twice that was.
  samples.models[0].checks = {calls(1, 0.5, 40.0, 80.0), calls(1, 0.5, 40.0, 160.0)};
  const auto json = assemble_profile(samples);
  const auto& checks = json["models"]["resnet50"]["checks"];
  ASSERT_EQ(checks.size(), 2U);
  EXPECT_NEAR(checks[0]["mean_error_ratio"].get<double>(), 0.0, 0.02);
  EXPECT_NEAR(checks[1]["mean_error_ratio"].get<double>(), -0.5, 0.02);
  EXPECT_NEAR(checks[0]["measured"]["mean_ms"].get<double>(), 80.0, 0.1);
  EXPECT_THAT(profile_table(json), HasSubstr("simulated"));
}

TEST(ProfileAssembly, WarnsOfCallsThatTheSimulatorDoesNotReproduce) {
  ProfileSamples samples = machine_of_two();
  samples.warnings = {"disturbed: steal"};
  samples.models[0].checks = {calls(1, 0.5, 40.0, 80.0), calls(1, 0.3, 40.0, 170.0)};
  const auto json = assemble_profile(samples);
  ASSERT_EQ(json["warnings"].size(), 2U) << "80 ms at 0.5 CPU are as simulated";
  EXPECT_EQ(json["warnings"][0], "disturbed: steal");
  EXPECT_THAT(json["warnings"][1].get<std::string>(),
              AllOf(HasSubstr("resnet50 at 0.3 CPU: 170 ms measured"), HasSubstr("measure again")));
  EXPECT_THAT(profile_table(json), HasSubstr("warning: resnet50 at 0.3 CPU"));

  samples.models[0].calls = {calls(1, 1.9, 0.04, 0.1)};
  samples.models[0].checks = {calls(1, 0.3, 0.04, 0.07)};
  EXPECT_EQ(assemble_profile(samples)["warnings"].size(), 1U) << "quick calls mostly wake up";
}

TEST(ProfileAssembly, PredictsNothingForADutyCycle) {
  ProfileSamples samples = machine_of_two();
  samples.limit_mechanism = "duty_cycle";
  samples.warnings = {"CPU limits are kept by duty_cycle"};
  samples.models[0].checks = {calls(1, 0.5, 40.0, 80.0)};
  const auto json = assemble_profile(samples);
  EXPECT_FALSE(json["models"]["resnet50"]["checks"][0].contains("predicted"));
  EXPECT_EQ(read_back(json).limit_mechanism, "duty_cycle");
  EXPECT_THAT(profile_table(json), AllOf(HasSubstr("not predicted"), HasSubstr("warning: CPU")));
}

TEST(ProfileAssembly, ABusyLoadIsPredictedBesideWhatIsThere) {
  const auto json = assemble_profile(machine_of_two());
  const auto& busy = json["models"]["resnet50"]["measured"]["start_busy"];
  // 100 ms of CPU time on one of two CPUs, each with another thread; 150 ms were measured.
  EXPECT_NEAR(busy["load_predicted_mean_ms"].get<double>(), 200.0, 1e-6);
  EXPECT_NEAR(busy["load_error_ratio"].get<double>(), 1.0 / 3.0, 1e-6);
}

TEST(ProfileAssembly, WithoutBusyStartsOrThreads) {
  ProfileSamples samples = machine_of_two();
  samples.models[0].busy.clear();
  samples.models[0].threads.clear();
  const auto json = assemble_profile(samples);
  const auto profile = read_back(json);
  EXPECT_FALSE(profile.model("resnet50").start_busy.has_value());
  EXPECT_TRUE(profile.model("resnet50").service_threads.entries.empty());
  EXPECT_THAT(profile_table(json), Not(HasSubstr("busy machine")));
}

// Consumption of `before` CPUs that turns to `after` `corner_ms` after the order.
FollowSample follow(double before, double after, double corner_ms) {
  FollowSample out{before, after, ms(0.5), {}};
  double cpu_ms = 1000.0;
  for (int t = -700; t <= 1000; t += 2) {
    out.readings.push_back({ms(t), ms(cpu_ms)});
    cpu_ms += 2.0 * (t < corner_ms ? before : after);
  }
  return out;
}

TEST(FollowDelay, IsTheCornerOfTheConsumption) {
  EXPECT_NEAR(to_ms(*follow_delay(follow(0.3, 0.9, 40.0))), 40.0, 2.0);
  EXPECT_NEAR(to_ms(*follow_delay(follow(0.9, 0.3, 100.0))), 100.0, 2.0);
  EXPECT_NEAR(to_ms(*follow_delay(follow(0.3, 0.9, 0.0))), 0.0, 2.0);
}

TEST(FollowDelay, NeedsAChange) {
  EXPECT_FALSE(follow_delay(follow(0.3, 0.35, 40.0)).has_value());
  EXPECT_FALSE(follow_delay(FollowSample{}).has_value());
}

TEST(ProfileAssembly, TheLimitsDelayIsTheOrdersAndNotTheConsumptions) {
  ProfileSamples samples = machine_of_two();
  samples.follows = {follow(0.3, 0.9, 40.0), follow(0.9, 0.3, 60.0)};
  const auto json = assemble_profile(samples);
  EXPECT_NEAR(read_back(json).limit_delay.mean_ns(), 0.5e6, 1.0);
  EXPECT_NEAR(json["limits"]["measured"]["followed"]["mean_ms"].get<double>(), 50.0, 2.0);
  EXPECT_THAT(profile_table(json), HasSubstr("consumption follows"));
}

}  // namespace
}  // namespace spate::lab
