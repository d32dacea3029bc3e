// SPDX-License-Identifier: Apache-2.0
#include "spate/gateway/worker_listener.h"

#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <charconv>
#include <utility>

namespace spate::gateway {

namespace {

using boost::system::error_code;
using Local = boost::asio::local::stream_protocol;
using Tcp = boost::asio::ip::tcp;

constexpr Duration kRetryAfter = std::chrono::milliseconds(100);

Error bind_error(const std::string& address, const error_code& error) {
  const bool denied = error == boost::asio::error::access_denied;
  return Error{denied ? ErrorCode::PermissionDenied : ErrorCode::Unavailable,
               "cannot listen for workers on " + address + ": " + error.message()};
}

// Accepts until it is destroyed; pending operations then end without a call.
template <class Protocol>
class Listener final : public WorkerListener {
 public:
  Listener(Clock& clock, typename Protocol::acceptor acceptor, std::string address,
           std::string file, Accepted accepted)
      : state_(std::make_shared<State>(
            State{clock, std::move(acceptor), std::move(accepted), std::move(file)})),
        address_(std::move(address)) {
    accept(state_);
  }
  ~Listener() override {
    state_->accepted = nullptr;
    error_code ignored;
    state_->acceptor.close(ignored);
    if (!state_->file.empty()) ::unlink(state_->file.c_str());
  }

  const std::string& address() const override { return address_; }

 private:
  struct State {
    Clock& clock;
    typename Protocol::acceptor acceptor;
    Accepted accepted;
    std::string file;  // of a Unix socket
  };

  static void accept(const std::shared_ptr<State>& state) {
    state->acceptor.async_accept([state](const error_code& error,
                                         typename Protocol::socket socket) {
      if (!state->accepted) return;
      if (error) {
        // Such as no descriptors left: the others live on, and it may pass.
        spdlog::warn("gateway: a worker's connection could not be accepted: {}", error.message());
        state->clock.call_after(kRetryAfter, [state] {
          if (state->accepted && state->acceptor.is_open()) accept(state);
        });
        return;
      }
      if constexpr (std::is_same_v<Protocol, Tcp>) {
        error_code ignored;
        socket.set_option(Tcp::no_delay(true), ignored);
      }
      state->accepted(WorkerLink::Socket(std::move(socket)));
      if (state->accepted && state->acceptor.is_open()) accept(state);
    });
  }

  std::shared_ptr<State> state_;
  std::string address_;
};

// Removes the socket file of a process that is gone.
Status remove_stale(boost::asio::io_context& loop, const std::string& path) {
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0) return ok();
  if (!S_ISSOCK(info.st_mode)) {
    return Error{ErrorCode::Unavailable, "cannot listen for workers on " + path +
                                             ": a file that is no socket is in the way"};
  }
  Local::socket probe(loop);
  error_code error;
  probe.connect(Local::endpoint(path), error);
  if (!error) {
    return Error{ErrorCode::Unavailable,
                 "cannot listen for workers on " + path + ": another process listens there"};
  }
  ::unlink(path.c_str());
  return ok();
}

Result<std::unique_ptr<WorkerListener>> listen_local(boost::asio::io_context& loop, Clock& clock,
                                                     const std::string& path,
                                                     WorkerListener::Accepted accepted) {
  // The field in sockaddr_un has 108 bytes, one of them for the end.
  if (path.empty() || path.size() > 107) {
    return Error{ErrorCode::InvalidArgument,
                 "the path of a Unix socket has 1 to 107 characters, not '" + path + "'"};
  }
  if (Status gone = remove_stale(loop, path); !gone) return gone.error();
  Local::acceptor acceptor(loop);
  error_code error;
  acceptor.open(Local(), error);
  const mode_t old_mask = ::umask(0177);
  if (!error) acceptor.bind(Local::endpoint(path), error);
  ::umask(old_mask);
  if (!error) acceptor.listen(boost::asio::socket_base::max_listen_connections, error);
  if (error) return bind_error("unix:" + path, error);
  return std::unique_ptr<WorkerListener>(
      new Listener<Local>(clock, std::move(acceptor), "unix:" + path, path, std::move(accepted)));
}

Result<std::unique_ptr<WorkerListener>> listen_tcp(boost::asio::io_context& loop, Clock& clock,
                                                   const std::string& text,
                                                   WorkerListener::Accepted accepted) {
  const std::size_t colon = text.rfind(':');
  unsigned port = 65536;
  if (colon != std::string::npos) {
    const char* end = text.data() + text.size();
    const auto [stop, bad] = std::from_chars(text.data() + colon + 1, end, port);
    if (bad != std::errc() || stop != end) port = 65536;
  }
  const std::string host = text.substr(0, colon);
  error_code error;
  const auto ip = boost::asio::ip::make_address(
      host.size() > 2 && host.front() == '[' ? host.substr(1, host.size() - 2) : host, error);
  if (error || port > 65535) {
    return Error{
        ErrorCode::InvalidArgument,
        "expected tcp:address:port with an address of this machine, got 'tcp:" + text + "'"};
  }
  const Tcp::endpoint endpoint(ip, static_cast<std::uint16_t>(port));
  Tcp::acceptor acceptor(loop);
  acceptor.open(endpoint.protocol(), error);
  if (!error) acceptor.set_option(Tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(boost::asio::socket_base::max_listen_connections, error);
  if (error) return bind_error("tcp:" + text, error);
  const std::string bound = "tcp:" + host + ":" + std::to_string(acceptor.local_endpoint().port());
  return std::unique_ptr<WorkerListener>(
      new Listener<Tcp>(clock, std::move(acceptor), bound, "", std::move(accepted)));
}

}  // namespace

Result<std::unique_ptr<WorkerListener>> WorkerListener::listen(boost::asio::io_context& loop,
                                                               Clock& clock,
                                                               const std::string& address,
                                                               Accepted accepted) {
  if (address.rfind("unix:", 0) == 0) {
    return listen_local(loop, clock, address.substr(5), std::move(accepted));
  }
  if (address.rfind("tcp:", 0) == 0)
    return listen_tcp(loop, clock, address.substr(4), std::move(accepted));
  return Error{ErrorCode::InvalidArgument,
               "expected unix:/path or tcp:address:port, got '" + address + "'"};
}

}  // namespace spate::gateway
