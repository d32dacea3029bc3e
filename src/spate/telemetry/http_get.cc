// SPDX-License-Identifier: Apache-2.0
#include "spate/telemetry/http_get.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <optional>
#include <regex>

namespace spate::telemetry {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::ip::tcp;

struct Url {
  std::string host;      // without brackets
  std::string in_field;  // as the Host field wants it
  std::string port;
  std::string target;
};

Result<Url> parse(const std::string& text) {
  static const std::regex form(
      R"(http://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:(\d{1,5}))?(/\S*)?)");
  std::smatch part;
  if (!std::regex_match(text, part, form)) {
    return Error{ErrorCode::InvalidArgument,
                 "expected http://HOST[:PORT][/PATH], found \"" + text + "\""};
  }
  Url url;
  url.host = part[1];
  if (url.host.front() == '[') url.host = url.host.substr(1, url.host.size() - 2);
  url.in_field = part[1].str() + part[2].str();
  url.port = part[3].matched ? part[3].str() : "80";
  url.target = part[4].matched ? part[4].str() : "/";
  return url;
}

// The steps of one exchange, each with what it was doing when it failed.
class Exchange {
 public:
  Exchange(asio::io_context& loop, const Url& url, Duration timeout, std::size_t max_body_bytes)
      : resolver_(loop), stream_(loop), url_(url) {
    stream_.expires_after(timeout);
    parser_.body_limit(max_body_bytes);
    request_.method(http::verb::get);
    request_.target(url.target);
    request_.version(11);
    request_.set(http::field::host, url.in_field);
    request_.set(http::field::connection, "close");
  }

  void start() {
    resolver_.async_resolve(url_.host, url_.port, [this](auto error, const auto& found) {
      if (error) return end("finding " + url_.host, error);
      stream_.async_connect(found, [this](auto failed, const auto&) {
        if (failed) return end("connecting", failed);
        send();
      });
    });
  }

  std::optional<Result<HttpAnswer>> result;

 private:
  void send() {
    http::async_write(stream_, request_, [this](auto error, std::size_t) {
      if (error) return end("asking", error);
      http::async_read(stream_, buffer_, parser_, [this](auto failed, std::size_t) {
        if (failed) return end("reading the answer", failed);
        result = HttpAnswer{static_cast<int>(parser_.get().result_int()), parser_.get().body()};
      });
    });
  }

  void end(const std::string& doing, const beast::error_code& error) {
    ErrorCode code = ErrorCode::Unavailable;
    if (error == beast::error::timeout) code = ErrorCode::Timeout;
    if (error == http::error::body_limit) code = ErrorCode::Exhausted;
    result = Error{code, doing + " failed: " + error.message()};
  }

  tcp::resolver resolver_;
  beast::tcp_stream stream_;
  const Url& url_;
  beast::flat_buffer buffer_;
  http::request<http::empty_body> request_;
  http::response_parser<http::string_body> parser_;
};

}  // namespace

Result<HttpAnswer> http_get(const std::string& url, Duration timeout, std::size_t max_body_bytes) {
  const auto parsed = parse(url);
  if (!parsed) return parsed.error();
  asio::io_context loop(1);
  Exchange exchange(loop, *parsed, timeout, max_body_bytes);
  exchange.start();
  loop.run_for(timeout);  // also bounds the name's resolution, which has no limit of its own
  if (!exchange.result) return Error{ErrorCode::Timeout, "no answer in time"};
  return *std::move(exchange.result);
}

}  // namespace spate::telemetry
