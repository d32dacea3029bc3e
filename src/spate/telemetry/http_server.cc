// SPDX-License-Identifier: Apache-2.0
#include "spate/telemetry/http_server.h"

#include <spdlog/spdlog.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <map>
#include <optional>
#include <unordered_set>

#include "spate/telemetry/http_text.h"

namespace spate::telemetry {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;

struct Route {
  HttpServer::Handler handler;          // or:
  HttpServer::StreamHandler on_stream;  // a streamed answer
  std::string stream_type;
};
// What a path offers, by method.
using Methods = std::map<std::string, Route, std::less<>>;

class Session;

// Shared by the server and its sessions; outlives both.
struct State {
  HttpServer::Options options;
  bool loopback = true;
  bool closed = false;
  std::map<std::string, Methods, std::less<>> exact;
  std::map<std::string, Methods, std::less<>> prefixes;
  std::unordered_set<std::shared_ptr<Session>> sessions;

  // The methods that `path` offers, or nullptr for 404.
  const Methods* find(std::string_view path) const {
    const auto at = exact.find(path);
    if (at != exact.end()) return &at->second;
    const Methods* longest = nullptr;  // the map is sorted: a later match is longer
    for (const auto& [prefix, methods] : prefixes) {
      if (path.starts_with(prefix)) longest = &methods;
    }
    return longest;
  }
};

HttpResponse plain(int status, std::string text) {
  return HttpResponse{.status = status, .body = std::move(text) + "\n"};
}

// One connection.
class Session : public std::enable_shared_from_this<Session> {
 public:
  Session(tcp::socket socket, std::shared_ptr<State> state)
      : stream_(std::move(socket)), state_(std::move(state)) {}

  void start() {
    error_code ignored;
    stream_.socket().set_option(tcp::no_delay(true), ignored);
    state_->sessions.insert(shared_from_this());
    read_header();
  }

  void close() {
    error_code ignored;
    stream_.socket().shutdown(tcp::socket::shutdown_both, ignored);
    stream_.socket().close(ignored);
    stream_open_ = false;
    state_->sessions.erase(shared_from_this());
  }

  // --- of a streamed answer ----------------------------------------------------------------
  bool stream_open() const { return stream_open_; }

  bool stream_send(std::string_view bytes) {
    if (!stream_open_) return false;
    if (bytes.empty()) return true;
    if (outbox_.size() + bytes.size() > state_->options.max_stream_backlog_bytes) {
      spdlog::warn("http: a stream's reader is too slow, closing it");
      close();
      return false;
    }
    outbox_ += chunked_ ? chunk_of(bytes) : std::string(bytes);
    write_outbox();
    return true;
  }

  void stream_end() {
    if (!stream_open_) return;
    stream_open_ = false;
    if (chunked_) outbox_ += "0\r\n\r\n";
    ending_ = true;
    write_outbox();
  }

 private:
  using Parser = http::request_parser<http::string_body>;

  void read_header() {
    parser_.emplace();
    parser_->header_limit(static_cast<std::uint32_t>(state_->options.max_header_bytes));
    parser_->body_limit(state_->options.max_body_bytes);
    stream_.expires_after(state_->options.idle_timeout);
    http::async_read_header(
        stream_, buffer_, *parser_,
        [self = shared_from_this()](error_code error, std::size_t) { self->on_header(error); });
  }

  void on_header(error_code error) {
    if (error) return on_bad_read(error);
    stream_.expires_after(state_->options.request_timeout);
    if (!beast::iequals(parser_->get()[http::field::expect], "100-continue")) return read_body();
    static constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
    asio::async_write(stream_, asio::buffer(kContinue),
                      [self = shared_from_this()](error_code failed, std::size_t) {
                        if (failed) return self->close();
                        self->read_body();
                      });
  }

  void read_body() {
    http::async_read(stream_, buffer_, *parser_,
                     [self = shared_from_this()](error_code error, std::size_t) {
                       if (error) return self->on_bad_read(error);
                       self->answer();
                     });
  }

  void on_bad_read(error_code error) {
    keep_alive_ = false;
    if (error == http::error::body_limit) return respond(plain(413, "the body is too large"));
    if (error == http::error::header_limit || error == http::error::buffer_overflow) {
      return respond(plain(431, "the header is too large"));
    }
    const bool malformed = error.category() == make_error_code(http::error::bad_method).category();
    if (malformed && error != http::error::end_of_stream && error != http::error::partial_message) {
      return respond(plain(400, "not an HTTP request: " + error.message()));
    }
    close();
  }

