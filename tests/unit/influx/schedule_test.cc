// SPDX-License-Identifier: Apache-2.0
#include "spate/influx/schedule.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "spate/base/config_error.h"
#include "spate/base/sha256.h"

namespace spate::influx {
namespace {

using ::testing::HasSubstr;
using Kind = ArrivalOptions::Kind;

std::shared_ptr<const Profile> profile(const std::string& yaml, double duration_s) {
  return std::make_shared<const Profile>(
      read_profile(ConfigReader::from_text(yaml, "p.yaml"), {duration_s, std::nullopt, {}}));
}

ScheduleOptions two_models() {
  ScheduleOptions options{7, 2, 3.0, 20.0, {}};
  options.models.push_back(
      {"linear", 10, profile("{kind: constant, rate_per_s: 20}", 20.0), {Kind::Poisson}});
  options.models.push_back(
      {"resnet50",
       3,
       profile("{kind: steps, steps: [{for_s: 5, rate_per_s: 2}, {for_s: 15, rate_per_s: 10}]}",
               20.0),
       {Kind::Gamma, 2.0}});
  return options;
}

// Kolmogorov and Smirnov: the chance of a distance this large if the samples follow the law.
double ks_p_value(std::vector<double> cdf_values) {
  std::sort(cdf_values.begin(), cdf_values.end());
  const auto n = static_cast<double>(cdf_values.size());
  double d = 0.0;
  for (std::size_t i = 0; i < cdf_values.size(); ++i) {
    const auto k = static_cast<double>(i);
    d = std::max({d, cdf_values[i] - k / n, (k + 1.0) / n - cdf_values[i]});
  }
  const double x = (std::sqrt(n) + 0.12 + 0.11 / std::sqrt(n)) * d;
  double sum = 0.0;
  for (int k = 1; k < 100; ++k) sum += (k % 2 == 1 ? 2.0 : -2.0) * std::exp(-2.0 * k * k * x * x);
  return std::clamp(sum, 0.0, 1.0);
}

std::vector<double> rescaled_gaps(const Profile& p, const ArrivalOptions& law, std::uint64_t seed) {
  ScheduleOptions options{seed, 0, 0.0, p.duration_s(), {}};
  options.models.push_back({"m", 1, std::make_shared<const Profile>(p), law});
  const Schedule schedule = make_schedule(options);
  std::vector<double> gaps;
  double last = 0.0;
  for (const PlannedRequest& r : schedule.requests) {
    const double n = p.cumulative(to_seconds(r.at));
    if (&r != &schedule.requests.front()) gaps.push_back(n - last);
    last = n;
  }
  return gaps;
}

TEST(Schedule, RealisedGapsFollowTheLawOnceRescaled) {
  const Profile p =
      *profile("{kind: sine, mean_per_s: 200, amplitude_per_s: 190, period_s: 11}", 100.0);
  std::vector<double> poisson;
  for (const double g : rescaled_gaps(p, {Kind::Poisson}, 3)) poisson.push_back(-std::expm1(-g));
  EXPECT_GT(ks_p_value(poisson), 0.01) << poisson.size();

  // Gamma with CV 1/sqrt(2) is Erlang 2: F(x) = 1 - exp(-2x)(1 + 2x).
  std::vector<double> erlang;
  for (const double g : rescaled_gaps(p, {Kind::Gamma, std::sqrt(0.5)}, 4)) {
    erlang.push_back(1.0 - std::exp(-2.0 * g) * (1.0 + 2.0 * g));
  }
  EXPECT_GT(ks_p_value(erlang), 0.01);

  // Weibull of shape 1/2 has CV sqrt(5): F(x) = 1 - exp(-sqrt(2x)).
  std::vector<double> weibull;
  for (const double g : rescaled_gaps(p, {Kind::Weibull, std::sqrt(5.0)}, 5)) {
    weibull.push_back(-std::expm1(-std::sqrt(2.0 * std::max(g, 0.0))));
  }
  EXPECT_GT(ks_p_value(weibull), 0.01);

  // The test has teeth: Poisson gaps are no Erlang gaps.
  std::vector<double> mismatched;
  for (const double g : rescaled_gaps(p, {Kind::Poisson}, 3)) {
    mismatched.push_back(1.0 - std::exp(-2.0 * g) * (1.0 + 2.0 * g));
  }
  EXPECT_LT(ks_p_value(mismatched), 1e-9);
}

TEST(Schedule, CountsMatchTheProfile) {
  const Profile p = *profile("{kind: ramp, from_per_s: 0, to_per_s: 400, over_s: 50}", 100.0);
  const auto gaps = rescaled_gaps(p, {Kind::Poisson}, 9);
  EXPECT_NEAR(static_cast<double>(gaps.size() + 1), p.total(), 4.0 * std::sqrt(p.total()));
  ScheduleOptions even{1, 0, 0.0, 100.0, {}};
  even.models.push_back({"m", 1, std::make_shared<const Profile>(p), {Kind::Even}});
  EXPECT_EQ(make_schedule(even).requests.size(), static_cast<std::size_t>(p.total()));
}

TEST(Schedule, WarmUpRunsAtTheFirstRateBeforeZero) {
  ScheduleOptions options{1, 0, 10.0, 5.0, {}};
  options.models.push_back({"m",
                            4,
                            profile("{kind: ramp, from_per_s: 100, to_per_s: 0, over_s: 5}", 5.0),
                            {Kind::Even}});
  const Schedule s = make_schedule(options);
  EXPECT_EQ(s.warm_up_requests(), 1000U);
  EXPECT_EQ(s.requests.size(), 1250U);
  EXPECT_EQ(s.requests.front().at, Duration(std::chrono::milliseconds(-9995)));
  EXPECT_LT(s.requests.back().at, s.duration);
}

TEST(Schedule, EqualSeedsGiveEqualBytesAndOthersDoNot) {
  const std::string text = schedule_text(make_schedule(two_models()));
  EXPECT_EQ(text, schedule_text(make_schedule(two_models())));
  // A change here changes every schedule ever made: it belongs under "Numbers may change".
  EXPECT_EQ(sha256_hex(text), "06c64d972e02601b992f3c67b785125bd1d19f2df9bdd00973bbdd1aa4e74a8d")
      << text.substr(0, 400);
  ScheduleOptions other_seed = two_models();
  other_seed.seed = 8;
  ScheduleOptions other_run = two_models();
  other_run.run = 3;
  EXPECT_NE(text, schedule_text(make_schedule(other_seed)));
  EXPECT_NE(text, schedule_text(make_schedule(other_run)));
}

TEST(Schedule, AModelsRequestsDoNotDependOnTheOthers) {
  const auto of_linear = [](const Schedule& s) {
    std::vector<std::pair<Duration, std::uint32_t>> out;
    for (const auto& r : s.requests) {
      if (s.models[r.model].name == "linear") out.emplace_back(r.at, r.sample);
    }
    return out;
  };
  ScheduleOptions alone = two_models();
  alone.models.pop_back();
  EXPECT_EQ(of_linear(make_schedule(two_models())), of_linear(make_schedule(alone)));
}

TEST(Schedule, IsOrderedAndUsesSamplesEquallyOften) {
  const Schedule s = make_schedule(two_models());
  EXPECT_TRUE(std::is_sorted(s.requests.begin(), s.requests.end(),
                             [](const auto& a, const auto& b) { return a.at < b.at; }));
  std::map<std::uint32_t, int> uses;
  for (const auto& r : s.requests) uses[r.sample] += r.model == 1;
  const auto [low, high] = std::minmax({uses[0], uses[1], uses[2]});
  EXPECT_LE(high - low, 1);
  EXPECT_GT(low, 30);
}

TEST(Schedule, StreamAndVectorAreTheSame) {
  const Schedule s = make_schedule(two_models());
  ScheduleStream stream(two_models());
  for (const PlannedRequest& want : s.requests) EXPECT_EQ(stream.next(), want);
  EXPECT_EQ(stream.next(), std::nullopt);
  EXPECT_EQ(stream.next(), std::nullopt);
}

TEST(Schedule, ASilentModelHasNoRequests) {
  ScheduleOptions options{1, 0, 5.0, 5.0, {}};
  options.models.push_back({"m", 1, profile("{kind: constant, rate_per_s: 0}", 5.0), {}});
  EXPECT_TRUE(make_schedule(options).requests.empty());
  options.models[0].samples = 0;
  EXPECT_THROW((void)make_schedule(options), ConfigError);
}

TEST(Schedule, RefusesMoreThanItCanCount) {
  ScheduleOptions options{1, 0, 0.0, 100.0, {}};
  options.models.push_back({"m", 1, profile("{kind: constant, rate_per_s: 1e9}", 100.0), {}});
  EXPECT_THROW((void)make_schedule(options), ConfigError);
}

TEST(ScheduleFile, ReadsBackEqual) {
  const Schedule s = make_schedule(two_models());
  EXPECT_EQ(parse_schedule(schedule_text(s), "s.csv"), s);
  Schedule empty;
  empty.models.push_back({"m", 1});
  EXPECT_EQ(parse_schedule(schedule_text(empty), "s.csv"), empty);
}

TEST(ScheduleFile, ComplaintsNameTheLine) {
  ScheduleOptions options{1, 0, 0.0, 2.0, {}};
  options.models.push_back({"m", 3, profile("{kind: constant, rate_per_s: 2}", 2.0), {Kind::Even}});
  const std::string good = schedule_text(make_schedule(options));
  const auto complaint = [&](const std::string& from, const std::string& to) -> std::string {
    std::string text = good;
    const auto at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    text.replace(at, from.size(), to);
    try {
      (void)parse_schedule(text, "s.csv");
    } catch (const ConfigError& error) {
      return error.what();
    }
    return "no complaint";
  };
  EXPECT_THAT(complaint("spate-schedule 1", "spate-schedule 2"),
              HasSubstr("s.csv:1: a schedule's"));
  EXPECT_THAT(complaint("\"seed\":1", "\"sead\":1"), HasSubstr("s.csv:2: not a schedule's header"));
  EXPECT_THAT(complaint("at_ns,model", "at_s,model"), HasSubstr("s.csv:3"));
  EXPECT_THAT(complaint("\n250000000,0,", "\n250000000;0,"), HasSubstr("s.csv:4: expected at_ns"));
  EXPECT_THAT(complaint("\n250000000,0,", "\n250000000,1,"),
              HasSubstr("s.csv:4: there is no model 1"));
  EXPECT_THAT(complaint("\n250000000,0,", "\n250000000,0,9"), HasSubstr("there is no sample 9"));
  EXPECT_THAT(complaint("\n250000000,", "\n950000000,"), HasSubstr("s.csv:5: times must not fall"));
  EXPECT_THAT(complaint("\n1750000000,", "\n2000000000,"), HasSubstr("outside the run"));
  EXPECT_THAT(complaint("\n250000000,", "\n250000001,"), HasSubstr("the file was changed"));
  EXPECT_THAT(complaint("\"requests\":4", "\"requests\":5"), HasSubstr("promises 5 requests"));
}

}  // namespace
}  // namespace spate::influx
