// SPDX-License-Identifier: Apache-2.0
//
// DockerClient: the few calls of the Docker Engine API that Spate uses, over the engine's Unix
// socket, asynchronous on an Asio loop. Used by the docker actuator and by the lab's docker
// backend. docs/security.md lists the calls, for whoever wants to narrow the socket.
//
// Every call returns at once and calls its handler exactly once, from the loop, unless the client
// is destroyed first. Errors say what a person can do: no engine, no permission on the socket, no
// such image; everything else carries the engine's own message and its HTTP status.
//
// Threads: the loop's.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "spate/base/clock.h"
#include "spate/base/result.h"

namespace boost::asio {
class io_context;
}

namespace spate::adapters {

struct DockerOptions {
  std::string socket = "/var/run/docker.sock";
  std::string api_version = "v1.41";            // Docker 20.10 and later serve it
  Duration timeout = std::chrono::seconds(30);  // of a call, unless it says otherwise
  std::size_t max_response_bytes = 64U << 20;
};

struct Mount {
  std::string source;  // absolute host path, or a volume's name
  std::string target;  // absolute path in the container
  bool read_only = true;
};

struct PublishedPort {
  int inside = 0;   // of the container
  int outside = 0;  // of the host
  std::string host = "127.0.0.1";
};

struct ContainerSpec {
  std::string name;
  std::string image;
  std::vector<std::string> entrypoint;  // empty = the image's
  std::vector<std::string> command;     // arguments of the entry point
  bool health_check = false;            // keep the image's; each check is a process of its own
  std::map<std::string, std::string> environment;
  std::map<std::string, std::string> labels;
  std::vector<Mount> mounts;
  std::string network;  // "" = the engine's default bridge
  std::vector<std::string> network_aliases;
  std::vector<std::string> groups;  // further group ids of the process
  std::vector<PublishedPort> published_ports;
  std::string user;               // "" = the image's
  double cpus = 0.0;              // 0 = no limit
  std::int64_t memory_bytes = 0;  // 0 = no limit
  bool read_only_root = true;     // with a small tmpfs at /tmp
  int stop_timeout_s = 15;
};

struct ContainerInfo {
  std::string id;    // 64 hex digits
  std::string name;  // without the leading slash
  std::string image;
  std::string state;  // created | running | paused | restarting | removing | exited | dead
  std::map<std::string, std::string> labels;
  std::int64_t pid = 0;        // inspect only; on the engine's host
  double cpus = 0.0;           // inspect only; 0 = no limit
  int exit_code = 0;           // inspect only
  bool out_of_memory = false;  // inspect only: the kernel killed it for its memory limit
  std::string error;           // inspect only: why the engine could not start it
  std::string started_at;      // inspect only; RFC 3339
};

struct NetworkInfo {
  std::string name;
  std::map<std::string, std::string> labels;
};

// One entry of the engine's event stream, of a container.
struct DockerEvent {
  std::string action;  // create, start, die, oom, pause, unpause, destroy, health_status: …, …
  std::string id;
  std::map<std::string, std::string> attributes;  // name, image, exitCode and the labels
};

class DockerClient {
 public:
  template <class T>
  using Handler = std::function<void(Result<T>)>;
  using Done = std::function<void(Status)>;

  // Borrows loop and clock, which must outlive it.
  DockerClient(boost::asio::io_context& loop, Clock& clock, DockerOptions options = {});
  ~DockerClient();
  DockerClient(const DockerClient&) = delete;
  DockerClient& operator=(const DockerClient&) = delete;

  // {"version", "api_version", "os", "kernel", "cgroup_version", "cgroup_driver", "cpus",
  // "memory_bytes"}
  void info(Handler<nlohmann::json> done);
  // NotFound, with the command that builds it, when the engine does not have the image.
  void require_image(const std::string& image, Done done);

  void create(const ContainerSpec& spec, Handler<std::string> done);  // the container's id
  void start(const std::string& id, Done done);
  void pause(const std::string& id, Done done);
  void unpause(const std::string& id, Done done);
  // NanoCpus; 0 removes the limit as far as the engine allows (to the host's number of CPUs).
  void set_cpus(const std::string& id, double cpus, Done done);
  // SIGTERM (or the image's stop signal), after `grace` SIGKILL. Success when it was stopped
  // already.
  void stop(const std::string& id, Duration grace, Done done);
  void kill(const std::string& id, const std::string& signal, Done done);
  // Also removes its anonymous volumes. Success when it is gone already.
  void remove(const std::string& id, bool force, Done done);
  void inspect(const std::string& id, Handler<ContainerInfo> done);
  // Containers in any state that carry every one of `labels` ("key=value", or "key").
  void list(const std::vector<std::string>& labels, Handler<std::vector<ContainerInfo>> done);
  // The last `lines` lines of its standard output and error.
  void logs(const std::string& id, int lines, Handler<std::string> done);
  void wait_exit(const std::string& id, Handler<int> done);  // exit code; no time limit

  void create_network(const std::string& name, const std::map<std::string, std::string>& labels,
                      Done done);                           // success when it exists
  void remove_network(const std::string& name, Done done);  // success when it is gone
  void list_networks(const std::vector<std::string>& labels,
                     Handler<std::vector<NetworkInfo>> done);

  // Streams events of containers that carry every one of `labels`, until the engine goes away
  // (`ended` says why; call again) or the client is destroyed. One stream per client.
  void follow_events(const std::vector<std::string>& labels,
                     std::function<void(const DockerEvent&)> on_event, Done ended);
  // The stream is open (events from now on are seen).
  void set_following_handler(std::function<void()> handler);

  const DockerOptions& options() const;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace spate::adapters
