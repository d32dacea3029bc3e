// SPDX-License-Identifier: Apache-2.0
//
// `spate influx` as a process, against a real mosquitto and a peer that answers.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <nlohmann/json.hpp>

#include "responder.h"
#include "spate/base/files.h"
#include "spate/telemetry/http_get.h"
#include "testing/broker_fixture.h"

namespace spate {
namespace {

using test::Responder;
using ::testing::HasSubstr;

class InfluxCommand : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ =
        std::filesystem::temp_directory_path() / ("spate-influx-" + std::to_string(::getpid()));
    put("numbers/dataset.json", R"({"target":"y","features":["x"],"task":"regression"})");
    put("numbers/train.csv", "x,y\n1,2\n2,4\n");
    put("numbers/held_out.csv", "x,y\n3,6\n4,8\n5,10\n");
    put("expected.jsonl",
        "{\"i\":0,\"prediction\":6}\n{\"i\":1,\"prediction\":8}\n{\"i\":2,\"prediction\":10}\n");
  }
  void TearDown() override {
    if (child_ > 0) {
      ::kill(child_, SIGKILL);
      ::waitpid(child_, nullptr, 0);
    }
    std::filesystem::remove_all(folder_);
  }
  void put(const std::string& name, const std::string& text) {
    ASSERT_TRUE(write_file(folder_ / name, text).has_value());
  }
  std::string get(const std::string& name) {
    const auto text = read_file(folder_ / name);
    EXPECT_TRUE(text.has_value()) << name;
    return text ? *text : "";
  }

