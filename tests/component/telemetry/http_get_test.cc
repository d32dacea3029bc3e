// SPDX-License-Identifier: Apache-2.0
//
// http_get against the real server, a listener that never answers, and nobody.
#include "spate/telemetry/http_get.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <optional>
#include <string>
#include <thread>

#include "spate/telemetry/http_server.h"

namespace spate::telemetry {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::HasSubstr;

std::string url_of(std::uint16_t port, const std::string& path) {
  return "http://127.0.0.1:" + std::to_string(port) + path;
}

class HttpGetTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto server = HttpServer::listen(loop_, {});
    ASSERT_TRUE(server) << server.error().message;
    server_ = std::move(*server);
    server_->get("/healthz", [](const HttpRequest&) { return HttpResponse{.body = "ok\n"}; });
    server_->get("/readyz", [](const HttpRequest&) {
      return HttpResponse{.status = 503, .body = "replicas are starting\n"};
    });
    server_->get("/long",
                 [](const HttpRequest&) { return HttpResponse{.body = std::string(5000, 'x')}; });
    thread_ = std::thread([this] { loop_.run(); });
  }
  void TearDown() override {
    asio::post(loop_, [this] {
      server_.reset();
      work_.reset();
    });
    thread_.join();
  }

  asio::io_context loop_;
  std::optional<asio::executor_work_guard<asio::io_context::executor_type>> work_{
      asio::make_work_guard(loop_)};
  std::unique_ptr<HttpServer> server_;
  std::thread thread_;
};

TEST_F(HttpGetTest, BringsStatusAndBody) {
  const auto good = http_get(url_of(server_->port(), "/healthz"), seconds(10));
  ASSERT_TRUE(good) << good.error().message;
  EXPECT_EQ(good->status, 200);
  EXPECT_EQ(good->body, "ok\n");
  const auto bad = http_get(url_of(server_->port(), "/readyz"), seconds(10));
  ASSERT_TRUE(bad) << bad.error().message;
  EXPECT_EQ(bad->status, 503);
  EXPECT_EQ(bad->body, "replicas are starting\n");
}

TEST_F(HttpGetTest, FindsAHostByName) {
  const auto answer =
      http_get("http://localhost:" + std::to_string(server_->port()) + "/healthz", seconds(10));
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->status, 200);
}

TEST_F(HttpGetTest, RefusesABodyAboveTheLimit) {
  const auto answer = http_get(url_of(server_->port(), "/long"), seconds(10), 4999);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, ErrorCode::Exhausted);
  EXPECT_TRUE(http_get(url_of(server_->port(), "/long"), seconds(10), 5000));
}

TEST(HttpGet, SaysThatNobodyIsThere) {
  std::uint16_t port = 0;
  {
    asio::io_context loop;
    tcp::acceptor acceptor(loop, {asio::ip::address_v4::loopback(), 0});
    port = acceptor.local_endpoint().port();
  }
  const auto answer = http_get(url_of(port, "/healthz"), seconds(10));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, ErrorCode::Unavailable);
  EXPECT_THAT(answer.error().message, HasSubstr("connecting failed"));
}

TEST(HttpGet, EndsWhenNoAnswerComes) {
  asio::io_context loop;  // the kernel accepts; nobody reads
  const tcp::acceptor acceptor(loop, {asio::ip::address_v4::loopback(), 0});
  const auto answer =
      http_get(url_of(acceptor.local_endpoint().port(), "/healthz"), milliseconds(50));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, ErrorCode::Timeout);
}

TEST(HttpGet, SaysWhatAUrlLooksLike) {
  for (const char* url : {"", "127.0.0.1:80", "https://localhost/", "http://", "http://a b/",
                          "http://host:port/", "http://host:123456/", "http://[::1/"}) {
    const auto answer = http_get(url, seconds(1));
    ASSERT_FALSE(answer) << url;
    EXPECT_EQ(answer.error().code, ErrorCode::InvalidArgument) << url;
    EXPECT_THAT(answer.error().message, HasSubstr("expected http://HOST")) << url;
  }
}

}  // namespace
}  // namespace spate::telemetry
