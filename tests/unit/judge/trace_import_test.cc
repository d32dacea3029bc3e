// SPDX-License-Identifier: Apache-2.0
#include "spate/judge/trace_import.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

#include "spate/base/files.h"
#include "spate/judge/time_text.h"
#include "testing/gzip.h"
#include "testing/test_folder.h"

namespace spate::judge {
namespace {

using testing::HasSubstr;

using test::gzip;

class TraceImport : public testing::Test {
 protected:
  std::filesystem::path file(const std::string& name, const std::string& text) {
    const auto path = folder_.path() / name;
    EXPECT_TRUE(write_file(path, text).has_value());
    return path;
  }
  std::string error(std::string_view format, const std::string& name, const std::string& text,
                    const ImportOptions& options = {}) {
    const auto result = import_trace(format, {file(name, text)}, options);
    return result ? "no error" : result.error().message;
  }
  test::TestFolder folder_;
};

TEST(TimeText, ReadsTheArchivesForms) {
  EXPECT_EQ(parse_time("1970-01-02 00:00:01"), 86401.0);
  EXPECT_EQ(parse_time("2014-07-01 00:30"), 1404174600.0);
  EXPECT_EQ(parse_time("2016-01-01"), 1451606400.0);
  EXPECT_EQ(parse_time("2016-01-01T02:00:00+02:00"), 1451606400.0);
  EXPECT_EQ(parse_time("1451606400"), 1451606400.0);
  EXPECT_NEAR(*parse_time("2023-11-16 18:17:03.9799600"), 1700158623.97996, 1e-5);
  for (const char* bad : {"", "2014-13-01 00:00", "2014-02-30", "2014-07-01 24:00", "yesterday",
                          "2014-07-01 00:00:00 CEST", "2014-07-01 00:00:00.", "14-7-1"}) {
    EXPECT_FALSE(parse_time(bad)) << bad;
  }
  EXPECT_EQ(time_text(1404174600.0), "2014-07-01 00:30:00 UTC");
}

std::string azure_day(const std::vector<std::string>& functions, int per_minute) {
  std::string text = "HashOwner,HashApp,HashFunction,Trigger";
  for (int m = 1; m <= 1440; ++m) text += fmt::format(",{}", m);
  text += "\r\n";
  for (const auto& function : functions) {
    text += "o,a," + function + ",http";
    for (int m = 0; m < 1440; ++m) text += fmt::format(",{}", m == 3 ? 0 : per_minute);
    text += "\r\n";
  }
  return text;
}

TEST_F(TraceImport, AzureFunctionsSumsFunctionsDayByDay) {
  const auto d2 = file("inv.d02.csv", azure_day({"f1", "f2"}, 5));
  const auto d1 = file("inv.d01.csv.gz", gzip(azure_day({"f1", "f2"}, 2)));
  // The day stands in the name: the order of the arguments does not matter.
  const auto all = import_trace("azure_functions_2019", {d2, d1}, {}).value();
  ASSERT_EQ(all.bins.size(), 2880U);
  EXPECT_EQ(all.requests, 2 * 1439 * 2 + 2 * 1439 * 5);
  EXPECT_EQ(all.bins[0].requests, 4);
  EXPECT_EQ(all.bins[1440].requests, 10);
  EXPECT_EQ(all.report.zero_bins, 2U);

  ImportOptions one;
  one.select = {"f2"};
  one.bin_s = 3600.0;
  const auto hours = import_trace("azure_functions_2019", {d1}, one).value();
  ASSERT_EQ(hours.bins.size(), 24U);
  EXPECT_EQ(hours.bins[0].requests, 59 * 2);
  EXPECT_EQ(trace_csv(hours).substr(0, 29), "t_s,requests\n0,118\n3600,120\n7");

  one.select = {"f3"};
  EXPECT_THAT(import_trace("azure_functions_2019", {d1}, one).error().message,
              HasSubstr("no function of that hash"));
  EXPECT_THAT(import_trace("azure_functions_2019", {d1, d1}, {}).error().message,
              HasSubstr("day 1 is given twice"));
}

TEST_F(TraceImport, AzureFunctionsRefusesWhatIsNoDay) {
  EXPECT_THAT(error("azure_functions_2019", "a.csv", "HashOwner,HashApp\n1,2\n"),
              HasSubstr("a.csv:1: expected the header HashOwner"));
  std::string text = azure_day({"f1"}, 2);
  text.replace(text.rfind("2,2"), 1, "-2");
  EXPECT_THAT(error("azure_functions_2019", "b.csv", text), HasSubstr("b.csv:2: minute 1439"));
  EXPECT_THAT(error("azure_functions_2019", "c.csv", azure_day({"f1"}, 2) + "o,a,f2,http,1,2\n"),
              HasSubstr("c.csv:3: expected 1440 counts, got 2"));
}

TEST_F(TraceImport, AzureLlmCountsRequestsAndKeepsIdleSeconds) {
  const auto out = import_trace("azure_llm_2023",
                                {file("code.csv",
                                      "TIMESTAMP,ContextTokens,GeneratedTokens\r\n"
                                      "2023-11-16 18:17:03.9799600,4808,10\r\n"
                                      "2023-11-16 18:17:03.9999999,110,27\r\n"
                                      "2023-11-16 18:17:06.0000000,1,2\r\n")},
                                {})
                       .value();
  ASSERT_EQ(out.bins.size(), 4U);
  EXPECT_EQ(trace_csv(out), "t_s,requests\n0,2\n1,0\n2,0\n3,1\n");
  EXPECT_EQ(out.report.longest_zero_run, 2U);
  EXPECT_EQ(out.report.missing_bins, 0U);
  EXPECT_THAT(error("azure_llm_2023", "u.csv",
                    "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:17:03,1,1\n"
                    "2023-11-16 18:17:02,1,1\n"),
              HasSubstr("u.csv:3: times must not go back"));
  EXPECT_THAT(error("azure_llm_2023", "h.csv", "2023-11-16 18:17:03,1,1\n"),
              HasSubstr("h.csv:1: expected a header with the column TIMESTAMP"));
}

TEST_F(TraceImport, WorldCupReadsRecordsAndMinutes) {
  std::string log;
  for (const std::uint32_t time : {893971817U, 893971817U, 893971871U, 893971920U, 893972040U}) {
    for (int shift = 24; shift >= 0; shift -= 8) log += static_cast<char>(time >> shift & 0xff);
    log += std::string(16, '\x01');
  }
  const auto path = file("wc_day6_1.gz", gzip(log));
  const auto out = import_trace("worldcup98", {path}, {}).value();
  // 893971817 s is 17 s past a minute's beginning.
  ASSERT_EQ(out.bins.size(), 4U);
  EXPECT_EQ(trace_csv(out), "t_s,requests\n0,2\n60,1\n120,1\n240,1\n");
  EXPECT_EQ(out.report.missing_bins, 1U);  // no log of that minute, and that is said
  EXPECT_THAT(error("worldcup98", "wc_cut", log.substr(0, 50)), HasSubstr("records of 20 bytes"));

  const auto minutes = import_trace("worldcup98",
                                    {file("m.csv",
                                          "period,count\n1998-04-30 21:31:00,5\n"
                                          "1998-04-30 21:30:00,2\n1998-04-30 21:31:00,1\n")},
                                    {})
                           .value();
  EXPECT_EQ(trace_csv(minutes), "t_s,requests\n0,2\n60,6\n");
}

TEST_F(TraceImport, WikipediaTakesTheHourFromTheName) {
  const auto a = file("projectcounts-20160101-000000", "de - 10 99\nen - 4259454 1\nen.b - 7 1\n");
  const auto b = file("projectcounts-20160101-020003.gz", gzip("en - 6 1\n"));
  const auto out = import_trace("wikipedia_hourly", {b, a}, {}).value();
  EXPECT_EQ(trace_csv(out), "t_s,requests\n0,4259454\n7200,6\n");
  EXPECT_EQ(out.bins[0].unix_s, 1451606400.0);
  EXPECT_THAT(error("wikipedia_hourly", "counts", "en - 1 1\n"),
              HasSubstr("the name says no hour"));
  EXPECT_THAT(error("wikipedia_hourly", "p-20160101-000000", "de - 1 1\n"),
              HasSubstr("the project en is not in it"));
  EXPECT_THAT(error("wikipedia_hourly", "q-20160101-000000", "en - many 1\n"),
              HasSubstr("q-20160101-000000:1:"));
}

TEST_F(TraceImport, TaxiReportsMissingBins) {
  const auto out =
      import_trace(
          "nyc_taxi",
          {file("nyc_taxi.csv",
                "timestamp,value\n2014-07-01 00:00:00,10844\n"
                "2014-07-01 00:30:00,8127\n2014-07-01 01:00:00,6210\n2014-07-01 02:00:00,4656\n")},
          {})
          .value();
  EXPECT_EQ(trace_csv(out), "t_s,requests\n0,10844\n1800,8127\n3600,6210\n7200,4656\n");
  EXPECT_EQ(out.report.missing_bins, 1U);
  EXPECT_THAT(error("nyc_taxi", "n.csv", "timestamp,value\n2014-07-01 00:00:00,-3\n"),
              HasSubstr("n.csv:2: value is negative"));
  EXPECT_THAT(error("nyc_taxi", "t.csv", "timestamp,value\nnoon,3\n"),
              HasSubstr("t.csv:2: timestamp is no time"));
  EXPECT_THAT(error("nyc_taxi", "s.csv", "timestamp,value\n2014-07-01 00:00:00,3\n"),
              HasSubstr("at least two rows"));
  ImportOptions odd;
  odd.bin_s = 2000.0;
  EXPECT_THAT(error("nyc_taxi", "m.csv", "timestamp,value\n2014-07-01 00:00:00,3\n", odd),
              HasSubstr("whole multiple of the archive's 1800 s"));
}

TEST_F(TraceImport, PrometheusSumsSeries) {
  const std::string answer =
      R"({"status":"success","data":{"resultType":"matrix","result":[)"
      R"({"metric":{"m":"a"},"values":[[1000,"2"],[1015,"3"],[1030,"1"],[1060,"1"]]},)"
      R"({"metric":{"m":"b"},"values":[[1000,"0.5"],[1015,"0"]]}]}})";
  const auto path = file("answer.json", answer);
  const auto rates = import_trace("prometheus", {path}, {}).value();
  EXPECT_EQ(trace_csv(rates), "t_s,requests\n0,37.5\n15,45\n30,15\n60,15\n");
  EXPECT_EQ(rates.report.missing_bins, 1U);
  ImportOptions counts;
  counts.per_second = false;
  EXPECT_EQ(import_trace("prometheus", {path}, counts)->requests, 7.5);
}

TEST_F(TraceImport, PrometheusRefusesOtherAnswers) {
  EXPECT_THAT(error("prometheus", "e.json", R"({"status":"error","error":"bad query"})"),
              HasSubstr("e.json: the query failed: bad query"));
  EXPECT_THAT(error("prometheus", "v.json",
                    R"({"status":"success","data":{"resultType":"vector","result":[]}})"),
              HasSubstr("expected a range query's answer"));
  EXPECT_THAT(error("prometheus", "n.json",
                    R"({"status":"success","data":{"resultType":"matrix","result":[{"values":)"
                    R"([[1,"1"],[2,"NaN"]]}]}})"),
              HasSubstr("a rate of requests must be a number"));
  EXPECT_THAT(error("prometheus", "b.json", "<html>"), HasSubstr("is no JSON object"));
  EXPECT_THAT(error("prometheus", "0.json", ""), HasSubstr("the file is empty"));
}

TEST_F(TraceImport, UnknownFormatNamesTheNearest) {
  EXPECT_THAT(error("nyc_taxis", "x.csv", "a\n"), HasSubstr("did you mean nyc_taxi?"));
}

}  // namespace
}  // namespace spate::judge
