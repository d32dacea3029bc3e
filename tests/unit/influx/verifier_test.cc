// SPDX-License-Identifier: Apache-2.0
#include "spate/influx/verifier.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

namespace spate::influx {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr RequestIds::Key kKey{11, 22};

Expected class_expected(const std::string& predicted, const std::string& label) {
  Expected e;
  e.predicted_class = predicted;
  e.label_class = label;
  return e;
}

// One model "m" with two samples (predicted a, b; labelled a, a), SLO 100 ms, requests at the
// given milliseconds, sample = number modulo 2.
class VerifierTest : public ::testing::Test {
 protected:
  void make(const std::vector<int>& at_ms, Duration duration = seconds(30)) {
    schedule_.models = {{"m", 2}};
    schedule_.warm_up = seconds(5);
    schedule_.duration = duration;
    for (std::size_t i = 0; i < at_ms.size(); ++i) {
      schedule_.requests.push_back({milliseconds(at_ms[i]), 0, static_cast<std::uint32_t>(i % 2)});
    }
    CheckedModel model{milliseconds(100), {class_expected("a", "a"), class_expected("b", "a")}};
    verifier_.emplace(schedule_, std::vector{model}, RequestIds(kKey));
  }
  void send(std::size_t i, Duration lag = Duration{0}) {
    verifier_->sent(i, schedule_.requests[i].at + lag);
  }
  // An answer `after` the intended send.
  void answer(std::size_t i, const std::string& payload, Duration after = milliseconds(10)) {
    verifier_->answer(verifier_->ids().correlation(i), payload, schedule_.requests[i].at + after);
  }
  const Tally& tally() { return verifier_->tally(0); }

