// SPDX-License-Identifier: Apache-2.0
#include "spate/adapters/docker/docker_client.h"

#include <fmt/format.h>

#include <boost/asio/io_context.hpp>
#include <cmath>
#include <set>

#include "spate/adapters/docker/docker_http.h"

namespace spate::adapters {
namespace {

using nlohmann::json;

json label_filter(const std::vector<std::string>& labels) { return {{"label", labels}}; }

std::map<std::string, std::string> string_map(const json& object) {
  std::map<std::string, std::string> out;
  if (!object.is_object()) return out;
  for (const auto& [key, value] : object.items()) {
    if (value.is_string()) out[key] = value.get<std::string>();
  }
  return out;
}

json container_body(const ContainerSpec& spec) {
  json environment = json::array();
  for (const auto& [name, value] : spec.environment) environment.push_back(name + "=" + value);
  json mounts = json::array();
  for (const auto& mount : spec.mounts) {
    const bool bind = !mount.source.empty() && mount.source.front() == '/';
    mounts.push_back({{"Type", bind ? "bind" : "volume"},
                      {"Source", mount.source},
                      {"Target", mount.target},
                      {"ReadOnly", mount.read_only}});
  }
  json host = {{"Mounts", std::move(mounts)},
               {"ReadonlyRootfs", spec.read_only_root},
               {"Init", false},
               {"CapDrop", {"ALL"}},
               {"SecurityOpt", {"no-new-privileges"}},
               {"LogConfig", {{"Type", "json-file"}, {"Config", {{"max-size", "10m"}}}}}};
  if (spec.read_only_root) host["Tmpfs"] = {{"/tmp", "size=64m,mode=1777"}};
  if (!spec.network.empty()) host["NetworkMode"] = spec.network;
  if (!spec.groups.empty()) host["GroupAdd"] = spec.groups;
  // NanoCpus even where there is no limit would fix it to the host's CPUs; leave it out.
  if (spec.cpus > 0.0) host["NanoCpus"] = static_cast<std::int64_t>(std::llround(spec.cpus * 1e9));
  if (spec.memory_bytes > 0) host["Memory"] = spec.memory_bytes;
  json exposed = json::object();
  for (const auto& [inside, outside, address] : spec.published_ports) {
    const std::string key = std::to_string(inside) + "/tcp";
    exposed[key] = json::object();
    host["PortBindings"][key] = {{{"HostIp", address}, {"HostPort", std::to_string(outside)}}};
  }
  json body = {{"Image", spec.image},
               {"Cmd", spec.command},
               {"Env", std::move(environment)},
               {"Labels", spec.labels},
               {"StopTimeout", spec.stop_timeout_s},
               {"HostConfig", std::move(host)}};
  if (!spec.entrypoint.empty()) body["Entrypoint"] = spec.entrypoint;
  if (!spec.health_check) body["Healthcheck"] = {{"Test", {"NONE"}}};
  if (!exposed.empty()) body["ExposedPorts"] = std::move(exposed);
  if (!spec.user.empty()) body["User"] = spec.user;
  if (!spec.network.empty() && !spec.network_aliases.empty()) {
    body["NetworkingConfig"]["EndpointsConfig"][spec.network] = {{"Aliases", spec.network_aliases}};
  }
  return body;
}

ContainerInfo from_list_entry(const json& entry) {
  ContainerInfo info;
  info.id = entry.value("Id", "");
  if (entry.contains("Names") && !entry["Names"].empty()) {
    info.name = entry["Names"][0].get<std::string>();
    if (!info.name.empty() && info.name.front() == '/') info.name.erase(0, 1);
  }
  info.image = entry.value("Image", "");
  info.state = entry.value("State", "");
  info.labels = string_map(entry.value("Labels", json::object()));
  return info;
}

ContainerInfo from_inspection(const json& entry) {
  ContainerInfo info;
  info.id = entry.value("Id", "");
  info.name = entry.value("Name", "");
  if (!info.name.empty() && info.name.front() == '/') info.name.erase(0, 1);
  const json& config = entry.at("Config");
  info.image = config.value("Image", "");
  info.labels = string_map(config.value("Labels", json::object()));
  const json& state = entry.at("State");
  info.state = state.value("Status", "");
  info.pid = state.value("Pid", std::int64_t{0});
  info.exit_code = state.value("ExitCode", 0);
  info.out_of_memory = state.value("OOMKilled", false);
  info.error = state.value("Error", "");
  info.started_at = state.value("StartedAt", "");
  info.cpus = static_cast<double>(entry.at("HostConfig").value("NanoCpus", std::int64_t{0})) / 1e9;
  return info;
}

// The log stream's frames: one byte stream number, three zeros, u32 big-endian length, text.
std::string unframe_logs(const std::string& raw) {
  std::string out;
  std::size_t at = 0;
  while (at + 8 <= raw.size()) {
    const auto byte = [&](std::size_t i) {
      return static_cast<std::size_t>(static_cast<unsigned char>(raw[at + i]));
    };
    if (byte(0) > 2) return raw;  // a terminal's stream has no frames
    const std::size_t length = byte(4) << 24 | byte(5) << 16 | byte(6) << 8 | byte(7);
    out += raw.substr(at + 8, length);
    at += 8 + length;
  }
  return out;
}

}  // namespace

struct DockerClient::Impl : std::enable_shared_from_this<Impl> {
  Impl(boost::asio::io_context& l, Clock& c, DockerOptions o)
      : loop(l), clock(c), options(std::move(o)) {}

