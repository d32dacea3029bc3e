// SPDX-License-Identifier: Apache-2.0
//
// GatewayFixture: a real mosquitto, a gateway::Server and a client that asks, on one loop.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "component/gateway/scripted_worker.h"
#include "spate/gateway/server.h"
#include "spate/mqtt/client.h"
#include "testing/broker_fixture.h"
#include "testing/loop.h"

namespace spate::gateway::test {

using namespace std::chrono_literals;
using spate::test::BrokerFixture;
using spate::test::BrokerOptions;
using spate::test::Loop;

// Publishes requests and collects what comes back on "reply".
class Caller {
 public:
  Caller(Loop& loop, std::uint16_t port, const std::string& id = "caller")
      : client_(loop.io, loop.clock, options(port, id),
                {.on_connected = {},
                 .on_disconnected = {},
                 .on_message =
                     [this](mqtt::Message&& message, mqtt::AckHandle handle) {
                       results.push_back(std::move(message));
                       if (handle != mqtt::AckHandle::None) client_.ack(handle);
                     },
                 .on_subscribed = [this](const mqtt::Subscription&, Status) { ++subscribed; }}) {
    client_.subscribe({"reply", mqtt::Qos::AtLeastOnce});
    client_.subscribe({"spate/v1/result/#", mqtt::Qos::AtLeastOnce});
    client_.start();
    EXPECT_TRUE(loop.run_until([this] { return subscribed == 2; }));
  }

  static mqtt::Message request(const std::string& model, const std::string& payload,
                               const std::string& id) {
    mqtt::Message message;
    message.topic = "spate/v1/infer/" + model;
    message.payload = payload;
    message.content_type = "application/json";
    message.response_topic = "reply";
    message.correlation_data = "c-" + id;
    message.user_properties = {{"id", id}};
    return message;
  }
  void ask(const std::string& model, const std::string& payload, const std::string& id) {
    publish(request(model, payload, id));
  }
  void publish(mqtt::Message message) {
    ASSERT_TRUE(client_.publish(std::move(message), [this](mqtt::ReasonCode) { ++published; }));
  }

  nlohmann::json result(std::size_t index) const {
    return nlohmann::json::parse(results.at(index).payload);
  }
  std::size_t count(const std::string& id) const {
    std::size_t found = 0;
    for (const mqtt::Message& message : results)
      found += message.correlation_data == "c-" + id ? 1 : 0;
    return found;
  }

  std::vector<mqtt::Message> results;
  int published = 0;   // acknowledged by the broker
  int subscribed = 0;  // times the broker took a subscription

 private:
  static mqtt::ClientOptions options(std::uint16_t port, const std::string& id) {
    mqtt::ClientOptions options;
    options.port = port;
    options.client_id = id;
    options.session_expiry_s = 60;
    return options;
  }
  mqtt::Client client_;
};

class GatewayFixture : public ::testing::Test {
 protected:
  explicit GatewayFixture(BrokerOptions options = {}) : broker(std::move(options)) {
    folder = broker.folder() / "gateway";
    std::filesystem::create_directories(folder);
    std::ofstream(folder / "token") << "secret\n";
    config.broker.port = broker.port();
    config.run_id = "test";
    config.run_dir = folder;
    config.worker_listen = "unix:" + socket();
    config.token_file = (folder / "token").string();
    config.models.resize(2);
    config.models[0].name = "linear";
    config.models[1].name = "resnet50";
    config.shutdown_grace = 5s;
  }

  std::string socket() const { return (folder / "gateway.sock").string(); }

  void start() {
    server = std::make_unique<Server>(loop.io, loop.clock, config);
    server->set_worker_event_handler([this](const WorkerEvent& event) { events.push_back(event); });
    const Status up = server->start();
    ASSERT_TRUE(up) << up.error().message;
    ASSERT_TRUE(loop.run_until([this] { return server->healthy(); }));
  }
  // As a process that is killed: nothing is said to anybody.
  void kill() {
    server.reset();
    loop.settle();
  }
  std::unique_ptr<ScriptedWorker> worker(const std::string& model, const std::string& replica,
                                         std::uint32_t credits = 1) {
    auto made = std::make_unique<ScriptedWorker>(loop.io, socket());
    made->register_as(model, replica);
    made->ready(credits);
    const bool up = loop.run_until([&] {
      for (const WorkerInfo& info : server->workers()) {
        if (info.replica_id == replica && info.state == scaling::ReplicaState::Ready) return true;
      }
      return false;
    });
    EXPECT_TRUE(up) << replica << " did not become ready";
    return made;
  }
  bool has_event(WorkerEvent::Kind kind) const {
    for (const WorkerEvent& event : events) {
      if (event.kind == kind) return true;
    }
    return false;
  }

  BrokerFixture broker;
  Loop loop;
  std::filesystem::path folder;
  GatewayConfig config;
  std::unique_ptr<Server> server;
  std::vector<WorkerEvent> events;
};

}  // namespace spate::gateway::test
