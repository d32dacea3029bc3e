// SPDX-License-Identifier: Apache-2.0
#include "spate/worker/worker_core.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

#include "spate/base/log.h"

namespace spate::worker {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using wire::ItemCode;

CoreOptions options_for(int machine_cpus, double limit = 0.0) {
  CoreOptions options;
  options.identity.token = "secret";
  options.identity.model = "linear";
  options.identity.replica_id = "linear-1";
  options.machine_cpus = machine_cpus;
  options.cpu_limit = limit;
  return options;
}

// Drives a core by hand: time moves when told, actions are sorted by kind after each event.
class Driver {
 public:
  explicit Driver(CoreOptions options) : core(std::move(options)) {
    spdlog::set_level(spdlog::level::off);  // of interest in a running worker only
    core.start(now);
    take();
  }

  void take() {
    for (Action& action : core.take_actions()) {
      if (auto* send = std::get_if<Send>(&action)) sent.push_back(std::move(send->message));
      if (auto* job = std::get_if<StartJob>(&action)) jobs.push_back(std::move(*job));
      if (auto* resize = std::get_if<Resize>(&action)) resizes.push_back(*resize);
      if (auto* end = std::get_if<Exit>(&action)) exit = *end;
      if (std::holds_alternative<Dial>(action)) ++dials;
      if (std::holds_alternative<Hangup>(action)) ++hangups;
      if (std::holds_alternative<ReadLimit>(action)) ++limit_reads;
    }
  }
  void pass(Duration span) {
    const TimePoint until = now + span;
    while (!core.exited()) {
      const TimePoint wake = core.next_wake(now);
      if (wake > until) break;
      now = std::max(now, wake);
      core.tick(now);
      take();
    }
    now = until;
  }
  void connect() { core.connected(now), take(); }
  void disconnect() { core.disconnected("it closed the connection", now), take(); }
  void frame(wire::Message m) { core.frame(std::move(m), now), take(); }
  void load() {
    core.model_loaded({milliseconds(1), milliseconds(2), milliseconds(3)}, now), take();
  }
  void terminate() { core.terminate(now), take(); }
  void register_and_load() {
    connect();
    frame(wire::Registered{.gateway_id = "gw"});
    load();
    sent.clear();
  }
  // A batch of items with these budgets; ids count up from id * 100.
  void batch(std::uint64_t id, std::vector<Duration> budgets = {Duration{0}}) {
    wire::Batch batch{.batch_id = id, .items = {}};
    for (std::size_t i = 0; i < budgets.size(); ++i) {
      batch.items.push_back({id * 100 + i, "application/json", "{}", budgets[i]});
    }
    frame(std::move(batch));
  }
  // Answers the oldest job with Ok for all.
  void finish_job() {
    ASSERT_FALSE(jobs.empty());
    std::vector<wire::ItemResult> results;
    for (const auto& item : jobs.front().items) {
      results.push_back({item.request_id, ItemCode::Ok, "\"prediction\":1"});
    }
    const JobId id = jobs.front().id;
    jobs.erase(jobs.begin());
    core.job_done(id, std::move(results), now);
    take();
  }
  template <class M>
  std::vector<M> all_sent() const {
    std::vector<M> out;
    for (const auto& message : sent) {
      if (const auto* m = std::get_if<M>(&message)) out.push_back(*m);
    }
    return out;
  }

