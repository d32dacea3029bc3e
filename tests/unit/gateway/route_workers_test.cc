// SPDX-License-Identifier: Apache-2.0
//
// Dispatch policies, credits, workers that die, hang or leave, shutdown.
#include "unit/gateway/route_harness.h"

namespace spate::gateway::test {
namespace {

// --- credits and choice ------------------------------------------------------------------------

TEST(RouteWorkers, NeverExceedsTheCredits) {
  RouteHarness h;
  const WorkerId worker = h.ready_worker(1.0, 2);
  for (int i = 0; i < 5; ++i) h.ask();
  EXPECT_EQ(h.sent.size(), 2U);
  EXPECT_EQ(h.route.outstanding_batches(worker), 2U);
  h.route.set_credits(worker, 3);
  h.route.pump(h.now);
  EXPECT_EQ(h.sent.size(), 3U);
  h.route.set_credits(worker, 1);
  h.answer(h.take());
  h.answer(h.take());
  EXPECT_EQ(h.sent.size(), 1U);  // still one outstanding, which is all it has now
  h.answer(h.take());
  EXPECT_EQ(h.sent.size(), 1U);
}

TEST(RouteWorkers, LeastOutstandingSpreadsEvenly) {
  RouteHarness h;
  std::map<WorkerId, int> got;
  for (int i = 0; i < 4; ++i) h.ready_worker(1.0, 100);
  for (int i = 0; i < 40; ++i) h.ask();
  for (const SentBatch& batch : h.sent) ++got[batch.worker];
  ASSERT_EQ(got.size(), 4U);
  for (const auto& [worker, count] : got) EXPECT_EQ(count, 10);
}

TEST(RouteWorkers, LeastOutstandingIsWeightedByTheCpuLimit) {
  RouteHarness h;
  const WorkerId small = h.ready_worker(0.3, 100);
  const WorkerId large = h.ready_worker(0.9, 100);
  for (int i = 0; i < 40; ++i) h.ask();
  std::map<WorkerId, int> got;
  for (const SentBatch& batch : h.sent) ++got[batch.worker];
  EXPECT_EQ(got[small], 10);
  EXPECT_EQ(got[large], 30);
}

TEST(RouteWorkers, IdleEqualsTakeTurns) {
  RouteHarness h;
  for (int i = 0; i < 3; ++i) h.ready_worker();
  std::map<WorkerId, int> got;
  for (int i = 0; i < 9; ++i) {
    h.ask();
    const SentBatch batch = h.take();
    ++got[batch.worker];
    h.answer(batch);
  }
  ASSERT_EQ(got.size(), 3U);
  for (const auto& [worker, count] : got) EXPECT_EQ(count, 3);
}

TEST(RouteWorkers, RoundRobinIgnoresTheLoad) {
  RouteHarness h({.dispatch = DispatchPolicy::RoundRobin});
  std::vector<WorkerId> workers;
  for (int i = 0; i < 3; ++i) workers.push_back(h.ready_worker(i == 0 ? 4.0 : 0.1, 100));
  for (int i = 0; i < 6; ++i) h.ask();
  for (std::size_t i = 0; i < 6; ++i) EXPECT_EQ(h.sent[i].worker, workers[i % 3]) << i;
}

TEST(RouteWorkers, PowerOfTwoBeatsTheDrawAndRepeats) {
  const auto largest_load = [](std::uint64_t seed) {
    RouteHarness h({.dispatch = DispatchPolicy::PowerOfTwo, .seed = seed});
    for (int i = 0; i < 50; ++i) h.ready_worker(1.0, 1000);
    std::map<WorkerId, int> got;
    for (int i = 0; i < 500; ++i) h.ask();
    for (const SentBatch& batch : h.sent) ++got[batch.worker];
    int largest = 0;
    for (const auto& [worker, count] : got) largest = std::max(largest, count);
    return largest;
  };
  // Mean 10. One random choice gives about 18; two give about 12.
  EXPECT_LE(largest_load(1), 14);
  EXPECT_EQ(largest_load(3), largest_load(3));
}

// --- answers -----------------------------------------------------------------------------------

TEST(RouteWorkers, EachRequestOfABatchEndsAsTheWorkerSays) {
  RouteHarness h({.max_batch = 4});
  for (int i = 0; i < 4; ++i) h.ask();
  h.ready_worker();
  const SentBatch batch = h.take();
  const std::vector<RequestAnswer> answers = {{batch.requests[0], Outcome::Answered},
                                              {batch.requests[1], Outcome::BadInput},
                                              {batch.requests[2], Outcome::ModelFailed},
                                              {batch.requests[3], Outcome::Expired}};
  EXPECT_EQ(h.route.answered(batch.worker, batch.batch, answers, 1ms, h.now), AnswerStatus::Taken);
  ASSERT_EQ(h.ended.size(), 4U);
  for (std::uint32_t i = 0; i < 4; ++i) {
    EXPECT_EQ(h.ended[i].id, answers[i].id);
    EXPECT_EQ(h.ended[i].outcome, answers[i].outcome);
    EXPECT_EQ(h.ended[i].index, i);
  }
}

TEST(RouteWorkers, AnAnswerThatDoesNotFitTheBatchIsInvalid) {
  RouteHarness h({.max_batch = 2});
  h.ask();
  h.ask();
  const WorkerId worker = h.ready_worker();
  const WorkerId other = h.ready_worker();
  const SentBatch batch = h.take();
  const RequestAnswer a{batch.requests[0], Outcome::Answered};
  const RequestAnswer b{batch.requests[1], Outcome::Answered};
  const auto try_answer = [&](WorkerId from, BatchId id, std::vector<RequestAnswer> answers) {
    return h.route.answered(from, id, answers, 1ms, h.now);
  };
  EXPECT_EQ(try_answer(worker, batch.batch, {a}), AnswerStatus::Invalid);
  EXPECT_EQ(try_answer(worker, batch.batch, {b, a}), AnswerStatus::Invalid);
  EXPECT_EQ(try_answer(worker, batch.batch + 1, {a, b}), AnswerStatus::Invalid);
  EXPECT_EQ(try_answer(other, batch.batch, {a, b}), AnswerStatus::Invalid);
  EXPECT_TRUE(h.ended.empty());
  EXPECT_EQ(try_answer(worker, batch.batch, {a, b}), AnswerStatus::Taken);
  EXPECT_EQ(try_answer(worker, batch.batch, {a, b}), AnswerStatus::Invalid);  // twice
  EXPECT_EQ(h.ended.size(), 2U);
}

// --- workers that die, hang or leave -----------------------------------------------------------

TEST(RouteWorkers, TheWorkOfADeadWorkerGoesFirstAndInOrder) {
  RouteHarness h({.max_batch = 2});
  std::vector<RequestId> asked;
  for (int i = 0; i < 5; ++i) asked.push_back(h.ask());
  const WorkerId dying = h.ready_worker(1.0, 2);
  ASSERT_EQ(h.sent.size(), 2U);
  h.sent.clear();
  h.route.worker_gone(dying, h.now);
  EXPECT_FALSE(h.route.has_worker(dying));
  EXPECT_EQ(h.route.counters().queue_length, 5U);
  h.ready_worker(1.0, 10, 1);
  std::vector<RequestId> order;
  for (const SentBatch& batch : h.sent) order.push_back(batch.requests.at(0));
  EXPECT_EQ(order, asked);
  EXPECT_EQ(h.route.counters().redispatched, 4U);
  while (!h.sent.empty()) h.answer(h.take());
  EXPECT_EQ(h.ended_as(Outcome::Answered), 5U);
}

TEST(RouteWorkers, GivesUpAfterMaxAttempts) {
  RouteHarness h({.max_attempts = 3});
  const RequestId id = h.ask();
  for (int attempt = 1; attempt <= 3; ++attempt) {
    EXPECT_TRUE(h.ended.empty());
    const WorkerId worker = h.ready_worker();
    EXPECT_EQ(h.take().requests.at(0), id);
    h.route.worker_gone(worker, h.now);
  }
  ASSERT_EQ(h.ended.size(), 1U);
  EXPECT_EQ(h.ended[0].outcome, Outcome::ModelFailed);
  EXPECT_EQ(h.ended[0].attempts, 3U);
  EXPECT_EQ(h.route.counters().redispatched, 2U);
}

TEST(RouteWorkers, AHungWorkersWorkIsDispatchedAgain) {
  RouteHarness h({.attempt_timeout = 2s});
  const WorkerId hung = h.ready_worker();
  h.ask();
  const SentBatch lost = h.take();
  const WorkerId other = h.ready_worker();
  h.advance(2s - 1ns);
  EXPECT_TRUE(h.suspects.empty());
  h.advance(1ns);
  EXPECT_EQ(h.suspects, std::vector<WorkerId>{hung});
  EXPECT_TRUE(h.route.is_suspect(hung));
  const SentBatch again = h.take();
  EXPECT_EQ(again.worker, other);
  EXPECT_EQ(again.requests, lost.requests);
  h.ask();
  EXPECT_TRUE(h.sent.empty());  // the other is busy, the hung one is not used

  EXPECT_EQ(h.answer(lost), AnswerStatus::Late);
  EXPECT_EQ(h.route.counters().late_answers, 1U);
  EXPECT_FALSE(h.route.is_suspect(hung));
  EXPECT_EQ(h.take().worker, hung);  // it answers again, so it is used again
  EXPECT_EQ(h.answer(again), AnswerStatus::Taken);
  EXPECT_EQ(h.ends[lost.requests[0]], 1);
}

TEST(RouteWorkers, APongClearsSuspicionButNotTheCredit) {
  RouteHarness h({.attempt_timeout = 2s});
  const WorkerId one = h.ready_worker(1.0, 2);
  h.ask();
  h.take();
  h.advance(2s);
  EXPECT_TRUE(h.route.is_suspect(one));
  h.ask();
  EXPECT_TRUE(h.sent.empty());
  h.route.worker_alive(one);
  h.route.pump(h.now);
  // Its second credit; the first is held by the batch it has not answered.
  EXPECT_EQ(h.sent.size(), 1U);
  EXPECT_EQ(h.route.outstanding_batches(one), 2U);
  EXPECT_EQ(h.route.worker_in_flight(one), 1U);
}

TEST(RouteWorkers, AHungWorkerThatDiesIsForgotten) {
  RouteHarness h({.max_attempts = 1, .attempt_timeout = 1s});
  const WorkerId hung = h.ready_worker();
  h.ask();
  const SentBatch lost = h.take();
  h.advance(1s);
  EXPECT_EQ(h.ended_as(Outcome::ModelFailed), 1U);
  h.route.worker_gone(hung, h.now);
  EXPECT_EQ(h.answer(lost), AnswerStatus::Invalid);
  EXPECT_EQ(h.ended.size(), 1U);
  EXPECT_TRUE(h.route.idle());
}

TEST(RouteWorkers, ADrainingWorkerFinishesButGetsNoMore) {
  RouteHarness h;
  const WorkerId worker = h.ready_worker(1.0, 2);
  h.ask();
  h.route.drain_worker(worker);
  h.ask();
  EXPECT_EQ(h.sent.size(), 1U);
  EXPECT_EQ(h.answer(h.take()), AnswerStatus::Taken);
  EXPECT_TRUE(h.sent.empty());
  h.route.worker_gone(worker, h.now);
  EXPECT_EQ(h.ended_as(Outcome::Answered), 1U);
  EXPECT_EQ(h.route.counters().queue_length, 1U);
}

TEST(RouteWorkers, AReusedSlotIsAnotherWorker) {
  RouteHarness h;
  const WorkerId first = h.ready_worker();
  h.ask();
  const SentBatch batch = h.take();
  h.route.worker_gone(first, h.now);
  const WorkerId second = h.ready_worker();
  EXPECT_NE(first, second);
  EXPECT_EQ(slot_of(first), slot_of(second));
  EXPECT_EQ(h.answer(batch), AnswerStatus::Invalid);
}

// --- shutdown ----------------------------------------------------------------------------------

TEST(RouteWorkers, ShutdownFinishesWhatItHasAndTakesNothingNew) {
  RouteHarness h({.max_batch = 4, .max_delay = 1s});
  h.ready_worker();
  h.ask();
  EXPECT_TRUE(h.sent.empty());
  h.route.begin_shutdown();
  EXPECT_EQ(h.ask(), 0U);
  EXPECT_EQ(h.refused, Outcome::ShuttingDown);
  EXPECT_EQ(h.sent.size(), 1U);  // no waiting for a larger batch any more
  EXPECT_FALSE(h.route.idle());
  h.answer(h.take());
  EXPECT_TRUE(h.route.idle());
}

TEST(RouteWorkers, EndAllEndsWhatWaitsAndWhatIsInFlight) {
  RouteHarness h;
  h.ready_worker();
  for (int i = 0; i < 3; ++i) h.ask();
  const SentBatch batch = h.take();
  h.route.begin_shutdown();
  h.route.end_all(h.now);
  EXPECT_EQ(h.ended_as(Outcome::ShuttingDown), 3U);
  EXPECT_TRUE(h.route.idle());
  EXPECT_EQ(h.answer(batch), AnswerStatus::Late);
  EXPECT_EQ(h.ended.size(), 3U);
}

// --- parking ------------------------------------------------------------------------------------

TEST(RouteWorkers, AParkedWorkerGetsNothingUntilItIsUnparked) {
  RouteHarness h;
  const WorkerId parked = h.ready_worker();
  const WorkerId other = h.ready_worker();
  h.route.park_worker(parked);
  for (int i = 0; i < 3; ++i) h.ask();
  ASSERT_EQ(h.sent.size(), 1U);
  EXPECT_EQ(h.sent[0].worker, other);
  h.route.unpark_worker(parked, h.now);
  h.route.pump(h.now);
  ASSERT_EQ(h.sent.size(), 2U) << "it is usable at once";
  EXPECT_EQ(h.sent[1].worker, parked);
}

TEST(RouteWorkers, AWorkerThatIsParkedFinishesWhatItHas) {
  RouteHarness h;
  const WorkerId worker = h.ready_worker(1.0, 2);
  h.ask();
  h.route.park_worker(worker);
  h.ask();
  ASSERT_EQ(h.sent.size(), 1U);
  EXPECT_EQ(h.route.outstanding_batches(worker), 1U);
  EXPECT_EQ(h.answer(h.take()), AnswerStatus::Taken);
  EXPECT_EQ(h.route.outstanding_batches(worker), 0U);
  EXPECT_TRUE(h.sent.empty());
}

TEST(RouteWorkers, AParkedWorkerIsNeverTakenForHung) {
  RouteOptions options;
  options.attempt_timeout = 1s;
  RouteHarness h(options);
  const WorkerId worker = h.ready_worker();
  h.route.park_worker(worker);
  h.advance(60s);
  EXPECT_TRUE(h.suspects.empty());
  h.route.unpark_worker(worker, h.now);
  h.ask();
  ASSERT_EQ(h.sent.size(), 1U);
  h.answer(h.take());
  EXPECT_EQ(h.route.counters().hung, 0U);
}

TEST(RouteWorkers, OnlyAReadyWorkerParksAndOnlyAParkedOneIsUnparked) {
  RouteHarness h;
  const WorkerId starting = h.route.add_worker(1, 1.0);
  h.route.park_worker(starting);
  h.route.unpark_worker(starting, h.now);
  h.ask();
  EXPECT_TRUE(h.sent.empty());
  h.route.worker_ready(starting, 1, h.now);
  h.route.pump(h.now);
  EXPECT_EQ(h.sent.size(), 1U);
  h.route.drain_worker(starting);
  h.route.park_worker(starting);
  h.route.unpark_worker(starting, h.now);
  h.answer(h.take());
  h.ask();
  EXPECT_TRUE(h.sent.empty()) << "who drains does not come back";
}

}  // namespace
}  // namespace spate::gateway::test