  boost::asio::io_context& loop;
  Clock& clock;
  DockerOptions options;
  std::set<std::shared_ptr<DockerCall>> calls;
  std::shared_ptr<DockerCall> event_call;
  std::string event_buffer;
  std::function<void()> following;

  std::string target(const std::string& path) const { return "/" + options.api_version + path; }

  // Sends; hands a response whose status is in `accepted` to `done`, anything else as an Error.
  void send(DockerRequest request, std::vector<int> accepted,
            std::function<void(Result<DockerResponse>)> done) {
    const DockerRequest described{request.verb, request.target, "", {}, nullptr, nullptr};
    auto holder = std::make_shared<std::shared_ptr<DockerCall>>();
    auto call = DockerCall::begin(
        loop, options, std::move(request),
        [self = weak_from_this(), holder, described, accepted = std::move(accepted),
         done = std::move(done)](Result<DockerResponse> response) {
          const auto alive = self.lock();
          if (!alive) return;
          alive->calls.erase(*holder);
          if (!response) return done(response.error());
          for (const int status : accepted) {
            if (response->status == status) return done(std::move(response));
          }
          done(docker_error(described, *response));
        });
    *holder = call;
    calls.insert(std::move(call));
  }

  void call(std::string verb, const std::string& path, const json& body, std::vector<int> accepted,
            DockerClient::Done done, Duration timeout = Duration::zero()) {
    send({std::move(verb), target(path), body.is_null() ? "" : body.dump(),
          timeout > Duration::zero() ? timeout : options.timeout, nullptr, nullptr},
         std::move(accepted), [done = std::move(done)](Result<DockerResponse> response) {
           done(response ? ok() : Status(response.error()));
         });
  }

  template <class T>
  void query(std::string verb, const std::string& path, const json& body, std::vector<int> accepted,
             std::function<T(const json&)> read, DockerClient::Handler<T> done, Duration timeout) {
    send({std::move(verb), target(path), body.is_null() ? "" : body.dump(), timeout, nullptr,
          nullptr},
         std::move(accepted),
         [done = std::move(done), read = std::move(read), path](Result<DockerResponse> response) {
           if (!response) return done(response.error());
           try {
             done(read(json::parse(response->body)));
           } catch (const json::exception& error) {
             done(Error{ErrorCode::Internal,
                        "Docker engine: unexpected answer to " + path + ": " + error.what()});
           }
         });
  }