  Schedule schedule_;
  std::optional<Verifier> verifier_;
};

TEST_F(VerifierTest, InTimeUpToTheSloFromTheIntendedSend) {
  make({0, 100, 200});
  for (const std::size_t i : {0U, 1U, 2U}) send(i, milliseconds(20));
  answer(0, R"({"class":"a"})", milliseconds(100));
  answer(1, R"({"class":"b"})", milliseconds(100) + Duration{1});
  answer(2, R"({"class":"a"})", milliseconds(30));
  verifier_->finish();
  EXPECT_EQ(tally().answered, 3U);
  EXPECT_EQ(tally().in_time, 2U);
  EXPECT_EQ(tally().late, 1U);
  EXPECT_EQ(tally().wrong, 0U);
  EXPECT_DOUBLE_EQ(verifier_->report(0).slo_attainment(), 2.0 / 3.0);
  EXPECT_EQ(verifier_->report(0).latency.max(), milliseconds(100) + Duration{1});
  EXPECT_EQ(verifier_->report(0).latency_from_sent.min(), milliseconds(10));
  EXPECT_EQ(verifier_->report(0).lag.count(), 3U);
  EXPECT_EQ(verifier_->report(0).lag.max(), milliseconds(20));
}

TEST_F(VerifierTest, WrongIsAgainstThePredictionAndCorrectAgainstTheLabel) {
  make({0, 1, 2, 3});
  for (std::size_t i = 0; i < 4; ++i) send(i);
  answer(0, R"({"class":"a"})");       // as predicted, as labelled
  answer(1, R"({"class":"b"})");       // as predicted, unlike the label
  answer(2, R"({"class":"c"})");       // unlike both
  answer(3, R"({"prediction":1.0})");  // a number where a class belongs
  EXPECT_EQ(tally().compared, 4U);
  EXPECT_EQ(tally().wrong, 2U);
  EXPECT_EQ(tally().labelled, 3U);
  EXPECT_EQ(tally().correct, 1U);
  EXPECT_EQ(tally().in_time, 4U) << "a wrong answer in time is in time";
  const auto& samples = verifier_->report(0).wrong_samples;
  ASSERT_EQ(samples.size(), 2U);
  EXPECT_EQ(samples[0], R"(expected class "a": {"class":"c"})");
}

TEST_F(VerifierTest, ValuesAreComparedToATolerance) {
  schedule_.models = {{"m", 1}};
  schedule_.duration = seconds(1);
  for (int i = 0; i < 3; ++i) schedule_.requests.push_back({milliseconds(i), 0, 0});
  Expected e;
  e.predicted_value = 500.0;
  e.label_value = 510.0;
  verifier_.emplace(schedule_, std::vector{CheckedModel{milliseconds(100), {e}}}, RequestIds(kKey));
  for (std::size_t i = 0; i < 3; ++i) send(i);
  answer(0, R"({"prediction":500.4})");
  answer(1, R"({"prediction":500.6})");
  answer(2, R"({"class":"500"})");
  EXPECT_EQ(tally().wrong, 2U);
  EXPECT_EQ(tally().labelled, 0U) << "accuracy is of classes";
  EXPECT_EQ(verifier_->report(0).value_labelled, 2U);
  EXPECT_NEAR(verifier_->report(0).absolute_error_sum, 9.6 + 9.4, 1e-9);
}

TEST_F(VerifierTest, RejectedExpiredShedAndRefusedAreApart) {
  make({0, 1, 2, 3, 4, 5});
  for (std::size_t i = 0; i < 5; ++i) send(i);
  answer(0, R"({"error":"overloaded","message":"full"})");
  answer(1, R"({"error":"expired"})");
  answer(2, R"({"error":"who knows"})");
  verifier_->refused_by_broker(3);
  verifier_->refused_by_broker(3);  // told twice, counted once
  answer(4, R"({"class":"a"})");
  verifier_->refused_by_broker(4);  // too late: it has its answer
  verifier_->shed(5);
  verifier_->finish();
  EXPECT_EQ(tally().rejected[static_cast<std::size_t>(Rejection::Overloaded)], 1U);
  EXPECT_EQ(tally().rejected[static_cast<std::size_t>(Rejection::Other)], 1U);
  EXPECT_EQ(tally().rejected[static_cast<std::size_t>(Rejection::RefusedByBroker)], 1U);
  EXPECT_EQ(tally().expired, 1U);
  EXPECT_EQ(tally().shed, 1U);
  EXPECT_EQ(tally().sent, 5U);
  EXPECT_EQ(tally().answered, 1U);
  EXPECT_EQ(tally().wrong, 0U);
  EXPECT_EQ(verifier_->report(0).latency.count(), 1U) << "only answers have a latency";
  EXPECT_DOUBLE_EQ(verifier_->report(0).slo_attainment(), 1.0 / 6.0);
}

TEST_F(VerifierTest, MalformedIsWrongAndNotInTime) {
  make({0, 1, 2});
  for (std::size_t i = 0; i < 3; ++i) send(i);
  answer(0, "{oops");
  answer(1, "{\"id\":\"" + verifier_->ids().text(0) + "\",\"class\":\"b\"}");  // another's id
  answer(2, "{\"id\":\"" + verifier_->ids().text(2) + "\",\"class\":\"a\"}");
  verifier_->finish();
  EXPECT_EQ(tally().answered, 3U);
  EXPECT_EQ(tally().malformed, 2U);
  EXPECT_EQ(tally().wrong, 2U);
  EXPECT_EQ(tally().in_time, 1U);
  EXPECT_THAT(verifier_->report(0).wrong_samples[0], "not valid JSON: {oops");
}

TEST_F(VerifierTest, KeepsAFewSamplesOfBoundedLength) {
  std::vector<int> at(20, 0);
  make(at);
  for (std::size_t i = 0; i < 20; ++i) {
    send(i);
    answer(i, std::string(5000, 'x'));
  }
  EXPECT_EQ(verifier_->report(0).wrong_samples.size(), Verifier::kSamplesKept);
  EXPECT_LT(verifier_->report(0).wrong_samples[0].size(), 300U);
}

TEST_F(VerifierTest, DuplicatesAndStrangersAreCountedApart) {
  make({0, 1});
  send(0);
  answer(0, R"({"class":"a"})");
  answer(0, R"({"class":"a"})");
  answer(0, R"({"error":"expired"})");
  answer(1, R"({"class":"b"})");  // never sent
  verifier_->answer("0123456789abcdef", "{}", seconds(1));
  verifier_->answer("", "{}", seconds(1));
  verifier_->answer(RequestIds({1, 2}).correlation(0), "{}", seconds(1));
  verifier_->finish();
  EXPECT_EQ(tally().duplicate, 2U);
  EXPECT_EQ(tally().answered, 1U);
  EXPECT_EQ(tally().expired, 0U);
  EXPECT_EQ(tally().unsent, 1U);
  EXPECT_EQ(verifier_->unknown_answers(), 4U);
  EXPECT_DOUBLE_EQ(verifier_->report(0).slo_attainment(), 1.0) << "what was not due does not count";
}

TEST_F(VerifierTest, TheWarmUpCountsOnlyWhenLost) {
  make({-3000, -2000, -1, 0});
  for (std::size_t i = 0; i < 4; ++i) send(i, milliseconds(50));
  answer(0, "{oops");
  answer(3, R"({"class":"b"})");
  EXPECT_EQ(verifier_->outstanding(), 2U);
  verifier_->finish();
  EXPECT_EQ(tally().planned, 1U);
  EXPECT_EQ(tally().sent, 1U);
  EXPECT_EQ(tally().wrong, 0U);
  EXPECT_EQ(tally().lost, 0U);
  EXPECT_EQ(verifier_->report(0).lost_in_warm_up, 2U);
  EXPECT_EQ(verifier_->report(0).lag.count(), 1U);
  EXPECT_EQ(verifier_->outstanding(), 0U);
}

TEST_F(VerifierTest, SecondsAreOfTheIntendedSendAndExact) {
  std::vector<int> at;
  for (int i = 0; i < 100; ++i) at.push_back(1000 + i);
  at.push_back(1999);
  at.push_back(2000);
  make(at, milliseconds(2500));
  EXPECT_EQ(verifier_->seconds(), 3U);
  for (std::size_t i = 0; i < at.size(); ++i) send(i, milliseconds(i == 100 ? 40 : 1));
  for (std::size_t i = 0; i < 100; ++i) answer(i, R"({"class":"a"})", milliseconds(i + 1));
  SecondReport second = verifier_->second(0, 1);
  EXPECT_EQ(second.tally.planned, 101U);
  EXPECT_EQ(second.p50, milliseconds(50)) << "before it is settled, of what is known";
  answer(100, R"({"class":"a"})", seconds(3));  // arrives in the settling time
  verifier_->finish();
  second = verifier_->second(0, 1);
  EXPECT_EQ(second.p50, milliseconds(51));
  EXPECT_EQ(second.p99, milliseconds(100));
  EXPECT_EQ(second.lag_p99, milliseconds(1));
  EXPECT_EQ(second.tally.in_time, 100U);
  EXPECT_EQ(second.tally.late, 1U);
  EXPECT_EQ(verifier_->second(0, 2).tally.lost, 1U);
  EXPECT_EQ(verifier_->second(0, 0).tally, Tally{});
}

TEST_F(VerifierTest, OfferedCountsPlansByIntentAndSendsByTheirTime) {
  make({0, 9999, 10000, 19999}, seconds(25));
  send(0);
  send(1, milliseconds(2));  // slips into the next stretch
  send(2);
  send(3, seconds(10));  // after the end of the window
  const auto& offered = verifier_->report(0).offered;
  ASSERT_EQ(offered.size(), 3U);
  EXPECT_EQ(offered[0].planned, 2U);
  EXPECT_EQ(offered[0].sent, 1U);
  EXPECT_EQ(offered[1].planned, 2U);
  EXPECT_EQ(offered[1].sent, 2U);
  EXPECT_EQ(offered[2].to_s, 25.0);
  EXPECT_EQ(offered[2].sent, 0U);
}

TEST_F(VerifierTest, RecentIsOfTheTimeSinceTheLastCall) {
  make({0, 1, 2});
  for (std::size_t i = 0; i < 3; ++i) send(i);
  answer(0, R"({"class":"a"})", milliseconds(7));
  EXPECT_EQ(verifier_->take_recent(0).p99, milliseconds(7));
  EXPECT_EQ(verifier_->take_recent(0).answered, 0U);
  answer(1, R"({"class":"b"})", milliseconds(9));
  answer(2, R"({"error":"overloaded"})");
  const auto recent = verifier_->take_recent(0);
  EXPECT_EQ(recent.answered, 1U);
  EXPECT_EQ(recent.p99, milliseconds(9));
}

// Whatever happens in whatever order, each request ends in one class, the seconds sum to the
// window and the window to the plan.
TEST(VerifierProperty, EveryRequestEndsInExactlyOneClass) {
  const char* const kAnswers[] = {R"({"class":"a"})",        R"({"class":"z"})",
                                  R"({"prediction":3})",     R"({"error":"overloaded"})",
                                  R"({"error":"expired"})",  R"({"error":"bad_input"})",
                                  R"({"error":"nonsense"})", "garbage"};
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    Rng rng(seed, "property");
    Schedule schedule;
    schedule.models = {{"m", 1}, {"n", 2}};
    schedule.warm_up = seconds(1);
    schedule.duration = seconds(4);
    std::int64_t at = -1'000'000'000;
    while (at < 3'900'000'000) {
      schedule.requests.push_back({Duration{at}, static_cast<std::uint32_t>(rng.below(2)), 0});
      at += static_cast<std::int64_t>(rng.below(20'000'000));
    }
    Verifier verifier(schedule, {CheckedModel{milliseconds(50), {class_expected("a", "a")}}, {}},
                      RequestIds(kKey));
    for (int step = 0; step < 3000; ++step) {
      // Each request is sent or shed at most once, as by a generator, but answers come as they
      // like.
      static std::vector<int> state;
      if (step == 0) state.assign(schedule.requests.size(), 0);
      const auto i = static_cast<std::size_t>(rng.below(schedule.requests.size()));
      if (state[i] == 0 && rng.below(3) > 0) {
        state[i] = 1;
        if (rng.below(10) == 0) {
          verifier.shed(i);
        } else {
          verifier.sent(
              i, schedule.requests[i].at + Duration{static_cast<std::int64_t>(rng.below(9))});
        }
      } else if (state[i] == 1 && rng.below(20) == 0) {
        verifier.refused_by_broker(i);
      } else {
        verifier.answer(verifier.ids().correlation(i), kAnswers[rng.below(8)],
                        schedule.requests[i].at + milliseconds(rng.below(100)));
      }
    }
    verifier.finish();
    std::size_t planned = 0;
    for (std::size_t m = 0; m < 2; ++m) {
      const Tally& window = verifier.tally(m);
      EXPECT_TRUE(window.conserved());
      EXPECT_EQ(window.answered, window.in_time + window.late + window.malformed);
      EXPECT_EQ(window.planned, window.sent + window.shed + window.unsent);
      EXPECT_LE(window.wrong, window.answered);
      Tally sum;
      for (std::size_t s = 0; s < verifier.seconds(); ++s) sum += verifier.second(m, s).tally;
      EXPECT_EQ(sum, window);
      planned += window.planned;
    }
    EXPECT_EQ(planned, schedule.requests.size() - schedule.warm_up_requests());
    EXPECT_EQ(verifier.outstanding(), 0U);
  }
}

}  // namespace
}  // namespace spate::influx
