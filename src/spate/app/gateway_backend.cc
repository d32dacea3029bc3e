// SPDX-License-Identifier: Apache-2.0
#include "spate/app/gateway_backend.h"

#include <filesystem>

#include "spate/adapters/docker/container_meter.h"
#include "spate/adapters/docker/docker_actuator.h"
#include "spate/adapters/process_actuator.h"
#include "spate/adapters/resource_monitor.h"
#include "spate/base/config_error.h"

namespace spate::app {
namespace {

using Json = nlohmann::ordered_json;

class ProcessBackend final : public GatewayBackend {
 public:
  ProcessBackend(boost::asio::io_context& loop, Clock& clock, const gateway::GatewayConfig& config,
                 const std::string& address, AnnounceLimit announce) {
    if (config.actuator.kind != "process") {
      throw ConfigError("actuator.kind: expected process, got \"" + config.actuator.kind + "\"");
    }
    adapters::ProcessActuator::Options o;
    o.run_id = config.run_id;
    o.run_dir = config.run_dir;
    o.worker_command = {std::filesystem::read_symlink("/proc/self/exe").string(), "worker"};
    o.gateway_address = address;
    o.token_file = config.token_file;
    o.limits = config.actuator.limits;
    o.metrics_host = config.http.host;  // reachable by whom the gateway is reachable by
    auto made = adapters::ProcessActuator::create(loop, clock, std::move(o), std::move(announce));
    if (!made) throw ConfigError(made.error().message);
    actuator_ = std::move(made.value());
    monitor_ = std::make_unique<adapters::ResourceMonitor>(
        config.run_dir / "components",
        [this](const std::string& replica) { return actuator_->cgroup(replica); });
  }
  scaling::Actuator& actuator() override { return *actuator_; }
  adapters::Meter& meter() override { return *monitor_; }
  std::string limit_note() const override { return actuator_->limit_note(); }
  Json description() const override { return {{"kind", "process"}, {"meter", "process"}}; }
  Status tidy() override { return actuator_->remove_groups(); }

 private:
  std::unique_ptr<adapters::ProcessActuator> actuator_;
  std::unique_ptr<adapters::ResourceMonitor> monitor_;
};

class DockerBackend final : public GatewayBackend {
 public:
  DockerBackend(boost::asio::io_context& loop, Clock& clock, const gateway::GatewayConfig& config,
                const gateway::BackendConfig& b, const std::string& address,
                AnnounceLimit announce) {
    adapters::DockerActuatorOptions o;
    o.engine.socket = b.socket;
    o.owner = b.owner;
    o.run_id = config.run_id;
    o.run_dir = config.run_dir.string();
    o.image = b.image;
    o.network = b.network;
    o.gateway_address = b.worker_address.empty() ? address : b.worker_address;
    o.token_file = b.worker_token_file.empty() ? config.token_file : b.worker_token_file;
    for (const auto& mount : b.mounts)
      o.mounts.push_back({mount.source, mount.target, mount.read_only});
    o.user = b.user;
    o.memory_bytes = b.worker_memory_bytes;
    o.labels = b.labels;
    auto made = adapters::DockerActuator::create(
        loop, clock, std::move(o),
        [announce = std::move(announce)](const std::string& replica, double cpus) {
          announce(replica, cpus, false);
        });
    if (!made) throw ConfigError("backend docker: " + made.error().message);
    actuator_ = std::move(made.value());
    meter_ = std::make_unique<adapters::ContainerMeter>(
        loop, *actuator_,
        adapters::ContainerMeter::Options{
            .engine = {.socket = b.socket}, .how = b.meter, .cgroup_root = b.cgroup_root});
    image_ = b.image;
  }
  scaling::Actuator& actuator() override { return *actuator_; }
  adapters::Meter& meter() override { return *meter_; }
  std::string limit_note() const override { return ""; }
  Json description() const override {
    const auto& engine = actuator_->engine();
    return {{"kind", "docker"},
            {"meter", meter_->source()},
            {"image", image_},
            {"engine", "Docker " + engine.version},
            {"engine_connected", actuator_->connected()},
            {"cgroup_version", engine.cgroup_version},
            {"cgroup_driver", engine.cgroup_driver}};
  }
  Status tidy() override { return ok(); }

 private:
  std::unique_ptr<adapters::DockerActuator> actuator_;
  std::unique_ptr<adapters::ContainerMeter> meter_;
  std::string image_;
};

}  // namespace

std::unique_ptr<GatewayBackend> make_backend(boost::asio::io_context& loop, Clock& clock,
                                             const gateway::GatewayConfig& config,
                                             const gateway::BackendConfig& backend,
                                             const std::string& worker_address,
                                             GatewayBackend::AnnounceLimit announce) {
  if (backend.kind == "docker") {
    return std::make_unique<DockerBackend>(loop, clock, config, backend, worker_address,
                                           std::move(announce));
  }
  return std::make_unique<ProcessBackend>(loop, clock, config, worker_address, std::move(announce));
}

}  // namespace spate::app
