// SPDX-License-Identifier: Apache-2.0
//
// DockerWorld: one run of the docker actuator against the real engine.
#pragma once

#include <fmt/format.h>

#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "component/docker/engine.h"
#include "spate/adapters/docker/docker_actuator.h"
#include "testing/loop.h"
#include "testing/test_folder.h"

namespace spate::test {

class DockerWorld {
 public:
  DockerWorld() {
    options.engine.socket = engine_socket();
    options.owner = unique_name("owner");
    options.run_id = unique_name("run");
    options.run_dir = folder.path().string();
    options.image = kTestImage;
    options.gateway_address = "unix:/nowhere/gateway.sock";
    options.token_file = "/nowhere/token";
  }
  ~DockerWorld() {
    std::istringstream left(containers("spate.owner=" + options.owner));
    for (std::string id; left >> id;) docker("rm -f " + id, true);
  }

  DockerWorld(const DockerWorld&) = delete;
  DockerWorld& operator=(const DockerWorld&) = delete;

  Loop& loop() { return loop_; }
  // An actuator for this run; a second one is the restarted gateway's.
  Result<std::unique_ptr<adapters::DockerActuator>> make() {
    return adapters::DockerActuator::create(
        loop_.io, loop_.clock, options,
        [this](const std::string& id, double cpus) { announced[id] = cpus; });
  }
  static scaling::ReplicaSpec spec(const std::string& replica,
                                   const std::string& behaviour = "serve") {
    return {.model = "m",
            .model_path = "/models/" + behaviour,
            .replica_id = replica,
            .cpu_request = 0.3,
            .cpu_limit = 0.3};
  }
  // What the engine holds for this run.
  std::vector<std::string> left_behind() const {
    std::vector<std::string> out;
    std::istringstream ids(containers("spate.run=" + options.run_id));
    for (std::string id; ids >> id;) out.push_back(id);
    return out;
  }

  static std::string containers(const std::string& label) {
    return docker("ps -aq --no-trunc --filter label=" + label, true);
  }

  TestFolder folder;
  adapters::DockerActuator::Options options;
  std::map<std::string, double> announced;

 private:
  Loop loop_;
};

}  // namespace spate::test
