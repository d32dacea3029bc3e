// SPDX-License-Identifier: Apache-2.0
#include "spate/influx/influx_metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace spate::influx {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::HasSubstr;

// Ten requests a second for two seconds, after a warm-up of one request.
class InfluxMetricsTest : public ::testing::Test {
 protected:
  InfluxMetricsTest() {
    schedule_.models = {{"m", 1}};
    schedule_.warm_up = seconds(1);
    schedule_.duration = seconds(2);
    schedule_.requests.push_back({milliseconds(-500), 0, 0});
    for (int i = 0; i < 20; ++i) schedule_.requests.push_back({milliseconds(100 * i), 0, 0});
    verifier_.emplace(schedule_, std::vector{CheckedModel{milliseconds(100), {}}},
                      RequestIds(RequestIds::Key{11, 22}));
    plan_.duration_s = 2.0;
    ModelPlan model;
    model.name = "m";
    model.slo_latency = milliseconds(100);
    model.profile = std::make_shared<const Profile>(Profile::constant(10.0, 2.0));
    plan_.models.push_back(model);
    influx_.emplace(metrics_, plan_);
  }
  void send(std::size_t i, Duration lag) { verifier_->sent(i, schedule_.requests[i].at + lag); }
  void answer(std::size_t i, Duration after) {
    verifier_->answer(verifier_->ids().correlation(i), R"({"prediction":1.0})",
                      schedule_.requests[i].at + after);
  }
  std::string text(double t_s) {
    influx_->update(*verifier_, t_s);
    return metrics_.text();
  }

  Schedule schedule_;
  Plan plan_;
  std::optional<Verifier> verifier_;
  telemetry::Metrics metrics_;
  std::optional<InfluxMetrics> influx_;
};

TEST_F(InfluxMetricsTest, CountsByHowRequestsEnded) {
  for (std::size_t i = 0; i <= 5; ++i) send(i, milliseconds(1));
  answer(0, milliseconds(5));    // of the warm-up: counts for nothing
  answer(1, milliseconds(100));  // exactly the objective
  answer(2, milliseconds(101));
  verifier_->refused_by_broker(3);
  verifier_->shed(6);
  const std::string out = text(0.7);
  const auto ended = [](const std::string& outcome, int n) {
    return HasSubstr("spate_influx_requests_total{model=\"m\",outcome=\"" + outcome + "\"} " +
                     std::to_string(n) + "\n");
  };
  EXPECT_THAT(out, ended("in_time", 1));
  EXPECT_THAT(out, ended("late", 1));
  EXPECT_THAT(out, ended("rejected", 1));
  EXPECT_THAT(out, ended("shed", 1));
  EXPECT_THAT(out, ended("lost", 0));
  EXPECT_THAT(out, HasSubstr("spate_influx_sent_requests_total{model=\"m\"} 5\n"));
  EXPECT_THAT(out, HasSubstr("spate_influx_outstanding_requests 2\n"));
  EXPECT_THAT(out, HasSubstr("spate_influx_window_time_seconds 0.7\n"));
}

TEST_F(InfluxMetricsTest, TheLagIsOfTheNewestSecondThatIsOver) {
  EXPECT_THAT(text(-0.5), HasSubstr("spate_influx_lag_limit_seconds 0.01\n"));
  for (std::size_t i = 1; i <= 10; ++i) send(i, milliseconds(2));
  for (std::size_t i = 11; i <= 20; ++i) send(i, milliseconds(30));
  const std::string lag = "spate_influx_lag_p99_seconds{model=\"m\"} ";
  EXPECT_THAT(text(0.9), HasSubstr(lag + "0\n"));
  EXPECT_THAT(text(1.5), HasSubstr(lag + "0.002\n"));
  EXPECT_THAT(text(2.1), HasSubstr(lag + "0.03\n"));
  EXPECT_THAT(text(9.0), HasSubstr(lag + "0.03\n")) << "while it settles";
}

TEST_F(InfluxMetricsTest, TheDemandIsThatOfTheProfileUntilItsEnd) {
  const std::string rate = "spate_influx_planned_requests_per_second{model=\"m\"} ";
  EXPECT_THAT(text(-1.0), HasSubstr(rate + "10\n"));
  EXPECT_THAT(text(1.9), HasSubstr(rate + "10\n"));
  EXPECT_THAT(text(2.5), HasSubstr(rate + "0\n"));
}

}  // namespace
}  // namespace spate::influx
