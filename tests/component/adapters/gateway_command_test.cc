// SPDX-License-Identifier: Apache-2.0
//
// `spate gateway` as a process, with a real broker and real workers: what a supervisor, a
// Prometheus and a person see of it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "component/adapters/linear_worker.h"
#include "spate/adapters/cgroup.h"
#include "spate/adapters/child_process.h"
#include "spate/base/files.h"
#include "spate/mqtt/client.h"
#include "spate/telemetry/http_get.h"
#include "testing/broker_fixture.h"
#include "testing/child_process.h"
#include "testing/loop.h"

namespace spate::adapters {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using std::chrono::seconds;
using ::testing::HasSubstr;

const std::string kSpate = std::string(SPATE_BINARY_DIR) + "/spate";

class GatewayCommand : public testing::Test {
 protected:
  void SetUp() override { test::make_linear_model(folder_); }
  void TearDown() override {
    gateway_.reset();
    // Workers of a gateway that was killed.
    for (const pid_t pid : worker_pids()) ::kill(pid, SIGKILL);
    if (const auto parent = CgroupParent::open("spate-" + run_id(), {})) {
      EXPECT_TRUE(loop_.run_until([&] { return bool((*parent)->remove()); }));
    }
  }

  std::string run_id() const { return "gwtest" + std::to_string(::getpid()); }
  static json model(const std::string& path) {
    return {{"name", "linear"}, {"path", path},   {"slo_latency_ms", 1000}, {"cpu_request", 0.3},
            {"cpu_limit", 0.3}, {"replicas", 2},  {"min_replicas", 1},      {"max_replicas", 3},
            {"min_cpu", 0.3},   {"max_cpu", 0.9}, {"cpu_ceiling", 0.9}};
  }
  json config(std::uint16_t port) const {
    return {{"broker", {{"host", "127.0.0.1"}, {"port", port}}},
            {"run_id", run_id()},
            {"run_dir", run().string()},
            {"worker_listen", "unix:" + (folder_ / "gw.sock").string()},
            {"token_file", (folder_ / "token").string()},
            {"http", {{"host", "127.0.0.1"}, {"port", 0}}},
            {"strategy", {{"name", "none"}, {"options", json::object()}}},
            {"actuator", {{"kind", "process"}, {"limits", "auto"}}},
            {"models", json::array({model((folder_ / "linear").string())})}};
  }
  fs::path run() const { return folder_ / "run"; }

  void launch(const json& settings) {
    fs::create_directories(run());
    std::error_code none;
    fs::remove(run() / "gateway.state.json", none);
    folder_.write("gateway.json", settings.dump(1));
    gateway_ = std::make_unique<test::ChildProcess>(std::vector<std::string>{
        kSpate, "gateway", "--config", (folder_ / "gateway.json").string()});
  }
  bool wait(const std::function<bool()>& done) { return loop_.run_until(done, seconds(30)); }
  bool up() {
    return wait([&] { return fs::exists(run() / "gateway.state.json"); });
  }
  json state() const { return json::parse(*read_file(run() / "gateway.state.json")); }