  void answer() {
    const auto& message = parser_->get();
    keep_alive_ = message.keep_alive();
    head_ = message.method() == http::verb::head;
    chunked_ = message.version() >= 11;
    const std::string host(message[http::field::host]);
    if (state_->loopback && !host.empty() && !is_loopback_host(host)) {
      return respond(plain(403, "this server answers to localhost only, not to " + host));
    }
    HttpRequest request;
    request.method = head_ ? "GET" : std::string(message.method_string());
    if (request.method != "GET" && !is_same_site(message[http::field::origin], host)) {
      return respond(plain(403, "the request comes from another site"));
    }
    const std::string_view target = message.target();
    const auto question = std::min(target.find('?'), target.size());
    const auto path = percent_decode(target.substr(0, question), false);
    if (!path || !path->starts_with('/')) return respond(plain(400, "not a path"));
    request.path = *path;
    request.query = target.substr(std::min(question + 1, target.size()));
    request.host = host;
    request.content_type = message[http::field::content_type];
    request.body = std::move(parser_->get().body());
    route(request);
  }

  void route(const HttpRequest& request) {
    const Methods* methods = state_->find(request.path);
    if (methods == nullptr) return respond(plain(404, "no such page: " + request.path));
    const auto at = methods->find(request.method);
    if (at == methods->end()) {
      std::string allowed;
      for (const auto& [method, unused] : *methods) {
        allowed += (allowed.empty() ? "" : ", ") + method + (method == "GET" ? ", HEAD" : "");
      }
      auto refusal = plain(405, request.method + " is not offered here; " + allowed + " is");
      refusal.headers.emplace_back("Allow", allowed);
      return respond(std::move(refusal));
    }
    try {
      const Route route = at->second;  // a handler may add routes
      if (route.on_stream) return start_stream(request, route);
      respond(route.handler(request));
    } catch (const std::exception& error) {
      spdlog::error("http: {} {}: {}", request.method, request.path, error.what());
      respond(plain(500, "internal error; the log has more"));
    }
  }

  void respond(HttpResponse answer) {
    auto message = std::make_shared<http::response<http::string_body>>();
    message->result(static_cast<unsigned>(answer.status));
    message->set(http::field::content_type, answer.content_type);
    for (const auto& [name, value] : answer.headers) message->set(name, value);
    message->keep_alive(keep_alive_);
    message->body() = std::move(answer.body);
    message->prepare_payload();
    // The answer to HEAD has the length of the body it leaves out.
    if (head_) message->body().clear();
    stream_.expires_after(state_->options.request_timeout);
    auto serializer = std::make_shared<http::response_serializer<http::string_body>>(*message);
    const auto done = [self = shared_from_this(), message, serializer](error_code error,
                                                                       std::size_t) {
      if (error || !self->keep_alive_) return self->finish();
      self->read_header();
    };
    if (head_) {
      http::async_write_header(stream_, *serializer, done);
    } else {
      http::async_write(stream_, *serializer, done);
    }
  }

  // Sends FIN after the last byte of an answer, then waits for the peer's: closing with bytes
  // unread (a body that was refused) would reset the connection and take the answer with it.
  void finish() {
    error_code ignored;
    stream_.socket().shutdown(tcp::socket::shutdown_send, ignored);
    stream_open_ = false;
    if (watching_) return close();  // a stream: its read is under way and sees the peer's FIN
    stream_.expires_after(std::chrono::seconds(1));
    discard();
  }

  void discard() {
    buffer_.clear();
    stream_.async_read_some(buffer_.prepare(16384),
                            [self = shared_from_this()](error_code error, std::size_t) {
                              if (error) return self->close();
                              self->discard();
                            });
  }

  // Defined below Stream.
  void start_stream(const HttpRequest& request, const Route& route);

  void write_outbox() {
    if (writing_ || outbox_.empty()) {
      if (!writing_ && ending_) finish();
      return;
    }
    writing_ = true;
    inflight_.clear();
    inflight_.swap(outbox_);
    stream_.expires_after(state_->options.request_timeout);
    asio::async_write(stream_, asio::buffer(inflight_),
                      [self = shared_from_this()](error_code error, std::size_t) {
                        self->writing_ = false;
                        if (error) return self->close();
                        self->write_outbox();
                      });
  }

  // A peer that leaves is noticed by its end of stream; what it sends is ignored.
  void watch_peer() {
    watching_ = true;
    buffer_.clear();
    stream_.expires_never();
    stream_.async_read_some(buffer_.prepare(512),
                            [self = shared_from_this()](error_code error, std::size_t) {
                              if (error) return self->close();
                              self->watch_peer();
                            });
  }

  beast::tcp_stream stream_;
  std::shared_ptr<State> state_;
  beast::flat_buffer buffer_;
  std::optional<Parser> parser_;
  bool keep_alive_ = false;
  bool head_ = false;

