// SPDX-License-Identifier: Apache-2.0
//
// MMPP arrivals against the closed forms of their rate and dispersion.
#include "spate/influx/modulation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <vector>

#include "spate/base/config_error.h"
#include "spate/influx/schedule.h"

namespace spate::influx {
namespace {

using Kind = ArrivalOptions::Kind;
using testing::HasSubstr;

ArrivalOptions mmpp(std::vector<ModulationState> states) {
  return {.kind = Kind::Mmpp, .states = std::move(states)};
}

std::vector<double> times_of(const ArrivalOptions& law, const Profile& profile,
                             std::uint64_t seed = 3) {
  ArrivalTimes times(std::make_shared<const Profile>(profile), law, Rng(seed, "arrivals/m"));
  std::vector<double> out;
  while (const auto at = times.next()) out.push_back(to_seconds(*at));
  return out;
}

struct Counts {
  double mean = 0.0;
  double dispersion = 0.0;  // variance over mean
};

Counts counts(const std::vector<double>& times, double duration_s, double window_s) {
  std::vector<double> bins(static_cast<std::size_t>(duration_s / window_s));
  for (const double t : times) {
    const auto bin = static_cast<std::size_t>(t / window_s);
    if (bin < bins.size()) bins[bin] += 1.0;
  }
  double sum = 0.0;
  double squares = 0.0;
  for (const double n : bins) {
    sum += n;
    squares += n * n;
  }
  const double mean = sum / static_cast<double>(bins.size());
  return {mean, (squares / static_cast<double>(bins.size()) - mean * mean) / mean};
}

// I(t) of two states, docs/influx.md.
double dispersion_of(double rate, const ModulationState& a, const ModulationState& b, double t) {
  const double share = a.mean_s / (a.mean_s + b.mean_s);
  const double mean = share * a.ratio + (1.0 - share) * b.ratio;
  const double gap = rate * (a.ratio - b.ratio) / mean;
  const double r = 1.0 / a.mean_s + 1.0 / b.mean_s;
  return 1.0 + 2.0 * share * (1.0 - share) * gap * gap / (r * rate) *
                   (1.0 - (1.0 - std::exp(-r * t)) / (r * t));
}

TEST(Modulation, TwoStatesHaveTheRateAndTheDispersionOfTheTheory) {
  constexpr double kRate = 10.0;
  constexpr double kDuration = 400'000.0;
  const ModulationState calm{0.5, 20.0};
  const ModulationState busy{3.0, 4.0};
  const auto times = times_of(mmpp({calm, busy}), Profile::constant(kRate, kDuration));
  for (const double window : {0.1, 1.0, 10.0, 100.0}) {
    const double wanted = dispersion_of(kRate, calm, busy, window);
    const Counts found = counts(times, kDuration, window);
    EXPECT_NEAR(found.dispersion, wanted, 0.06 * wanted) << window << " s";
    // Five standard errors: the variance of a long count is the limit of I(t) times its mean.
    const double limit = dispersion_of(kRate, calm, busy, 1e9);
    const double error = std::sqrt(limit * kRate * kDuration) / kDuration * window;
    EXPECT_NEAR(found.mean, kRate * window, 5.0 * error) << window << " s";
  }
}

// With one state off, the gaps are renewals of a two-phase hyperexponential law with
// cv^2 = 1 + 2 a x / (x + y)^2: a the rate while on, x = 1/on, y = 1/off.
TEST(Modulation, OnAndOffHasTheGapsOfAnInterruptedPoissonProcess) {
  constexpr double kOn = 2.0;
  constexpr double kOff = 6.0;
  constexpr double kRate = 5.0;  // 20 while on
  const auto times = times_of(mmpp({{1.0, kOn}, {0.0, kOff}}), Profile::constant(kRate, 200'000.0));
  double sum = 0.0;
  double squares = 0.0;
  for (std::size_t i = 1; i < times.size(); ++i) {
    const double gap = times[i] - times[i - 1];
    sum += gap;
    squares += gap * gap;
  }
  const double n = static_cast<double>(times.size() - 1);
  const double mean = sum / n;
  const double rate_on = kRate * (kOn + kOff) / kOn;
  const double leaving = 1.0 / kOn + 1.0 / kOff;
  const double wanted = 1.0 + 2.0 * rate_on / kOn / (leaving * leaving);
  EXPECT_NEAR(mean, 1.0 / kRate, 0.02 / kRate);
  EXPECT_NEAR(squares / n / (mean * mean) - 1.0, wanted, 0.05 * wanted);
}

// The profile stays the mean rate, in each part of its period; the states' lengths are the run's
// seconds, whatever the rate.
TEST(Modulation, TheProfileStaysTheMean) {
  constexpr double kPeriod = 100.0;
  constexpr int kPeriods = 4000;
  const double omega = 2.0 * 3.14159265358979323846 / kPeriod;
  std::vector<Piece> pieces(kPeriods, Piece{kPeriod, 10.0, 0.0, 8.0, omega, 0.0});
  const Profile profile(pieces);
  const auto times = times_of(mmpp({{0.2, 3.0}, {1.0, 2.0}, {5.0, 1.0}}), profile);
  std::vector<double> quarters(4);
  for (const double t : times) {
    quarters[static_cast<std::size_t>(std::fmod(t, kPeriod) / (kPeriod / 4))] += 1.0;
  }
  for (std::size_t q = 0; q < 4; ++q) {
    const double from = static_cast<double>(q) * kPeriod / 4;
    const double wanted =
        (profile.cumulative(from + kPeriod / 4) - profile.cumulative(from)) * kPeriods;
    EXPECT_NEAR(quarters[q], wanted, 0.05 * wanted) << "quarter " << q;
  }
}

// A profile that rests, and a state without demand, end properly.
TEST(Modulation, NothingComesWhereNothingIsExpected) {
  const Profile profile(
      {{10.0, 50.0, 0, 0, 0, 0}, {1000.0, 0.0, 0, 0, 0, 0}, {10.0, 50.0, 0, 0, 0, 0}});
  const auto times = times_of(mmpp({{0.0, 0.5}, {1.0, 0.5}}), profile);
  ASSERT_GT(times.size(), 500U);
  for (const double t : times) EXPECT_TRUE(t < 10.0 || (t >= 1010.0 && t < 1020.0)) << t;
  EXPECT_TRUE(times_of(mmpp({{0.0, 0.5}, {1.0, 0.5}}), Profile::constant(0.0, 1000.0)).empty());
}

TEST(Modulation, EqualSeedsGiveEqualTimes) {
  const auto law = mmpp({{1.0, 5.0}, {6.0, 1.0}});
  const Profile profile = Profile::constant(20.0, 100.0);
  EXPECT_EQ(times_of(law, profile, 1), times_of(law, profile, 1));
  EXPECT_NE(times_of(law, profile, 1), times_of(law, profile, 2));
}

// Expected numbers in steps of `step_s`, of the environment of times_of() with the same seed.
std::vector<double> expected_of(const ArrivalOptions& law, const Profile& profile, double step_s,
                                std::uint64_t seed = 3) {
  Rng arrivals(seed, "arrivals/m");
  ProfileCursor cursor(profile);
  Modulation modulation(law.states, cursor, environment_rng(arrivals));
  std::vector<double> out;
  const auto steps = static_cast<std::size_t>(std::ceil(profile.duration_s() / step_s - 1e-9));
  for (std::size_t i = 1; i <= steps; ++i) {
    out.push_back(modulation.expected_until(cursor, static_cast<double>(i) * step_s));
  }
  return out;
}

// Given the environment, the counts are Poisson about the expected numbers: their squared
// distances over the expectation are 1 on average, within five standard errors (the last term is
// Poisson's own fourth moment). Another environment's are far from it.
TEST(Modulation, ExpectedNumbersAreThoseOfTheRequestsOwnEnvironment) {
  const auto law = mmpp({{0.5, 7.0}, {4.0, 0.7}, {0.0, 0.3}});
  const Profile profile(std::vector<Piece>(20, Piece{100.0, 200.0, 0.0, 100.0, 0.0628, 0.0}));
  std::vector<double> bins(2000);
  for (const double t : times_of(law, profile)) bins[static_cast<std::size_t>(t)] += 1.0;
  for (const std::uint64_t seed : {3, 4}) {
    const auto expected = expected_of(law, profile, 1.0, seed);
    ASSERT_EQ(expected.size(), bins.size());
    double sum = 0.0;
    double variance = 0.0;
    for (std::size_t i = 0; i < bins.size(); ++i) {
      // A second that was off throughout: one request at most to divide by.
      const double mean = std::max(expected[i], 1.0);
      sum += (bins[i] - expected[i]) * (bins[i] - expected[i]) / mean;
      variance += 2.0 + 1.0 / mean;
    }
    const double n = static_cast<double>(bins.size());
    if (seed == 3) {
      EXPECT_NEAR(sum / n, 1.0, 5.0 * std::sqrt(variance) / n);
    } else {
      EXPECT_GT(sum / n, 10.0);
    }
  }
}

// The same integral in steps of any length, though the environment changes a hundred times within
// one of them.
TEST(Modulation, ExpectedNumbersAddUpExactly) {
  const auto law = mmpp({{0.3, 0.2}, {5.0, 0.05}});
  const Profile profile(
      {{100.0, 50.0, 1.0, 0, 0, 0}, {50.0, 0, 0, 0, 0, 0}, {70.0, 20.0, 0, 0, 0, 0}});
  const double whole = expected_of(law, profile, profile.duration_s()).at(0);
  EXPECT_GT(whole, 0.5 * profile.total());
  for (const double step : {0.001, 0.1, 7.3, 25.0, 219.0}) {
    double sum = 0.0;
    for (const double n : expected_of(law, profile, step)) {
      EXPECT_GE(n, 0.0);
      sum += n;
    }
    EXPECT_NEAR(sum, whole, 1e-9 * whole) << step << " s";
  }
  // Where the profile rests nothing is expected.
  const auto seconds = expected_of(law, profile, 1.0);
  for (std::size_t i = 100; i < 150; ++i) EXPECT_EQ(seconds[i], 0.0) << i;
}

// Five standard errors: the counts' limiting variance without Poisson's own part.
TEST(Modulation, ExpectedNumbersHaveTheMeanRate) {
  constexpr double kRate = 1e6;
  constexpr double kDuration = 400'000.0;
  const ModulationState calm{0.5, 20.0};
  const ModulationState busy{3.0, 4.0};
  double sum = 0.0;
  for (const double n :
       expected_of(mmpp({calm, busy}), Profile::constant(kRate, kDuration), 10.0)) {
    sum += n;
  }
  const double error = std::sqrt((dispersion_of(kRate, calm, busy, 1e9) - 1.0) * kRate * kDuration);
  EXPECT_NEAR(sum, kRate * kDuration, 5.0 * error);
  EXPECT_NE(sum, kRate * kDuration) << "it follows no path";
}

TEST(Modulation, ReadsStrictly) {
  const auto read = [](const std::string& text) {
    return read_arrivals(ConfigReader::from_text(text, "a.yaml"));
  };
  const auto law = mmpp({{0.5, 60.0}, {4.0, 10.0}});
  EXPECT_EQ(read("{kind: mmpp, states: [{ratio: 0.5, mean_s: 60}, {ratio: 4, mean_s: 10}]}"), law);
  EXPECT_EQ(read(to_json_text(law)), law);
  EXPECT_EQ(parse_arrivals("mmpp:0.5/60,4/10"), law);
  EXPECT_EQ(law.describe(), "mmpp of 2 states");
  for (const char* bad :
       {"mmpp", "{kind: mmpp}", "{kind: mmpp, states: []}",
        "{kind: mmpp, states: [{ratio: 1, mean_s: 1}]}",
        "{kind: mmpp, states: [{ratio: 0, mean_s: 1}, {ratio: 0, mean_s: 2}]}",
        "{kind: mmpp, states: [{ratio: -1, mean_s: 1}, {ratio: 1, mean_s: 2}]}",
        "{kind: mmpp, states: [{ratio: 1, mean_s: 0}, {ratio: 1, mean_s: 2}]}",
        "{kind: mmpp, cv: 2, states: [{ratio: 1, mean_s: 1}, {ratio: 1, mean_s: 2}]}",
        "{kind: poisson, states: [{ratio: 1, mean_s: 1}, {ratio: 1, mean_s: 2}]}"}) {
    EXPECT_THROW((void)read(bad), ConfigError) << bad;
  }
  for (const char* bad : {"mmpp", "mmpp:", "mmpp:1/1", "mmpp:1/1,", "mmpp:1/1,2", "mmpp:1/1,2/x",
                          "mmpp:0/1,0/1", "mmpp:1/0,2/1", "mmpp:1/1;2/1", "mmpp:1,1/2,1",
                          "mmpp:1/1,1/1,1/1,1/1,1/1,1/1,1/1,1/1,1/1"}) {
    EXPECT_THROW((void)parse_arrivals(bad), ConfigError) << bad;
  }
}

}  // namespace
}  // namespace spate::influx
