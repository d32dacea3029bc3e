// SPDX-License-Identifier: Apache-2.0
#include "spate/influx/trace.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>

#include "spate/base/config_error.h"
#include "spate/base/files.h"
#include "spate/influx/profile.h"
#include "testing/gzip.h"

namespace spate::influx {
namespace {

using ::testing::HasSubstr;

std::string complaint(const std::string& text) {
  const auto trace = parse_trace(text, "t.csv");
  return trace ? "no complaint" : trace.error().message;
}

class TraceProfile : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ =
        std::filesystem::temp_directory_path() / ("spate-trace-" + std::to_string(::getpid()));
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  Profile profile(const std::string& csv, const std::string& settings,
                  std::optional<double> duration_s = std::nullopt) {
    EXPECT_TRUE(write_file(folder_ / "t.csv", csv).has_value());
    const std::string yaml = "{kind: trace, file: t.csv" + settings + "}";
    return read_profile(ConfigReader::from_text(yaml, "p.yaml"), {duration_s, 5.0, folder_});
  }
  std::filesystem::path folder_;
};

TEST(Trace, ReadsBinsAndIgnoresOtherColumns) {
  const auto trace =
      parse_trace("t_s,cpu,requests\r\n60,1,30\r\n120,1,0\r\n180,1,90.5\r\n", "t.csv");
  ASSERT_TRUE(trace.has_value()) << trace.error().message;
  ASSERT_EQ(trace->bins.size(), 3U);
  EXPECT_EQ(trace->bins[0].from_s, 0.0) << "time counts from the first bin";
  EXPECT_EQ(trace->bins[2].length_s, 60.0) << "the last bin is as wide as usual";
  EXPECT_EQ(trace->bins[2].requests, 90.5);
  EXPECT_EQ(trace->report.length_s, 180.0);
  EXPECT_EQ(trace->report.zero_bins, 1U);
  EXPECT_NEAR(trace->report.mean_per_s, 120.5 / 180.0, 1e-12);
  EXPECT_NEAR(trace->report.peak_per_s, 90.5 / 60.0, 1e-12);
}

TEST(Trace, ReportsCvFanoAndRuns) {
  const auto trace = parse_trace("t_s,requests\n0,2\n1,4\n2,0\n3,0\n4,0\n5,6\n", "t.csv");
  ASSERT_TRUE(trace.has_value());
  EXPECT_EQ(trace->report.longest_zero_run, 3U);
  EXPECT_EQ(trace->report.longest_zero_run_from_s, 2.0);
  // mean 2, variance (0 + 4 + 4 + 4 + 4 + 16) / 6 = 16/3
  EXPECT_NEAR(trace->report.fano, 16.0 / 6.0, 1e-12);
  EXPECT_NEAR(trace->report.cv, std::sqrt(16.0 / 3.0) / 2.0, 1e-12);
  EXPECT_THAT(describe(trace->report), HasSubstr("3 empty bins, the longest run 3 bins from 2 s"));
}

TEST(Trace, MissingRowsAreAGapNotALongBin) {
  auto trace = parse_trace("t_s,requests\n0,10\n1,10\n2,10\n5,40\n6,40\n7,40\n", "t.csv");
  ASSERT_TRUE(trace.has_value());
  EXPECT_EQ(trace->report.missing_bins, 2U);
  EXPECT_EQ(trace->report.bins, 6U);
  ASSERT_EQ(trace->bins.size(), 7U);
  EXPECT_EQ(trace->bins[3].requests, 0.0);
  EXPECT_EQ(trace->bins[3].length_s, 2.0);
  EXPECT_EQ(bridge_gaps(*trace, 0), 1U);
  EXPECT_NEAR(trace->bins[3].requests, 2.0 * 25.0, 1e-9) << "half-way between 10/s and 40/s";
}

TEST(Trace, BridgesOnlyLongRunsInside) {
  auto trace = parse_trace("t_s,requests\n0,0\n1,4\n2,0\n3,4\n4,0\n5,0\n6,10\n7,0\n", "t.csv");
  ASSERT_TRUE(trace.has_value());
  EXPECT_EQ(bridge_gaps(*trace, 2), 2U);
  EXPECT_EQ(trace->bins[0].requests, 0.0);
  EXPECT_EQ(trace->bins[2].requests, 0.0);
  EXPECT_NEAR(trace->bins[4].requests, 6.0, 1e-12);
  EXPECT_NEAR(trace->bins[5].requests, 8.0, 1e-12);
  EXPECT_EQ(trace->bins[7].requests, 0.0);
}

TEST(Trace, ComplaintsNameTheLine) {
  EXPECT_THAT(complaint("0,5\n1,6\n"), HasSubstr("t.csv:1: a trace starts with a header"));
  EXPECT_THAT(complaint("time,requests\n0,5\n1,6\n"), HasSubstr("\"t_s\" is not there"));
  EXPECT_THAT(complaint("t_s,requests\n0,5\n0,6\n"), HasSubstr("t.csv:3: t_s must rise"));
  EXPECT_THAT(complaint("t_s,requests\n5,5\n4,6\n"), HasSubstr("4 follows 5"));
  EXPECT_THAT(complaint("t_s,requests\n0,5\n1,-6\n"),
              HasSubstr("t.csv:3: requests is negative: -6"));
  EXPECT_THAT(complaint("t_s,requests\n0,x\n1,6\n"), HasSubstr("t.csv:2: requests is no number"));
  EXPECT_THAT(complaint("t_s,requests\n0,nan\n1,6\n"), HasSubstr("no number"));
  EXPECT_THAT(complaint("t_s,requests\n0,5\n"), HasSubstr("at least two rows"));
  EXPECT_THAT(complaint("t_s,requests\n0\n1,6\n"), HasSubstr("t.csv:2"));
  EXPECT_THAT(complaint("t_s,requests\n-1e308,5\n1e308,5\n"), HasSubstr("t.csv:2: a number above"));
  EXPECT_NE(complaint(""), "no complaint");
}

TEST_F(TraceProfile, TimeFactorStretchesTimeAndKeepsRates) {
  const Profile p = profile("t_s,requests\n0,60\n60,120\n120,0\n", ", time_factor: 0.1");
  EXPECT_NEAR(p.duration_s(), 18.0, 1e-12);
  EXPECT_EQ(p.rate(1.0), 1.0);
  EXPECT_EQ(p.rate(7.0), 2.0);
  EXPECT_NEAR(p.total(), 18.0, 1e-12);
  ASSERT_EQ(p.notes().size(), 1U);
  EXPECT_THAT(p.notes()[0], HasSubstr("1 empty bins"));
}

TEST_F(TraceProfile, RatesScaleByFactorMeanOrPeak) {
  const std::string csv = "t_s,requests\n0,10\n10,30\n";
  EXPECT_EQ(profile(csv, ", rate_factor: 2").rate(11.0), 6.0);
  EXPECT_NEAR(profile(csv, ", mean_per_s: 7").total(), 140.0, 1e-9);
  EXPECT_NEAR(profile(csv, ", peak_per_s: 9").peak_per_s(), 9.0, 1e-12);
  EXPECT_NEAR(profile(csv, ", peak: 2").peak_per_s(), 10.0, 1e-12) << "in units of the scale";
  EXPECT_THROW((void)profile(csv, ", peak: 2, rate_factor: 2"), ConfigError);
}

TEST_F(TraceProfile, WindowAndRepeat) {
  const std::string csv = "t_s,requests\n0,10\n10,30\n20,20\n";
  const Profile part = profile(csv, ", from_s: 5, to_s: 15");
  EXPECT_EQ(part.duration_s(), 10.0);
  EXPECT_NEAR(part.total(), 5.0 + 15.0, 1e-12);
  EXPECT_THROW((void)profile(csv, ", from_s: 30"), ConfigError);
  EXPECT_THROW((void)profile(csv, "", 31.0), ConfigError);
  EXPECT_NEAR(profile(csv, ", repeat: true", 60.0).total(), 120.0, 1e-9);
  const Profile again = read_profile(ConfigReader::from_text(part.resolved_json(), "again"),
                                     {std::nullopt, std::nullopt, {}});
  EXPECT_EQ(again.total(), part.total());
}

TEST_F(TraceProfile, AMissingFileIsNamed) {
  try {
    (void)read_profile(ConfigReader::from_text("{kind: trace, file: none.csv}", "p.yaml"),
                       {std::nullopt, std::nullopt, folder_});
    FAIL();
  } catch (const ConfigError& error) {
    EXPECT_THAT(error.what(), HasSubstr("p.yaml:1: file: cannot open"));
  }
}

TEST_F(TraceProfile, PackedTracesAreTheSameDemand) {
  std::string csv = "t_s,requests\n";
  for (int i = 0; i < 20'000; ++i) csv += fmt::format("{},{}\n", 60 * i, i % 97);
  const Profile plain = profile(csv, "");
  EXPECT_TRUE(write_file(folder_ / "p.csv.gz", test::gzip(csv)).has_value());
  const auto packed = [&](const char* name) {
    return read_profile(
        ConfigReader::from_text(fmt::format("{{kind: trace, file: {}}}", name), "p.yaml"),
        {std::nullopt, std::nullopt, folder_});
  };
  const Profile same = packed("p.csv.gz");
  EXPECT_EQ(same.total(), plain.total());
  EXPECT_EQ(same.rate(60.0 * 19'999), plain.rate(60.0 * 19'999));

  const auto complaint_of = [&](const std::string& bytes) {
    EXPECT_TRUE(write_file(folder_ / "bad.csv.gz", bytes).has_value());
    try {
      (void)packed("bad.csv.gz");
    } catch (const ConfigError& error) {
      return std::string(error.what());
    }
    return std::string("no complaint");
  };
  const std::string whole = test::gzip(csv);
  EXPECT_THAT(complaint_of(whole.substr(0, whole.size() / 2)),
              AllOf(HasSubstr("p.yaml:1: file: "), HasSubstr("bad.csv.gz: the gzip data ends too "
                                                             "early: the file was cut")));
  EXPECT_THAT(complaint_of(whole.substr(0, whole.size() - 1)), HasSubstr("the file was cut"));
  std::string damaged = whole;
  damaged[whole.size() - 5] = static_cast<char>(damaged[whole.size() - 5] ^ 1);  // its checksum
  EXPECT_THAT(complaint_of(damaged), HasSubstr("bad.csv.gz: damaged gzip data"));
  EXPECT_THAT(complaint_of(test::gzip("t_s,requests\n0,5\n1,-6\n")),
              HasSubstr("bad.csv.gz:3: requests is negative"));
}

// Real archives, where they are at hand.
TEST(Trace, RealTracesParse) {
  const char* shared = std::getenv("SPATE_SHARED_DIR");
  const std::filesystem::path root = shared ? std::filesystem::path(shared)
                                            : std::filesystem::path(SPATE_SOURCE_DIR) / "../shared";
  const auto file = root / "traces/azure_functions_2019/sum10_rate_1min.csv";
  if (!std::filesystem::exists(file)) GTEST_SKIP() << file << " is not there";
  const auto trace = read_trace(file);
  ASSERT_TRUE(trace.has_value()) << trace.error().message;
  EXPECT_EQ(trace->report.bin_s, 60.0);
  EXPECT_NEAR(trace->report.length_s, 14 * 86400.0, 60.0);
  EXPECT_NEAR(trace->report.mean_per_s * 60.0, 3513.0, 1.0);
  EXPECT_NEAR(trace->report.peak_per_s * 60.0, 7577.0, 1e-6);
}

}  // namespace
}  // namespace spate::influx
