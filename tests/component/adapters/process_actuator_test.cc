// SPDX-License-Identifier: Apache-2.0
//
// The process actuator with the real `spate worker`, limits by real cgroups and by duty cycle.
// Workers dial a gateway that is not there; for the actuator that makes no difference.
#include "spate/adapters/process_actuator.h"

#include <gtest/gtest.h>

#include <csignal>
#include <map>
#include <nlohmann/json.hpp>

#include "component/adapters/linear_worker.h"
#include "spate/adapters/child_process.h"
#include "spate/base/files.h"
#include "testing/actuator_conformance.h"
#include "testing/loop.h"

namespace spate::adapters {
namespace {

namespace fs = std::filesystem;
using scaling::Actuator;
using scaling::LimitMechanism;
using scaling::ReplicaEvent;
using scaling::ReplicaInfo;
using scaling::ReplicaSpec;
using std::chrono::milliseconds;
using std::chrono::seconds;

std::string unique_run_id() {
  static int count = 0;
  return "test" + std::to_string(::getpid()) + "-" + std::to_string(count++);
}

class ProcessWorld final : public scaling::ActuatorWorld {
 public:
  explicit ProcessWorld(std::string limits) : limits_(std::move(limits)) {
    test::make_linear_model(folder_);
  }
  ~ProcessWorld() override {
    if (actuator_ != nullptr && limits_ == "cgroup") (void)remove_run_group();
  }
  test::Loop& loop() override { return loop_; }
  Result<std::unique_ptr<Actuator>> make() override {
    ProcessActuator::Options options;
    options.run_id = run_id_;
    options.run_dir = folder_ / "run";
    options.worker_command = {std::string(SPATE_BINARY_DIR) + "/spate", "worker"};
    options.gateway_address = "unix:" + (folder_ / "gw.sock").string();
    options.token_file = (folder_ / "token").string();
    options.limits = limits_;
    auto made = ProcessActuator::create(loop_.io, loop_.clock, options,
                                        [this](const std::string& id, double cpus, bool duty) {
                                          announced[id] = {cpus, duty};
                                        });
    if (!made) return made.error();
    actuator_ = made->get();
    return std::unique_ptr<Actuator>(std::move(made.value()));
  }
  ReplicaSpec spec(const std::string& replica) override {
    return {.model = "m",
            .model_path = (folder_ / "linear").string(),
            .replica_id = replica,
            .cpu_request = 0.3,
            .cpu_limit = 0.3};
  }
  bool exists(const ReplicaInfo& replica) override {
    return identify_process(static_cast<pid_t>(replica.pid)).has_value();
  }
  void kill(const ReplicaInfo& replica) override {
    ::kill(static_cast<pid_t>(replica.pid), SIGKILL);
  }
  std::optional<double> limit_in_force(const ReplicaInfo& replica) override {
    const Cgroup* group = actuator_->cgroup(replica.replica_id);
    if (group == nullptr) return std::nullopt;
    return group->cpu_limit().value();
  }
  std::optional<bool> paused(const ReplicaInfo& replica) override {
    const auto stat = read_file("/proc/" + std::to_string(replica.pid) + "/stat");
    if (!stat) return std::nullopt;
    return stat->substr(stat->rfind(')') + 2, 1) == "T";
  }
  std::vector<std::string> left_behind() override {
    std::vector<std::string> out;
    for (const auto& entry : fs::directory_iterator(folder_ / "run/replicas")) {
      out.push_back(entry.path().string());
    }
    const auto place = find_cgroup_place();
    if (!place) return out;
    for (const fs::path& base : {place->cpu, place->cpuacct}) {
      std::error_code none;
      for (const auto& entry : fs::directory_iterator(base / ("spate-" + run_id_), none)) {
        if (entry.is_directory()) out.push_back(entry.path().string());
      }
    }
    return out;
  }

  std::map<std::string, std::pair<double, bool>> announced;
  test::TestFolder folder_;
  ProcessActuator* actuator_ = nullptr;  // the newest one

 private:
  // The group of the run itself; its replicas' groups are gone by then.
  Status remove_run_group() {
    auto parent = CgroupParent::open("spate-" + run_id_, {});
    if (!parent) return parent.error();
    return (*parent)->remove();
  }

  const std::string limits_;
  const std::string run_id_ = unique_run_id();
  test::Loop loop_;
};

using scaling::ActuatorCase;
using scaling::ActuatorConformance;

INSTANTIATE_TEST_SUITE_P(
    Process, ActuatorConformance,
    testing::Values(ActuatorCase{"process_cgroup",
                                 [] { return std::make_unique<ProcessWorld>("cgroup"); }},
                    ActuatorCase{"process_dutycycle",
                                 [] { return std::make_unique<ProcessWorld>("duty_cycle"); }}),
    [](const auto& test) { return test.param.name; });

class ProcessActuatorTest : public testing::Test {
 protected:
  Result<std::unique_ptr<ProcessActuator>> make(const std::string& limits, fs::path proc_self,
                                                std::vector<std::string> command = {"sleep"}) {
    ProcessActuator::Options options;
    options.run_id = unique_run_id();
    options.run_dir = folder_ / "run";
    options.worker_command = std::move(command);
    options.gateway_address = "unix:/nowhere";
    options.token_file = "token";
    options.limits = limits;
    options.proc_self = std::move(proc_self);
    auto made = ProcessActuator::create(loop_.io, loop_.clock, options,
                                        [this](const std::string& id, double cpus, bool duty) {
                                          announced_[id] = {cpus, duty};
                                        });
    if (made) {
      made.value()->set_event_handler([this](const ReplicaEvent& e) { events_.push_back(e); });
    }
    return made;
  }
  static ReplicaSpec spec(const std::string& id) {
    return {.model = "m", .model_path = "model", .replica_id = id};
  }

