// SPDX-License-Identifier: Apache-2.0
#include "spate/lab/container_components.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "spate/adapters/docker/docker_container.h"
#include "spate/adapters/docker/docker_wait.h"
#include "spate/base/files.h"

namespace spate::lab {
namespace {

using adapters::ContainerInfo;
using adapters::ContainerSpec;
using adapters::ExitStatus;
using Json = nlohmann::json;

constexpr const char* kOwnerPrefix = "lab-";
constexpr const char* kHostGroups = "/host/cgroup";  // in the gateway's container
constexpr const char* kHostGroupsHere = "/sys/fs/cgroup";
constexpr std::uint16_t kBrokerPort = 1883;
constexpr std::uint16_t kWorkerPort = 7070;  // of the gateway, where workers cannot share a socket
constexpr Duration kBrokerUp = std::chrono::seconds(20);
constexpr Duration kLook = std::chrono::milliseconds(50);
constexpr int kLogLines = 100'000;

std::string our_owner() {
  const auto identity = adapters::identify_process(::getpid());
  return fmt::format("{}{}-{}", kOwnerPrefix, ::getpid(),
                     identity ? identity->start_ticks : std::uint64_t{0});
}

// An owner's process that still runs: its containers are not ours to touch.
bool owner_lives(const std::string& owner) {
  int pid = 0;
  unsigned long long start = 0;
  const std::string pattern = std::string(kOwnerPrefix) + "%d-%llu";
  if (std::sscanf(owner.c_str(), pattern.c_str(), &pid, &start) != 2) return true;  // not a lab's
  const auto identity = adapters::identify_process(pid);
  return identity && identity->start_ticks == start;
}

std::string label_of(const std::map<std::string, std::string>& labels, const char* label) {
  const auto it = labels.find(label);
  return it == labels.end() ? "" : it->second;
}

ExitStatus exit_status(const Result<ContainerInfo>& container) {
  if (!container) return {.known = false};
  const int code = container->exit_code;
  return code > 128 ? ExitStatus{.code = 0, .signal = code - 128} : ExitStatus{.code = code};
}

adapters::DockerOptions engine_options(const ContainerOptions& options) {
  adapters::DockerOptions out;
  out.socket = options.socket;
  return out;
}

}  // namespace

ContainerComponents::ContainerComponents(LiveLoop& loop, ContainerOptions options)
    : loop_(loop),
      options_(std::move(options)),
      owner_(our_owner()),
      client_(own_loop_, own_clock_, engine_options(options_)),
      waiting_(std::make_unique<adapters::DockerClient>(loop.io(), loop.clock(),
                                                        engine_options(options_))) {}

ContainerComponents::~ContainerComponents() {
  waiting_.reset();
  if (engine_.empty()) return;  // begin() did not succeed
  (void)end_all();
  const Status removed = ask<std::monostate>(
      [&](auto done) { client_.remove_network("spate-" + owner_, std::move(done)); });
  if (!removed) spdlog::warn("{}", removed.error().message);
}

template <class T>
Result<T> ContainerComponents::ask(
    const std::function<void(std::function<void(Result<T>)>)>& call) {
  return adapters::answer_of<T>(own_loop_, call);
}

Status ContainerComponents::begin(std::vector<std::string>& swept) {
  const auto info = ask<Json>([&](auto done) { client_.info(std::move(done)); });
  if (!info) return info.error();
  const Status image = ask<std::monostate>(
      [&](auto done) { client_.require_image(options_.image, std::move(done)); });
  if (!image) return image;
  const auto containers = ask<std::vector<ContainerInfo>>(
      [&](auto done) { client_.list({adapters::kOwnerLabel}, std::move(done)); });
  if (!containers) return containers.error();
  for (const auto& container : *containers) {
    if (owner_lives(label_of(container.labels, adapters::kOwnerLabel))) continue;
    const Status removed = ask<std::monostate>(
        [&](auto done) { client_.remove(container.id, true, std::move(done)); });
    if (!removed) return removed;
    swept.push_back(container.name);
  }
  const auto networks = ask<std::vector<adapters::NetworkInfo>>(
      [&](auto done) { client_.list_networks({adapters::kOwnerLabel}, std::move(done)); });
  if (!networks) return networks.error();
  for (const auto& network : *networks) {
    if (owner_lives(label_of(network.labels, adapters::kOwnerLabel))) continue;
    const Status removed = ask<std::monostate>(
        [&](auto done) { client_.remove_network(network.name, std::move(done)); });
    if (!removed) return removed;
    swept.push_back(network.name);
  }
  const Status made = ask<std::monostate>([&](auto done) {
    client_.create_network("spate-" + owner_, {{adapters::kOwnerLabel, owner_}}, std::move(done));
  });
  if (made) engine_ = "Docker " + info->value("version", "");
  return made;
}

void ContainerComponents::add_path(const std::filesystem::path& path) {
  const auto absolute = std::filesystem::absolute(path).lexically_normal();
  if (std::find(paths_read_.begin(), paths_read_.end(), absolute) == paths_read_.end()) {
    paths_read_.push_back(absolute);
  }
}

Status ContainerComponents::begin_run(const RunPaths& paths, const std::string& run_id) {
  paths_ = paths;
  run_id_ = run_id;
  const auto port = free_loopback_port();
  if (!port) return port.error();
  if (options_.http) {
    http_ = *options_.http;
    influx_port_ = *port;
  } else {
    http_.port = *port;
  }
  return ok();
}

ContainerSpec ContainerComponents::base(const std::string& name) const {
  ContainerSpec spec;
  spec.name = fmt::format("spate-{}-{}", run_id_, name);
  spec.image = options_.image;
  spec.labels = {{adapters::kOwnerLabel, owner_},
                 {adapters::kRunLabel, run_id_},
                 {adapters::kComponentLabel, name}};
  spec.network = "spate-" + owner_;
  spec.network_aliases = {name};
  spec.user = fmt::format("{}:{}", ::geteuid(), ::getegid());
  spec.mounts = {{paths_.directory.string(), paths_.directory.string(), false}};
  return spec;
}

Result<BrokerAddress> ContainerComponents::start_broker(const BrokerScenario& settings) {
  const auto folder = paths_.directory / "broker";
  std::error_code failed;
  std::filesystem::create_directories(folder, failed);
  const auto config = folder / "mosquitto.conf";
  if (const Status written = write_file(
          config, broker_config(settings, kBrokerPort, folder, ::geteuid() == 0, "0.0.0.0"));
      !written) {
    return written.error();
  }
  ContainerSpec spec = base("broker");
  spec.entrypoint = {"mosquitto"};
  spec.command = {"-c", config.string()};
  if (const Status s = launch("broker", std::move(spec), {}); !s) return s.error();
  BrokerAddress address;
  address.host = "broker";
  address.port = kBrokerPort;
  if (const Status s = wait_for_broker(address); !s) return s.error();
  return address;
}

// It listens once it says that it runs; its first line has its version.
Status ContainerComponents::wait_for_broker(BrokerAddress& address) {
  const TimePoint end = loop_.clock().now() + kBrokerUp;
  for (;;) {
    const auto log = ask<std::string>(
        [&](auto done) { client_.logs(components_.at("broker").id, kLogLines, std::move(done)); });
    const std::string said = log ? *log : "";
    const auto from = said.find("mosquitto version ");
    const auto until = said.find(" running", from);
    if (from != std::string::npos && until != std::string::npos) {
      address.version =
          "mosquitto " + said.substr(from + 18, said.find(' ', from + 18) - from - 18);
      return ok();
    }
    if (loop_.interrupted()) return Error{ErrorCode::Unavailable, "interrupted"};
    if (!running("broker") || loop_.clock().now() >= end) {
      return Error{ErrorCode::Unavailable, "mosquitto did not come up:\n" + said};
    }
    (void)loop_.run_until([] { return false; }, kLook);
  }
}

Status ContainerComponents::start(const std::string& name,
                                  const std::vector<std::string>& arguments, ExitHandler on_exit) {
  ContainerSpec spec = base(name);
  spec.command = arguments;
  for (const auto& path : paths_read_) spec.mounts.push_back({path.string(), path.string(), true});
  if (name == "gateway") {
    spec.mounts.push_back({options_.socket, options_.socket, false});
    spec.mounts.push_back({kHostGroupsHere, kHostGroups, true});
    if (paths_.socket.parent_path() != paths_.directory) {
      const std::string folder = paths_.socket.parent_path().string();
      spec.mounts.push_back({folder, folder, false});
    }
    spec.published_ports = {{http_.port, http_.port, http_.host}};
    struct stat socket {};
    if (::stat(options_.socket.c_str(), &socket) == 0) {
      spec.groups = {std::to_string(socket.st_gid)};
    }
  }
  if (name == "influx" && influx_port_ != 0) {
    spec.published_ports = {{influx_port_, influx_port_, http_.host}};
  }
  return launch(name, std::move(spec), std::move(on_exit));
}

Status ContainerComponents::launch(const std::string& name, ContainerSpec spec,
                                   ExitHandler on_exit) {
  const auto id = ask<std::string>([&](auto done) { client_.create(spec, std::move(done)); });
  if (!id) return id.error();
  components_[name] = {.id = *id, .exit = std::nullopt, .on_exit = std::move(on_exit)};
  const Status started =
      ask<std::monostate>([&](auto done) { client_.start(*id, std::move(done)); });
  if (!started) {
    (void)ask<std::monostate>([&](auto done) { client_.remove(*id, true, std::move(done)); });
    components_.erase(name);
    return started;
  }
  waiting_->wait_exit(*id, [this, name, id = *id](const Result<int>&) {
    const auto it = components_.find(name);
    if (it == components_.end() || it->second.id != id || it->second.exit) return;
    collect(name);
    if (const auto handler = std::exchange(it->second.on_exit, nullptr)) handler(*it->second.exit);
  });
  return ok();
}

void ContainerComponents::collect(const std::string& name) {
  Component& component = components_.at(name);
  const auto info =
      ask<ContainerInfo>([&](auto done) { client_.inspect(component.id, std::move(done)); });
  const auto log =
      ask<std::string>([&](auto done) { client_.logs(component.id, kLogLines, std::move(done)); });
  if (log) {
    std::ofstream file(paths_.log(name), std::ios::app | std::ios::binary);
    file << *log;
  }
  const Status removed =
      ask<std::monostate>([&](auto done) { client_.remove(component.id, true, std::move(done)); });
  if (!removed) spdlog::warn("{}", removed.error().message);
  component.exit = exit_status(info);
}

bool ContainerComponents::running(const std::string& name) const {
  const auto it = components_.find(name);
  return it != components_.end() && !it->second.exit;
}

std::optional<ExitStatus> ContainerComponents::exit_of(const std::string& name) const {
  const auto it = components_.find(name);
  return it == components_.end() ? std::nullopt : it->second.exit;
}

void ContainerComponents::stop(const std::string& name, Duration grace) {
  if (!running(name)) return;
  const std::string id = components_.at(name).id;
  const Status stopped =
      ask<std::monostate>([&](auto done) { client_.stop(id, grace, std::move(done)); });
  if (!stopped) spdlog::warn("stop {}: {}", name, stopped.error().message);
  collect(name);
}

std::vector<std::string> ContainerComponents::end_all() {
  std::vector<std::string> ended;
  const auto containers = ask<std::vector<ContainerInfo>>([&](auto done) {
    client_.list({std::string(adapters::kOwnerLabel) + "=" + owner_}, std::move(done));
  });
  if (!containers) {
    spdlog::warn("containers may be left: {}", containers.error().message);
    return ended;
  }
  for (const auto& container : *containers) {
    const Status removed = ask<std::monostate>(
        [&](auto done) { client_.remove(container.id, true, std::move(done)); });
    if (!removed) spdlog::warn("{}", removed.error().message);
    ended.push_back("container " + container.name);
  }
  components_.clear();
  return ended;
}

void ContainerComponents::complete_gateway_settings(Json& settings) const {
  Json mounts = Json::array();
  const auto add = [&](const std::string& path) {
    mounts.push_back({{"source", path}, {"target", path}, {"read_only", true}});
  };
  add(paths_.directory.string());
  if (paths_.socket.parent_path() != paths_.directory) add(paths_.socket.parent_path().string());
  for (const auto& path : paths_read_) add(path.string());
  settings["backend"] = {
      {"kind", "docker"}, {"socket", options_.socket},   {"image", options_.image},
      {"owner", owner_},  {"mounts", std::move(mounts)}, {"cgroup_root", kHostGroups}};
  // All interfaces of its container; the engine publishes the port on the host's address only.
  settings["http"] = {{"host", "0.0.0.0"}, {"port", http_.port}};
  if (!options_.http) return;
  // A worker is scraped at the address by which the gateway sees it: it needs one.
  settings["worker_listen"] = fmt::format("tcp:0.0.0.0:{}", kWorkerPort);
  settings["backend"]["network"] = "spate-" + owner_;
  settings["backend"]["worker_address"] = fmt::format("tcp:gateway:{}", kWorkerPort);
}

// The port is the same outside, so that what it notes for service discovery is right there.
void ContainerComponents::complete_influx_settings(Json& settings) const {
  if (influx_port_ != 0) settings["metrics"] = {{"host", "0.0.0.0"}, {"port", influx_port_}};
}

Json ContainerComponents::description() const {
  return {{"kind", "docker"},
          {"image", options_.image},
          {"engine", engine_},
          {"network", "spate-" + owner_}};
}

}  // namespace spate::lab
