// SPDX-License-Identifier: Apache-2.0
#include "spate/gateway/server.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "spate/base/check.h"
#include "spate/base/config_error.h"
#include "spate/base/files.h"
#include "spate/gateway/model_session.h"
#include "spate/gateway/single_topic_session.h"
#include "spate/gateway/unknown_model_session.h"
#include "spate/gateway/worker_hub.h"

namespace spate::gateway {

namespace {

// What mosquitto grants unless it is set up otherwise.
constexpr std::uint16_t kDefaultReceiveMaximum = 20;
// How often shut_down() looks whether everything is finished.
constexpr Duration kShutdownStep = std::chrono::milliseconds(5);

std::string read_secret(const std::string& file, const std::string& what) {
  Result<std::string> content = read_file(file);
  if (!content) throw ConfigError(what + ": " + content.error().message);
  std::string text = std::move(content.value());
  if (const std::size_t end = text.find_first_of("\r\n"); end != std::string::npos) {
    text.resize(end);
  }
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.pop_back();
  return text;
}

}  // namespace

struct Server::Impl {
  Impl(boost::asio::io_context& loop_in, Clock& clock_in, GatewayConfig config_in)
      : loop(loop_in), clock(clock_in), config(std::move(config_in)) {
    const std::string token = read_secret(config.token_file, "token_file");
    if (token.empty()) throw ConfigError("token_file: " + config.token_file + " is empty");
    mqtt::ClientOptions mqtt;
    mqtt.host = config.broker.host;
    mqtt.port = config.broker.port;
    mqtt.username = config.broker.username;
    if (!config.broker.password_file.empty()) {
      mqtt.password = read_secret(config.broker.password_file, "broker.password_file");
    }
    RequestRules rules;
    rules.max_clock_difference = config.max_clock_difference;
    for (const ModelConfig& model : config.models) {
      rules.max_payload_bytes = model.max_payload_bytes;
      rules.default_deadline = model.default_deadline;
      sessions.emplace(
          model.name, std::make_shared<ModelSession>(loop, clock, model, rules,
                                                     with_id(mqtt, "-" + model.name), end_handler));
    }
    // A model's name has no ':', so that these two never meet one of the above.
    if (!config.single_topic.empty()) {
      single_topic =
          std::make_unique<SingleTopicSession>(loop, clock, config, with_id(mqtt, ":single-topic"));
    }
    if (config.answer_unknown_models) {
      unknown = std::make_unique<UnknownModelSession>(loop, clock, config,
                                                      with_id(mqtt, ":unknown-models"));
    }
    WorkerHub::Options options;
    options.listen = config.worker_listen;
    options.token = token;
    options.gateway_id = config.run_id;
    options.heartbeat_timeout = config.heartbeat_timeout;
    hub = std::make_unique<WorkerHub>(loop, clock, std::move(options), sessions);
  }

  ~Impl() {
    if (timer) clock.cancel(*timer);
  }

  mqtt::ClientOptions with_id(mqtt::ClientOptions options, const std::string& suffix) {
    options.client_id = "spate-" + config.run_id + suffix;
    options.seed = ++seed;
    return options;
  }

  Status start() {
    if (Status up = hub->start(); !up) return up;
    const auto check = [this] { check_healthy(); };
    for (const auto& [name, session] : sessions) {
      session->set_healthy_handler(check);
      session->start();
    }
    if (single_topic) {
      single_topic->set_healthy_handler(check);
      single_topic->start();
    }
    if (unknown) {
      unknown->set_healthy_handler(check);
      unknown->start();
    }
    return ok();
  }

  bool healthy() const {
    return !stopped && hub->listening() &&
           std::all_of(sessions.begin(), sessions.end(),
                       [](const auto& entry) { return entry.second->healthy(); }) &&
           (!single_topic || single_topic->healthy()) && (!unknown || unknown->healthy());
  }

  void check_healthy() {
    if (!healthy()) return;
    warn_about_broker();
    if (on_healthy) std::exchange(on_healthy, nullptr)();
  }

  // mosquitto as it comes announces 20, and then also drops messages, acknowledged ones too,
  // once 1000 wait for one client; what is set up for a load announces more.
  void warn_about_broker() {
    const std::uint16_t granted = sessions.begin()->second->broker_receive_maximum();
    if (broker_checked || granted > kDefaultReceiveMaximum) return;
    broker_checked = true;
    spdlog::warn(
        "gateway: broker {}:{} lets a client have only {} messages in flight, so it may be limited "
        "in what it queues too, and lose messages in a surge; for mosquitto set "
        "max_inflight_messages 0 and max_queued_messages 0",
        config.broker.host, config.broker.port, granted);
  }

