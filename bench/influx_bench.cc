// SPDX-License-Identifier: Apache-2.0
//
// What the load generator itself costs, and where its ceiling is:
//
//   Schedule/<law>      making a schedule: arrival times, samples, order (items: requests)
//   ScheduleSine        the same with a profile whose inverse needs iteration
//   ScheduleText        writing it in the file's form
//   Verify              one request's whole life in the verifier: sent, answer parsed and compared
//                       with its expectation, counted (items: requests)
//   ParseAnswer         the parsing alone
//   NullSystem/<qos>/<rate>  the generator's own ceiling: a real mosquitto and a peer that answers
//                       at once, for 2 s. Counters: in_time and planned requests, lag_p99_ms,
//                       p50_ms and p99_ms from the intended send, cores (generator and peer)
//
// Run: build/release/influx_bench
#include <benchmark/benchmark.h>

#include <atomic>
#include <thread>

#include "spate/base/real_clock.h"
#include "spate/influx/generator.h"
#include "spate/influx/schedule.h"
#include "spate/influx/verifier.h"
#include "spate/mqtt/client.h"
#include "testing/broker_fixture.h"

namespace spate::influx {
namespace {

ScheduleOptions demand(const ArrivalOptions& law, std::shared_ptr<const Profile> profile) {
  ScheduleOptions options{1, 0, 0.0, profile->duration_s(), {}};
  options.models.push_back({"m", 1000, std::move(profile), law});
  return options;
}

void make(benchmark::State& state, const ScheduleOptions& options) {
  std::size_t requests = 0;
  for (auto _ : state) {
    const Schedule schedule = make_schedule(options);
    requests += schedule.requests.size();
    benchmark::DoNotOptimize(schedule.requests.data());
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(requests));
}

void schedule(benchmark::State& state, const ArrivalOptions& law) {
  make(state, demand(law, std::make_shared<const Profile>(Profile::constant(10'000.0, 100.0))));
}
BENCHMARK_CAPTURE(schedule, even, ArrivalOptions{ArrivalOptions::Kind::Even})
    ->Name("Schedule/even")
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(schedule, poisson, ArrivalOptions{ArrivalOptions::Kind::Poisson})
    ->Name("Schedule/poisson")
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(schedule, gamma, ArrivalOptions{ArrivalOptions::Kind::Gamma, 4.0})
    ->Name("Schedule/gamma:4")
    ->Unit(benchmark::kMillisecond);

void schedule_sine(benchmark::State& state) {
  const auto settings = ConfigReader::from_text(
      "{kind: sine, mean_per_s: 10000, amplitude_per_s: 9000, period_s: 10}", "bench");
  make(state, demand({}, std::make_shared<const Profile>(
                             read_profile(settings, {100.0, std::nullopt, {}}))));
}
BENCHMARK(schedule_sine)->Name("ScheduleSine")->Unit(benchmark::kMillisecond);

void text(benchmark::State& state) {
  const Schedule made = make_schedule(
      demand({}, std::make_shared<const Profile>(Profile::constant(10'000.0, 100.0))));
  for (auto _ : state) benchmark::DoNotOptimize(schedule_text(made));
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(made.requests.size()));
}
BENCHMARK(text)->Name("ScheduleText")->Unit(benchmark::kMillisecond);

constexpr const char* kPayload =
    R"("model":"resnet50","variant":"fp32","class":"pits","confidence":0.981,)"
    R"("top":[{"class":"pits","probability":0.981},{"class":"scale","probability":0.011},)"
    R"({"class":"clean","probability":0.004}],"queue_ms":1.25,"service_ms":42.5})";

void verify(benchmark::State& state) {
  const Schedule made =
      make_schedule(demand({}, std::make_shared<const Profile>(Profile::constant(10'000.0, 10.0))));
  Expected expected;
  expected.predicted_class = "pits";
  expected.label_class = "scale";
  const CheckedModel checked{std::chrono::milliseconds(100), std::vector<Expected>(1000, expected)};
  const RequestIds ids({1, 2});
  std::vector<std::string> correlations;
  std::vector<std::string> payloads;
  for (std::size_t i = 0; i < made.requests.size(); ++i) {
    correlations.push_back(ids.correlation(i));
    payloads.push_back("{\"id\":\"" + ids.text(i) + "\"," + kPayload);
  }
  for (auto _ : state) {
    state.PauseTiming();
    Verifier verifier(made, {checked}, ids);
    state.ResumeTiming();
    for (std::size_t i = 0; i < made.requests.size(); ++i) {
      const Duration at = made.requests[i].at;
      verifier.sent(i, at + std::chrono::microseconds(30));
      verifier.answer(correlations[i], payloads[i], at + std::chrono::milliseconds(43));
    }
    if (verifier.tally(0).in_time != made.requests.size()) state.SkipWithError("not all in time");
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(made.requests.size()));
}
BENCHMARK(verify)->Name("Verify")->Unit(benchmark::kMillisecond);

void parse(benchmark::State& state) {
  AnswerParser parser;
  const std::string payload = std::string("{\"id\":\"0badcafe-1\",") + kPayload;
  for (auto _ : state) benchmark::DoNotOptimize(parser.parse(payload));
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(parse)->Name("ParseAnswer");

// Answers every request at once, on a thread and a loop of its own.
class Peer {
 public:
  explicit Peer(std::uint16_t port) : thread_([this, port] { run(port); }) {
    while (!ready_) std::this_thread::yield();
  }
  ~Peer() {
    loop_.stop();
    thread_.join();
  }

 private:
  void run(std::uint16_t port) {
    RealClock clock(loop_);
    mqtt::ClientOptions options;
    options.port = port;
    options.client_id = "peer";
    std::unique_ptr<mqtt::Client> client;
    mqtt::ClientHandlers handlers;
    handlers.on_subscribed = [this](const mqtt::Subscription&, const Status&) { ready_ = true; };
    handlers.on_message = [&client](mqtt::Message&& request, mqtt::AckHandle handle) {
      mqtt::Message result;
      result.topic = std::move(request.response_topic);
      result.correlation_data = std::move(request.correlation_data);
      result.qos = request.qos;
      const std::string* id = request.user_property("id");
      result.payload = "{\"id\":\"" + (id ? *id : "") + "\"," + kPayload;
      benchmark::DoNotOptimize(client->publish(std::move(result)).has_value());
      if (handle != mqtt::AckHandle::None) client->ack(handle);
    };
    client = std::make_unique<mqtt::Client>(loop_, clock, options, std::move(handlers));
    client->subscribe({"spate/v1/infer/m", mqtt::Qos::AtLeastOnce});
    client->start();
    loop_.run();
  }

  boost::asio::io_context loop_{1};
  std::atomic<bool> ready_{false};
  std::thread thread_;
};

void null_system(benchmark::State& state) {
  const test::BrokerFixture broker;
  const Peer peer(broker.port());
  Expected expected;
  expected.predicted_class = "pits";
  for (auto _ : state) {
    const Schedule made =
        make_schedule(demand({}, std::make_shared<const Profile>(
                                     Profile::constant(static_cast<double>(state.range(1)), 2.0))));
    boost::asio::io_context loop(1);
    RealClock clock(loop);
    Verifier verifier(
        made, {CheckedModel{std::chrono::milliseconds(100), std::vector<Expected>(1000, expected)}},
        RequestIds(RequestIds::random_key()));
    GeneratorOptions options;
    options.port = broker.port();
    options.qos = static_cast<mqtt::Qos>(state.range(0));
    const LoadModel model{
        "spate/v1/infer/m", std::chrono::milliseconds(100),
        std::vector<RequestBody>(1000, {"application/json", "{\"features\":[1,2,3,4,5]}"})};
    Generator generator(loop, clock, options, made, {model}, verifier);
    const TimePoint start = clock.now();
    const Duration cpu = process_cpu_time();
    bool done = false;
    generator.start([&](const Status& status) {
      if (!status) state.SkipWithError(status.error().message.c_str());
      done = true;
    });
    while (!done) loop.run_one();
    const ModelReport& report = verifier.report(0);
    state.counters["planned"] = static_cast<double>(report.window.planned);
    state.counters["in_time"] = static_cast<double>(report.window.in_time);
    state.counters["lag_p99_ms"] = to_ms(report.lag.quantile(0.99));
    state.counters["p50_ms"] = to_ms(report.latency.quantile(0.5));
    state.counters["p99_ms"] = to_ms(report.latency.quantile(0.99));
    state.counters["cores"] =
        to_seconds(process_cpu_time() - cpu) / to_seconds(clock.now() - start);
    if (report.window.wrong > 0 || report.window.lost > 0) state.SkipWithError("wrong or lost");
  }
}
BENCHMARK(null_system)
    ->Name("NullSystem")
    ->ArgNames({"qos", "rate"})
    ->ArgsProduct({{0, 1}, {1000, 5000, 10000, 20000}})
    ->Iterations(1)
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace spate::influx

BENCHMARK_MAIN();
