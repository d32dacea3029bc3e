// SPDX-License-Identifier: Apache-2.0
#include "spate/adapters/docker/docker_http.h"

#include <fmt/format.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <cctype>
#include <optional>

namespace spate::adapters {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using Local = asio::local::stream_protocol;

class Call final : public DockerCall {
 public:
  Call(asio::io_context& loop, const DockerOptions& options, DockerRequest request,
       std::function<void(Result<DockerResponse>)> done)
      : stream_(loop), options_(options), request_(std::move(request)), done_(std::move(done)) {}

  void start() {
    if (request_.timeout > Duration::zero()) {
      stream_.expires_after(request_.timeout);
    } else {
      stream_.expires_never();
    }
    stream_.async_connect(Local::endpoint(options_.socket),
                          [self = self()](beast::error_code error) { self->on_connect(error); });
  }

  void cancel() override {
    done_ = nullptr;
    request_.on_body = nullptr;
    request_.on_head = nullptr;
    stream_.cancel();
    beast::error_code ignored;
    stream_.socket().close(ignored);
  }

 private:
  std::shared_ptr<Call> self() { return std::static_pointer_cast<Call>(shared_from_this()); }

  void finish(Result<DockerResponse> result) {
    beast::error_code ignored;
    stream_.socket().close(ignored);
    if (auto done = std::exchange(done_, nullptr)) done(std::move(result));
  }

  void fail(const char* what, beast::error_code error) {
    if (!done_) return;
    const std::string& socket = options_.socket;
    if (error == asio::error::connection_refused ||
        error == beast::errc::no_such_file_or_directory) {
      return finish(Error{
          ErrorCode::Unavailable,
          "no Docker engine answers at " + socket + ": is it installed (docker.io) and running?"});
    }
    if (error == beast::errc::permission_denied) {
      return finish(Error{ErrorCode::PermissionDenied,
                          "permission denied on " + socket +
                              ": run as root, or as a member of the group that owns the socket"});
    }
    const bool timed_out = error == beast::error::timeout;
    finish(Error{timed_out ? ErrorCode::Timeout : ErrorCode::Unavailable,
                 fmt::format("Docker engine at {}: {} {}: {} failed: {}", socket, request_.verb,
                             request_.target, what,
                             timed_out ? fmt::format("no answer within {:.0f} s",
                                                     to_seconds(request_.timeout))
                                       : error.message())});
  }

  void on_connect(beast::error_code error) {
    if (error) return fail("connecting", error);
    message_.version(11);
    message_.method_string(request_.verb);
    message_.target(request_.target);
    message_.set(http::field::host, "docker");
    message_.set(http::field::connection, "close");
    if (!request_.body.empty()) message_.set(http::field::content_type, "application/json");
    message_.body() = request_.body;
    message_.prepare_payload();
    http::async_write(stream_, message_, [self = self()](beast::error_code failed, std::size_t) {
      self->on_written(failed);
    });
  }

  void on_written(beast::error_code error) {
    if (error) return fail("sending", error);
    parser_.emplace();
    parser_->body_limit(options_.max_response_bytes);
    if (request_.on_body) parser_->body_limit(boost::none);
    http::async_read_header(
        stream_, buffer_, *parser_,
        [self = self()](beast::error_code failed, std::size_t) { self->on_header(failed); });
  }

  void on_header(beast::error_code error) {
    if (error) return fail("reading the answer", error);
    response_.status = parser_->get().result_int();
    streaming_ = request_.on_body != nullptr && response_.status / 100 == 2;
    if (streaming_ && request_.on_head) request_.on_head();
    read_body();
  }

  void read_body() {
    if (!done_) return;
    if (parser_->is_done()) return finish(std::move(response_));
    parser_->get().body().data = chunk_;
    parser_->get().body().size = sizeof(chunk_);
    // A stream's pieces are wanted as they come: async_read would wait for a full buffer.
    http::async_read_some(
        stream_, buffer_, *parser_,
        [self = self()](beast::error_code failed, std::size_t) { self->on_body(failed); });
  }

  void on_body(beast::error_code error) {
    if (error == http::error::need_buffer) error = {};
    if (error) return fail("reading the answer", error);
    const std::string_view bytes(chunk_, sizeof(chunk_) - parser_->get().body().size);
    if (streaming_) {
      if (request_.on_body && !bytes.empty()) request_.on_body(bytes);
    } else {
      response_.body += bytes;
    }
    read_body();
  }

  beast::basic_stream<Local, asio::any_io_executor> stream_;
  DockerOptions options_;
  DockerRequest request_;
  std::function<void(Result<DockerResponse>)> done_;
  http::request<http::string_body> message_;
  beast::flat_buffer buffer_;
  std::optional<http::response_parser<http::buffer_body>> parser_;
  DockerResponse response_;
  bool streaming_ = false;
  char chunk_[16384];
};

}  // namespace

std::shared_ptr<DockerCall> DockerCall::begin(asio::io_context& loop, const DockerOptions& options,
                                              DockerRequest request,
                                              std::function<void(Result<DockerResponse>)> done) {
  auto call = std::make_shared<Call>(loop, options, std::move(request), std::move(done));
  call->start();
  return call;
}

Error docker_error(const DockerRequest& request, const DockerResponse& response) {
  std::string message = response.body;
  const auto json = nlohmann::json::parse(response.body, nullptr, false);
  if (json.is_object() && json.contains("message") && json["message"].is_string()) {
    message = json["message"].get<std::string>();
  }
  ErrorCode code = ErrorCode::Internal;
  if (response.status == 404) code = ErrorCode::NotFound;
  if (response.status == 400 || response.status == 409) code = ErrorCode::InvalidArgument;
  if (response.status == 403) code = ErrorCode::PermissionDenied;
  if (response.status == 503) code = ErrorCode::Unavailable;
  return Error{code, fmt::format("Docker engine: {} {}: {} (HTTP {})", request.verb,
                                 request.target.substr(0, request.target.find('?')), message,
                                 response.status)};
}

std::string percent_encode(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (std::isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_' || c == '.') {
      out += c;
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

}  // namespace spate::adapters
