// SPDX-License-Identifier: Apache-2.0
//
// `spate worker` as a real process with a real linear model, over a real Unix socket.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <chrono>
#include <cmath>
#include <fstream>
#include <memory>
#include <set>
#include <thread>

#include "component/worker/scripted_gateway.h"
#include "spate/adapters/cgroup.h"
#include "spate/base/files.h"
#include "spate/models/linear.h"
#include "testing/broker_fixture.h"
#include "testing/child_process.h"

namespace spate::worker {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using test::ChildProcess;
using test::ScriptedGateway;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::StartsWith;
using wire::ItemCode;

const std::string kSpate = std::string(SPATE_BINARY_DIR) + "/spate";

class WorkerProcess : public ::testing::Test {
 protected:
  void SetUp() override {
    models::Manifest manifest;
    manifest.name = "linear";
    manifest.kind = "linear";
    manifest.variant = "ols";
    manifest.features = {"x", "y"};
    manifest.target = "z";
    const auto saved =
        models::save_linear(folder_ / "linear", manifest,
                            {.intercept = 1.0, .coefficients = {2.0, 3.0}, .means = {0.5, 0.5}});
    ASSERT_TRUE(saved) << saved.error().message;
    version_ = saved->version;
    ASSERT_TRUE(write_file(folder_ / "token", "sesame\n"));
  }

