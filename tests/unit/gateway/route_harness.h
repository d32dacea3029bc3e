// SPDX-License-Identifier: Apache-2.0
//
// RouteHarness: a Route with a sink that remembers everything, driven by hand in virtual time.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <map>
#include <vector>

#include "spate/gateway/route.h"

namespace spate::gateway::test {

using namespace std::chrono_literals;

struct SentBatch {
  WorkerId worker = 0;
  BatchId batch = 0;
  std::vector<RequestId> requests;
  TimePoint at{};
};

class RouteHarness final : public RouteSink {
 public:
  explicit RouteHarness(const RouteOptions& options = {}) : route(options, *this, now) {}

  void on_batch(WorkerId worker, BatchId batch, std::span<const RequestId> requests,
                TimePoint at) override {
    sent.push_back({worker, batch, {requests.begin(), requests.end()}, at});
  }
  void on_end(const Ended& end) override {
    ended.push_back(end);
    ++ends[end.id];
  }
  void on_suspect(WorkerId worker) override { suspects.push_back(worker); }

  WorkerId ready_worker(double cpus = 1.0, std::uint32_t credits = 1,
                        std::uint32_t max_batch = 64) {
    const WorkerId worker = route.add_worker(max_batch, cpus);
    route.worker_ready(worker, credits, now);
    route.pump(now);
    return worker;
  }

  // Admits one request and pumps. Returns 0 when it was refused (`refused` says why).
  RequestId ask(Duration budget = Duration::max(), std::uint32_t bytes = 100) {
    const RequestId id = admit(budget, bytes);
    route.pump(now);
    return id;
  }
  RequestId admit(Duration budget = Duration::max(), std::uint32_t bytes = 100) {
    const TimePoint deadline = budget == Duration::max() ? kNever : now + budget;
    const Admission admission = route.admit(deadline, bytes, now);
    refused = admission.refused;
    return admission.id;
  }

  // The oldest batch that was sent and not yet taken out.
  SentBatch take() {
    EXPECT_FALSE(sent.empty()) << "nothing was sent";
    if (sent.empty()) return {};
    SentBatch batch = sent.front();
    sent.pop_front();
    return batch;
  }
  AnswerStatus answer(const SentBatch& batch, Outcome outcome = Outcome::Answered) {
    std::vector<RequestAnswer> answers;
    for (const RequestId id : batch.requests) answers.push_back({id, outcome});
    const AnswerStatus status =
        route.answered(batch.worker, batch.batch, answers, now - batch.at, now);
    route.pump(now);
    return status;
  }
  // Serves one request after `service` so that the estimate knows it.
  void teach(Duration service) {
    ask();
    advance(service);
    answer(take());
  }

  // Moves time on, waking the route whenever it asks to be.
  void advance(Duration span) {
    const TimePoint until = now + span;
    while (route.next_deadline() <= until) {
      now = std::max(now, route.next_deadline());
      const TimePoint before = route.next_deadline();
      route.on_time(now);
      ASSERT_NE(route.next_deadline(), before) << "on_time() did not do what was due";
    }
    now = until;
  }

  std::size_t ended_as(Outcome outcome) const {
    return static_cast<std::size_t>(std::count_if(
        ended.begin(), ended.end(), [&](const Ended& end) { return end.outcome == outcome; }));
  }

  TimePoint now{1h};
  std::deque<SentBatch> sent;
  std::vector<Ended> ended;
  std::map<RequestId, int> ends;
  std::vector<WorkerId> suspects;
  Outcome refused = Outcome::Answered;
  Route route;
};

}  // namespace spate::gateway::test