  test::TestFolder folder_;
  test::Loop loop_;
  std::map<std::string, std::pair<double, bool>> announced_;
  std::vector<ReplicaEvent> events_;
};

TEST_F(ProcessActuatorTest, FallsBackToTheDutyCycleWhereGroupsCannotBeMade) {
  // As in a container whose cgroup mount cannot be written.
  fs::create_directories(folder_ / "fs");
  folder_.write("self/mountinfo", "31 24 0:27 / " + (folder_ / "fs").string() +
                                      " ro shared:9 - cgroup2 cgroup2 ro\n");
  folder_.write("self/cgroup", "0::/\n");
  auto made = make("auto", folder_ / "self", {"sh", "-c", "sleep 100"});
  ASSERT_TRUE(made) << made.error().message;
  ProcessActuator& actuator = **made;
  EXPECT_EQ(actuator.limit_mechanism(), LimitMechanism::DutyCycle);
  EXPECT_NE(actuator.limit_note().find("cgroup.subtree_control"), std::string::npos)
      << actuator.limit_note();
  ASSERT_TRUE(actuator.start(spec("m-1")));
  ASSERT_TRUE(actuator.set_cpu_limit("m-1", 0.3));
  EXPECT_EQ(announced_["m-1"], std::pair(0.3, true)) << "the worker is told to keep to it";
  ASSERT_TRUE(actuator.stop("m-1", seconds(5)));
  EXPECT_TRUE(loop_.run_until([&] { return actuator.list().empty(); }));

  const auto refused = make("cgroup", folder_ / "self");
  ASSERT_FALSE(refused) << "who insists on cgroups is told";
  EXPECT_NE(refused.error().message.find("CPU limits by cgroup"), std::string::npos);
}

TEST_F(ProcessActuatorTest, AWorkerThatFailsIsToldWithItsLastWords) {
  auto made = make("none", "/proc/self", {"sh", "-c", "echo the model is missing >&2; exit 3"});
  ASSERT_TRUE(made);
  ASSERT_TRUE((*made)->start(spec("m-1")));
  ASSERT_TRUE(loop_.run_until([&] { return events_.size() == 2; }));
  EXPECT_EQ(events_[1].detail, "exit status 3; it last said: the model is missing");
  EXPECT_FALSE(events_[1].expected);
}

TEST_F(ProcessActuatorTest, AProgramThatIsNotThereIsAnError) {
  auto made = make("auto", "/proc/self", {"/no/such/spate", "worker"});
  ASSERT_TRUE(made);
  const Status started = (*made)->start(spec("m-1"));
  ASSERT_FALSE(started);
  EXPECT_NE(started.error().message.find("/no/such/spate"), std::string::npos);
  EXPECT_TRUE((*made)->list().empty());
  EXPECT_TRUE((*made)->remove_groups());
}

TEST_F(ProcessActuatorTest, NeverTouchesAProcessThatGotAnOldPid) {
  // The state file of a worker long gone, whose pid is now ours.
  const auto self = identify_process(::getpid());
  ASSERT_TRUE(self);
  folder_.write("run/replicas/m-1.json", nlohmann::json{{"replica", "m-1"},
                                                        {"model", "m"},
                                                        {"pid", self->pid},
                                                        {"start_ticks", self->start_ticks - 1},
                                                        {"cpu_limit", 0.3}}
                                             .dump());
  folder_.write("run/replicas/m-2.json", "{torn");
  auto made = make("none", "/proc/self");
  ASSERT_TRUE(made);
  EXPECT_TRUE((*made)->list().empty());
  EXPECT_TRUE((*made)->stop("m-1", Duration{0}));
  EXPECT_FALSE(fs::exists(folder_ / "run/replicas/m-1.json"));
}

TEST_F(ProcessActuatorTest, AGroupThatAnotherRunSweptIsMadeAgain) {
  auto made = make("auto", "/proc/self", {"sh", "-c", "sleep 100"});
  ASSERT_TRUE(made);
  if ((*made)->limit_mechanism() == LimitMechanism::DutyCycle) {
    GTEST_SKIP() << "no cgroups here: " << (*made)->limit_note();
  }
  // Everything empty goes, as in a sweep of a run that begins.
  ASSERT_TRUE((*made)->remove_groups());
  ASSERT_TRUE((*made)->start(spec("m-1")));
  EXPECT_NE((*made)->cgroup("m-1"), nullptr);
  ASSERT_TRUE((*made)->set_cpu_limit("m-1", 0.3));
  ASSERT_TRUE((*made)->stop("m-1", seconds(5)));
  EXPECT_TRUE(loop_.run_until([&] { return bool((*made)->remove_groups()); }));
}

TEST_F(ProcessActuatorTest, WhatAWorkerLeftInItsGroupGoesWithIt) {
  // A worker whose own child outlives it.
  auto made =
      make("auto", "/proc/self",
           {"sh", "-c", "sleep 1000 & echo $! > \"$0.pid\"; exit 1", (folder_ / "stray").string()});
  ASSERT_TRUE(made);
  if ((*made)->limit_mechanism() == LimitMechanism::DutyCycle) {
    GTEST_SKIP() << "no cgroups here: " << (*made)->limit_note();
  }
  ASSERT_TRUE((*made)->start(spec("m-1")));
  ASSERT_TRUE(loop_.run_until([&] { return (*made)->list().empty(); }));
  EXPECT_TRUE(loop_.run_until([&] { return bool((*made)->remove_groups()); }));
  const pid_t stray = std::stoi(read_file(folder_ / "stray.pid").value());
  EXPECT_TRUE(loop_.run_until([&] { return !identify_process(stray); }));
}

}  // namespace
}  // namespace spate::adapters