  // Starts it; its output goes to files of the folder.
  void start(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {std::string(SPATE_BINARY_DIR) + "/spate", "influx"});
    std::vector<char*> argv;
    for (auto& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    const std::string out = folder_ / "out";
    const std::string err = folder_ / "err";
    child_ = ::fork();
    ASSERT_GE(child_, 0);
    if (child_ > 0) return;
    ::dup2(::open(out.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600), STDOUT_FILENO);
    ::dup2(::open(err.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600), STDERR_FILENO);
    ::execv(argv[0], argv.data());
    ::_exit(127);
  }
  // Runs the loop until the process has ended; its exit status, -1 when it did not end.
  int wait(test::Loop& loop) {
    int status = 0;
    const bool ended = loop.run_until([&] { return ::waitpid(child_, &status, WNOHANG) == child_; },
                                      std::chrono::seconds(40));
    if (!ended) return -1;
    child_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

  static Responder::Reply doubled(const mqtt::Message& request) {
    const double x = nlohmann::json::parse(request.payload).at("features").at(0).get<double>();
    return {.body = R"({"id":"$ID","prediction":)" + nlohmann::json(2.0 * x).dump() + "}"};
  }

  std::filesystem::path folder_;
  pid_t child_ = -1;
};

TEST_F(InfluxCommand, ServesItsMetricsAndNotesWhereWhileItRuns) {
  test::BrokerFixture broker;
  test::Loop loop;
  Responder responder(loop, broker.port(), "numbers",
                      [](const mqtt::Message& m, std::size_t) { return doubled(m); });
  ASSERT_TRUE(loop.run_until([&] { return responder.ready(); }));
  start({"--broker", "mqtt://127.0.0.1:" + std::to_string(broker.port()), "--model", "numbers",
         "--dataset", folder_ / "numbers", "--rate", "60", "--for", "60s", "--slo", "10s", "--out",
         folder_ / "run", "--metrics-port", "0"});
  const auto note = folder_ / "run/components/influx.metrics";
  ASSERT_TRUE(loop.run_until([&] { return std::filesystem::exists(note); })) << get("err");
  std::string url = "http://" + get("run/components/influx.metrics");
  url.replace(url.find('\n'), 1, "/metrics");
  std::string text;
  const std::string in_time = "spate_influx_requests_total{model=\"numbers\",outcome=\"in_time\"} ";
  ASSERT_TRUE(loop.run_until([&] {
    const auto answer = telemetry::http_get(url, std::chrono::seconds(20));
    text = answer ? answer->body : answer.error().message;
    const auto at = text.find(in_time);
    return at != std::string::npos && std::stod(text.substr(at + in_time.size())) > 0.0;
  })) << text;
  EXPECT_THAT(text, HasSubstr("spate_influx_planned_requests_per_second{model=\"numbers\"} 60\n"));
  EXPECT_THAT(text, HasSubstr("spate_influx_lag_limit_seconds 0.1\n"));
  EXPECT_THAT(text, HasSubstr("process_resident_memory_bytes "));
  ::kill(child_, SIGTERM);
  EXPECT_EQ(wait(loop), 4) << "stopped early: invalid";
  EXPECT_FALSE(std::filesystem::exists(note)) << "it is no target any more";
}

TEST_F(InfluxCommand, APlanGivesSummarySeriesAndProgress) {
  test::BrokerFixture broker;
  test::Loop loop;
  Responder responder(loop, broker.port(), "numbers",
                      [](const mqtt::Message& m, std::size_t) { return doubled(m); });
  ASSERT_TRUE(loop.run_until([&] { return responder.ready(); }));
  nlohmann::json plan = {{"broker", {{"host", "127.0.0.1"}, {"port", broker.port()}}},
                         {"run_dir", (folder_ / "run").string()},
                         {"warm_up_s", 0.5},
                         {"duration_s", 2},
                         {"settle_s", 5},
                         {"models",
                          {{{"name", "numbers"},
                            {"dataset", (folder_ / "numbers").string()},
                            {"expected", (folder_ / "expected.jsonl").string()},
                            {"deadline_ms", 1000},
                            {"slo_latency_ms", 1000},
                            {"profile", {{"kind", "constant"}, {"rate_per_s", 60}}},
                            {"arrivals", {{"kind", "even"}}}}}}};
  put("influx.json", plan.dump());
  start({"--plan", folder_ / "influx.json", "--save-schedule", folder_ / "demand.csv"});
  const int status = wait(loop);
  const auto summary = nlohmann::json::parse(get("run/influx.summary.json"));
  // A machine that is busy with other things may make the generator late; then it must say so.
  EXPECT_EQ(status, summary.at("valid").get<bool>() ? 0 : 4) << get("out") << get("err");
  const auto& m = summary.at("models").at("numbers");
  EXPECT_EQ(m.at("planned"), 120);
  EXPECT_EQ(m.at("answered"), 120);
  EXPECT_EQ(m.at("wrong"), 0);
  EXPECT_EQ(m.at("compared"), 120);
  EXPECT_EQ(m.at("lost"), 0);
  EXPECT_EQ(m.at("mean_absolute_error"), 0.0);
  EXPECT_GT(summary.at("generator").at("cpu_cores").get<double>(), 0.0);
  EXPECT_EQ(m.at("phases").at(0).at("name"), "constant");

  std::istringstream series(get("run/influx.series.jsonl"));
  int seconds = 0;
  for (std::string line; std::getline(series, line); ++seconds) {
    const auto json = nlohmann::json::parse(line);
    EXPECT_EQ(json.at("t_s"), seconds);
    EXPECT_EQ(json.at("answered"), 60);
    EXPECT_GT(json.at("p99_ms").get<double>(), 0.0);
    EXPECT_NEAR(json.at("unix_s").get<double>(), summary.at("start_unix_s").get<double>() + seconds,
                1e-3);
  }
  EXPECT_EQ(seconds, 2);
  EXPECT_EQ(nlohmann::json::parse(get("run/influx.progress.json")).at("duration_s"), 2.0);
  EXPECT_THAT(get("demand.csv"), HasSubstr("# spate-schedule 1"));
}

TEST_F(InfluxCommand, StandsAloneAndCallsATooSmallRunInvalid) {
  test::BrokerFixture broker;
  test::Loop loop;
  Responder responder(loop, broker.port(), "numbers",
                      [](const mqtt::Message& m, std::size_t) { return doubled(m); });
  ASSERT_TRUE(loop.run_until([&] { return responder.ready(); }));
  start({"--broker", "mqtt://127.0.0.1:" + std::to_string(broker.port()), "--model", "numbers",
         "--dataset", folder_ / "numbers", "--rate", "10", "--for", "500ms", "--arrivals", "even"});
  EXPECT_EQ(wait(loop), 4);
  EXPECT_THAT(get("out"), HasSubstr("planned 5  sent 5  answered 5"));
  EXPECT_THAT(get("out"), HasSubstr("INVALID"));
  EXPECT_THAT(get("out"), HasSubstr("too few samples"));
}

TEST_F(InfluxCommand, CtrlCStopsCleanlyAndStillReports) {
  test::BrokerFixture broker;
  test::Loop loop;
  Responder responder(loop, broker.port(), "numbers",
                      [](const mqtt::Message& m, std::size_t) { return doubled(m); });
  ASSERT_TRUE(loop.run_until([&] { return responder.ready(); }));
  start({"--broker", "mqtt://127.0.0.1:" + std::to_string(broker.port()), "--model", "numbers",
         "--dataset", folder_ / "numbers", "--rate", "100", "--for", "60s", "--json"});
  ASSERT_TRUE(loop.run_until([&] { return responder.requests.size() >= 30; })) << get("err");
  ::kill(child_, SIGINT);
  EXPECT_EQ(wait(loop), 4);
  const auto summary = nlohmann::json::parse(get("out"));
  EXPECT_EQ(summary.at("valid"), false);
  EXPECT_THAT(summary.at("reasons").at(0).get<std::string>(), HasSubstr("stopped before its end"));
  const auto& m = summary.at("models").at("numbers");
  EXPECT_GE(m.at("answered").get<int>(), 30);
  EXPECT_EQ(m.at("lost"), 0);
  EXPECT_GT(m.at("unsent").get<int>(), 5000);
}

TEST_F(InfluxCommand, BadSettingsExitWith2AndAMissingBrokerWith1) {
  test::Loop loop;
  start({"--model", "numbers", "--dataset", folder_ / "nowhere", "--rate", "1"});
  EXPECT_EQ(wait(loop), 2);
  EXPECT_THAT(get("err"), HasSubstr("nowhere"));
  start({"--model", "numbers", "--dataset", folder_ / "numbers", "--rate", "1", "--broker",
         "localhost"});
  EXPECT_EQ(wait(loop), 2);
  EXPECT_THAT(get("err"), HasSubstr("mqtt://[USER@]HOST[:PORT]"));
  start({"--model", "numbers", "--dataset", folder_ / "numbers", "--rate", "1", "--dry-run"});
  EXPECT_EQ(wait(loop), 0);
  EXPECT_THAT(get("out"), HasSubstr("requests in 30 s"));
  const std::uint16_t nobody = test::free_port();
  start({"--model", "numbers", "--dataset", folder_ / "numbers", "--rate", "1", "--broker",
         "mqtt://127.0.0.1:" + std::to_string(nobody), "--connect-timeout", "300ms"});
  EXPECT_EQ(wait(loop), 1);
  EXPECT_THAT(get("err"), HasSubstr("127.0.0.1:" + std::to_string(nobody)));
}

}  // namespace
}  // namespace spate