  void on_event_bytes(std::string_view bytes,
                      const std::function<void(const DockerEvent&)>& handler) {
    event_buffer += bytes;
    std::size_t end = 0;
    while ((end = event_buffer.find('\n')) != std::string::npos) {
      const std::string line = event_buffer.substr(0, end);
      event_buffer.erase(0, end + 1);
      const auto entry = json::parse(line, nullptr, false);
      if (!entry.is_object() || entry.value("Type", "") != "container") continue;
      const json actor = entry.value("Actor", json::object());
      handler({entry.value("Action", ""), actor.value("ID", ""),
               string_map(actor.value("Attributes", json::object()))});
    }
  }
};

DockerClient::DockerClient(boost::asio::io_context& loop, Clock& clock, DockerOptions options)
    : impl_(std::make_shared<Impl>(loop, clock, std::move(options))) {}

DockerClient::~DockerClient() {
  for (const auto& call : impl_->calls) call->cancel();
  if (impl_->event_call) impl_->event_call->cancel();
}

const DockerOptions& DockerClient::options() const { return impl_->options; }

void DockerClient::info(Handler<json> done) {
  impl_->query<json>(
      "GET", "/info", nullptr, {200},
      [](const json& answer) {
        return json{{"version", answer.value("ServerVersion", "")},
                    {"os", answer.value("OperatingSystem", "")},
                    {"kernel", answer.value("KernelVersion", "")},
                    {"cgroup_version", answer.value("CgroupVersion", "1")},
                    {"cgroup_driver", answer.value("CgroupDriver", "")},
                    {"cpus", answer.value("NCPU", 0)},
                    {"memory_bytes", answer.value("MemTotal", std::int64_t{0})}};
      },
      std::move(done), impl_->options.timeout);
}

void DockerClient::require_image(const std::string& image, Done done) {
  impl_->call("GET", "/images/" + image + "/json", nullptr, {200},
              [image, done = std::move(done)](Status status) {
                if (!status && status.error().code == ErrorCode::NotFound) {
                  return done(Error{ErrorCode::NotFound, "the Docker engine has no image " + image +
                                                             "; build it: scripts/image"});
                }
                done(std::move(status));
              });
}

void DockerClient::create(const ContainerSpec& spec, Handler<std::string> done) {
  const std::string name = spec.name.empty() ? "" : "?name=" + percent_encode(spec.name);
  impl_->query<std::string>(
      "POST", "/containers/create" + name, container_body(spec), {201},
      [](const json& answer) { return answer.at("Id").get<std::string>(); },
      [image = spec.image, done = std::move(done)](Result<std::string> id) {
        if (!id && id.error().code == ErrorCode::NotFound &&
            id.error().message.find("No such image") != std::string::npos) {
          return done(Error{ErrorCode::NotFound, "the Docker engine has no image " + image +
                                                     "; build it: scripts/image"});
        }
        done(std::move(id));
      },
      impl_->options.timeout);
}

void DockerClient::start(const std::string& id, Done done) {
  impl_->call("POST", "/containers/" + id + "/start", nullptr, {204, 304}, std::move(done));
}

void DockerClient::pause(const std::string& id, Done done) {
  impl_->call("POST", "/containers/" + id + "/pause", nullptr, {204}, std::move(done));
}

void DockerClient::unpause(const std::string& id, Done done) {
  impl_->call("POST", "/containers/" + id + "/unpause", nullptr, {204}, std::move(done));
}

void DockerClient::set_cpus(const std::string& id, double cpus, Done done) {
  if (cpus <= 0.0) {
    // The engine takes NanoCpus 0 for "leave it": the widest limit it knows is the whole host.
    return info([this, id, done = std::move(done)](Result<json> host) mutable {
      if (!host) return done(host.error());
      set_cpus(id, host->at("cpus").get<double>(), std::move(done));
    });
  }
  const auto nano = static_cast<std::int64_t>(std::llround(cpus * 1e9));
  impl_->call("POST", "/containers/" + id + "/update", {{"NanoCpus", nano}}, {200},
              std::move(done));
}

void DockerClient::stop(const std::string& id, Duration grace, Done done) {
  const auto seconds = static_cast<std::int64_t>(std::ceil(to_seconds(grace)));
  impl_->call("POST", "/containers/" + id + "/stop?t=" + std::to_string(seconds), nullptr,
              {204, 304, 404}, std::move(done),
              impl_->options.timeout + std::chrono::seconds(seconds));
}

void DockerClient::kill(const std::string& id, const std::string& signal, Done done) {
  impl_->call("POST", "/containers/" + id + "/kill?signal=" + percent_encode(signal), nullptr,
              {204}, std::move(done));
}

void DockerClient::remove(const std::string& id, bool force, Done done) {
  impl_->call(
      "DELETE", "/containers/" + id + (force ? "?force=1&v=1" : "?v=1"), nullptr, {204, 404},
      // 409: its removal is in progress already.
      [done = std::move(done)](Status status) {
        if (!status && status.error().message.find("already in progress") != std::string::npos) {
          return done(ok());
        }
        done(std::move(status));
      });
}

void DockerClient::inspect(const std::string& id, Handler<ContainerInfo> done) {
  impl_->query<ContainerInfo>("GET", "/containers/" + id + "/json", nullptr, {200}, from_inspection,
                              std::move(done), impl_->options.timeout);
}

void DockerClient::list(const std::vector<std::string>& labels,
                        Handler<std::vector<ContainerInfo>> done) {
  impl_->query<std::vector<ContainerInfo>>(
      "GET", "/containers/json?all=1&filters=" + percent_encode(label_filter(labels).dump()),
      nullptr, {200},
      [](const json& answer) {
        std::vector<ContainerInfo> out;
        for (const auto& entry : answer) out.push_back(from_list_entry(entry));
        return out;
      },
      std::move(done), impl_->options.timeout);
}

void DockerClient::logs(const std::string& id, int lines, Handler<std::string> done) {
  impl_->send(
      {"GET",
       impl_->target(fmt::format("/containers/{}/logs?stdout=1&stderr=1&tail={}", id, lines)), "",
       impl_->options.timeout, nullptr, nullptr},
      {200}, [done = std::move(done)](Result<DockerResponse> response) {
        if (!response) return done(response.error());
        done(unframe_logs(response->body));
      });
}

void DockerClient::wait_exit(const std::string& id, Handler<int> done) {
  impl_->query<int>(
      "POST", "/containers/" + id + "/wait", nullptr, {200},
      [](const json& answer) { return answer.at("StatusCode").get<int>(); }, std::move(done),
      Duration::zero());
}

void DockerClient::create_network(const std::string& name,
                                  const std::map<std::string, std::string>& labels, Done done) {
  // CheckDuplicate makes the engine refuse a second network of that name.
  impl_->call("POST", "/networks/create",
              {{"Name", name}, {"Driver", "bridge"}, {"CheckDuplicate", true}, {"Labels", labels}},
              {201, 409}, std::move(done));
}

void DockerClient::remove_network(const std::string& name, Done done) {
  impl_->call("DELETE", "/networks/" + name, nullptr, {204, 404}, std::move(done));
}

void DockerClient::list_networks(const std::vector<std::string>& labels,
                                 Handler<std::vector<NetworkInfo>> done) {
  impl_->query<std::vector<NetworkInfo>>(
      "GET", "/networks?filters=" + percent_encode(label_filter(labels).dump()), nullptr, {200},
      [](const json& answer) {
        std::vector<NetworkInfo> out;
        for (const auto& entry : answer) {
          out.push_back({entry.value("Name", ""), string_map(entry.value("Labels", json()))});
        }
        return out;
      },
      std::move(done), impl_->options.timeout);
}

void DockerClient::set_following_handler(std::function<void()> handler) {
  impl_->following = std::move(handler);
}

void DockerClient::follow_events(const std::vector<std::string>& labels,
                                 std::function<void(const DockerEvent&)> on_event, Done ended) {
  json filters = label_filter(labels);
  filters["type"] = {"container"};
  DockerRequest request{"GET",   impl_->target("/events?filters=" + percent_encode(filters.dump())),
                        "",      Duration::zero(),
                        nullptr, nullptr};
  const DockerRequest described = request;
  request.on_body = [self = impl_->weak_from_this(),
                     on_event = std::move(on_event)](std::string_view bytes) {
    if (const auto alive = self.lock()) alive->on_event_bytes(bytes, on_event);
  };
  request.on_head = [self = impl_->weak_from_this()] {
    const auto alive = self.lock();
    if (alive && alive->following) alive->following();
  };
  impl_->event_buffer.clear();
  if (impl_->event_call) impl_->event_call->cancel();
  impl_->event_call = DockerCall::begin(
      impl_->loop, impl_->options, std::move(request),
      [self = impl_->weak_from_this(), described,
       ended = std::move(ended)](Result<DockerResponse> response) {
        const auto alive = self.lock();
        if (!alive) return;
        alive->event_call.reset();
        if (!response) return ended(response.error());
        if (response->status != 200) return ended(docker_error(described, *response));
        ended(Error{ErrorCode::Unavailable, "the Docker engine ended its event stream"});
      });
}

}  // namespace spate::adapters
