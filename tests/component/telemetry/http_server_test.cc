// SPDX-License-Identifier: Apache-2.0
//
// HttpServer over real sockets, spoken to in raw bytes.
#include "spate/telemetry/http_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>
#include <future>
#include <thread>

namespace spate::telemetry {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

// A client that blocks; the server's loop runs on a thread of its own.
class Client {
 public:
  explicit Client(std::uint16_t port) : socket_(loop_) {
    socket_.connect({asio::ip::address_v4::loopback(), port});
  }
  void send(const std::string& bytes) { asio::write(socket_, asio::buffer(bytes)); }
  // Until the peer closes.
  std::string rest() {
    boost::system::error_code ended;
    asio::read(socket_, asio::dynamic_buffer(buffer_), ended);
    return std::exchange(buffer_, {});
  }
  std::string until(const std::string& mark) {
    const auto n = asio::read_until(socket_, asio::dynamic_buffer(buffer_), mark);
    const std::string out = buffer_.substr(0, n);
    buffer_.erase(0, n);
    return out;
  }
  void close() { socket_.close(); }

 private:
  asio::io_context loop_;
  tcp::socket socket_;
  std::string buffer_;
};

class HttpServerTest : public ::testing::Test {
 protected:
  void start(HttpServer::Options options = {}) {
    auto server = HttpServer::listen(loop_, options);
    ASSERT_TRUE(server) << server.error().message;
    server_ = std::move(*server);
    server_->get("/hello", [](const HttpRequest& request) {
      return HttpResponse{.body = "hello " + query_value(request.query, "who")};
    });
    server_->post("/echo", [](const HttpRequest& request) {
      return HttpResponse{.status = 201,
                          .content_type = request.content_type,
                          .body = request.body,
                          .headers = {{"X-Spate", "yes"}}};
    });
    server_->get_prefix("/files/",
                        [](const HttpRequest& r) { return HttpResponse{.body = r.path}; });
    server_->get("/broken",
                 [](const HttpRequest&) -> HttpResponse { throw std::runtime_error("secret"); });
    server_->stream("/events", "text/event-stream",
                    [this](const HttpRequest&, std::shared_ptr<HttpStream> stream) {
                      stream->send("data: first\n\n");
                      stream_ = std::move(stream);
                      streaming_.set_value();
                    });
    thread_ = std::thread([this] { loop_.run(); });
  }
  void TearDown() override {
    if (!thread_.joinable()) return;
    on_loop([this] {
      stream_.reset();
      server_.reset();
      work_.reset();
    });
    thread_.join();
  }
  // Runs `task` on the loop's thread and waits for it.
  void on_loop(std::function<void()> task) {
    std::promise<void> done;
    asio::post(loop_, [&] {
      task();
      done.set_value();
    });
    done.get_future().wait();
  }
  std::string ask(const std::string& request) {
    Client client(server_->port());
    client.send(request);
    return client.rest();
  }