  using Answer = telemetry::HttpAnswer;
  Answer get(const std::string& path) const {
    return get_from("127.0.0.1:" + state()["http_port"].dump(), path);
  }
  // Status 0 when nobody answers there.
  static Answer get_from(const std::string& address, const std::string& path) {
    constexpr std::size_t kMostBytes = 16U << 20;
    const auto answer = telemetry::http_get("http://" + address + path, seconds(20), kMostBytes);
    return answer ? *answer : Answer{};
  }
  bool ready() {
    return wait([&] { return get("/readyz").status == 200; });
  }
  std::set<pid_t> worker_pids() const {
    std::set<pid_t> out;
    std::error_code none;
    for (const auto& entry : fs::directory_iterator(run() / "replicas", none)) {
      const auto text = read_file(entry.path());
      const auto read = text ? json::parse(*text, nullptr, false) : json();
      if (read.is_object()) out.insert(read["pid"].get<pid_t>());
    }
    return out;
  }
  // One replica that serves and one that is parked.
  json config_with_pool(std::uint16_t port) const {
    json out = config(port);
    out["heartbeat_timeout_s"] = 2;
    out["models"][0]["replicas"] = 1;
    out["models"][0]["warm_pool"] = 1;
    return out;
  }
  // Those of worker_pids() whose process is stopped.
  std::set<pid_t> asleep() const {
    std::set<pid_t> out;
    for (const pid_t pid : worker_pids()) {
      const auto stat = read_file("/proc/" + std::to_string(pid) + "/stat");
      if (stat && stat->substr(stat->rfind(')') + 2, 1) == "T") out.insert(pid);
    }
    return out;
  }
  std::string worker_state(const std::string& replica) const {
    const json state = json::parse(get("/api/state").body);
    for (const auto& worker : state["workers"]) {
      if (worker["replica"] == replica) return worker["state"];
    }
    return "";
  }
  // Whether a request is answered with a prediction.
  bool answers(std::uint16_t broker_port) {
    bool subscribed = false;
    std::string result;
    mqtt::ClientOptions options;
    options.port = broker_port;
    options.client_id = "asker";
    mqtt::Client client(
        loop_.io, loop_.clock, options,
        {.on_connected = {},
         .on_disconnected = {},
         .on_message =
             [&](mqtt::Message&& message, mqtt::AckHandle handle) {
               result = message.payload;
               if (handle != mqtt::AckHandle::None) client.ack(handle);
             },
         .on_subscribed = [&](const mqtt::Subscription&, Status) { subscribed = true; }});
    client.subscribe({"reply", mqtt::Qos::AtLeastOnce});
    client.start();
    if (!wait([&] { return subscribed; })) return false;
    mqtt::Message message;
    message.topic = "spate/v1/infer/linear";
    message.payload = R"({"features":[1,2]})";
    message.content_type = "application/json";
    message.response_topic = "reply";
    if (!client.publish(std::move(message), [](mqtt::ReasonCode) {})) return false;
    return wait([&] { return !result.empty(); }) && json::parse(result).contains("prediction");
  }
  std::vector<std::string> groups() const {
    std::vector<std::string> out;
    const auto place = find_cgroup_place();
    if (!place) return out;
    for (const fs::path& base : {place->cpu, place->cpuacct}) {
      if (!base.empty() && fs::exists(base / ("spate-" + run_id()))) out.push_back(base.string());
    }
    return out;
  }

