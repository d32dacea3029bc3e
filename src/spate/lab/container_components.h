// SPDX-License-Identifier: Apache-2.0
//
// ContainerComponents: broker, gateway and influx of a run each in a container of its own, all of
// one image; the gateway starts the workers' containers itself. They share a bridge network (but
// for the workers, which have none) and the run's folder, and see models and data sets at the very
// paths at which they are here.
//
// Everything carries the label spate.owner=lab-<our pid>-<our start>: whoever comes next knows
// what a killed run has left, and takes it away. Nothing else is touched.
//
// Threads: the loop's thread. Calls to the engine block, each for milliseconds (stop: its grace).
#pragma once

#include <boost/asio/io_context.hpp>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "spate/adapters/docker/docker_client.h"
#include "spate/base/real_clock.h"
#include "spate/lab/components.h"

namespace spate::lab {

struct ContainerOptions {
  std::string socket = "/var/run/docker.sock";  // of the engine
  std::string image = "spate:latest";
  // Where the gateway is reached from outside; without it on a free loopback port. With it a
  // Prometheus of this machine reaches influx and the workers too: see docs/docker-backend.md.
  std::optional<HttpAddress> http = std::nullopt;
};

class ContainerComponents final : public Components {
 public:
  // Borrows the loop. `version`: of Spate here; the image must have the same.
  ContainerComponents(LiveLoop& loop, ContainerOptions options);
  // Ends everything, the network included.
  ~ContainerComponents() override;

  // Looks whether the engine can be used and has the image, takes away what runs that no longer
  // live have left (their containers' names go to `swept`), and makes the network. The error says
  // what to do.
  Status begin(std::vector<std::string>& swept);
  // Files and folders that the components read: seen by them at the same path.
  void add_path(const std::filesystem::path& path);

  Status begin_run(const RunPaths& paths, const std::string& run_id) override;
  Result<BrokerAddress> start_broker(const BrokerScenario& settings) override;
  Status start(const std::string& name, const std::vector<std::string>& arguments,
               ExitHandler on_exit) override;
  bool running(const std::string& name) const override;
  std::optional<adapters::ExitStatus> exit_of(const std::string& name) const override;
  void stop(const std::string& name, Duration grace) override;
  std::vector<std::string> end_all() override;
  void complete_gateway_settings(nlohmann::json& settings) const override;
  void complete_influx_settings(nlohmann::json& settings) const override;
  nlohmann::json description() const override;

 private:
  struct Component {
    std::string id;
    std::optional<adapters::ExitStatus> exit;
    ExitHandler on_exit;
  };

  adapters::ContainerSpec base(const std::string& name) const;
  Status launch(const std::string& name, adapters::ContainerSpec spec, ExitHandler on_exit);
  // Takes its log and status, and removes it.
  void collect(const std::string& name);
  Status wait_for_broker(BrokerAddress& address);
  // One call to the engine, to its answer.
  template <class T>
  Result<T> ask(const std::function<void(std::function<void(Result<T>)>)>& call);

  LiveLoop& loop_;
  const ContainerOptions options_;
  const std::string owner_;
  boost::asio::io_context own_loop_{1};  // calls that must be answered even after an interrupt
  RealClock own_clock_{own_loop_};
  adapters::DockerClient client_;                    // on own_loop_
  std::unique_ptr<adapters::DockerClient> waiting_;  // on the live loop: for ends
  std::vector<std::filesystem::path> paths_read_;
  RunPaths paths_;
  std::string run_id_;
  HttpAddress http_;  // of this run, on the host
  std::uint16_t influx_port_ =
      0;                // of its /metrics, the same inside and outside; 0 = not published
  std::string engine_;  // "Docker 20.10.24"
  std::map<std::string, Component> components_;
};

}  // namespace spate::lab
