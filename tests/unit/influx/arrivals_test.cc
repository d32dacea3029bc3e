// SPDX-License-Identifier: Apache-2.0
#include "spate/influx/arrivals.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "spate/base/config_error.h"

namespace spate::influx {
namespace {

using Kind = ArrivalOptions::Kind;

struct Moments {
  double mean;
  double cv;
};

Moments moments(const ArrivalOptions& options, int draws) {
  const auto law = make_arrivals(options);
  Rng rng(17, "arrivals/test");
  double sum = 0.0;
  double squares = 0.0;
  for (int i = 0; i < draws; ++i) {
    const double gap = law->gap(rng);
    EXPECT_GE(gap, 0.0);
    sum += gap;
    squares += gap * gap;
  }
  const double mean = sum / draws;
  return {mean, std::sqrt(std::max(0.0, squares / draws - mean * mean)) / mean};
}

TEST(Arrivals, GapsHaveMeanOneAndTheAskedCv) {
  constexpr int kDraws = 400'000;
  for (const ArrivalOptions& options :
       {ArrivalOptions{Kind::Even}, ArrivalOptions{Kind::Poisson},
        ArrivalOptions{Kind::Gamma, 0.25}, ArrivalOptions{Kind::Gamma, 1.0},
        ArrivalOptions{Kind::Gamma, 4.0}, ArrivalOptions{Kind::Weibull, 0.5},
        ArrivalOptions{Kind::Weibull, 2.0}}) {
    const double cv = options.kind == Kind::Even ? 0.0 : options.cv;
    const Moments m = moments(options, kDraws);
    // Five standard errors of the mean; the seed is fixed.
    EXPECT_NEAR(m.mean, 1.0, 5.0 * cv / std::sqrt(kDraws) + 1e-12) << options.describe();
    EXPECT_NEAR(m.cv, cv, 0.03 * cv + 1e-9) << options.describe();
  }
}

// A stationary process has n expected arrivals in [0, n), at its start too. Without the
// equilibrium first gap a CV of 4 would bring (16 - 1) / 2 = 7.5 too many.
TEST(Arrivals, ABurstyStartHasNoExtraRequests) {
  for (const ArrivalOptions& options :
       {ArrivalOptions{Kind::Gamma, 4.0}, ArrivalOptions{Kind::Weibull, 3.0},
        ArrivalOptions{Kind::Gamma, 0.2}, ArrivalOptions{Kind::Poisson}}) {
    constexpr int kRuns = 40'000;
    constexpr double kWindow = 10.0;
    Rng rng(5, "start");
    const auto law = make_arrivals(options);
    double total = 0.0;
    double squares = 0.0;
    for (int run = 0; run < kRuns; ++run) {
      int count = 0;
      for (double t = law->first_gap(rng); t < kWindow; t += law->gap(rng)) ++count;
      total += count;
      squares += static_cast<double>(count) * count;
    }
    const double mean = total / kRuns;
    const double error = std::sqrt((squares / kRuns - mean * mean) / kRuns);
    EXPECT_NEAR(mean, kWindow, 5.0 * error) << options.describe();
  }
}

TEST(Arrivals, ReadsStrictly) {
  const auto read = [](const std::string& text) {
    return read_arrivals(ConfigReader::from_text(text, "a.yaml"));
  };
  EXPECT_EQ(read("poisson"), (ArrivalOptions{Kind::Poisson}));
  EXPECT_EQ(read("{kind: even}"), (ArrivalOptions{Kind::Even}));
  EXPECT_EQ(read("{kind: gamma, cv: 4}"), (ArrivalOptions{Kind::Gamma, 4.0}));
  EXPECT_EQ(read(to_json_text({Kind::Weibull, 2.5})), (ArrivalOptions{Kind::Weibull, 2.5}));
  EXPECT_THROW((void)read("gamma"), ConfigError);
  EXPECT_THROW((void)read("{kind: gamma}"), ConfigError);
  EXPECT_THROW((void)read("{kind: gamma, cv: 0}"), ConfigError);
  EXPECT_THROW((void)read("{kind: poisson, cv: 2}"), ConfigError);
  EXPECT_THROW((void)read("{kind: burst}"), ConfigError);
  EXPECT_THROW((void)read("{kind: even, x: 1}"), ConfigError);
}

TEST(Arrivals, ParsesTheCommandLineForm) {
  EXPECT_EQ(parse_arrivals("even"), (ArrivalOptions{Kind::Even}));
  EXPECT_EQ(parse_arrivals("gamma:0.5"), (ArrivalOptions{Kind::Gamma, 0.5}));
  EXPECT_EQ(parse_arrivals("weibull:2"), (ArrivalOptions{Kind::Weibull, 2.0}));
  for (const char* bad : {"", "gama:2", "gamma", "gamma:", "gamma:x", "gamma:2x", "gamma:0",
                          "gamma:-1", "gamma:nan", "poisson:1", "weibull:50"}) {
    EXPECT_THROW((void)parse_arrivals(bad), ConfigError) << bad;
  }
}

}  // namespace
}  // namespace spate::influx