  // --- the end -----------------------------------------------------------------------------
  void shut_down(std::function<void()> then) {
    if (done) return;  // under way
    done = std::move(then);
    grace_ends = clock.now() + config.shutdown_grace;
    if (unknown) unknown->stop();
    if (single_topic) single_topic->begin_shutdown();
    for (const auto& [name, session] : sessions) session->begin_shutdown();
    step();
  }

  // Waits for the queues, then for the broker's acknowledgements, both within the grace.
  void step() {
    const bool idle = std::all_of(sessions.begin(), sessions.end(),
                                  [](const auto& entry) { return entry.second->idle(); }) &&
                      (!single_topic || single_topic->idle());
    if (!idle && clock.now() < grace_ends) {
      timer = clock.call_after(kShutdownStep, [this] {
        timer.reset();
        step();
      });
      return;
    }
    for (const auto& [name, session] : sessions) {
      session->end_all();
      session->stop();
    }
    if (single_topic) single_topic->stop();
    hub->stop();
    stopped = true;
    std::exchange(done, nullptr)();
  }

  ModelSession& session(std::string_view model) const {
    const auto entry = sessions.find(model);
    SPATE_CHECK(entry != sessions.end(), "no such model");
    return *entry->second;
  }

  ServerStats server_stats() const {
    ServerStats stats;
    const auto add = [&stats](const mqtt::ClientStats& mqtt) {
      stats.broker_disconnects += mqtt.disconnects;
      stats.messages_in += mqtt.messages_in;
      stats.messages_out += mqtt.messages_out;
    };
    for (const auto& [name, session] : sessions) {
      add(session->mqtt_stats());
      stats.clock_disagreements += session->clock_disagreements();
      stats.late_answers += session->route().counters().late_answers;
      stats.results_refused += session->results_refused();
      stats.results_dropped += session->results_dropped();
    }
    if (single_topic) {
      add(single_topic->mqtt_stats());
      stats.single_topic_messages = single_topic->republished();
      stats.single_topic_bad = single_topic->bad();
      stats.results_refused += single_topic->refused();
      stats.results_dropped += single_topic->dropped();
    }
    if (unknown) {
      add(unknown->mqtt_stats());
      stats.unknown_model = unknown->answered();
    }
    stats.workers_refused = hub->refused();
    return stats;
  }

  boost::asio::io_context& loop;
  Clock& clock;
  const GatewayConfig config;
  EndHandler end_handler;
  std::function<void()> on_healthy;
  WorkerHub::Sessions sessions;
  std::unique_ptr<SingleTopicSession> single_topic;
  std::unique_ptr<UnknownModelSession> unknown;
  std::unique_ptr<WorkerHub> hub;
  std::uint64_t seed = 0;
  bool broker_checked = false;

  std::function<void()> done;  // of shut_down()
  TimePoint grace_ends{};
  std::optional<TimerId> timer;
  bool stopped = false;
};

Server::Server(boost::asio::io_context& loop, Clock& clock, GatewayConfig config)
    : impl_(std::make_unique<Impl>(loop, clock, std::move(config))) {}
Server::~Server() = default;

Status Server::start() { return impl_->start(); }
void Server::shut_down(std::function<void()> done) { impl_->shut_down(std::move(done)); }
bool Server::healthy() const { return impl_->healthy(); }
void Server::set_healthy_handler(std::function<void()> handler) {
  impl_->on_healthy = std::move(handler);
  impl_->check_healthy();
}
std::string Server::worker_address() const { return impl_->hub->address(); }
const GatewayConfig& Server::config() const { return impl_->config; }
ServerStats Server::server_stats() const { return impl_->server_stats(); }
void Server::set_end_handler(EndHandler handler) { impl_->end_handler = std::move(handler); }

std::vector<std::string> Server::models() const {
  std::vector<std::string> names;
  for (const ModelConfig& model : impl_->config.models) names.push_back(model.name);
  return names;
}
const RouteStats& Server::stats(std::string_view model) const {
  return impl_->session(model).stats();
}
std::vector<WorkerInfo> Server::workers() const { return impl_->hub->workers(); }
void Server::drain(const std::string& replica_id) { impl_->hub->drain(replica_id); }
void Server::park(const std::string& replica_id) { impl_->hub->park(replica_id); }
void Server::unpark(const std::string& replica_id) { impl_->hub->unpark(replica_id); }
void Server::announce_cpu_limit(const std::string& replica_id, double cpus, bool duty_cycle) {
  impl_->hub->announce_cpu_limit(replica_id, cpus, duty_cycle);
}
void Server::set_max_batch(std::string_view model, int max_batch) {
  impl_->session(model).set_max_batch(max_batch);
}
void Server::set_worker_event_handler(std::function<void(const WorkerEvent&)> handler) {
  impl_->hub->set_event_handler(std::move(handler));
}

}  // namespace spate::gateway
