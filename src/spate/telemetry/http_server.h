// SPDX-License-Identifier: Apache-2.0
//
// HttpServer: a small HTTP/1.1 server on an existing loop, for /metrics, the gateway's API and
// the dashboard: exact and prefix routes, keep-alive, limits, timeouts, streamed answers.
//
// It is made for one machine or a trusted network: no TLS, no users. Bound to loopback (the
// default), it answers only requests whose Host is loopback too, and refuses a POST whose Origin
// is another site, so that a web page open in the same machine's browser cannot drive it.
//
// Threads: everything, handlers included, on the loop's thread. A handler must not block.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "spate/base/clock.h"
#include "spate/base/result.h"

namespace boost::asio {
class io_context;
}

namespace spate::telemetry {

struct HttpRequest {
  std::string method;  // "GET", "POST"
  std::string path;    // decoded, without the query: "/api/models/resnet50"
  std::string query;   // as it was sent, without the '?'
  std::string host;    // the Host header: what the client calls this server, with its port or not
  std::string content_type;
  std::string body;
};

// The decoded value of `name` in a query string ("a=1&b=x%20y"), or "" when absent.
std::string query_value(std::string_view query, std::string_view name);

struct HttpResponse {
  int status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers = {};  // further ones
};

// The open end of a streamed answer (chunked), for example server-sent events. Dropping the last
// reference ends the answer.
class HttpStream {
 public:
  virtual ~HttpStream() = default;
  // Queues bytes. False, and nothing is sent, once the peer has gone or so much is waiting
  // (Options::max_stream_backlog_bytes) that the stream was cut: a slow reader never costs memory.
  virtual bool send(std::string_view bytes) = 0;
  virtual bool open() const = 0;
};

class HttpServer {
 public:
  struct Options {
    std::string host = "127.0.0.1";  // an address of this machine; "0.0.0.0" and "::" for all
    std::uint16_t port = 0;          // 0: the kernel picks one; see port()
    std::size_t max_header_bytes = 16U << 10;
    std::size_t max_body_bytes = 1U << 20;
    std::size_t max_connections = 256;  // further ones are closed at once
    std::size_t max_stream_backlog_bytes = 1U << 20;
    Duration request_timeout = std::chrono::seconds(10);  // to receive or to send one message
    Duration idle_timeout = std::chrono::seconds(60);     // between requests
  };
  using Handler = std::function<HttpResponse(const HttpRequest&)>;
  // Called once per request; keep `stream` for as long as there is something to send.
  using StreamHandler = std::function<void(const HttpRequest&, std::shared_ptr<HttpStream> stream)>;

  // Binds and listens; it answers once `loop` runs. InvalidArgument: `host` is no address.
  // Unavailable or PermissionDenied: the port cannot be had.
  static Result<std::unique_ptr<HttpServer>> listen(boost::asio::io_context& loop,
                                                    const Options& options);
  virtual ~HttpServer() = default;

  // Routes. An exact path wins over a prefix, a longer prefix over a shorter one. GET answers
  // HEAD too. A handler that throws gives 500 and a log line. Any time, also while running.
  virtual void get(const std::string& path, Handler handler) = 0;
  virtual void post(const std::string& path, Handler handler) = 0;
  virtual void get_prefix(const std::string& prefix, Handler handler) = 0;
  virtual void post_prefix(const std::string& prefix, Handler handler) = 0;
  virtual void stream(const std::string& path, const std::string& content_type,
                      StreamHandler handler) = 0;

  virtual std::uint16_t port() const = 0;
  // Stops listening and closes every connection. The destructor does it too.
  virtual void close() = 0;
};

}  // namespace spate::telemetry
