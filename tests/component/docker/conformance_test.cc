// SPDX-License-Identifier: Apache-2.0
//
// The docker actuator keeps what every actuator keeps, against a real engine.
#include "component/docker/docker_world.h"
#include "testing/actuator_conformance.h"

namespace spate::scaling {
namespace {

using test::docker;

class World final : public ActuatorWorld {
 public:
  test::Loop& loop() override { return world_.loop(); }
  Result<std::unique_ptr<Actuator>> make() override {
    auto made = world_.make();
    if (!made) return made.error();
    return std::unique_ptr<Actuator>(std::move(made.value()));
  }
  ReplicaSpec spec(const std::string& replica) override { return test::DockerWorld::spec(replica); }
  bool exists(const ReplicaInfo& replica) override {
    return docker("inspect --format '{{.State.Running}}' " + replica.container_id, true) == "true";
  }
  void kill(const ReplicaInfo& replica) override { docker("kill " + replica.container_id); }
  std::optional<double> limit_in_force(const ReplicaInfo& replica) override {
    const double cpus =
        std::stod(docker("inspect --format '{{.HostConfig.NanoCpus}}' " + replica.container_id)) *
        1e-9;
    return cpus >= test::engine_cpus() ? 0.0 : cpus;  // the engine cannot take a limit away
  }
  std::vector<std::string> left_behind() override { return world_.left_behind(); }

 private:
  test::DockerWorld world_;
};

INSTANTIATE_TEST_SUITE_P(Docker, ActuatorConformance,
                         testing::Values(ActuatorCase{"docker",
                                                      [] { return std::make_unique<World>(); }}),
                         [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace spate::scaling
