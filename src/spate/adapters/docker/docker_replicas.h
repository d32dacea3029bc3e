// SPDX-License-Identifier: Apache-2.0
//
// DockerReplicas: the state machine behind DockerActuator: one entry per worker container, driven
// by answers of the engine and by its event stream. Internal to adapters/docker.
//
//   start():  create -> start -> inspect -> Started        a failure: remove -> Exited
//   stop():   [unpause ->] stop (SIGTERM, grace, SIGKILL); one at a time with an engine before 23
//   a death:  inspect -> log into its file -> remove -> Exited
//
// Threads: the loop's. Calls of the outside return at once; events leave from the loop.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "spate/adapters/docker/docker_container.h"
#include "spate/adapters/docker/docker_start.h"
#include "spate/base/clock.h"
#include "spate/scaling/actuator.h"

namespace spate::adapters {

class DockerReplicas : public std::enable_shared_from_this<DockerReplicas> {
 public:
  using AnnounceLimit = std::function<void(const std::string& replica, double cpus)>;
  using EventHandler = scaling::Actuator::EventHandler;

  DockerReplicas(boost::asio::io_context& loop, Clock& clock, DockerActuatorOptions options,
                 AnnounceLimit announce);

  // Takes over what look_at_engine() found and follows the engine's events from now on.
  void begin(DockerStart found);
  // No event leaves and nothing is asked of the engine afterwards.
  void close();

  void set_event_handler(EventHandler handler) { handler_ = std::move(handler); }
  Status start(const scaling::ReplicaSpec& spec);
  Status set_cpu_limit(const std::string& id, double cpus);
  Status stop(const std::string& id, Duration grace);
  // Pauses it (`wanted`) or lets it go on.
  Status park(const std::string& id, bool wanted);
  std::vector<scaling::ReplicaInfo> list() const;

  const EngineFacts& engine() const { return engine_; }
  bool connected() const { return connected_; }
  const std::map<std::string, std::string>& neighbours() const { return neighbours_; }

 private:
  enum class Phase { Creating, Running, Leaving };
  struct Replica {
    scaling::ReplicaInfo info;
    Phase phase = Phase::Creating;
    bool stop_asked = false;
    Duration grace{};                    // of the stop
    bool stop_sent = false;              // the engine is at it
    std::optional<double> limit_wanted;  // not yet sent
    bool limit_busy = false;             // an update is under way
    bool park_wanted = false;            // info.parked: what it is
    bool park_asked = false;             // not yet sent
    bool park_busy = false;
    TimePoint asked{};
    Duration create_took{};
  };

  // A handler of an answer: dropped when this is gone, given the replica when it still exists.
  template <class T>
  std::function<void(Result<T>)> about(const std::string& id,
                                       std::function<void(Replica&, Result<T>)> handler);
  Replica* find(const std::string& id);
  Replica* find_container(const std::string& container_id);
  void emit(scaling::ReplicaEvent event);

  void created(Replica& replica, Result<std::string> container);
  void started(Replica& replica, TimePoint start_sent, const Status& status);
  void proceed(Replica& replica);
  void send_limit(Replica& replica);
  void send_park(Replica& replica);
  void tell_parked(const Replica& replica);
  void send_stop(Replica& replica);
  void next_leaves(const std::string& id);
  void discard(Replica& replica, std::string why);  // could not be started
  void collect(Replica& replica);                   // it has ended
  void save_log(Replica& replica, std::string why, bool wants_last_words);
  void remove(Replica& replica, std::string why);
  void gone(std::string id, std::string why);

  void follow();
  void lost(const Error& error);
  void reconcile();
  void compare(const std::vector<ContainerInfo>& containers);
  void on_event(const DockerEvent& event);

  Clock& clock_;
  const DockerActuatorOptions options_;
  const AnnounceLimit announce_;
  std::unique_ptr<DockerClient> client_;
  EngineFacts engine_;
  std::map<std::string, Replica> replicas_;        // by replica id
  std::map<std::string, std::string> neighbours_;  // component -> container id
  std::string leaving_;  // whose stop the others wait for; "": none (see leaves_one_by_one())
  EventHandler handler_;
  bool connected_ = true;
  std::string away_because_;
  std::optional<TimerId> retry_;
  Duration retry_after_{};
};

}  // namespace spate::adapters
