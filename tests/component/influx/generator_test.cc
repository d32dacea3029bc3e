// SPDX-License-Identifier: Apache-2.0
//
// Generator and Verifier against a real mosquitto and a peer that answers as each test says.
#include "spate/influx/generator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "responder.h"
#include "spate/influx/schedule.h"
#include "spate/influx/verdict.h"
#include "spate/influx/verifier.h"
#include "testing/broker_fixture.h"

namespace spate::influx {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using test::Responder;
using ::testing::HasSubstr;
using Reply = Responder::Reply;

Expected predicted(const std::string& name) {
  Expected e;
  e.predicted_class = e.label_class = name;
  return e;
}

// One model "m" with two samples, "a" and "b", each predicted and labelled as itself.
struct Bench {
  explicit Bench(double rate_per_s, double duration_s, double warm_up_s = 0.0,
                 ArrivalOptions arrivals = {ArrivalOptions::Kind::Even},
                 test::BrokerOptions broker_options = {})
      : broker(std::move(broker_options)) {
    ScheduleOptions plan{1, 0, warm_up_s, duration_s, {}};
    plan.models.push_back(
        {"m", 2, std::make_shared<const Profile>(Profile::constant(rate_per_s, duration_s)),
         arrivals});
    schedule = make_schedule(plan);
    options.linger = milliseconds(50);
  }

  // Runs the schedule to its end and returns the outcome.
  Status run(Responder* responder) {
    if (responder != nullptr) {
      EXPECT_TRUE(loop.run_until([&] { return responder->ready(); }));
    }
    verifier.emplace(schedule, std::vector{CheckedModel{slo, {predicted("a"), predicted("b")}}},
                     RequestIds(RequestIds::random_key()));
    LoadModel model{"spate/v1/infer/m",
                    milliseconds(400),
                    {{"application/json", "{\"sample\":\"a\"}"}, {"image/jpeg", "b"}}};
    generator.emplace(loop.io, loop.clock, options, schedule, std::vector{model}, *verifier);
    std::optional<Status> outcome;
    generator->start([&](Status status) { outcome = std::move(status); });
    EXPECT_TRUE(loop.run_until([&] {
      if (each_turn) each_turn();
      return outcome.has_value();
    }));
    return outcome.value_or(Error{ErrorCode::Timeout, "the run did not end"});
  }
  const Tally& tally() { return verifier->tally(0); }

