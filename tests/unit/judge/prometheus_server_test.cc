// SPDX-License-Identifier: Apache-2.0
//
// The real server is asked by tests/e2e/prometheus_import_test.py; here what it may answer.
#include "spate/judge/prometheus_server.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace spate::judge {
namespace {

using testing::HasSubstr;

const RangeQuery kHour{"http://p:9090/", "sum(rate(x{a=\"b c\"}[1m]))", 600.0, 720.0, 60.0};

std::string matrix(const std::string& series) {
  return R"({"status":"success","data":{"resultType":"matrix","result":[)" + series + "]}}";
}
std::string error_of(const RangeQuery& query, Result<Fetched> answer) {
  const auto out =
      import_range_query(query, {}, [&](const std::string&) -> Result<Fetched> { return answer; });
  return out ? "no error" : out.error().message;
}

TEST(RangeUrls, EncodeTheQuery) {
  EXPECT_THAT(range_urls(kHour).value(),
              testing::ElementsAre(
                  "http://p:9090/api/v1/query_range?query=sum%28rate%28x%7Ba%3D%22b%20c%22%7D%5B1m%"
                  "5D%29%29&start=600.000&end=720.000&step=60.000"));
}

TEST(RangeUrls, SplitAtWhatPrometheusAllows) {
  RangeQuery week = kHour;
  week.start_s = 0.0;
  week.step_s = 15.0;
  week.end_s = 15.0 * 21'999;  // 22 000 points
  const auto urls = range_urls(week).value();
  ASSERT_EQ(urls.size(), 2U);
  EXPECT_THAT(urls[0], HasSubstr("start=0.000&end=164985.000&"));
  EXPECT_THAT(urls[1], HasSubstr("start=165000.000&end=329985.000&"));
  week.end_s += 15.0;
  EXPECT_EQ(range_urls(week)->size(), 3U);
}

TEST(RangeUrls, RefuseWhatCannotBeAsked) {
  RangeQuery q = kHour;
  q.end_s = q.start_s;
  EXPECT_THAT(range_urls(q).error().message,
              HasSubstr("the end (1970-01-01 00:10:00 UTC) must be after the start"));
  q = kHour;
  q.step_s = 0.0;
  EXPECT_THAT(range_urls(q).error().message, HasSubstr("step must be at least"));
  q = kHour;
  q.query = "  ";
  EXPECT_THAT(range_urls(q).error().message, HasSubstr("query is empty"));
  q = kHour;
  q.end_s = 1e9;
  q.step_s = 1.0;
  EXPECT_THAT(range_urls(q).error().message, HasSubstr("take a larger step"));
}

TEST(RangeQuery, ValuesBelongToTheStepThatEndsThere) {
  std::vector<std::string> asked;
  const auto out = import_range_query(kHour, {}, [&](const std::string& url) -> Result<Fetched> {
    asked.push_back(url);
    return Fetched{200, matrix(R"({"metric":{},"values":[[600,"2"],[720,"0.5"]]})")};
  });
  ASSERT_TRUE(out.has_value()) << out.error().message;
  EXPECT_EQ(asked.size(), 1U);
  EXPECT_EQ(out->bins.front().unix_s, 540.0);
  EXPECT_EQ(trace_csv(*out), "t_s,requests\n0,120\n120,30\n");
  EXPECT_THAT(out->notes.front(), HasSubstr("2 of 3 points"));
}

TEST(RangeQuery, PiecesAreOneTrace) {
  RangeQuery q = kHour;
  q.start_s = 0.0;
  q.step_s = 1.0;
  q.end_s = 11'000.0;
  ImportOptions counts;
  counts.per_second = false;
  int call = 0;
  const auto out = import_range_query(q, counts, [&](const std::string&) -> Result<Fetched> {
    std::string values;
    const int first = call++ * kMostPoints;
    for (int i = first; i < std::min(first + kMostPoints, 11'001); ++i) {
      values += fmt::format("{}[{},\"1\"]", values.empty() ? "" : ",", i);
    }
    return Fetched{200, matrix(R"({"metric":{"job":"a"},"values":[)" + values + "]}")};
  });
  ASSERT_TRUE(out.has_value()) << out.error().message;
  EXPECT_EQ(call, 2);
  EXPECT_EQ(out->bins.size(), 11'001U);
  EXPECT_EQ(out->requests, 11'001.0);
  EXPECT_EQ(out->report.missing_bins, 0U);
}

TEST(RangeQuery, EachFailureHasItsWords) {
  EXPECT_THAT(error_of(kHour, Error{ErrorCode::Unavailable, "connecting failed: refused"}),
              HasSubstr("http://p:9090/: connecting failed: refused"));
  EXPECT_THAT(error_of(kHour, Fetched{400, R"({"status":"error","error":"parse error: no )\"})"}),
              HasSubstr("answered HTTP 400"));
  EXPECT_THAT(error_of(kHour, Fetched{422, R"({"status":"error","error":"too many samples"})"}),
              HasSubstr("answered HTTP 422: too many samples"));
  EXPECT_THAT(error_of(kHour, Fetched{404, "<html>not here</html>"}),
              HasSubstr("HTTP 404: is this a Prometheus server?"));
  EXPECT_THAT(error_of(kHour, Fetched{200, "<html>"}), HasSubstr("is no JSON object"));
  EXPECT_THAT(error_of(kHour, Fetched{200, matrix("")}), HasSubstr("the query found nothing"));
  EXPECT_THAT(error_of(kHour, Fetched{200, matrix(R"({"metric":{},"values":[[600,"2"]]})")}),
              HasSubstr("a single point"));
  const std::string two = R"({"metric":{"job":"a"},"values":[[600,"2"]]},)"
                          R"({"metric":{"job":"b"},"values":[[600,"2"]]})";
  EXPECT_THAT(
      error_of(kHour, Fetched{200, matrix(two)}),
      HasSubstr("2 series ({job=\"a\"}, {job=\"b\"}); a trace is one: wrap it in sum(...)"));
  EXPECT_THAT(
      error_of(kHour, Fetched{200, matrix(R"({"metric":{},"values":[[600,"NaN"],[660,"1"]]})")}),
      HasSubstr("a rate of requests must be a number"));
}

}  // namespace
}  // namespace spate::judge