  asio::io_context loop_;
  asio::executor_work_guard<asio::io_context::executor_type> work_{asio::make_work_guard(loop_)};
  std::unique_ptr<HttpServer> server_;
  std::shared_ptr<HttpStream> stream_;
  std::promise<void> streaming_;
  std::thread thread_;
};

const std::string kEnd = "Host: localhost\r\nConnection: close\r\n\r\n";

TEST_F(HttpServerTest, AnswersByExactPathThenByLongestPrefix) {
  start();
  EXPECT_THAT(ask("GET /hello?who=you%20there HTTP/1.1\r\n" + kEnd),
              AllOf(StartsWith("HTTP/1.1 200 OK\r\n"), HasSubstr("\r\n\r\nhello you there")));
  on_loop([this] {
    server_->get_prefix("/files/deep/", [](const auto&) { return HttpResponse{.body = "deep"}; });
    server_->get("/files/deep/x", [](const auto&) { return HttpResponse{.body = "exact"}; });
  });
  EXPECT_THAT(ask("GET /files/a%2Eb HTTP/1.1\r\n" + kEnd), HasSubstr("\r\n\r\n/files/a.b"));
  EXPECT_THAT(ask("GET /files/deep/y HTTP/1.1\r\n" + kEnd), HasSubstr("\r\n\r\ndeep"));
  EXPECT_THAT(ask("GET /files/deep/x HTTP/1.1\r\n" + kEnd), HasSubstr("\r\n\r\nexact"));
}

TEST_F(HttpServerTest, PostsCarryTheirBody) {
  start();
  EXPECT_THAT(
      ask("POST /echo HTTP/1.1\r\nContent-Type: text/x\r\nContent-Length: 4\r\n" + kEnd + "body"),
      AllOf(StartsWith("HTTP/1.1 201 Created"), HasSubstr("Content-Type: text/x"),
            HasSubstr("X-Spate: yes"), HasSubstr("\r\n\r\nbody")));
}

TEST_F(HttpServerTest, HeadHasTheLengthButNoBody) {
  start();
  const std::string answer = ask("HEAD /hello HTTP/1.1\r\n" + kEnd);
  EXPECT_THAT(answer, HasSubstr("Content-Length: 6\r\n"));
  EXPECT_TRUE(answer.ends_with("\r\n\r\n")) << answer;
}

TEST_F(HttpServerTest, KeepsAConnectionForFurtherRequests) {
  start();
  Client client(server_->port());
  for (int i = 0; i < 3; ++i) {
    client.send("GET /hello?who=" + std::to_string(i) + " HTTP/1.1\r\nHost: localhost\r\n\r\n");
    EXPECT_THAT(client.until("hello " + std::to_string(i)), HasSubstr("200 OK"));
  }
  client.send("GET /hello HTTP/1.1\r\n" + kEnd + "");
  EXPECT_THAT(client.rest(), HasSubstr("Connection: close"));
}

TEST_F(HttpServerTest, SaysWhatIsWrong) {
  start({.max_header_bytes = 2048, .max_body_bytes = 100});
  EXPECT_THAT(ask("GET /nothing HTTP/1.1\r\n" + kEnd), StartsWith("HTTP/1.1 404"));
  EXPECT_THAT(ask("DELETE /hello HTTP/1.1\r\n" + kEnd),
              AllOf(StartsWith("HTTP/1.1 405"), HasSubstr("Allow: GET, HEAD\r\n")));
  EXPECT_THAT(ask("POST /echo HTTP/1.1\r\nContent-Length: 101\r\n" + kEnd + std::string(101, 'x')),
              StartsWith("HTTP/1.1 413"));
  EXPECT_THAT(ask("GET /hello HTTP/1.1\r\nX: " + std::string(3000, 'x') + "\r\n" + kEnd),
              StartsWith("HTTP/1.1 431"));
  EXPECT_THAT(ask("NOT HTTP AT ALL\r\n\r\n"), StartsWith("HTTP/1.1 400"));
  EXPECT_THAT(ask("GET /%zz HTTP/1.1\r\n" + kEnd), StartsWith("HTTP/1.1 400"));
  const std::string broken = ask("GET /broken HTTP/1.1\r\n" + kEnd);
  EXPECT_THAT(broken, StartsWith("HTTP/1.1 500"));
  EXPECT_THAT(broken, ::testing::Not(HasSubstr("secret")));
}

TEST_F(HttpServerTest, ForeignPagesAreRefused) {
  start();
  EXPECT_THAT(ask("GET /hello HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n"),
              StartsWith("HTTP/1.1 403"));
  EXPECT_THAT(
      ask("POST /echo HTTP/1.1\r\nOrigin: http://evil.example\r\nContent-Length: 0\r\n" + kEnd),
      StartsWith("HTTP/1.1 403"));
  EXPECT_THAT(
      ask("POST /echo HTTP/1.1\r\nOrigin: http://localhost\r\nContent-Length: 0\r\n" + kEnd),
      StartsWith("HTTP/1.1 201"));
}

TEST_F(HttpServerTest, StreamsInChunksUntilItsEndIsDropped) {
  start();
  Client client(server_->port());
  client.send("GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_THAT(client.until("\r\n\r\n"),
              AllOf(StartsWith("HTTP/1.1 200 OK"), HasSubstr("Content-Type: text/event-stream"),
                    HasSubstr("Transfer-Encoding: chunked")));
  EXPECT_EQ(client.until("\n\n\r\n"), "d\r\ndata: first\n\n\r\n");
  on_loop([this] { EXPECT_TRUE(stream_->send("data: 2\n\n")); });
  EXPECT_EQ(client.until("\n\n\r\n"), "9\r\ndata: 2\n\n\r\n");
  on_loop([this] { stream_.reset(); });
  EXPECT_EQ(client.rest(), "0\r\n\r\n");
}

TEST_F(HttpServerTest, AStreamEndsWhenItsReaderLeavesOrCannotFollow) {
  start({.max_stream_backlog_bytes = 1000});
  {
    Client client(server_->port());
    client.send("GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n");
    client.until("first");
    client.close();
    bool open = true;
    while (open) on_loop([&] { open = stream_->open(); });  // until the server has seen the end
    on_loop([this] { EXPECT_FALSE(stream_->send("more")); });
  }
  streaming_ = {};
  Client slow(server_->port());
  slow.send("GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n");
  streaming_.get_future().wait();
  bool open = true;
  for (int i = 0; open && i < 100'000; ++i) {
    on_loop([&] {
      open = stream_->send(std::string(500, 'x')) && stream_->send(std::string(600, 'x'));
    });
  }
  EXPECT_FALSE(open) << "a reader that does not read cannot make it buffer without end";
}

TEST_F(HttpServerTest, AConnectionThatSaysNothingIsClosed) {
  start({.idle_timeout = std::chrono::milliseconds(50)});
  Client client(server_->port());
  EXPECT_EQ(client.rest(), "");
}

TEST_F(HttpServerTest, TooManyConnectionsAreRefused) {
  start({.max_connections = 1});
  Client first(server_->port());
  first.send("GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n");
  first.until("hello");
  Client second(server_->port());
  EXPECT_EQ(second.rest(), "");
}

TEST(HttpServerListen, SaysWhyItCannot) {
  asio::io_context loop;
  EXPECT_THAT(HttpServer::listen(loop, {.host = "not an address"}).error().message,
              HasSubstr("\"not an address\" is not an address"));
  auto first = HttpServer::listen(loop, {});
  ASSERT_TRUE(first);
  ASSERT_NE((*first)->port(), 0);
  const auto second = HttpServer::listen(loop, {.port = (*first)->port()});
  ASSERT_FALSE(second);
  EXPECT_THAT(second.error().message, HasSubstr(std::to_string((*first)->port())));
}

}  // namespace
}  // namespace spate::telemetry
