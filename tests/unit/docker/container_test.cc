// SPDX-License-Identifier: Apache-2.0
#include "spate/adapters/docker/docker_container.h"

#include <gtest/gtest.h>

#include "spate/adapters/docker/docker_start.h"

namespace spate::adapters {
namespace {

TEST(DescribeExit, SaysWhatHappened) {
  ContainerInfo container;
  container.exit_code = 3;
  EXPECT_EQ(describe_exit(container, 0), "exit status 3");
  container.exit_code = 137;
  EXPECT_EQ(describe_exit(container, 0), "killed by signal 9 (SIGKILL)");
  container.out_of_memory = true;
  EXPECT_EQ(describe_exit(container, 64 << 20),
            "killed: it needed more than its memory limit of 64 MiB");
  EXPECT_EQ(describe_exit(container, 0), "killed: the machine ran out of memory");
  container = {};
  container.exit_code = 127;
  container.error = "exec: \"/no/such\": no such file or directory";
  EXPECT_EQ(describe_exit(container, 0), container.error);
}

TEST(LeavesOneByOne, WithEnginesBefore23) {
  EXPECT_TRUE(leaves_one_by_one("20.10.24+dfsg1"));
  EXPECT_TRUE(leaves_one_by_one("19.03.8"));
  EXPECT_FALSE(leaves_one_by_one("23.0.1"));
  EXPECT_FALSE(leaves_one_by_one("28.2.2"));
  EXPECT_TRUE(leaves_one_by_one("")) << "unknown counts as old";
  EXPECT_TRUE(leaves_one_by_one("dev"));
}

TEST(LastLine, IsTheLastOneWithSomethingOnIt) {
  EXPECT_EQ(last_line_of(""), "");
  EXPECT_EQ(last_line_of("one"), "one");
  EXPECT_EQ(last_line_of("one\ntwo\n \t\n\n"), "two");
  EXPECT_EQ(last_line_of(std::string(1000, 'x')).size(), 300U);
}

TEST(WorkerContainer, ItsArgumentsAndLabels) {
  DockerActuatorOptions options;
  options.owner = "o";
  options.run_id = "r";
  options.gateway_address = "unix:/run/gw.sock";
  options.token_file = "/run/token";
  options.mounts = {{"models", "/models", true}};
  options.user = "7:8";
  const ContainerSpec spec = worker_container(
      options, {.model = "m", .model_path = "/models/m", .replica_id = "m-4", .mode = "latency"});
  EXPECT_EQ(spec.name, "spate-r-m-4");
  EXPECT_EQ(spec.command, (std::vector<std::string>{
                              "worker", "--model", "/models/m", "--route", "m", "--replica", "m-4",
                              "--gateway", "unix:/run/gw.sock", "--token-file", "/run/token",
                              "--mode", "latency", "--metrics-host", "0.0.0.0", "--metrics-port",
                              "0", "--metrics-advertise", "spate-r-m-4"}));
  EXPECT_EQ(spec.labels.at(kOwnerLabel), "o");
  EXPECT_EQ(spec.labels.at(kRunLabel), "r");
  EXPECT_EQ(spec.labels.at(kReplicaLabel), "m-4");
  EXPECT_EQ(spec.user, "7:8");
  EXPECT_EQ(spec.cpus, 0.0);
  EXPECT_TRUE(spec.read_only_root);
  ASSERT_EQ(spec.mounts.size(), 1U);
}

}  // namespace
}  // namespace spate::adapters
