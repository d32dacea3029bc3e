// SPDX-License-Identifier: Apache-2.0
#include "spate/telemetry/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "spate/telemetry/http_server.h"
#include "spate/telemetry/http_text.h"

namespace spate::telemetry {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(Metrics, GivesTheSameSeriesForTheSameLabels) {
  Metrics metrics;
  Counter& a = metrics.counter("spate_requests_total", "Requests.", {{"outcome", "ok"}});
  Counter& b = metrics.counter("spate_requests_total", "Requests.", {{"outcome", "late"}});
  EXPECT_EQ(&a, &metrics.counter("spate_requests_total", "Requests.", {{"outcome", "ok"}}));
  EXPECT_NE(&a, &b);
  a.Increment(3);
  metrics.gauge("spate_queue_length", "Waiting.").Set(2);
  EXPECT_EQ(metrics.text(),
            "# HELP spate_requests_total Requests.\n"
            "# TYPE spate_requests_total counter\n"
            "spate_requests_total{outcome=\"late\"} 0\n"
            "spate_requests_total{outcome=\"ok\"} 3\n"
            "# HELP spate_queue_length Waiting.\n"
            "# TYPE spate_queue_length gauge\n"
            "spate_queue_length 2\n");
}

TEST(Metrics, AHistogramCountsUpToAndIncludingItsEdges) {
  Metrics metrics;
  Histogram& latency = metrics.histogram("spate_request_latency_seconds", "Latency.", {},
                                         latency_edges({std::chrono::milliseconds(300)}));
  latency.Observe(0.3);
  latency.Observe(0.3001);
  const std::string text = metrics.text();
  EXPECT_THAT(text, HasSubstr("spate_request_latency_seconds_bucket{le=\"0.2\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("spate_request_latency_seconds_bucket{le=\"0.3\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("spate_request_latency_seconds_bucket{le=\"+Inf\"} 2\n"));
}

TEST(Metrics, EdgesAscendAndHoldEachSloOnce) {
  using std::chrono::milliseconds;
  const auto edges = latency_edges({milliseconds(300), milliseconds(1000), milliseconds(300)});
  EXPECT_TRUE(std::is_sorted(edges.begin(), edges.end(), std::less_equal<>{}));
  EXPECT_EQ(std::count(edges.begin(), edges.end(), 0.3), 1);
  EXPECT_EQ(std::count(edges.begin(), edges.end(), 1.0), 1);
}

TEST(Metrics, ASeriesThatIsRemovedIsGoneAndAnEmptyFamilyToo) {
  Metrics metrics;
  Gauge& gone = metrics.gauge("spate_component_memory_bytes", "Memory.", {{"replica", "r1"}});
  metrics.gauge("spate_component_memory_bytes", "Memory.", {{"replica", "r2"}}).Set(1);
  metrics.remove("spate_component_memory_bytes", gone);
  EXPECT_THAT(metrics.text(), Not(HasSubstr("r1")));
  EXPECT_THAT(metrics.text(), HasSubstr("r2"));
  metrics.remove("spate_component_memory_bytes",
                 metrics.gauge("spate_component_memory_bytes", "Memory.", {{"replica", "r2"}}));
  EXPECT_EQ(metrics.text(), "");
  metrics.gauge("spate_component_memory_bytes", "Memory.", {{"replica", "r3"}}).Set(1);
  EXPECT_THAT(metrics.text(), HasSubstr("r3"));
}

TEST(Metrics, ATotalKeptElsewhereOnlyRises) {
  Metrics metrics;
  Counter& counter = metrics.counter("spate_events_total", "Events.");
  advance_to(counter, 5);
  advance_to(counter, 3);
  EXPECT_EQ(counter.Value(), 5);
  advance_to(counter, 7);
  EXPECT_EQ(counter.Value(), 7);
}

TEST(MetricsDeathTest, NamesOutsideTheRulesAreOurOwnBugs) {
  Metrics metrics;
  EXPECT_DEATH(metrics.counter("spate_requests", "Requests."), "end in _total");
  EXPECT_DEATH(metrics.gauge("spate_requests_total", "Requests."), "end in _total");
  EXPECT_DEATH(metrics.gauge("spate_latency_ms", "Latency."), "not a metric name");
  EXPECT_DEATH(metrics.gauge("latency_seconds", "Latency."), "not a metric name");
  EXPECT_DEATH(metrics.gauge("spate_queue_length", ""), "no help");
}

TEST(ProcessMetrics, ShowWhatTheKernelSays) {
  Metrics metrics;
  ProcessMetrics process(metrics);
  process.update();
  const std::string text = metrics.text();
  EXPECT_GT(metrics
                .gauge("process_resident_memory_bytes",
                       "Resident memory of this process, shared pages included.")
                .Value(),
            1e6);
  EXPECT_THAT(text, HasSubstr("process_cpu_seconds_total "));
  EXPECT_THAT(text, HasSubstr("process_threads "));
  EXPECT_THAT(text, Not(HasSubstr("process_open_fds 0\n")));
}

TEST(HttpText, DecodesPercents) {
  EXPECT_EQ(percent_decode("/a%20b%2Fc+d", false), "/a b/c+d");
  EXPECT_EQ(percent_decode("a+b%2B", true), "a b+");
  for (const char* bad : {"%", "%2", "a%zz", "%-1", "%+1"}) {
    EXPECT_FALSE(percent_decode(bad, false)) << bad;
  }
  EXPECT_EQ(query_value("a=1&b=x%20y&c", "b"), "x y");
  EXPECT_EQ(query_value("a=1&b=x%20y&c", "c"), "");
  EXPECT_EQ(query_value("", "c"), "");
}

TEST(HttpText, KnowsItsOwnHosts) {
  for (const char* host : {"localhost", "localhost:80", "127.0.0.1:9", "127.1.2.3", "[::1]:80"}) {
    EXPECT_TRUE(is_loopback_host(host)) << host;
  }
  for (const char* host : {"", "example.org", "localhost.example.org", "127.example.org",
                           "127.0.0.1.example.org", "128.0.0.1"}) {
    EXPECT_FALSE(is_loopback_host(host)) << host;
  }
  EXPECT_TRUE(is_same_site("", "localhost:8080"));
  EXPECT_TRUE(is_same_site("http://localhost:8080", "localhost:8080"));
  EXPECT_FALSE(is_same_site("http://localhost:8081", "localhost:8080"));
  EXPECT_FALSE(is_same_site("null", "localhost:8080"));
}

TEST(HttpText, ChunksAreSizedInHex) {
  EXPECT_EQ(chunk_of(std::string(26, 'x')), "1a\r\n" + std::string(26, 'x') + "\r\n");
}

}  // namespace
}  // namespace spate::telemetry