  TimePoint now{std::chrono::hours(1)};
  WorkerCore core;
  std::vector<wire::Message> sent;
  std::vector<StartJob> jobs;
  std::vector<Resize> resizes;
  std::optional<Exit> exit;
  int dials = 0;
  int hangups = 0;
  int limit_reads = 0;
};

TEST(WorkerCore, RegistersBeforeItsModelIsLoadedThenSaysReady) {
  Driver d(options_for(4, 2.0));
  EXPECT_EQ(d.dials, 1);
  EXPECT_EQ(d.resizes.at(0), (Resize{{.calls = 2, .threads = 1}, 2.0, false}));
  d.connect();
  const auto hello = d.all_sent<wire::Register>();
  ASSERT_EQ(hello.size(), 1U);
  EXPECT_EQ(hello[0].token, "secret");
  EXPECT_EQ(hello[0].cpu_limit, 2.0);
  EXPECT_FALSE(hello[0].ready);
  d.frame(wire::Registered{.gateway_id = "gw"});
  EXPECT_THAT(d.all_sent<wire::Ready>(), IsEmpty());
  EXPECT_FALSE(d.core.ready());
  d.load();
  const auto ready = d.all_sent<wire::Ready>();
  ASSERT_EQ(ready.size(), 1U);
  EXPECT_EQ(ready[0].load, milliseconds(2));
  EXPECT_EQ(ready[0].credits, 2U);
  EXPECT_TRUE(d.core.ready());
}

TEST(WorkerCore, SaysReadyOnRegistrationWhenTheModelWasQuicker) {
  Driver d(options_for(1));
  d.load();
  d.connect();
  EXPECT_TRUE(d.all_sent<wire::Register>().at(0).ready);
  EXPECT_THAT(d.all_sent<wire::Ready>(), IsEmpty());
  d.frame(wire::Registered{.gateway_id = "gw"});
  EXPECT_EQ(d.all_sent<wire::Ready>().size(), 1U);
}

TEST(WorkerCore, AnswersABatchInItsOrderAndMeasuresIt) {
  Driver d(options_for(1));
  d.register_and_load();
  d.batch(7, {Duration{0}, seconds(1)});
  ASSERT_EQ(d.jobs.size(), 1U);
  d.now += milliseconds(45);
  d.core.job_done(d.jobs[0].id, {{0, ItemCode::Ok, "\"a\":1"}, {0, ItemCode::BadInput, "no row"}},
                  d.now);
  d.take();
  const auto results = d.all_sent<wire::BatchResult>();
  ASSERT_EQ(results.size(), 1U);
  EXPECT_EQ(results[0].batch_id, 7U);
  EXPECT_EQ(results[0].service, milliseconds(45));
  ASSERT_EQ(results[0].items.size(), 2U);
  EXPECT_EQ(results[0].items[0].request_id, 700U);
  EXPECT_EQ(results[0].items[0].body, "\"a\":1");
  EXPECT_EQ(results[0].items[1].request_id, 701U);
  EXPECT_EQ(results[0].items[1].code, ItemCode::BadInput);
  EXPECT_EQ(d.core.stats().items[0], 1U);
  EXPECT_EQ(d.core.stats().items[1], 1U);
}

TEST(WorkerCore, RunsAsManyBatchesAsItHasCreditsAndQueuesTheRest) {
  Driver d(options_for(2));
  d.register_and_load();
  d.batch(1);
  d.batch(2);
  EXPECT_EQ(d.core.stats().over_credit, 0U);
  d.batch(3);  // over its credits: kept and counted all the same
  EXPECT_EQ(d.jobs.size(), 2U);
  EXPECT_EQ(d.core.queued_batches(), 1U);
  EXPECT_EQ(d.core.stats().over_credit, 1U);
  d.finish_job();
  EXPECT_EQ(d.jobs.size(), 2U);
  d.finish_job();
  d.finish_job();
  EXPECT_EQ(d.all_sent<wire::BatchResult>().size(), 3U);
  EXPECT_EQ(d.core.running_jobs(), 0U);
}

TEST(WorkerCore, WhatIsOverItsBudgetIsAnsweredWithoutComputing) {
  Driver d(options_for(1));
  d.register_and_load();
  d.batch(1);
  d.batch(2, {milliseconds(50), milliseconds(51), Duration{0}, Duration{-5}});
  d.batch(3, {milliseconds(10)});
  d.now += milliseconds(50);
  d.finish_job();
  // Of batch 2 the first item is late by nothing, which is late; the others are computed.
  ASSERT_EQ(d.jobs.size(), 1U);
  EXPECT_EQ(d.jobs[0].items.size(), 3U);
  EXPECT_EQ(d.jobs[0].items[0].request_id, 201U);
  d.finish_job();
  // Batch 3 is late as a whole: answered at once, no job.
  EXPECT_THAT(d.jobs, IsEmpty());
  const auto results = d.all_sent<wire::BatchResult>();
  ASSERT_EQ(results.size(), 3U);
  EXPECT_EQ(results[1].items[0].code, ItemCode::Expired);
  EXPECT_EQ(results[1].items[0].request_id, 200U);
  for (const int i : {1, 2, 3}) EXPECT_EQ(results[1].items[i].code, ItemCode::Ok) << i;
  EXPECT_EQ(results[2].items[0].code, ItemCode::Expired);
  EXPECT_EQ(d.core.stats().items[3], 2U);
}

TEST(WorkerCore, AnEmptyBatchIsAnsweredToo) {
  Driver d(options_for(1));
  d.register_and_load();
  d.batch(1, {});
  EXPECT_EQ(d.all_sent<wire::BatchResult>().size(), 1U);
}

TEST(WorkerCore, AnAnswerTooLargeForAFrameFailsAlone) {
  Driver d(options_for(1));
  d.register_and_load();
  d.batch(1, {Duration{0}, Duration{0}});
  d.core.job_done(d.jobs[0].id,
                  {{0, ItemCode::Ok, std::string(40U << 20, 'x')}, {0, ItemCode::Ok, "\"a\":1"}},
                  d.now);
  d.take();
  const auto results = d.all_sent<wire::BatchResult>();
  EXPECT_EQ(results.at(0).items[0].code, ItemCode::ModelFailed);
  EXPECT_THAT(results.at(0).items[0].body, HasSubstr("too large"));
  EXPECT_EQ(results.at(0).items[1].code, ItemCode::Ok);
}

TEST(WorkerCore, PingsAreAnswered) {
  Driver d(options_for(1));
  d.register_and_load();
  d.frame(wire::Ping{.nonce = 9});
  EXPECT_EQ(d.all_sent<wire::Pong>().at(0).nonce, 9U);
}

// --- connection
// -----------------------------------------------------------------------------------

TEST(WorkerCore, DialsWithBackOffAndGivesUpAfterThirtySeconds) {
  Driver d(options_for(1));
  std::vector<int> gaps_ms;
  TimePoint failed{};
  int seen = d.dials;
  while (!d.exit && gaps_ms.size() < 100) {
    d.core.disconnected("cannot connect: no such file", d.now);
    d.take();
    failed = d.now;
    while (d.dials == seen && !d.exit) {
      d.now = d.core.next_wake(d.now);
      d.core.tick(d.now);
      d.take();
    }
    seen = d.dials;
    gaps_ms.push_back(static_cast<int>(to_ms(d.now - failed)));
  }
  ASSERT_TRUE(d.exit);
  EXPECT_EQ(std::vector<int>(gaps_ms.begin(), gaps_ms.begin() + 6),
            (std::vector<int>{50, 100, 200, 400, 800, 1000}));
  EXPECT_EQ(d.exit->status, 0);
  EXPECT_THAT(d.exit->reason, HasSubstr("no gateway for 30 s"));
  EXPECT_THAT(d.exit->reason, HasSubstr("no such file"));
  EXPECT_EQ(d.now, TimePoint(std::chrono::hours(1)) + seconds(30));
}

TEST(WorkerCore, ComesBackToAGatewayThatWasAwayAndForgetsTheOldWork) {
  Driver d(options_for(2));
  d.register_and_load();
  d.batch(1);
  d.batch(2);
  d.batch(3);  // queued
  d.pass(seconds(1));
  d.disconnect();
  EXPECT_EQ(d.core.stats().forgotten, 3U);
  EXPECT_EQ(d.core.queued_batches(), 0U);
  d.pass(milliseconds(49));
  EXPECT_EQ(d.dials, 1);
  d.pass(milliseconds(1));
  EXPECT_EQ(d.dials, 2);
  d.disconnect();  // not back yet
  EXPECT_EQ(d.core.stats().forgotten, 3U) << "counted once";
  d.pass(milliseconds(100));
  EXPECT_EQ(d.dials, 3);
  d.connect();
  EXPECT_TRUE(d.all_sent<wire::Register>().back().ready);
  d.frame(wire::Registered{.gateway_id = "gw2"});
  EXPECT_EQ(d.all_sent<wire::Ready>().size(), 1U);
  d.sent.clear();
  // What still ran is not answered on the new connection, even under a batch id of it.
  d.batch(1);
  d.finish_job();
  d.finish_job();
  EXPECT_THAT(d.all_sent<wire::BatchResult>(), IsEmpty());
  d.finish_job();
  EXPECT_EQ(d.all_sent<wire::BatchResult>().size(), 1U);
  EXPECT_EQ(d.core.stats().registrations, 2U);
}

TEST(WorkerCore, RegisteringEndsTheCountToGivingUp) {
  Driver d(options_for(1));
  d.pass(seconds(4));
  d.register_and_load();
  for (int i = 0; i < 60; ++i) {
    d.pass(seconds(1));
    d.frame(wire::Ping{});
  }
  EXPECT_FALSE(d.exit);
  d.disconnect();
  EXPECT_FALSE(d.exit);
}

TEST(WorkerCore, AGatewayThatNeverAnswersTheRegistrationIsLeft) {
  Driver d(options_for(1));
  d.connect();
  d.pass(milliseconds(4999));
  EXPECT_EQ(d.hangups, 0);
  d.pass(milliseconds(1));
  EXPECT_EQ(d.hangups, 1);
  d.pass(seconds(1));
  EXPECT_EQ(d.dials, 2);
}

TEST(WorkerCore, AGatewayThatFallsSilentIsLeft) {
  Driver d(options_for(1));
  d.register_and_load();
  d.pass(seconds(14));
  d.frame(wire::Ping{});
  d.pass(seconds(14));
  EXPECT_EQ(d.hangups, 0);
  d.pass(seconds(1));
  EXPECT_EQ(d.hangups, 1);
}

TEST(WorkerCore, APauseIsNotTakenForTheGatewaysSilence) {
  Driver d(options_for(1));
  d.register_and_load();
  d.pass(seconds(2));
  d.now += std::chrono::hours(1);  // parked: no tick in all that time
  d.core.tick(d.now);
  d.take();
  EXPECT_EQ(d.hangups, 0);
  d.pass(seconds(12));
  EXPECT_EQ(d.hangups, 0) << "the gateway has the time to speak";
  d.pass(seconds(15));
  EXPECT_GT(d.hangups, 0) << "which it did not use";
}

TEST(WorkerCore, WhatIsHeardRightAfterAPauseIsNotOutdoneByIt) {
  Driver d(options_for(1));
  d.register_and_load();
  d.pass(seconds(2));
  d.now += std::chrono::hours(1);
  d.frame(wire::Ping{});  // read before the time is looked at
  d.core.tick(d.now);
  d.take();
  d.pass(seconds(14));
  EXPECT_EQ(d.hangups, 0);
  d.pass(seconds(2));
  EXPECT_EQ(d.hangups, 1) << "15 s of silence count as ever";
}

TEST(WorkerCore, APauseWithoutAGatewayIsNotTakenForItsAbsence) {
  Driver d(options_for(1));
  d.register_and_load();
  d.disconnect();
  d.now += std::chrono::hours(1);
  d.core.tick(d.now);
  d.take();
  EXPECT_FALSE(d.exit);
  EXPECT_EQ(d.dials, 2) << "it dials in again";
}

TEST(WorkerCore, ARefusedTokenEndsItWithStatusThree) {
  Driver d(options_for(1));
  d.connect();
  d.frame(wire::Refused{.reason = "wrong token"});
  ASSERT_TRUE(d.exit);
  EXPECT_EQ(d.exit->status, 3);
  EXPECT_THAT(d.exit->reason, HasSubstr("wrong token"));
}

TEST(WorkerCore, FramesThatMakeNoSenseCloseTheConnection) {
  const std::vector<wire::Message> nonsense = {wire::Goodbye{}, wire::Pong{}, wire::Registered{},
                                               wire::BatchResult{},
                                               wire::CpuLimit{.cpus = -1.0, .duty_cycle = false}};
  for (const auto& message : nonsense) {
    Driver d(options_for(1));
    d.register_and_load();
    d.frame(message);
    EXPECT_EQ(d.hangups, 1) << message.index();
    EXPECT_EQ(d.core.stats().protocol_errors, 1U);
    d.frame(wire::Ping{});  // was under way: ignored
    EXPECT_THAT(d.all_sent<wire::Pong>(), IsEmpty());
    d.pass(milliseconds(50));
    EXPECT_EQ(d.dials, 2) << "and it dials again";
  }
  Driver early(options_for(1));
  early.connect();
  early.frame(wire::Drain{});
  EXPECT_EQ(early.hangups, 1) << "a frame before Registered";
  Driver unready(options_for(1));
  unready.connect();
  unready.frame(wire::Registered{});
  unready.batch(1);
  EXPECT_EQ(unready.hangups, 1) << "a Batch before Ready";
}

// --- drain
// ----------------------------------------------------------------------------------------

TEST(WorkerCore, DrainByTheGatewayFinishesEverythingThenSaysGoodbye) {
  Driver d(options_for(1));
  d.register_and_load();
  d.batch(1);
  d.batch(2);
  d.frame(wire::Drain{});
  EXPECT_FALSE(d.exit);
  d.finish_job();
  EXPECT_FALSE(d.exit);
  d.finish_job();
  ASSERT_TRUE(d.exit);
  EXPECT_EQ(d.exit->status, 0);
  EXPECT_EQ(d.all_sent<wire::BatchResult>().size(), 2U);
  EXPECT_TRUE(std::holds_alternative<wire::Goodbye>(d.sent.back()));
  EXPECT_THAT(d.all_sent<wire::Draining>(), IsEmpty());
}

TEST(WorkerCore, SigtermAsksForADrainAndAnswersWhatCrossedIt) {
  Driver d(options_for(1));
  d.register_and_load();
  d.terminate();
  EXPECT_EQ(d.all_sent<wire::Draining>().size(), 1U);
  EXPECT_FALSE(d.exit) << "batches may be under way until the gateway's Drain";
  d.batch(1);
  d.frame(wire::Drain{});
  EXPECT_FALSE(d.exit);
  d.finish_job();
  ASSERT_TRUE(d.exit);
  EXPECT_EQ(d.exit->status, 0);
  EXPECT_EQ(d.all_sent<wire::BatchResult>().size(), 1U);
}

TEST(WorkerCore, AGatewayThatDoesNotAnswerADrainIsNotWaitedForLong) {
  Driver d(options_for(1));
  d.register_and_load();
  d.terminate();
  d.pass(milliseconds(999));
  EXPECT_FALSE(d.exit);
  d.pass(milliseconds(1));
  ASSERT_TRUE(d.exit);
  EXPECT_EQ(d.exit->status, 0);
  EXPECT_EQ(d.all_sent<wire::Goodbye>().size(), 1U);
}

TEST(WorkerCore, ASecondSignalEndsIt) {
  Driver d(options_for(1));
  d.register_and_load();
  d.batch(1);
  d.terminate();
  d.terminate();
  ASSERT_TRUE(d.exit);
  EXPECT_EQ(d.exit->status, 1);
  EXPECT_THAT(d.exit->reason, HasSubstr("1 batches unanswered"));
}

TEST(WorkerCore, ADrainHasAnEnd) {
  Driver d(options_for(1));
  d.register_and_load();
  d.batch(1);
  d.frame(wire::Drain{});
  d.pass(milliseconds(8999));
  EXPECT_FALSE(d.exit);
  d.pass(milliseconds(1));
  ASSERT_TRUE(d.exit);
  EXPECT_EQ(d.exit->status, 1);
}

TEST(WorkerCore, SigtermWithoutAGatewayOrWhileLoadingEndsAtOnce) {
  Driver away(options_for(1));
  away.terminate();
  ASSERT_TRUE(away.exit);
  EXPECT_EQ(away.exit->status, 0);

  Driver loading(options_for(1));
  loading.connect();
  loading.frame(wire::Registered{});
  loading.terminate();
  loading.frame(wire::Drain{});
  ASSERT_TRUE(loading.exit);
  EXPECT_THAT(loading.all_sent<wire::Ready>(), IsEmpty());
  EXPECT_EQ(loading.all_sent<wire::Goodbye>().size(), 1U);
}

TEST(WorkerCore, AGatewayLostWhileDrainingEndsIt) {
  Driver d(options_for(1));
  d.register_and_load();
  d.batch(1);
  d.frame(wire::Drain{});
  d.disconnect();
  ASSERT_TRUE(d.exit);
  EXPECT_EQ(d.exit->status, 0);
}

TEST(WorkerCore, AModelThatCannotBeLoadedEndsItWithStatusOne) {
  Driver d(options_for(1));
  d.connect();
  d.core.load_failed("no such file", d.now);
  d.take();
  ASSERT_TRUE(d.exit);
  EXPECT_EQ(d.exit->status, 1);
  EXPECT_THAT(d.exit->reason, HasSubstr("no such file"));
}

// --- CPU limit
// --------------------------------------------------------------------------------------

TEST(WorkerCore, FollowsItsCpuLimitWithCreditsAndThreads) {
  Driver d(options_for(8, 1.0));
  d.register_and_load();
  d.frame(wire::CpuLimit{.cpus = 3.9, .duty_cycle = false});
  EXPECT_EQ(d.resizes.back(), (Resize{{.calls = 3, .threads = 1}, 3.9, false}));
  EXPECT_EQ(d.all_sent<wire::Credits>().at(0).credits, 3U);
  const int reads = d.limit_reads;
  d.frame(wire::CpuLimit{.cpus = 3.2, .duty_cycle = false});
  EXPECT_EQ(d.all_sent<wire::Credits>().size(), 1U) << "still three";
  EXPECT_EQ(d.limit_reads, reads + 1) << "the reading at hand may be older than the frame";

  CoreOptions options = options_for(8, 1.0);
  options.mode = Mode::Latency;
  Driver latency(options);
  latency.register_and_load();
  latency.frame(wire::CpuLimit{.cpus = 3.9, .duty_cycle = false});
  EXPECT_EQ(latency.resizes.back(), (Resize{{.calls = 1, .threads = 3}, 3.9, false}));
  EXPECT_THAT(latency.all_sent<wire::Credits>(), IsEmpty());
}

TEST(WorkerCore, SeesALimitThatWasChangedFromOutside) {
  Driver d(options_for(8, 1.0));
  d.register_and_load();
  const int reads = d.limit_reads;
  d.pass(seconds(3));
  EXPECT_EQ(d.limit_reads, reads + 3) << "once a second";
  d.core.cgroup_limit(4.0, d.now);
  d.take();
  EXPECT_EQ(d.core.credits(), 4);
  EXPECT_EQ(d.all_sent<wire::Credits>().at(0).credits, 4U);
  const auto resizes = d.resizes.size();
  d.core.cgroup_limit(4.0, d.now);
  d.take();
  EXPECT_EQ(d.resizes.size(), resizes) << "nothing new, nothing to do";
}

TEST(WorkerCore, FewerCreditsLetRunningWorkFinish) {
  Driver d(options_for(2));
  d.register_and_load();
  d.batch(1);
  d.batch(2);
  d.frame(wire::CpuLimit{.cpus = 0.5, .duty_cycle = false});
  EXPECT_EQ(d.core.running_jobs(), 2U);
  d.batch(3);
  d.finish_job();
  EXPECT_EQ(d.jobs.size(), 1U) << "one still runs, so batch 3 waits";
  d.finish_job();
  EXPECT_EQ(d.jobs.size(), 1U);
  d.finish_job();
  EXPECT_EQ(d.all_sent<wire::BatchResult>().size(), 3U);
}

TEST(WorkerCore, KeepsToItsLimitByDutyCycle) {
  Driver d(options_for(2));
  d.register_and_load();
  d.frame(wire::CpuLimit{.cpus = 0.3, .duty_cycle = true});
  ASSERT_TRUE(d.core.duty_cycling());
  // Saturated with calls of 45 ms of CPU for 30 s: it may use 0.3 of them.
  Duration cpu{0};
  d.core.cpu_time(cpu, d.now);
  const TimePoint begin = d.now;
  int answered = 0;
  int wakes = 0;
  std::uint64_t id = 1;
  d.batch(id);
  while (d.now - begin < seconds(30)) {
    if (d.jobs.empty()) {
      d.now = std::max(d.now, d.core.next_wake(d.now));
      ASSERT_LT(++wakes, 1000) << "it wakes over and over";
      d.core.cpu_time(cpu, d.now);
      d.core.tick(d.now);
      d.frame(wire::Ping{});
      continue;
    }
    d.now += milliseconds(45);
    cpu += milliseconds(45);
    d.core.cpu_time(cpu, d.now);
    d.finish_job();
    ++answered;
    d.batch(++id);
  }
  EXPECT_NEAR(answered * 0.045 / 30.0, 0.3, 0.003);
  EXPECT_GT(d.core.stats().duty_pauses, 190U);
  // Raised while it pauses: it goes on at once.
  d.frame(wire::CpuLimit{.cpus = 0.0, .duty_cycle = false});
  EXPECT_EQ(d.jobs.size(), 1U);
}

TEST(WorkerCore, WakingUpDoesNotProlongThePauseOfTheDutyCycle) {
  Driver d(options_for(2));
  d.register_and_load();
  d.frame(wire::CpuLimit{.cpus = 0.1, .duty_cycle = true});
  Duration cpu{0};
  d.core.cpu_time(cpu, d.now);
  d.batch(1);
  d.now += milliseconds(40);
  cpu += milliseconds(40);
  d.core.cpu_time(cpu, d.now);
  d.finish_job();
  d.batch(2);
  ASSERT_TRUE(d.jobs.empty()) << "it pauses";
  const TimePoint begin = d.now;
  int wakes = 0;
  while (d.jobs.empty()) {
    ASSERT_LT(++wakes, 10) << "what a wake-up costs is paid by the next pause, and so on";
    d.now = std::max(d.now, d.core.next_wake(d.now));
    cpu += std::chrono::microseconds(100);  // of each wake-up, on a slow machine
    d.core.cpu_time(cpu, d.now);
    d.core.tick(d.now);
    d.frame(wire::Ping{});
  }
  EXPECT_GE(d.now - begin, milliseconds(300)) << "30 ms are owed at 0.1 CPU";
  EXPECT_LE(d.now - begin, milliseconds(320));
}

TEST(WorkerCore, LoadingIsNotChargedToTheDutyCycle) {
  Driver d(options_for(1));
  d.connect();
  d.frame(wire::Registered{});
  d.frame(wire::CpuLimit{.cpus = 0.1, .duty_cycle = true});
  d.core.cpu_time(milliseconds(10), d.now);
  d.pass(seconds(1));
  d.core.cpu_time(milliseconds(910), d.now);
  d.load();
  d.core.cpu_time(milliseconds(911), d.now);
  d.batch(1);
  EXPECT_EQ(d.jobs.size(), 1U);
}

}  // namespace
}  // namespace spate::worker
