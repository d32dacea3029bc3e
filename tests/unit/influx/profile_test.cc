// SPDX-License-Identifier: Apache-2.0
#include "spate/influx/profile.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <numbers>

#include "spate/base/config_error.h"
#include "spate/base/files.h"

namespace spate::influx {
namespace {

using ::testing::HasSubstr;

Profile profile(const std::string& yaml, std::optional<double> duration_s,
                std::optional<double> scale = std::nullopt) {
  return read_profile(ConfigReader::from_text(yaml, "p.yaml"), {duration_s, scale, {}});
}

std::string complaint(const std::string& yaml, std::optional<double> duration_s = 10.0) {
  try {
    (void)profile(yaml, duration_s);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "no complaint";
}

// Simpson's rule between the given edges, an integral that owes nothing to the closed forms.
double integral(const Profile& p, double from, double to) {
  constexpr int kSteps = 2000;
  const double h = (to - from) / kSteps;
  double sum = 0.0;
  for (int i = 0; i <= kSteps; ++i) {
    const double weight = i == 0 || i == kSteps ? 1.0 : (i % 2 == 1 ? 4.0 : 2.0);
    // A touch inside, so that an edge of the rate is taken from within.
    const double t = from + std::clamp(i * h, 1e-12, to - from - 1e-12);
    sum += weight * p.rate(t);
  }
  return sum * h / 3.0;
}

void expect_inverse(const Profile& p) {
  for (int i = 1; i < 1000; ++i) {
    const double n = p.total() * i / 1000.0;
    const double t = p.inverse(n);
    EXPECT_NEAR(p.cumulative(t), n, 1e-9 * (1.0 + p.total())) << "at " << n;
  }
}

TEST(Profile, ConstantIsExact) {
  const Profile p = profile("{kind: constant, rate_per_s: 4}", 10.0);
  EXPECT_EQ(p.duration_s(), 10.0);
  EXPECT_EQ(p.total(), 40.0);
  EXPECT_EQ(p.rate(0.0), 4.0);
  EXPECT_EQ(p.rate(std::nextafter(10.0, 0.0)), 4.0);
  EXPECT_EQ(p.rate(10.0), 0.0) << "the end is outside";
  EXPECT_EQ(p.rate(-1e-9), 0.0);
  EXPECT_EQ(p.cumulative(-5.0), 0.0);
  EXPECT_EQ(p.cumulative(2.5), 10.0);
  EXPECT_EQ(p.cumulative(99.0), 40.0);
  EXPECT_EQ(p.inverse(0.0), 0.0);
  EXPECT_EQ(p.inverse(10.0), 2.5);
  EXPECT_EQ(p.inverse(40.0), 10.0);
  EXPECT_EQ(p.inverse(40.0000001), std::numeric_limits<double>::infinity());
}

TEST(Profile, StepsChangeAtTheirEdges) {
  const Profile p = profile(
      "kind: steps\nsteps:\n- {for_s: 2, rate_per_s: 3, name: calm}\n- {for_s: 1, rate_per_s: 0}\n"
      "- {for_s: 3, rate_per_s: 10}\n",
      std::nullopt);
  EXPECT_EQ(p.duration_s(), 6.0);
  EXPECT_EQ(p.total(), 36.0);
  EXPECT_EQ(p.rate(std::nextafter(2.0, 0.0)), 3.0);
  EXPECT_EQ(p.rate(2.0), 0.0);
  EXPECT_EQ(p.rate(3.0), 10.0);
  EXPECT_EQ(p.cumulative(2.5), 6.0);
  EXPECT_EQ(p.inverse(6.0), 2.0) << "the earliest time, before the pause";
  EXPECT_NEAR(p.inverse(7.0), 3.1, 1e-12);
  EXPECT_EQ(p.peak_per_s(), 10.0);
  ASSERT_EQ(p.phases().size(), 3U);
  EXPECT_EQ(p.phases()[0].name, "calm");
  EXPECT_EQ(p.phases()[1].name, "step 2");
  EXPECT_EQ(p.phases()[2].from_s, 3.0);
  EXPECT_EQ(p.phases()[2].rate_per_s, 10.0);
  EXPECT_EQ(p.phase_at(2.0)->name, "step 2");
  EXPECT_EQ(p.phase_at(60.0)->name, "step 3");
  EXPECT_EQ(p.description(), "steps: 2 s at 3/s, 1 s at 0/s, 3 s at 10/s");
}

TEST(Profile, TheWindowCutsAndAShortProfileIsRefused) {
  const std::string steps =
      "{kind: steps, steps: [{for_s: 4, rate_per_s: 1}, {for_s: 4, rate_per_s: 5}]";
  const Profile cut = profile(steps + "}", 5.0);
  EXPECT_EQ(cut.duration_s(), 5.0);
  EXPECT_EQ(cut.total(), 9.0);
  EXPECT_EQ(cut.phases().back().to_s, 5.0);
  EXPECT_THAT(complaint(steps + "}"), HasSubstr("lasts 8 s, but the measured window 10 s"));
  const Profile repeated = profile(steps + ", repeat: true}", 21.0);
  EXPECT_EQ(repeated.duration_s(), 21.0);
  EXPECT_EQ(repeated.total(), 2 * 24.0 + 4.0 + 5.0);
  EXPECT_EQ(repeated.phases().size(), 6U);
  EXPECT_EQ(profile_length_s(ConfigReader::from_text(steps + "}", "p")), 8.0);
  EXPECT_EQ(profile_length_s(ConfigReader::from_text("{kind: constant, rate: 1}", "p")),
            std::nullopt);
}

TEST(Profile, DecimalLengthsThatSumToTheWindowAreTheWindow) {
  const Profile p = profile(
      "{kind: steps, steps: [{for_s: 0.1, rate_per_s: 1}, {for_s: 0.2, rate_per_s: 1}]}", 0.3);
  EXPECT_EQ(p.phases().back().to_s, 0.3);
  EXPECT_NEAR(p.duration_s(), 0.3, 1e-15);
}

TEST(Profile, RampIsAStraightLine) {
  const Profile p =
      profile("{kind: ramp, from_per_s: 2, to_per_s: 10, start_s: 5, over_s: 4}", 20.0);
  EXPECT_EQ(p.rate(4.9), 2.0);
  EXPECT_EQ(p.rate(7.0), 6.0);
  EXPECT_EQ(p.rate(19.0), 10.0);
  EXPECT_DOUBLE_EQ(p.total(), 5 * 2.0 + 4 * 6.0 + 11 * 10.0);
  EXPECT_DOUBLE_EQ(p.cumulative(7.0), 10.0 + 2 * 4.0);
  expect_inverse(p);
  const Profile down = profile("{kind: ramp, from_per_s: 10, to_per_s: 0, over_s: 10}", 10.0);
  EXPECT_DOUBLE_EQ(down.total(), 50.0);
  EXPECT_NEAR(down.inverse(50.0), 10.0, 1e-6);
  expect_inverse(down);
  const Profile up = profile("{kind: ramp, from_per_s: 0, to_per_s: 10, over_s: 10}", 10.0);
  expect_inverse(up);
  EXPECT_NEAR(up.inverse(1e-6), std::sqrt(2e-6), 1e-12) << "no cancellation near a rate of 0";
}

TEST(Profile, SineAndDiurnalIntegrateExactly) {
  const Profile sine = profile(
      "{kind: sine, mean_per_s: 10, amplitude_per_s: 10, period_s: 7, phase_ratio: 0.3}", 50.0);
  EXPECT_NEAR(sine.rate(0.0), 10.0 + 10.0 * std::sin(0.6 * std::numbers::pi), 1e-12);
  EXPECT_NEAR(sine.rate(14.0), sine.rate(0.0), 1e-9);
  for (const double t : {0.5, 3.3, 7.0, 21.7, 49.9}) {
    EXPECT_NEAR(sine.cumulative(t), integral(sine, 0.0, t), 1e-5) << t;
  }
  EXPECT_NEAR(sine.cumulative(49.0), 490.0, 1e-9) << "whole periods have the mean";
  expect_inverse(sine);
  EXPECT_EQ(sine.phases().size(), 8U);

  const Profile day =
      profile("{kind: diurnal, trough_per_s: 1, peak_per_s: 9, peak_at_s: 50400}", 2 * 86400.0);
  EXPECT_NEAR(day.rate(50400.0), 9.0, 1e-9);
  EXPECT_NEAR(day.rate(50400.0 - 43200.0), 1.0, 1e-9);
  EXPECT_NEAR(day.total(), 5.0 * 2 * 86400.0, 1e-6);
  expect_inverse(day);
}

TEST(Profile, SpikesRiseHoldAndFall) {
  const Profile p = profile(
      "{kind: spike, base_per_s: 1, peak_per_s: 11, at_s: 4, rise_s: 2, hold_s: 3, fall_s: 1, "
      "every_s: 10}",
      30.0);
  EXPECT_EQ(p.rate(3.9), 1.0);
  EXPECT_EQ(p.rate(5.0), 6.0);
  EXPECT_EQ(p.rate(6.0), 11.0);
  EXPECT_EQ(p.rate(9.5), 6.0);
  EXPECT_EQ(p.rate(10.0), 1.0);
  EXPECT_EQ(p.rate(16.5), 11.0);
  const double one = 2 * 6.0 + 3 * 11.0 + 6.0;
  EXPECT_NEAR(p.total(), 3 * one + 12.0, 1e-9);
  EXPECT_EQ(p.phase_at(6.5)->name, "spike");
  expect_inverse(p);
  const Profile late =
      profile("{kind: spike, base_per_s: 1, peak_per_s: 2, at_s: 60, hold_s: 5}", 10.0);
  EXPECT_EQ(late.total(), 10.0) << "a spike after the window is none";
}

TEST(Profile, CursorAgreesWithInverse) {
  const Profile p = profile("{kind: sine, mean_per_s: 50, amplitude_per_s: 49, period_s: 3}", 30.0);
  ProfileCursor cursor(p);
  double n = 0.0;
  for (int i = 0; i < 1499; ++i) {
    n += 1.0;
    EXPECT_NEAR(cursor.advance(1.0), p.inverse(n), 1e-9);
  }
  EXPECT_EQ(cursor.advance(10.0), std::numeric_limits<double>::infinity());
  EXPECT_EQ(cursor.advance(0.0), std::numeric_limits<double>::infinity());
}

// The cursor searches from where it was; inverse() from nothing.
TEST(Profile, CursorIsExactAlongADayOfAMillionRequestsASecond) {
  for (const char* yaml : {"{kind: diurnal, trough_per_s: 0, peak_per_s: 20, peak_at_s: 50400}",
                           "{kind: diurnal, trough_per_s: 200000, peak_per_s: 1800000}",
                           "{kind: sine, mean_per_s: 3, amplitude_per_s: 3, period_s: 2}"}) {
    const Profile p = profile(yaml, 2 * 86400.0);
    ProfileCursor cursor(p);
    double n = 0.0;
    double last = 0.0;
    // A stretch of small steps, then a large one: both paths, and back.
    for (int stretch = 0; stretch < 40; ++stretch) {
      for (int i = 0; i < 50; ++i) {
        const double gap = i == 49 ? p.total() / 41.0 : 0.25 * (1 + i % 7);
        n += gap;
        const double t = cursor.advance(gap);
        // Where the rate is near 0 the time is not sharp, the number of requests is.
        EXPECT_NEAR(p.cumulative(t), n, 2e-15 * p.total() + 1e-9) << yaml << " at " << n;
        if (p.rate(t) > 1.0) {
          EXPECT_NEAR(t, p.inverse(n), 1e-9 + 2e-15 * p.total() / p.rate(t)) << yaml << " at " << n;
        }
        EXPECT_GE(t, last);
        last = t;
      }
    }
  }
}

TEST(Profile, RatesInUnitsOfCapacityNeedTheScale) {
  const std::string yaml = "{kind: steps, steps: [{for_s: 5, rate: 0.5}, {for_s: 5, rate: 2.5}]}";
  const Profile p = profile(yaml, 10.0, 4.0);
  EXPECT_EQ(p.rate(1.0), 2.0);
  EXPECT_EQ(p.rate(6.0), 10.0);
  EXPECT_THAT(complaint(yaml),
              HasSubstr("p.yaml:1: steps[0].rate: is in units of one replica's SLO capacity, which "
                        "is not known here; give rate_per_s"));
  EXPECT_THAT(complaint("{kind: constant, rate: 1, rate_per_s: 2}"),
              HasSubstr("give rate_per_s or rate, not both"));
}

TEST(Profile, ResolvedFormReadsBackEqual) {
  for (const char* yaml :
       {"{kind: constant, rate: 0.7}",
        "{kind: steps, repeat: true, steps: [{for_s: 3, rate: 0.5}, {for_s: 4, rate_per_s: 9}]}",
        "{kind: ramp, from: 1, to: 3, over_s: 4}",
        "{kind: sine, mean: 2, amplitude: 1, period_s: 5}",
        "{kind: diurnal, trough: 0.5, peak: 2, period_s: 9}",
        "{kind: spike, base: 1, peak: 4, at_s: 3, hold_s: 2, every_s: 5}"}) {
    const Profile p = profile(yaml, 23.0, 3.7);
    const Profile again = profile(p.resolved_json(), 23.0);
    EXPECT_EQ(again.resolved_json(), p.resolved_json());
    EXPECT_EQ(again.total(), p.total()) << yaml;
    EXPECT_EQ(again.phases().size(), p.phases().size());
    for (double t = 0.0; t < 23.0; t += 0.37) EXPECT_EQ(again.rate(t), p.rate(t)) << yaml;
  }
}

TEST(Profile, MorePhasesThanCanBeReportedAreRefused) {
  for (const char* yaml :
       {"{kind: sine, mean_per_s: 1, amplitude_per_s: 1, period_s: 0.001}",
        "{kind: spike, base_per_s: 1, peak_per_s: 2, at_s: 0, hold_s: 0.001, every_s: 0.002}",
        "{kind: steps, repeat: true, steps: [{for_s: 0.002, rate_per_s: 1}]}"}) {
    EXPECT_THAT(complaint(yaml, 1000.0), HasSubstr("too many to be reported (at most 200000"));
  }
}

TEST(Profile, ComplaintsNamePlaceAndExpectation) {
  EXPECT_THAT(complaint("{kind: wave}"), HasSubstr("kind: expected one of constant, steps"));
  EXPECT_THAT(complaint("{kind: constant}"), HasSubstr("\"rate_per_s\" (requests per second)"));
  EXPECT_THAT(complaint("{kind: constant, rate_per_s: -1}"),
              HasSubstr("rate_per_s: expected a number in [0, 1000000000]"));
  EXPECT_THAT(complaint("{kind: constant, rat_per_s: 1}"),
              HasSubstr("did you mean \"rate_per_s\"?"));
  EXPECT_THAT(complaint("{kind: steps, steps: []}"), HasSubstr("at least one step"));
  EXPECT_THAT(complaint("{kind: steps, steps: [{for_s: 0, rate_per_s: 1}]}"), HasSubstr("for_s"));
  EXPECT_THAT(complaint("{kind: sine, mean_per_s: 1, amplitude_per_s: 2, period_s: 5}"),
              HasSubstr("would fall below 0"));
  EXPECT_THAT(complaint("{kind: diurnal, trough_per_s: 3, peak_per_s: 2}"),
              HasSubstr("the trough is above the peak"));
  EXPECT_THAT(
      complaint("{kind: spike, base_per_s: 1, peak_per_s: 2, at_s: 1, hold_s: 5, every_s: 4}"),
      HasSubstr("overlap"));
  EXPECT_THAT(complaint("{kind: spike, base_per_s: 1, peak_per_s: 2, at_s: 1, hold_s: 0}"),
              HasSubstr("a spike of no length"));
  EXPECT_THAT(complaint("{kind: constant, rate_per_s: 1}", std::nullopt),
              HasSubstr("no end of its own"));
  EXPECT_THAT(complaint("10"), HasSubstr("expected a profile"));
}

}  // namespace
}  // namespace spate::influx
