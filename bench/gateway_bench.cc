// SPDX-License-Identifier: Apache-2.0
//
// What the gateway's core costs per request, driven as a simulator drives it.
//
//   RouteCore/<policy>/<workers>   arrivals at 90 % load, exponential service times, one credit a
//                                  worker: admit, dispatch, answer, with the event heap around it
//   RouteOverload/<workers>        the same at 250 % load: most requests are refused on arrival
//   Result                         the JSON of one result
//
// items_per_second is requests per second of one core.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <vector>

#include "spate/base/rng.h"
#include "spate/gateway/request.h"
#include "spate/gateway/route.h"

namespace spate::gateway {
namespace {

using namespace std::chrono_literals;

// Answers every batch after an exponential service time.
class Simulation final : public RouteSink {
 public:
  Simulation(DispatchPolicy policy, int workers, double load)
      : route_({.dispatch = policy}, *this, now_) {
    Rng rng(1, "service_time");
    for (Duration& service : services_) service = from_ms(10.0 * rng.exponential());
    gap_ = from_ms(10.0 / load / workers);
    for (int i = 0; i < workers; ++i) route_.worker_ready(route_.add_worker(1, 1.0), 1, now_);
  }

  void on_batch(WorkerId worker, BatchId batch, std::span<const RequestId>,
                TimePoint now) override {
    const Duration service = services_[next_service_++ % services_.size()];
    events_.push_back({now + service, worker, batch, service});
    std::push_heap(events_.begin(), events_.end(), later);
  }
  void on_end(const Ended&) override { ++ended_; }
  void on_suspect(WorkerId) override {}

  void arrive() {
    now_ += gap_;
    while (!events_.empty() && events_.front().at <= now_) {
      std::pop_heap(events_.begin(), events_.end(), later);
      const Event event = events_.back();
      events_.pop_back();
      route_.answered_all(event.worker, event.batch, event.service, event.at);
      route_.pump(event.at);
    }
    if (route_.next_deadline() <= now_) route_.on_time(now_);
    route_.admit(now_ + 1s, 1000, now_);
    route_.pump(now_);
  }
  std::uint64_t ended() const { return ended_; }

 private:
  struct Event {
    TimePoint at{};
    WorkerId worker = 0;
    BatchId batch = 0;
    Duration service{};
  };
  static bool later(const Event& a, const Event& b) { return a.at > b.at; }

  TimePoint now_{1h};
  Duration gap_{};
  std::vector<Duration> services_ = std::vector<Duration>(1 << 16);
  std::size_t next_service_ = 0;
  std::vector<Event> events_;
  std::uint64_t ended_ = 0;
  Route route_;
};

void run(benchmark::State& state, DispatchPolicy policy, double load) {
  const int workers = static_cast<int>(state.range(0));
  Simulation simulation(policy, workers, load);
  for (int i = 0; i < 20 * workers; ++i) simulation.arrive();  // into the steady state
  for (auto _ : state) simulation.arrive();
  benchmark::DoNotOptimize(simulation.ended());
  state.SetItemsProcessed(state.iterations());
}

void RouteCore(benchmark::State& state, DispatchPolicy policy) { run(state, policy, 0.9); }
void RouteOverload(benchmark::State& state) { run(state, DispatchPolicy::LeastOutstanding, 2.5); }

void Result(benchmark::State& state) {
  Request request;
  request.id = "sensor-17/123456";
  request.response_topic = "influx/1/reply";
  request.correlation_data = "12345678";
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        make_result(request, "linear", "fp64", "\"prediction\":12.5", 120us, 45us));
  }
  state.SetItemsProcessed(state.iterations());
}

BENCHMARK_CAPTURE(RouteCore, least_outstanding, DispatchPolicy::LeastOutstanding)
    ->Arg(100)
    ->Arg(10'000);
BENCHMARK_CAPTURE(RouteCore, power_of_two, DispatchPolicy::PowerOfTwo)->Arg(100)->Arg(10'000);
BENCHMARK_CAPTURE(RouteCore, round_robin, DispatchPolicy::RoundRobin)->Arg(100)->Arg(10'000);
BENCHMARK(RouteOverload)->Arg(100);
BENCHMARK(Result);

}  // namespace
}  // namespace spate::gateway

BENCHMARK_MAIN();
