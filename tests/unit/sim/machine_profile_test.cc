// SPDX-License-Identifier: Apache-2.0
#include "spate/sim/machine_profile.h"

#include <gmock/gmock.h>

#include "spate/base/config_error.h"

namespace spate::sim {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

std::string profile_text(int schema, const std::string& extra = "",
                         const std::string& start_extra = "") {
  const std::string law = R"({"mean_ms": 15, "quantiles_ms": [10, 20]})";
  return "{\"schema\": " + std::to_string(schema) + R"(, "cores": 2,
    "limits": {"mechanism": "cgroup_v1", "period_ms": 100, "delay": )" +
         law + R"(}, "transport": {"to_gateway": )" + law + R"(, "from_gateway": )" + law +
         R"(, "message_cpu_ms": 0.1}, "models": {"resnet50": {"variant": "fp32",
    "memory_bytes": {"4": 2e8, "1": 1e8}, "call_cpu": {"4": )" +
         law + R"(, "1": )" + law + R"(}, "start": {"spawn": )" + law + R"(, "to_main": )" + law +
         R"(, "load_cpu": )" + law + "}" + start_extra + "}}" + extra + "}";
}

MachineProfile read(const std::string& text) {
  return read_machine_profile(ConfigReader::from_text(text, "profile.json"));
}

TEST(MachineProfile, IsRead) {
  const MachineProfile profile = read(profile_text(3));
  EXPECT_EQ(profile.cores, 2);
  EXPECT_EQ(profile.cfs_period, std::chrono::milliseconds(100));
  EXPECT_DOUBLE_EQ(profile.to_gateway.mean_ns(), 15e6);
  const ProfiledModel& model = profile.model("resnet50");
  ASSERT_EQ(model.service.entries.size(), 2U);
  EXPECT_EQ(model.service.entries[0].batch, 1);
  EXPECT_EQ(model.service.entries[1].batch, 4);
  EXPECT_DOUBLE_EQ(model.start.load.mean_ns(), 15e6);
}

TEST(MachineProfile, OfAnotherVersionIsRefused) {
  EXPECT_THAT(
      [] { read(profile_text(2)); },
      ThrowsMessage<ConfigError>(AllOf(HasSubstr("version 2, and this program reads version 3"),
                                       HasSubstr("spate profile"))));
}

TEST(MachineProfile, NothingStandsTwice) {
  std::string sizes = profile_text(3);
  sizes.replace(sizes.find(R"("call_cpu": {"4")"), 16, R"("call_cpu": {"01")");
  EXPECT_THAT([&] { read(sizes); },
              ThrowsMessage<ConfigError>(HasSubstr("call_cpu: the batch of 1 stands twice")));
  EXPECT_THAT([] { read(profile_text(3, "", R"(}, "resnet50": {)")); },
              ThrowsMessage<ConfigError>(HasSubstr("model \"resnet50\" stands twice")));
}

TEST(MachineProfile, MemoryGrowsWithTheLargestBatch) {
  const MachineProfile profile = read(profile_text(3));
  const ProfiledModel& model = profile.model("resnet50");
  EXPECT_EQ(memory_bytes_of(model, 1), 1e8);
  EXPECT_EQ(memory_bytes_of(model, 2), 2e8) << "the next larger that was measured";
  EXPECT_EQ(memory_bytes_of(model, 16), 2e8) << "the largest";
}

TEST(MachineProfile, TransportByLoadAndCallsAfterARest) {
  const std::string law = R"({"mean_ms": 30, "quantiles_ms": [20, 40]})";
  const auto by_load = [&](const std::string& first, const std::string& second) {
    std::string text =
        profile_text(3, "", R"(, "call_cpu_rested": {"after_ms": 10, "law": )" + law + "}");
    const std::string laws = R"("by_load": [{"busy_ratio": )" + first + R"(, "law": )" + law +
                             R"(}, {"busy_ratio": )" + second + R"(, "law": )" + law + "}], ";
    return text.insert(text.find("\"message_cpu_ms\""), laws);
  };
  const MachineProfile profile = read(by_load("0", "0.5"));
  ASSERT_EQ(profile.transport.size(), 2U);
  EXPECT_EQ(profile.transport[1].busy_ratio, 0.5);
  EXPECT_DOUBLE_EQ(profile.transport[1].law.mean_ns(), 30e6);
  EXPECT_EQ(profile.model("resnet50").rested_after, std::chrono::milliseconds(10));
  EXPECT_DOUBLE_EQ(profile.model("resnet50").service_rested.mean_ns(), 30e6);
  EXPECT_THAT([&] { read(by_load("0.2", "0.5")); },
              ThrowsMessage<ConfigError>(HasSubstr("by_load[0].busy_ratio: expected 0")));
  EXPECT_THAT([&] { read(by_load("0", "0")); },
              ThrowsMessage<ConfigError>(HasSubstr("more than in the one before")));
  EXPECT_TRUE(read(profile_text(3)).transport.empty());
  EXPECT_EQ(read(profile_text(3)).model("resnet50").rested_after, Duration{0});
}

TEST(MachineProfile, OfABusyMachineAndTheControlLoop) {
  const std::string law = R"({"mean_ms": 30, "quantiles_ms": [20, 40]})";
  const MachineProfile profile =
      read(profile_text(3, R"(, "control": {"decide": )" + law + "}",
                        R"(, "checks": [], "start_busy": {"spawn": )" + law + R"(, "to_main": )" +
                            law + R"(, "load_cpu": )" + law + "}"));
  EXPECT_DOUBLE_EQ(profile.decide.mean_ns(), 30e6);
  ASSERT_TRUE(profile.model("resnet50").start_busy.has_value());
  EXPECT_DOUBLE_EQ(profile.model("resnet50").start_busy->load.mean_ns(), 30e6);
  EXPECT_FALSE(read(profile_text(3)).model("resnet50").start_busy.has_value());
}

TEST(MachineProfile, SaysWhatItHasAndWhatIsUnknown) {
  const MachineProfile profile = read(profile_text(3));
  EXPECT_THAT([&] { (void)profile.model("resnet"); },
              ThrowsMessage<ConfigError>(HasSubstr("it has: resnet50")));
  EXPECT_THAT([] { read(profile_text(3, ", \"models2\": 1")); },
              ThrowsMessage<ConfigError>(HasSubstr("models2")));
}

}  // namespace
}  // namespace spate::sim
