// SPDX-License-Identifier: Apache-2.0
//
// External strategies with real programs. Observations carry the time, so no test waits for any.
#include "spate/adapters/external_strategy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>

#include <nlohmann/json.hpp>

#include "spate/adapters/external_program.h"

namespace spate::adapters {
namespace {

using scaling::Observation;
using scaling::Target;
using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;

// A shell program that answers each line by what `answer` prints; $n is the line's number.
std::string shell(const std::string& answer) {
  return "n=0; while read -r line; do n=$((n+1)); " + answer + "; done";
}
const char* const kThree =
    R"(echo "{\"sequence\": $n, \"models\": [{\"model\": \"images\", \"replicas\": 3, \"reason\": \"three\"}]}")";

class ExternalStrategy : public testing::Test {
 protected:
  void make(const std::string& command, double time_limit_ms = 10'000.0,
            ExternalPace pace = ExternalPace::Simulated) {
    const auto options = ConfigReader::from_text(
        nlohmann::json{{"command", command}, {"time_limit_ms", time_limit_ms}}.dump(), "test");
    strategy_ = all_strategies(pace, faults_).make("external", options);
  }

  Target decide() {
    now_ += seconds(1);
    Observation seen{.now = now_, .models = {}};
    scaling::ModelView model;
    model.model = "images";
    model.wanted_replicas = 1;
    model.metrics.resize(strategy_->needs().metrics.size());
    for (std::size_t i = 0; i < model.metrics.size(); ++i) {
      if (strategy_->needs().metrics[i].name != "concurrency") continue;
      model.metrics[i].value = 9.0;
      model.metrics[i].newest = now_;
    }
    seen.models.push_back(std::move(model));
    return strategy_->decide(seen).at(0);
  }

  const std::shared_ptr<ExternalFaults> faults_ = std::make_shared<ExternalFaults>();
  std::unique_ptr<scaling::Strategy> strategy_;
  TimePoint now_{};
};

TEST_F(ExternalStrategy, TheExampleDecides) {
  make("python3 " SPATE_SOURCE_DIR "/examples/queue_length.py");
  const Target target = decide();
  EXPECT_EQ(target.replicas, 3) << target.reason;
  EXPECT_EQ(target.reason, "9 requests, four for each replica");
  EXPECT_EQ(faults_->late + faults_->silent + faults_->invalid + faults_->dead, 0U);
}

TEST_F(ExternalStrategy, ASilentProgramIsCountedAndTheLastDecisionHeld) {
  make(shell(std::string("[ $n -gt 1 ] || ") + kThree), 50.0);
  EXPECT_EQ(decide().replicas, 3);
  Target held = decide();  // asked, not answered within the limit
  EXPECT_EQ(held.replicas, 3);
  held = decide();
  EXPECT_EQ(held.replicas, 3) << "the last decision stays in force";
  EXPECT_THAT(held.reason, HasSubstr("misbehaved: no answer within 0.05 s"));
  EXPECT_EQ(faults_->silent, 1U);
  EXPECT_EQ(faults_->invalid, 0U);
  for (int tick = 0; tick < 4; ++tick) held = decide();
  EXPECT_EQ(faults_->dead, 1U) << "five in a row: it is taken for dead";
  EXPECT_EQ(held.replicas, 3);
}

TEST_F(ExternalStrategy, AnAnswerToAnEarlierObservationIsLate) {
  make(shell(R"(echo "{\"sequence\": $((n-1)), \"models\": []}")"), 50.0);
  const Target held = decide();
  EXPECT_EQ(held.replicas, 1);
  EXPECT_THAT(held.reason, HasSubstr("too late"));
  EXPECT_EQ(faults_->late, 1U);
}

TEST_F(ExternalStrategy, WhatIsNotADecisionIsQuotedAndHeld) {
  make(shell(std::string("if [ $n = 1 ]; then ") + kThree + "; else echo scale it up; fi"), 50.0);
  EXPECT_EQ(decide().replicas, 3);
  const Target held = decide();
  EXPECT_EQ(held.replicas, 3);
  EXPECT_THAT(held.reason, HasSubstr("scale it up"));
  EXPECT_EQ(faults_->invalid, 1U);
}

TEST_F(ExternalStrategy, ADeadProgramIsHeldStartedAgainAndDecidesAgain) {
  // Ends after its first answer, each time with status 3.
  make(std::string(
           "read -r line; n=$(echo \"$line\" | sed 's/.*\"sequence\":\\([0-9]*\\).*/\\1/'); ") +
       kThree + "; exit 3");
  EXPECT_EQ(decide().replicas, 3);
  const Target held = decide();
  EXPECT_EQ(held.replicas, 3);
  EXPECT_THAT(held.reason, HasSubstr("exit status 3"));
  EXPECT_EQ(faults_->dead, 1U);
  Target again;
  for (int tick = 0; tick < 4; ++tick) {
    again = decide();
    if (again.reason == "three") break;
  }
  EXPECT_EQ(again.reason, "three") << "it was started again";
}

TEST_F(ExternalStrategy, ACommandThatDoesNotExistIsDeadAndTriedLessAndLessOften) {
  make("exec /does/not/exist");
  for (int tick = 0; tick < 20; ++tick) {
    const Target held = decide();
    EXPECT_EQ(held.replicas, 1);
    EXPECT_THAT(held.reason, HasSubstr("misbehaved"));
  }
  EXPECT_GE(faults_->dead, 3U);
  EXPECT_LE(faults_->dead, 6U) << "after 1, 2, 4, 8, 16 ticks";
}

TEST_F(ExternalStrategy, ALiveGatewayIsNotHeldUp) {
  // It never answers: the call returns though the time limit is ten minutes.
  make("cat > /dev/null", 600'000.0, ExternalPace::Live);
  EXPECT_THAT(decide().reason, HasSubstr("no decision of the program yet"));
  EXPECT_THAT(decide().reason, HasSubstr("no answer after 1.0 s"));
}

TEST_F(ExternalStrategy, NeedsACommand) {
  EXPECT_THROW((void)all_strategies().make("external", std::nullopt), std::exception);
}

TEST(ExternalProgram, EndsWithEverythingItStarted) {
  auto program = ExternalProgram::start("echo $$; cat & cat");
  ASSERT_TRUE(program);
  const auto line = program.value()->receive(seconds(10));
  ASSERT_TRUE(line) << line.error().message;
  ASSERT_TRUE(line.value());
  const pid_t pid = std::stoi(*line.value());
  program.value().reset();
  // Killed at once; whoever adopted the orphan may take a moment to bury it.
  for (int i = 0; i < 1000 && ::kill(-pid, 0) == 0; ++i) ::poll(nullptr, 0, 10);
  EXPECT_NE(::kill(-pid, 0), 0) << "a process of its group is still there";
}

TEST(ExternalProgram, ALineThatNeverEndsIsAnError) {
  auto program = ExternalProgram::start("head -c 3000000 /dev/zero | tr '\\0' x; cat");
  ASSERT_TRUE(program);
  const auto line = program.value()->receive(seconds(20));
  ASSERT_FALSE(line);
  EXPECT_THAT(line.error().message, HasSubstr("1 MiB"));
}

}  // namespace
}  // namespace spate::adapters