  test::TestFolder folder_;
  test::Loop loop_;
  std::unique_ptr<test::ChildProcess> gateway_;
};

TEST_F(GatewayCommand, ComesUpServesItsStateAndLeavesNothing) {
  test::BrokerFixture broker;
  launch(config(broker.port()));
  ASSERT_TRUE(up()) << gateway_->output();
  EXPECT_EQ(state()["pid"].get<pid_t>(), gateway_->pid());
  ASSERT_TRUE(ready()) << gateway_->output();
  EXPECT_EQ(get("/healthz").status, 200);

  const json api = json::parse(get("/api/state").body);
  EXPECT_EQ(api["strategy"], "none");
  EXPECT_EQ(api["limit_mechanism"], state()["limit_mechanism"]);
  ASSERT_EQ(api["workers"].size(), 2U);
  EXPECT_EQ(api["workers"][0]["state"], "ready");
  EXPECT_EQ(api["workers"][0]["cpu_limit"], 0.3);
  ASSERT_TRUE(wait([&] { return json::parse(get("/api/decisions").body).size() >= 8; }));
  std::set<std::string> events;
  for (const auto& record : json::parse(get("/api/decisions").body)) {
    events.insert(record.value("event", "decision"));
  }
  EXPECT_THAT(events, testing::IsSupersetOf({"replica_started", "ready", "limit_applied"}));

  const auto pids = worker_pids();
  ASSERT_EQ(pids.size(), 2U);
  gateway_->signal(SIGTERM);
  EXPECT_EQ(gateway_->wait(seconds(30)), 0) << gateway_->output();
  for (const pid_t pid : pids) EXPECT_FALSE(identify_process(pid)) << pid;
  EXPECT_TRUE(worker_pids().empty());
  EXPECT_EQ(groups(), std::vector<std::string>{});
}

TEST_F(GatewayCommand, NamesWhereEveryComponentServesItsMetrics) {
  test::BrokerFixture broker;
  json settings = config(broker.port());
  settings["run_label"] = "vertical-3";
  settings["metrics_targets"] = {{"broker", "10.1.2.3:9234"}};
  launch(settings);
  ASSERT_TRUE(up() && ready()) << gateway_->output();
  const auto discover = [&] { return json::parse(get("/api/v1/service-discovery").body); };
  const json found = discover();
  ASSERT_EQ(found.size(), 4U) << found;
  EXPECT_EQ(found[0]["labels"], (json{{"component", "gateway"}, {"run", "vertical-3"}}));
  EXPECT_EQ(found[1]["targets"][0], "10.1.2.3:9234");
  std::set<std::string> replicas;
  for (const json& entry : found) {
    if (entry["labels"]["component"] == "broker") continue;
    const auto address = entry["targets"][0].get<std::string>();
    ASSERT_TRUE(address.starts_with("127.0.0.1:")) << address;
    const Answer answer = get_from(address, "/metrics");
    EXPECT_EQ(answer.status, 200);
    if (entry["labels"]["component"] != "worker") {
      EXPECT_THAT(answer.body, HasSubstr("spate_slo_latency_seconds{model=\"linear\"} 1\n"));
      EXPECT_THAT(answer.body, HasSubstr("spate_slo_good_requests_total{model=\"linear\"} 0\n"));
      continue;
    }
    EXPECT_THAT(answer.body, HasSubstr("spate_worker_ready{model=\"linear\"} 1\n"));
    EXPECT_EQ(entry["labels"]["model"], "linear");
    replicas.insert(entry["labels"]["replica"].get<std::string>());
  }
  EXPECT_EQ(replicas, (std::set<std::string>{"linear-1", "linear-2"}));

  // One that dies is no target any more; its successor is.
  ::kill(*worker_pids().begin(), SIGKILL);
  EXPECT_TRUE(wait([&] { return discover().dump().find("linear-3") != std::string::npos; }));
  EXPECT_EQ(discover().size(), 4U);

  const Answer page = get("/");
  EXPECT_EQ(page.status, 200);
  EXPECT_THAT(page.body, HasSubstr("/api/state"));
  EXPECT_GT(get("/echarts.js").body.size(), 100'000U);
}

TEST_F(GatewayCommand, MetricsAreWhatPrometheusWants) {
  test::BrokerFixture broker;
  launch(config(broker.port()));
  ASSERT_TRUE(up());
  ASSERT_TRUE(ready());
  ASSERT_TRUE(
      wait([&] { return get("/metrics").body.find("component=\"worker\"") != std::string::npos; }));
  const std::string text = get("/metrics").body;
  for (const char* line :
       {"spate_replicas{model=\"linear\",state=\"ready\"} 2",
        "spate_replicas{model=\"linear\",state=\"wanted\"} 2",
        "spate_cpu_limit_cpus{model=\"linear\"} 0.3",
        "spate_requests_total{model=\"linear\",outcome=\"answered\"} 0",
        "spate_component_cpu_seconds_total{component=\"gateway\",model=\"\",replica=\"\"}",
        "spate_component_memory_bytes{component=\"worker\",model=\"linear\",replica=\"linear-1\"}",
        "spate_gateway_info{limit_mechanism=", "spate_queue_length{model=\"linear\"} 0"}) {
    EXPECT_THAT(text, HasSubstr(line));
  }
  folder_.write("metrics.txt", text);
  test::ChildProcess promtool(
      {"/bin/sh", "-c", "promtool check metrics < " + (folder_ / "metrics.txt").string()});
  EXPECT_EQ(promtool.wait(), 0) << promtool.output();
  EXPECT_EQ(promtool.output(), "") << "not a word of complaint";
}

TEST_F(GatewayCommand, ADeadWorkerIsReplacedAndTheReasonKept) {
  test::BrokerFixture broker;
  launch(config(broker.port()));
  ASSERT_TRUE(up());
  ASSERT_TRUE(ready());
  const auto before = worker_pids();
  ASSERT_EQ(before.size(), 2U);
  ::kill(*before.begin(), SIGKILL);
  ASSERT_TRUE(wait([&] {
    const auto now = worker_pids();
    return now.size() == 2 && now != before && get("/readyz").status == 200;
  })) << gateway_->output();
  EXPECT_THAT(get("/api/decisions").body, HasSubstr("killed by signal 9"));
  EXPECT_THAT(get("/metrics").body, HasSubstr("spate_replica_failures_total{model=\"linear\"} 1"));
}

TEST_F(GatewayCommand, AKilledGatewaysWorkersAreAdopted) {
  test::BrokerFixture broker;
  launch(config(broker.port()));
  ASSERT_TRUE(up());
  ASSERT_TRUE(ready());
  const auto before = worker_pids();
  ASSERT_EQ(before.size(), 2U);
  gateway_->signal(SIGKILL);
  ASSERT_NE(gateway_->wait(), -1);
  for (const pid_t pid : before) EXPECT_TRUE(identify_process(pid)) << "workers live on";
  launch(config(broker.port()));
  ASSERT_TRUE(up()) << gateway_->output();
  ASSERT_TRUE(ready()) << gateway_->output();
  EXPECT_EQ(worker_pids(), before);
  EXPECT_EQ(json::parse(get("/api/state").body)["workers"].size(), 2U);
  gateway_->signal(SIGTERM);
  EXPECT_EQ(gateway_->wait(seconds(30)), 0);
  EXPECT_EQ(groups(), std::vector<std::string>{}) << "the second one cleans up for both";
  for (const pid_t pid : before) {
    EXPECT_TRUE(wait([&] { return !identify_process(pid); })) << "stopped by the second";
  }
}

TEST_F(GatewayCommand, AParkedWorkerSleepsLongServesAtOnceAndLeavesNothing) {
  test::BrokerFixture broker;
  launch(config_with_pool(broker.port()));
  ASSERT_TRUE(up()) << gateway_->output();
  ASSERT_TRUE(ready()) << gateway_->output();
  const auto pids = worker_pids();
  ASSERT_EQ(pids.size(), 2U);
  ASSERT_EQ(asleep().size(), 1U);
  const pid_t sleeper = *asleep().begin();
  EXPECT_THAT(get("/metrics").body,
              HasSubstr("spate_replicas{model=\"linear\",state=\"parked\"} 1"));
  EXPECT_THAT(get("/metrics").body, HasSubstr("spate_cpu_reserved_cpus{model=\"linear\"} 0.3"));
  // Well beyond the gateway's heartbeat timeout of two seconds.
  const TimePoint parked = loop_.clock.now();
  ASSERT_TRUE(wait([&] { return loop_.clock.now() - parked > seconds(5); }));
  EXPECT_EQ(worker_state("linear-2"), "parked");
  EXPECT_THAT(get("/metrics").body, HasSubstr("spate_replica_failures_total{model=\"linear\"} 0"));

  for (const pid_t pid : pids) {
    if (pid != sleeper) ::kill(pid, SIGKILL);
  }
  ASSERT_TRUE(wait([&] { return worker_state("linear-2") == "ready"; })) << gateway_->output();
  EXPECT_TRUE(worker_pids().contains(sleeper)) << "the very same process";
  EXPECT_TRUE(answers(broker.port())) << gateway_->output();
  EXPECT_TRUE(wait([&] {
    return get("/api/decisions").body.find("from the warm pool") != std::string::npos;
  })) << "its first answer since then";
  ASSERT_TRUE(ready()) << "and the pool is filled again";
  EXPECT_EQ(asleep().size(), 1U);
  EXPECT_FALSE(asleep().contains(sleeper));

  const auto last = worker_pids();
  gateway_->signal(SIGTERM);
  EXPECT_EQ(gateway_->wait(seconds(30)), 0) << gateway_->output();
  for (const pid_t pid : last) EXPECT_FALSE(identify_process(pid)) << pid;
  EXPECT_EQ(groups(), std::vector<std::string>{});
}

TEST_F(GatewayCommand, AKilledGatewaysParkedWorkerIsAdoptedAndParkedAgain) {
  test::BrokerFixture broker;
  launch(config_with_pool(broker.port()));
  ASSERT_TRUE(up());
  ASSERT_TRUE(ready());
  const auto before = worker_pids();
  ASSERT_EQ(before.size(), 2U);
  gateway_->signal(SIGKILL);
  ASSERT_NE(gateway_->wait(), -1);
  launch(config_with_pool(broker.port()));
  ASSERT_TRUE(up()) << gateway_->output();
  ASSERT_TRUE(ready()) << gateway_->output();
  EXPECT_EQ(worker_pids(), before);
  EXPECT_EQ(asleep().size(), 1U);
  EXPECT_TRUE(answers(broker.port()));
  gateway_->signal(SIGTERM);
  EXPECT_EQ(gateway_->wait(seconds(30)), 0);
  for (const pid_t pid : before) {
    EXPECT_TRUE(wait([&] { return !identify_process(pid); })) << "stopped by the second";
  }
}

TEST_F(GatewayCommand, WithoutABrokerItSaysSoAndGoesOnTrying) {
  test::BrokerFixture broker;
  broker.stop();
  launch(config(broker.port()));
  ASSERT_TRUE(up()) << gateway_->output();
  ASSERT_TRUE(gateway_->wait_for_output("127.0.0.1:" + std::to_string(broker.port())))
      << gateway_->output();
  EXPECT_EQ(get("/healthz").status, 503);
  EXPECT_THAT(get("/readyz").body, HasSubstr("broker"));
  broker.start();
  EXPECT_TRUE(wait([&] { return get("/healthz").status == 200; })) << gateway_->output();
  EXPECT_TRUE(ready());
}

TEST_F(GatewayCommand, BadSettingsAreToldAtOnce) {
  json settings = config(1);
  settings["strategy"]["name"] = "horizontl";
  launch(settings);
  EXPECT_EQ(gateway_->wait(), 2);
  EXPECT_THAT(gateway_->output(), HasSubstr("did you mean \"horizontal\"?"));

  settings = config(1);
  settings["strategy"] = {{"name", "horizontal"}, {"options", {{"high_ratio", 77}}}};
  launch(settings);
  EXPECT_EQ(gateway_->wait(), 2);
  EXPECT_THAT(gateway_->output(), HasSubstr("high_ratio"));

  settings = config(1);
  settings["models"][0]["cpu_ceiling"] = 0.2;
  launch(settings);
  EXPECT_EQ(gateway_->wait(), 2);
  EXPECT_THAT(gateway_->output(), HasSubstr("cpu_ceiling"));

  settings = config(1);
  settings["actuator"]["kind"] = "pigeons";
  launch(settings);
  EXPECT_EQ(gateway_->wait(), 2);
  EXPECT_THAT(gateway_->output(), HasSubstr("actuator.kind"));
  EXPECT_EQ(groups(), std::vector<std::string>{});
}

TEST_F(GatewayCommand, AModelThatIsMissingIsNamedAndDoesNotStopTheOthers) {
  test::BrokerFixture broker;
  json settings = config(broker.port());
  json missing = model((folder_ / "no-such-model").string());
  missing["name"] = "other";
  missing["replicas"] = 1;
  settings["models"].push_back(missing);
  launch(settings);
  ASSERT_TRUE(up()) << gateway_->output();
  EXPECT_TRUE(gateway_->wait_for_output("no-such-model")) << gateway_->output();
  EXPECT_TRUE(wait([&] {
    return get("/metrics").body.find("spate_replicas{model=\"linear\",state=\"ready\"} 2") !=
           std::string::npos;
  }));
  EXPECT_EQ(get("/readyz").status, 503);
  gateway_->signal(SIGTERM);
  EXPECT_EQ(gateway_->wait(seconds(30)), 0) << gateway_->output();
}

}  // namespace
}  // namespace spate::adapters
