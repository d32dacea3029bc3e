// SPDX-License-Identifier: Apache-2.0
//
// ProcessActuator: replicas as child processes of the gateway on this machine (`spate worker`).
//
// CPU limits are the kernel's (a cgroup per replica) where that works; otherwise the worker keeps
// to its limit by itself (duty cycle: it counts its CPU time and rests), and limit_mechanism()
// says so. A worker is told every limit, whoever enforces it: it sizes its thread pool by it.
//
// Ownership over a restart: each replica has a state file <run>/replicas/<id>.json with its pid
// and start time. A new gateway adopts the workers that still run and never touches a process
// that merely got an old pid. Workers do not die with the gateway.
//
// A parked replica is a stopped process (SIGSTOP): all of its threads rest, its memory stays. The
// state file says so, so that the next gateway can wake it.
//
// Threads: the loop's.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "spate/adapters/cgroup.h"
#include "spate/base/clock.h"
#include "spate/base/result.h"
#include "spate/scaling/actuator.h"

namespace boost::asio {
class io_context;
}

namespace spate::adapters {

class ProcessActuator final : public scaling::Actuator {
 public:
  struct Options {
    std::string run_id{};
    std::filesystem::path run_dir{};
    std::vector<std::string> worker_command{};  // program and first arguments: {"spate", "worker"}
    std::string gateway_address{};              // "unix:/…" or "tcp:host:port"
    std::string token_file{};
    // auto: cgroups, else duty cycle. cgroup: or refuse to start. duty_cycle. none: no limits.
    std::string limits = "auto";
    std::string metrics_host = "127.0.0.1";  // where workers serve /metrics, on a free port each
    Duration cfs_period = std::chrono::milliseconds(100);  // see CgroupParent::Options
    std::filesystem::path proc_self = "/proc/self";
  };
  // Tells the worker (gateway::Control::announce_cpu_limit).
  using AnnounceLimit =
      std::function<void(const std::string& replica, double cpus, bool duty_cycle)>;

  // Finds out how to limit, sweeps what dead runs left, adopts this run's live workers. Fails when
  // `limits` is "cgroup" and that is not possible, or the run directory cannot be written.
  // Borrows loop and clock, which must outlive it.
  static Result<std::unique_ptr<ProcessActuator>> create(boost::asio::io_context& loop,
                                                         Clock& clock, Options options,
                                                         AnnounceLimit announce);
  // Ends nothing: workers that run go on, for the next gateway.
  ~ProcessActuator() override;

  std::string_view name() const override { return "process"; }
  scaling::LimitMechanism limit_mechanism() const override;
  // Why it is not cgroups, when it is not; "" otherwise.
  const std::string& limit_note() const;
  void set_event_handler(EventHandler handler) override;
  Status start(const scaling::ReplicaSpec& spec) override;
  Status set_cpu_limit(const std::string& replica_id, double cpus) override;
  // SIGSTOP and SIGCONT. Parked and Unparked follow, also when it was so already.
  Status park(const std::string& replica_id) override;
  Status unpark(const std::string& replica_id) override;
  Status stop(const std::string& replica_id, Duration grace) override;
  std::vector<scaling::ReplicaInfo> list() const override;

  // The replica's group, for reading usage; nullptr when it has none. Valid until it exits.
  const Cgroup* cgroup(const std::string& replica_id) const;
  // Removes the groups, once no replica is left. Unavailable while one is not empty.
  Status remove_groups();

 private:
  struct State;
  explicit ProcessActuator(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

}  // namespace spate::adapters