  void start(std::vector<std::string> further = {}, std::vector<std::string> environment = {}) {
    std::vector<std::string> command = {kSpate,         "worker",
                                        "--model",      (folder_ / "linear").string(),
                                        "--route",      "temperature",
                                        "--replica",    "temperature-1",
                                        "--gateway",    "unix:" + (folder_ / "gw.sock").string(),
                                        "--token-file", (folder_ / "token").string()};
    command.insert(command.end(), further.begin(), further.end());
    worker_ = std::make_unique<ChildProcess>(command, environment);
  }
  // A batch of rows [i, i].
  static wire::Batch batch(std::uint64_t id, std::size_t items) {
    wire::Batch out{.batch_id = id, .items = {}};
    for (std::size_t i = 0; i < items; ++i) {
      const std::string x = std::to_string(i);
      out.items.push_back(
          {id * 100'000 + i, "application/json", R"({"features":[)" + x + "," + x + "]}", {}});
    }
    return out;
  }
  static void expect_answers(const wire::BatchResult& result, const wire::Batch& to) {
    EXPECT_EQ(result.batch_id, to.batch_id);
    ASSERT_EQ(result.items.size(), to.items.size());
    for (std::size_t i = 0; i < to.items.size(); ++i) {
      ASSERT_EQ(result.items[i].request_id, to.items[i].request_id);
      ASSERT_EQ(result.items[i].code, ItemCode::Ok) << result.items[i].body;
      ASSERT_THAT(result.items[i].body, StartsWith("\"prediction\":"));
      ASSERT_NEAR(std::stod(result.items[i].body.substr(13)), 1.0 + 5.0 * static_cast<double>(i),
                  1e-9);
    }
  }

  test::TestFolder folder_;
  ScriptedGateway gateway_{folder_ / "gw.sock"};
  std::string version_;
  std::unique_ptr<ChildProcess> worker_;
};

TEST_F(WorkerProcess, RegistersLoadsAndAnswers) {
  start({"--cpu-limit", "0.5", "--max-batch", "8"});
  const wire::Ready ready = gateway_.welcome();
  const wire::Register& hello = gateway_.registered();
  EXPECT_EQ(hello.token, "sesame");
  EXPECT_EQ(hello.model, "temperature");
  EXPECT_EQ(hello.variant, "ols");
  EXPECT_EQ(hello.version, version_);
  EXPECT_EQ(hello.replica_id, "temperature-1");
  EXPECT_EQ(hello.pid, worker_->pid());
  EXPECT_EQ(hello.cpu_limit, 0.5);
  EXPECT_EQ(hello.max_batch, 8U);
  EXPECT_FALSE(hello.ready);
  EXPECT_EQ(ready.credits, 1U);
  EXPECT_GT(ready.load, Duration{0});
  EXPECT_GT(ready.warm_up, Duration{0});
  EXPECT_LT(ready.exec_to_main, seconds(20));

  const wire::Batch first = batch(1, 1);
  const wire::Batch second = batch(2, 200);
  gateway_.send(first);
  const auto one = gateway_.expect<wire::BatchResult>();
  expect_answers(one, first);
  EXPECT_GT(one.service, Duration{0});
  EXPECT_LT(one.service, seconds(20));
  gateway_.send(second);
  expect_answers(gateway_.expect<wire::BatchResult>(), second);
  gateway_.send(wire::Ping{.nonce = 77});
  EXPECT_EQ(gateway_.expect<wire::Pong>().nonce, 77U);
}

TEST_F(WorkerProcess, CountsItsStartFromTheSpawnThatItWasTold) {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  start({}, {"SPATE_SPAWNED_NS=" + std::to_string((now - milliseconds(1)).count())});
  const wire::Ready ready = gateway_.welcome();
  EXPECT_GE(ready.exec_to_main, milliseconds(1));
  EXPECT_LT(ready.exec_to_main, seconds(20));
  worker_.reset();
  // A stamp from long before this process is somebody else's.
  start({}, {"SPATE_SPAWNED_NS=1"});
  EXPECT_LT(gateway_.welcome().exec_to_main, seconds(20));
}

TEST_F(WorkerProcess, ABadInputIsRefusedAlone) {
  start();
  gateway_.welcome();
  wire::Batch mixed = batch(1, 5);
  mixed.items[0].payload = R"({"features":[1]})";
  mixed.items[1].payload = "not json";
  mixed.items[2].payload = "";
  mixed.items[3].payload = R"({"features":[1,"NaN"]})";
  gateway_.send(mixed);
  const auto result = gateway_.expect<wire::BatchResult>();
  ASSERT_EQ(result.items.size(), 5U);
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(result.items[i].code, ItemCode::BadInput) << i << result.items[i].body;
    EXPECT_NE(result.items[i].body, "") << i;
  }
  EXPECT_EQ(result.items[4].code, ItemCode::Ok);
}

TEST_F(WorkerProcess, WhatComesTooLateIsNotComputed) {
  start({"--cpu-limit", "1"});
  gateway_.welcome();
  gateway_.send(batch(1, 20'000));
  wire::Batch late = batch(2, 2);  // waits behind the first
  late.items[0].budget = Duration{1};
  gateway_.send(late);
  EXPECT_EQ(gateway_.expect<wire::BatchResult>().batch_id, 1U);
  const auto result = gateway_.expect<wire::BatchResult>();
  EXPECT_EQ(result.items.at(0).code, ItemCode::Expired);
  EXPECT_EQ(result.items.at(1).code, ItemCode::Ok);
}

// Batches that are in the socket when the drain begins are answered.
TEST_F(WorkerProcess, DrainsByFrameLosingNothing) {
  start();
  gateway_.welcome();
  for (std::uint64_t id = 1; id <= 5; ++id) gateway_.send(batch(id, 300));
  gateway_.send(wire::Drain{});
  std::set<std::uint64_t> answered;
  for (int i = 0; i < 5; ++i) {
    const auto result = gateway_.expect<wire::BatchResult>();
    expect_answers(result, batch(result.batch_id, 300));
    answered.insert(result.batch_id);
  }
  EXPECT_EQ(answered.size(), 5U);
  gateway_.expect<wire::Goodbye>();
  EXPECT_FALSE(gateway_.next()) << "it closes the connection";
  EXPECT_EQ(worker_->wait(), 0);
}

TEST_F(WorkerProcess, DrainsBySigtermLosingNothing) {
  start();
  gateway_.welcome();
  // Signal and batches are there before it can look at either.
  worker_->signal(SIGSTOP);
  for (std::uint64_t id = 1; id <= 3; ++id) gateway_.send(batch(id, 300));
  worker_->signal(SIGTERM);
  worker_->signal(SIGCONT);
  std::set<std::uint64_t> answered;
  bool draining = false;
  while (answered.size() < 4) {
    const auto message = gateway_.next();
    ASSERT_TRUE(message);
    if (std::holds_alternative<wire::Draining>(*message)) {
      ASSERT_FALSE(draining);
      draining = true;
      gateway_.send(batch(4, 300));  // crossed the Draining
      gateway_.send(wire::Drain{});
      continue;
    }
    const auto& result = std::get<wire::BatchResult>(*message);
    expect_answers(result, batch(result.batch_id, 300));
    answered.insert(result.batch_id);
  }
  EXPECT_TRUE(draining);
  gateway_.expect<wire::Goodbye>();
  EXPECT_EQ(worker_->wait(), 0);
  EXPECT_THAT(worker_->output(), HasSubstr("drained"));
}

TEST_F(WorkerProcess, ComesBackToAGatewayThatWasAway) {
  start();
  gateway_.welcome();
  gateway_.hang_up();
  gateway_.stop_listening();
  ASSERT_TRUE(worker_->wait_for_output("lost the gateway"));
  gateway_.listen();
  const wire::Ready ready = gateway_.welcome();
  EXPECT_TRUE(gateway_.registered().ready) << "its model is still loaded";
  EXPECT_EQ(gateway_.registered().replica_id, "temperature-1");
  EXPECT_GE(ready.credits, 1U);
  const wire::Batch again = batch(1, 3);
  gateway_.send(again);
  expect_answers(gateway_.expect<wire::BatchResult>(), again);
}

TEST_F(WorkerProcess, StartsBeforeItsGateway) {
  gateway_.stop_listening();
  start();
  ASSERT_TRUE(worker_->wait_for_output("ready after"));
  gateway_.listen();
  gateway_.welcome();
  EXPECT_TRUE(gateway_.registered().ready);
}

TEST_F(WorkerProcess, ARefusedTokenExitsWithThree) {
  start();
  gateway_.accept();
  gateway_.expect<wire::Register>();
  gateway_.send(wire::Refused{.reason = "wrong token"});
  EXPECT_EQ(worker_->wait(), 3);
  EXPECT_THAT(worker_->output(), HasSubstr("refused this worker: wrong token"));
}

TEST_F(WorkerProcess, GarbageFromTheGatewayClosesTheConnectionOnly) {
  start();
  gateway_.welcome();
  gateway_.send_bytes(std::string("\x02\x00\x00\x00\x63\x01", 6));
  EXPECT_FALSE(gateway_.next());
  gateway_.welcome();
  EXPECT_THAT(worker_->output(), HasSubstr("protocol version 99"));
}

TEST_F(WorkerProcess, SigtermWhileAwayExitsAtOnce) {
  gateway_.stop_listening();
  start();
  ASSERT_TRUE(worker_->wait_for_output("ready after"));
  worker_->signal(SIGTERM);
  EXPECT_EQ(worker_->wait(), 0);
}

TEST_F(WorkerProcess, ItsCreditsFollowTheCpuLimit) {
  const auto cpus = std::thread::hardware_concurrency();
  start();
  const wire::Ready ready = gateway_.welcome();
  EXPECT_GE(ready.credits, 1U);
  EXPECT_LE(ready.credits, cpus);
  if (ready.credits < 2) GTEST_SKIP() << "needs two CPUs";
  gateway_.send(wire::CpuLimit{.cpus = 0.5, .duty_cycle = false});
  EXPECT_EQ(gateway_.expect<wire::Credits>().credits, 1U);
  gateway_.send(wire::CpuLimit{.cpus = 2.0, .duty_cycle = false});
  EXPECT_EQ(gateway_.expect<wire::Credits>().credits, 2U);
}

TEST_F(WorkerProcess, SeesALimitThatItsCgroupGotFromOutside) {
  auto parent = adapters::CgroupParent::open("spate-test-" + std::to_string(::getpid()), {});
  if (!parent) GTEST_SKIP() << "no cgroup can be made here: " << parent.error().message;
  auto group = (*parent)->make("worker");
  ASSERT_TRUE(group) << group.error().message;
  start();
  const wire::Ready ready = gateway_.welcome();
  ASSERT_TRUE((*group)->add(worker_->pid()));
  // Nobody tells the worker: it was moved to another group, whose limit then changes.
  ASSERT_TRUE((*group)->set_cpu_limit(1.0));
  std::uint32_t credits = ready.credits;
  if (credits > 1) credits = gateway_.expect<wire::Credits>().credits;
  EXPECT_EQ(credits, 1U);
  ASSERT_TRUE((*group)->set_cpu_limit(0.0));
  if (ready.credits > 1) {
    EXPECT_EQ(gateway_.expect<wire::Credits>().credits, ready.credits);
  }
  worker_.reset();
  EXPECT_TRUE((*group)->remove());
  EXPECT_TRUE((*parent)->remove());
}

TEST_F(WorkerProcess, ADutyCycleKeepsItToItsLimit) {
  start({"--cpu-limit", "1"});
  gateway_.welcome();
  gateway_.send(wire::CpuLimit{.cpus = 0.25, .duty_cycle = true});
  const wire::Batch work = batch(1, 2000);
  gateway_.send(work);
  gateway_.send(work);
  gateway_.expect<wire::BatchResult>();
  const double cpu_before = worker_->cpu_seconds();
  const auto begin = std::chrono::steady_clock::now();
  std::chrono::duration<double> wall{};
  while (wall.count() < 2.0) {
    gateway_.send(work);
    gateway_.expect<wire::BatchResult>();
    wall = std::chrono::steady_clock::now() - begin;
  }
  const double used = (worker_->cpu_seconds() - cpu_before) / wall.count();
  // One period's burst, one call and the 10 ms of the kernel's clock may come on top; how much
  // less it gets depends on who else runs on this machine.
  EXPECT_LT(used, 0.25 + 0.10);
  EXPECT_GT(used, 0.05);
}

TEST_F(WorkerProcess, MissingThingsAreNamed) {
  const auto fails = [&](std::vector<std::string> command) {
    command.insert(command.begin(), {kSpate, "worker", "--replica", "r-1"});
    ChildProcess process(command);
    EXPECT_EQ(process.wait(), 2) << process.output();
    return process.output();
  };
  const std::string model = (folder_ / "linear").string();
  const std::string token = (folder_ / "token").string();
  const std::string gateway = "unix:" + (folder_ / "gw.sock").string();
  EXPECT_THAT(fails({"--model", "/no/such", "--gateway", gateway, "--token-file", token}),
              HasSubstr("/no/such"));
  EXPECT_THAT(fails({"--model", model, "--gateway", "gw", "--token-file", token}),
              HasSubstr("expected unix:PATH or tcp:HOST:PORT, got \"gw\""));
  EXPECT_THAT(fails({"--model", model, "--gateway", gateway, "--token-file", "/no/token"}),
              HasSubstr("/no/token"));
}

std::string http_get(std::uint16_t port, const std::string& path) {
  namespace asio = boost::asio;
  asio::io_context loop;
  asio::ip::tcp::socket socket(loop);
  socket.connect({asio::ip::address_v4::loopback(), port});
  asio::write(socket, asio::buffer("GET " + path +
                                   " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"));
  std::string answer;
  boost::system::error_code ended;
  asio::read(socket, asio::dynamic_buffer(answer), ended);
  return answer;
}

TEST_F(WorkerProcess, SaysWhereItsMetricsAreToBeFound) {
  start({"--metrics-port", "0", "--metrics-host", "0.0.0.0"});
  gateway_.welcome();
  EXPECT_THAT(gateway_.registered().metrics_address, ContainsRegex("^:[0-9]+$"))
      << "at the address that it dials from";
}

TEST_F(WorkerProcess, IsFoundUnderTheNameThatItWasGiven) {
  start({"--metrics-port", "0", "--metrics-host", "0.0.0.0", "--metrics-advertise", "box-3"});
  gateway_.welcome();
  EXPECT_THAT(gateway_.registered().metrics_address, ContainsRegex("^box-3:[0-9]+$"));
}

TEST_F(WorkerProcess, ItsMetricsPassPromtool) {
  const std::string promtool = test::find_program("promtool", "prometheus");
  start({"--metrics-port", "0"});
  gateway_.welcome();
  wire::Batch work = batch(1, 3);
  work.items[0].payload = "bad";
  gateway_.send(work);
  gateway_.expect<wire::BatchResult>();
  const std::string mark = "metrics on http://127.0.0.1:";
  ASSERT_TRUE(worker_->wait_for_output(mark));
  const std::string log = worker_->output();
  const auto port = static_cast<std::uint16_t>(std::stoi(log.substr(log.find(mark) + mark.size())));
  EXPECT_EQ(gateway_.registered().metrics_address, "127.0.0.1:" + std::to_string(port));
  EXPECT_THAT(http_get(port, "/readyz"), StartsWith("HTTP/1.1 200"));
  const std::string answer = http_get(port, "/metrics");
  const std::string metrics = answer.substr(answer.find("\r\n\r\n") + 4);
  EXPECT_THAT(metrics,
              HasSubstr("spate_worker_items_total{model=\"temperature\",outcome=\"ok\"} 2\n"));
  EXPECT_THAT(metrics, HasSubstr("outcome=\"bad_input\"} 1\n"));
  EXPECT_THAT(metrics, HasSubstr("spate_worker_ready{model=\"temperature\"} 1\n"));
  EXPECT_THAT(metrics, HasSubstr("process_cpu_seconds_total "));
  ASSERT_TRUE(write_file(folder_ / "metrics.txt", metrics));
  ChildProcess check(
      {"/bin/sh", "-c",
       "exec " + promtool + " check metrics < " + (folder_ / "metrics.txt").string()});
  EXPECT_EQ(check.wait(), 0) << check.output();
  EXPECT_EQ(check.output(), "") << "promtool has something to say";
}

}  // namespace
}  // namespace spate::worker
