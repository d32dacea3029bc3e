// SPDX-License-Identifier: Apache-2.0
#include "spate/adapters/service_discovery.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "spate/base/files.h"

namespace spate::adapters {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;
using scaling::ReplicaState;

gateway::WorkerInfo worker(const std::string& replica, ReplicaState state,
                           const std::string& address) {
  gateway::WorkerInfo info;
  info.replica_id = replica;
  info.model = "resnet50";
  info.state = state;
  info.metrics_address = address;
  return info;
}

std::vector<std::string> targets(const Json& list) {
  std::vector<std::string> out;
  for (const auto& entry : list) {
    for (const auto& target : entry["targets"]) out.push_back(target.get<std::string>());
  }
  return out;
}

TEST(ServiceDiscovery, NamesEveryComponentWithItsLabels) {
  const Json list =
      service_discovery({.run = "vertical-2",
                         .asked_host = "gateway:8080",
                         .gateway_port = 8080,
                         .components = {{"influx", "10.0.0.3:9101"}},
                         .workers = {worker("resnet50-2", ReplicaState::Ready, "10.0.0.5:9100")}});
  EXPECT_EQ(list, Json::parse(R"([
    {"targets": ["gateway:8080"], "labels": {"component": "gateway", "run": "vertical-2"}},
    {"targets": ["10.0.0.3:9101"], "labels": {"component": "influx", "run": "vertical-2"}},
    {"targets": ["10.0.0.5:9100"], "labels": {"component": "worker", "run": "vertical-2",
                                              "model": "resnet50", "replica": "resnet50-2"}}])"));
}

TEST(ServiceDiscovery, LeavesOutWorkersThatCannotAnswerOrServeNothing) {
  const Json list = service_discovery({.asked_host = "g:1",
                                       .workers = {worker("r-4", ReplicaState::Draining, "h:4"),
                                                   worker("r-1", ReplicaState::Starting, "h:1"),
                                                   worker("r-2", ReplicaState::Ready, ""),
                                                   worker("r-3", ReplicaState::Parked, "h:3")}});
  EXPECT_EQ(targets(list), (std::vector<std::string>{"g:1", "h:1", "h:4"}));
}

TEST(ServiceDiscovery, ComponentsOnEveryAddressAreWhereTheGatewayIs) {
  EXPECT_EQ(targets(service_discovery({.asked_host = "box:80", .components = {{"influx", ":91"}}})),
            (std::vector<std::string>{"box:80", "box:91"}));
}

TEST(ServiceDiscovery, WorkersOnEveryAddressAreWhereTheGatewayIs) {
  const auto on_gateway = worker("r-1", ReplicaState::Ready, ":9100");
  const auto found = [&](const std::string& asked) {
    return targets(
        service_discovery({.asked_host = asked, .gateway_port = 80, .workers = {on_gateway}}));
  };
  using Addresses = std::vector<std::string>;
  EXPECT_EQ(found("box:8080"), (Addresses{"box:8080", "box:9100"}));
  EXPECT_EQ(found("box"), (Addresses{"box:80", "box:9100"}));
  EXPECT_EQ(found("[::1]:8080"), (Addresses{"[::1]:8080", "[::1]:9100"}));
  EXPECT_EQ(found("[::1]"), (Addresses{"[::1]:80", "[::1]:9100"}));
  EXPECT_EQ(found(""), (Addresses{"127.0.0.1:80", "127.0.0.1:9100"}));
}

TEST(ServiceDiscovery, ReadsTheAddressesThatComponentsNoted) {
  const fs::path folder =
      fs::temp_directory_path() / ("spate-discovery-" + std::to_string(::getpid()));
  fs::create_directories(folder);
  ASSERT_TRUE(write_file(folder / "influx.metrics", "127.0.0.1:9101\n"));
  ASSERT_TRUE(write_file(folder / "influx.pid", "12\n"));
  ASSERT_TRUE(write_file(folder / "half.metrics", "127.0.0.1:"));
  ASSERT_TRUE(write_file(folder / "empty.metrics", ""));
  EXPECT_EQ(read_component_addresses(folder), (ComponentAddresses{{"influx", "127.0.0.1:9101"}}));
  fs::remove_all(folder);
  EXPECT_TRUE(read_component_addresses(folder).empty());
}

}  // namespace
}  // namespace spate::adapters