  test::BrokerFixture broker;
  test::Loop loop;
  Schedule schedule;
  Duration slo = seconds(2);
  GeneratorOptions options{.port = broker.port()};
  std::function<void()> each_turn;
  std::optional<Verifier> verifier;
  std::optional<Generator> generator;
};

Reply right(const mqtt::Message& request) {
  return {.body = std::string(R"({"id":"$ID","class":")") + (request.payload == "b" ? "b" : "a") +
                  "\"}"};
}

TEST(Generator, EveryRequestIsPublishedByTheContractAndAnswered) {
  Bench bench(200.0, 1.0, 0.5);
  Responder responder(bench.loop, bench.broker.port(), "m",
                      [](const mqtt::Message& request, std::size_t) { return right(request); });
  ASSERT_TRUE(bench.run(&responder).has_value());
  EXPECT_EQ(bench.tally().planned, 200U);
  EXPECT_EQ(bench.tally().sent, 200U);
  EXPECT_EQ(bench.tally().in_time, 200U);
  EXPECT_EQ(bench.tally().compared, 200U);
  EXPECT_EQ(bench.tally().wrong, 0U);
  EXPECT_EQ(bench.tally().correct, 200U);
  EXPECT_EQ(bench.tally().lost, 0U);
  EXPECT_EQ(bench.tally().duplicate, 0U);
  EXPECT_EQ(bench.verifier->unknown_answers(), 0U);
  EXPECT_EQ(bench.verifier->report(0).lost_in_warm_up, 0U);
  EXPECT_EQ(bench.generator->report().no_subscribers, 0U);
  EXPECT_FALSE(bench.generator->report().stopped_early);
  EXPECT_GT(bench.generator->report().elapsed_s, 1.5);

  ASSERT_EQ(responder.requests.size(), 300U) << "the warm-up too";
  std::set<std::string> ids;
  std::set<std::string> correlations;
  for (const mqtt::Message& request : responder.requests) {
    EXPECT_EQ(request.qos, mqtt::Qos::AtLeastOnce);
    EXPECT_THAT(request.response_topic, HasSubstr("spate/v1/result/"));
    EXPECT_EQ(request.content_type, request.payload == "b" ? "image/jpeg" : "application/json");
    ASSERT_NE(request.user_property("deadline_ms"), nullptr);
    EXPECT_EQ(*request.user_property("deadline_ms"), "400");
    ASSERT_NE(request.user_property("sent_unix_us"), nullptr);
    const double sent_s = std::stod(*request.user_property("sent_unix_us")) * 1e-6;
    EXPECT_NEAR(sent_s, to_unix_s(bench.loop.clock.wall_now()), 30.0);
    ids.insert(*request.user_property("id"));
    correlations.insert(request.correlation_data);
  }
  EXPECT_EQ(ids.size(), 300U);
  EXPECT_EQ(correlations.size(), 300U);
}

TEST(Generator, Qos0WorksToo) {
  Bench bench(100.0, 0.5);
  bench.options.qos = mqtt::Qos::AtMostOnce;
  Responder responder(bench.loop, bench.broker.port(), "m",
                      [](const mqtt::Message& request, std::size_t) { return right(request); });
  ASSERT_TRUE(bench.run(&responder).has_value());
  EXPECT_EQ(bench.tally().in_time, 50U);
  EXPECT_EQ(responder.requests.at(0).qos, mqtt::Qos::AtMostOnce);
}

// Each behaviour has its own share of the requests; every counter must come out exactly.
TEST(Generator, EveryKindOfAnswerHasItsCounter) {
  Bench bench(200.0, 1.0);
  bench.slo = milliseconds(250);
  bench.options.settle = milliseconds(700);
  Responder responder(
      bench.loop, bench.broker.port(), "m", [](const mqtt::Message& request, std::size_t n) {
        Reply reply = right(request);
        switch (n % 10) {
          case 0:
            reply.body = R"({"id":"$ID","class":"z"})";
            break;
          case 1:
            reply.after = milliseconds(350);  // late
            break;
          case 2:
            reply.copies = 0;  // lost
            break;
          case 3:
            reply.copies = 3;  // two duplicates
            break;
          case 4:
            reply.body = R"({"id":"$ID","error":"overloaded","message":"queue is full"})";
            break;
          case 5:
            reply.body = R"({"id":"$ID","error":"expired","message":"too late"})";
            break;
          case 6:
            reply.body = R"({"id":"$ID","class")";
            break;
          case 7:
            reply.correlation = "no request of yours";  // so its own request is lost
            break;
          default:
            break;
        }
        return reply;
      });
  ASSERT_TRUE(bench.run(&responder).has_value());
  const Tally& t = bench.tally();
  EXPECT_EQ(t.planned, 200U);
  EXPECT_EQ(t.sent, 200U);
  EXPECT_EQ(t.answered, 120U);  // wrong 20, late 20, duplicated 20, malformed 20, right 40
  EXPECT_EQ(t.malformed, 20U);
  EXPECT_EQ(t.late, 20U);
  EXPECT_EQ(t.in_time, 80U);
  EXPECT_EQ(t.wrong, 40U);  // 20 of another class, 20 malformed
  EXPECT_EQ(t.compared, 100U);
  EXPECT_EQ(t.labelled, 100U);
  EXPECT_EQ(t.correct, 80U);
  EXPECT_EQ(t.rejected[static_cast<std::size_t>(Rejection::Overloaded)], 20U);
  EXPECT_EQ(t.rejected_total(), 20U);
  EXPECT_EQ(t.expired, 20U);
  EXPECT_EQ(t.duplicate, 40U);
  EXPECT_EQ(t.lost, 40U);
  EXPECT_EQ(bench.verifier->unknown_answers(), 20U);
  EXPECT_DOUBLE_EQ(bench.verifier->report(0).slo_attainment(), 0.4);
  const ModelReport& report = bench.verifier->report(0);
  EXPECT_GE(report.latency.max(), milliseconds(350));
  EXPECT_GE(report.latency.max(), report.latency_from_sent.max());
}

TEST(Generator, NobodyThereIsSaidAndLost) {
  Bench bench(50.0, 0.4);
  bench.options.settle = milliseconds(100);
  ASSERT_TRUE(bench.run(nullptr).has_value());
  EXPECT_EQ(bench.tally().lost, 20U);
  EXPECT_EQ(bench.generator->report().no_subscribers, 20U);
}

TEST(Generator, NoBrokerIsAnErrorThatNamesIt) {
  Bench bench(50.0, 0.4);
  bench.broker.stop();
  bench.options.connect_timeout = milliseconds(300);
  const Status status = bench.run(nullptr);
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(status.error().code, ErrorCode::Unavailable);
  EXPECT_THAT(status.error().message,
              HasSubstr("127.0.0.1:" + std::to_string(bench.broker.port())));
  EXPECT_EQ(bench.tally().unsent, 20U);
}

// A broker that does not read holds nothing up: the requests leave on time into the outbox, its
// delay is in the latency, and the lag stays that of the generator.
TEST(Generator, ABrokerThatStandsStillIsLatencyNotLag) {
  Bench bench(100.0, 1.2);
  bool frozen = false;
  bool thawed = false;
  bench.each_turn = [&] {
    const Duration t = bench.generator->time();
    if (!frozen && t > milliseconds(200)) {
      bench.broker.freeze();
      frozen = true;
    }
    if (!thawed && t > milliseconds(800)) {
      bench.broker.thaw();
      thawed = true;
    }
  };
  Responder responder(bench.loop, bench.broker.port(), "m",
                      [](const mqtt::Message& request, std::size_t) { return right(request); });
  ASSERT_TRUE(bench.run(&responder).has_value());
  EXPECT_TRUE(thawed);
  EXPECT_EQ(bench.tally().sent, 120U);
  EXPECT_EQ(bench.tally().lost, 0U);
  const ModelReport& report = bench.verifier->report(0);
  EXPECT_GT(report.latency.max(), milliseconds(400));
  EXPECT_LT(report.lag.quantile(0.99), milliseconds(200));
}

TEST(Generator, ABrokerThatComesBackLosesNothingOfQos1) {
  Bench bench(100.0, 1.0, 0.0, {ArrivalOptions::Kind::Even}, {.persistence = true});
  bench.slo = seconds(10);
  int restarts = 0;
  bench.each_turn = [&] {
    if (restarts == 0 && bench.generator->time() > milliseconds(300)) {
      ++restarts;
      bench.broker.restart();
    }
  };
  Responder responder(bench.loop, bench.broker.port(), "m",
                      [](const mqtt::Message& request, std::size_t) { return right(request); });
  ASSERT_TRUE(bench.run(&responder).has_value());
  EXPECT_EQ(restarts, 1);
  EXPECT_GE(bench.generator->report().disconnects, 1U);
  const Tally& t = bench.tally();
  EXPECT_EQ(t.sent, 100U) << "the outbox holds what the broker cannot take yet";
  EXPECT_EQ(t.answered, 100U);
  EXPECT_EQ(t.lost, 0U);
}

TEST(Generator, AFullOutboxIsShedNotDelayed) {
  Bench bench(500.0, 0.5);
  bench.options.max_outbox_messages = 5;
  bench.options.settle = milliseconds(200);
  bool frozen = false;
  bench.each_turn = [&] {
    if (!frozen && bench.generator->time() > milliseconds(100)) {
      bench.broker.freeze();
      frozen = true;
    }
    if (frozen && bench.generator->time() > milliseconds(500)) bench.broker.thaw();
  };
  Responder responder(bench.loop, bench.broker.port(), "m",
                      [](const mqtt::Message& request, std::size_t) { return right(request); });
  ASSERT_TRUE(bench.run(&responder).has_value());
  const Tally& t = bench.tally();
  EXPECT_GT(t.shed, 100U);
  EXPECT_EQ(t.planned, t.sent + t.shed);
  EXPECT_TRUE(t.conserved());
  VerdictInput input;
  input.models = {&bench.verifier->report(0)};
  input.tightest_slo = bench.slo;
  EXPECT_THAT(judge(input, {}).reasons, ::testing::Contains(HasSubstr("shed")));
}

TEST(Generator, StopSendsNoMoreAndStillSettles) {
  Bench bench(100.0, 30.0);
  bool stopped = false;
  bench.each_turn = [&] {
    if (!stopped && bench.generator->time() > milliseconds(300)) {
      bench.generator->stop();
      stopped = true;
    }
  };
  Responder responder(bench.loop, bench.broker.port(), "m",
                      [](const mqtt::Message& request, std::size_t) { return right(request); });
  ASSERT_TRUE(bench.run(&responder).has_value());
  const Tally& t = bench.tally();
  EXPECT_TRUE(bench.generator->report().stopped_early);
  EXPECT_GT(bench.generator->report().stopped_at_s, 0.29);
  EXPECT_EQ(t.planned, 3000U);
  EXPECT_GE(t.sent, 25U);
  EXPECT_EQ(t.answered, t.sent);
  EXPECT_EQ(t.unsent, t.planned - t.sent);
  EXPECT_DOUBLE_EQ(bench.verifier->report(0).slo_attainment(), 1.0);
}

// The same schedule, saved and loaded, puts the same samples on the wire in the same order.
TEST(Generator, AReplayEqualsTheOriginal) {
  std::vector<std::string> payloads[2];
  Schedule saved;
  for (auto& sent : payloads) {
    Bench bench(150.0, 0.6, 0.0, {ArrivalOptions::Kind::Gamma, 3.0});
    if (saved.requests.empty()) {
      saved = bench.schedule;
    } else {
      bench.schedule = parse_schedule(schedule_text(saved), "saved.csv");
    }
    Responder responder(bench.loop, bench.broker.port(), "m",
                        [](const mqtt::Message& request, std::size_t) { return right(request); });
    ASSERT_TRUE(bench.run(&responder).has_value());
    EXPECT_EQ(bench.tally().in_time, saved.requests.size());
    for (const auto& request : responder.requests) sent.push_back(request.payload);
  }
  EXPECT_GT(payloads[0].size(), 20U);
  EXPECT_EQ(payloads[0], payloads[1]);
}

}  // namespace
}  // namespace spate::influx