  bool chunked_ = true;
  bool stream_open_ = false;
  bool ending_ = false;
  bool writing_ = false;
  bool watching_ = false;
  std::string outbox_;
  std::string inflight_;
};

class Stream final : public HttpStream {
 public:
  explicit Stream(const std::shared_ptr<Session>& session) : session_(session) {}
  ~Stream() override {
    if (const auto session = session_.lock()) session->stream_end();
  }
  bool send(std::string_view bytes) override {
    const auto session = session_.lock();
    return session != nullptr && session->stream_send(bytes);
  }
  bool open() const override {
    const auto session = session_.lock();
    return session != nullptr && session->stream_open();
  }

 private:
  std::weak_ptr<Session> session_;
};

void Session::start_stream(const HttpRequest& request, const Route& route) {
  keep_alive_ = false;
  outbox_ = "HTTP/1.1 200 OK\r\nContent-Type: " + route.stream_type +
            "\r\nCache-Control: no-store\r\nConnection: close\r\n" +
            (chunked_ ? "Transfer-Encoding: chunked\r\n\r\n" : "\r\n");
  if (head_) {
    ending_ = true;
    return write_outbox();
  }
  stream_open_ = true;
  watch_peer();
  write_outbox();
  route.on_stream(request, std::make_shared<Stream>(shared_from_this()));
}

class Server final : public HttpServer {
 public:
  Server(asio::io_context& loop, const Options& options)
      : acceptor_(loop), retry_(loop), state_(std::make_shared<State>()) {
    state_->options = options;
  }
  ~Server() override { close(); }

  Status open() {
    error_code error;
    const std::string& host = state_->options.host;
    const auto address = asio::ip::make_address(host == "localhost" ? "127.0.0.1" : host, error);
    if (error) {
      return Error{ErrorCode::InvalidArgument, "http: \"" + host + "\" is not an address"};
    }
    state_->loopback = address.is_loopback();
    const tcp::endpoint endpoint(address, state_->options.port);
    acceptor_.open(endpoint.protocol(), error);
    if (!error) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
    if (!error) acceptor_.bind(endpoint, error);
    if (!error) acceptor_.listen(asio::socket_base::max_listen_connections, error);
    if (error) {
      return error_from_errno(
          "http: cannot listen on " + host + " port " + std::to_string(state_->options.port),
          error.value());
    }
    port_ = acceptor_.local_endpoint().port();
    accept();
    return ok();
  }

  void get(const std::string& path, Handler handler) override {
    state_->exact[path]["GET"] = Route{std::move(handler), nullptr, ""};
  }
  void post(const std::string& path, Handler handler) override {
    state_->exact[path]["POST"] = Route{std::move(handler), nullptr, ""};
  }
  void get_prefix(const std::string& prefix, Handler handler) override {
    state_->prefixes[prefix]["GET"] = Route{std::move(handler), nullptr, ""};
  }
  void post_prefix(const std::string& prefix, Handler handler) override {
    state_->prefixes[prefix]["POST"] = Route{std::move(handler), nullptr, ""};
  }
  void stream(const std::string& path, const std::string& content_type,
              StreamHandler handler) override {
    state_->exact[path]["GET"] = Route{nullptr, std::move(handler), content_type};
  }

  std::uint16_t port() const override { return port_; }

  void close() override {
    state_->closed = true;
    error_code ignored;
    acceptor_.close(ignored);
    retry_.cancel();
    const auto sessions = std::move(state_->sessions);
    state_->sessions.clear();
    for (const auto& session : sessions) session->close();
    // Handlers may hold what is about to go; sessions that still unwind find no route.
    state_->exact.clear();
    state_->prefixes.clear();
  }

 private:
  void accept() {
    acceptor_.async_accept([this, state = state_](error_code error, tcp::socket socket) {
      if (state->closed) return;  // `this` may be gone
      if (error == asio::error::operation_aborted) return;
      if (error) {
        // Out of descriptors, most likely: leave the loop some air.
        spdlog::warn("http: accept: {}", error.message());
        retry_.expires_after(std::chrono::milliseconds(100));
        retry_.async_wait([this, state](error_code cancelled) {
          if (!cancelled && !state->closed) accept();
        });
        return;
      }
      if (state->sessions.size() < state->options.max_connections) {
        std::make_shared<Session>(std::move(socket), state)->start();
      } else {
        spdlog::warn("http: {} connections, refusing another", state->sessions.size());
      }
      accept();
    });
  }

  tcp::acceptor acceptor_;
  asio::steady_timer retry_;
  std::shared_ptr<State> state_;
  std::uint16_t port_ = 0;
};

}  // namespace

Result<std::unique_ptr<HttpServer>> HttpServer::listen(asio::io_context& loop,
                                                       const Options& options) {
  auto server = std::make_unique<Server>(loop, options);
  if (const Status opened = server->open(); !opened) return opened.error();
  return std::unique_ptr<HttpServer>(std::move(server));
}

}  // namespace spate::telemetry
