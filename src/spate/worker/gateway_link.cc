// SPDX-License-Identifier: Apache-2.0
#include "spate/worker/gateway_link.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/un.h>

#include <array>
#include <boost/asio/connect.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <utility>

#include "spate/base/config_error.h"
#include "spate/wire/codec.h"

namespace spate::worker {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;
using Socket = asio::generic::stream_protocol::socket;

// Small frames leave at once; a peer that vanished without a word is noticed within about 20 s.
void set_tcp_options(Socket& socket) {
  const int on = 1, idle_s = 10, interval_s = 3, probes = 3, unacked_ms = 20'000;
  const int fd = socket.native_handle();
  // None of these can fail on a connected TCP socket of Linux; without them it still works.
  (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s);
  (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof interval_s);
  (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
  (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &unacked_ms, sizeof unacked_ms);
}

}  // namespace

GatewayAddress GatewayAddress::parse(const std::string& text) {
  GatewayAddress address;
  if (text.starts_with("unix:") && text.size() > 5) {
    address.path = text.substr(5);
    if (address.path.size() >= sizeof(sockaddr_un::sun_path)) {
      throw ConfigError("--gateway: the socket's path is " + std::to_string(address.path.size()) +
                        " bytes long, a Unix socket allows 107: " + address.path);
    }
    return address;
  }
  const auto colon = text.rfind(':');
  if (text.starts_with("tcp:") && colon > 4 && colon + 1 < text.size()) {
    address.is_unix = false;
    address.host = text.substr(4, colon - 4);
    if (address.host.starts_with('[') && address.host.ends_with(']')) {  // tcp:[::1]:9000
      address.host = address.host.substr(1, address.host.size() - 2);
    }
    address.port = text.substr(colon + 1);
    return address;
  }
  throw ConfigError("--gateway: expected unix:PATH or tcp:HOST:PORT, got \"" + text + "\"");
}

// Handlers of an attempt carry its number: those of an earlier one do nothing.
struct GatewayLink::State : std::enable_shared_from_this<State> {
  State(asio::io_context& l, GatewayAddress a, Callbacks c)
      : loop(l), address(std::move(a)), callbacks(std::move(c)), socket(l), resolver(l), limit(l) {}

  asio::io_context& loop;
  GatewayAddress address;
  Callbacks callbacks;
  Socket socket;
  tcp::resolver resolver;
  asio::steady_timer limit;
  std::uint64_t attempt = 0;
  bool open = false;
  bool writing = false;
  wire::FrameReader reader;
  std::array<char, 256 * 1024> chunk;
  std::string outbox;
  std::string in_flight;
  std::function<void()> finished;

  void close() {
    ++attempt;
    open = false;
    writing = false;
    outbox.clear();
    resolver.cancel();
    error_code ignored;
    socket.close(ignored);
    reader = {};
  }

  void lost(const std::string& why) {
    close();
    if (finished) return end();
    callbacks.disconnected(why);
  }

  void end() {
    limit.cancel();
    if (open) {
      error_code ignored;
      socket.shutdown(Socket::shutdown_both, ignored);
    }
    close();
    if (const auto done = std::exchange(finished, nullptr)) done();
  }

  void dial() {
    close();
    if (address.is_unix) {
      connect({asio::local::stream_protocol::endpoint(address.path)}, attempt);
      return;
    }
    resolver.async_resolve(
        address.host, address.port,
        [self = shared_from_this(), mine = attempt](error_code error, const auto& results) {
          if (mine != self->attempt) return;
          if (error) {
            return self->lost("cannot resolve " + self->address.host + ": " + error.message());
          }
          std::vector<asio::generic::stream_protocol::endpoint> endpoints;
          for (const auto& entry : results) endpoints.emplace_back(entry.endpoint());
          self->connect(std::move(endpoints), mine);
        });
  }

  void connect(std::vector<asio::generic::stream_protocol::endpoint> endpoints,
               std::uint64_t mine) {
    const auto list = std::make_shared<decltype(endpoints)>(std::move(endpoints));
    asio::async_connect(socket, *list,
                        [self = shared_from_this(), mine, list](error_code error, const auto&) {
                          if (mine != self->attempt) return;
                          if (error) return self->lost("cannot connect: " + error.message());
                          if (!self->address.is_unix) set_tcp_options(self->socket);
                          self->open = true;
                          self->callbacks.connected();
                          if (mine == self->attempt) self->read();
                        });
  }

  void read() {
    socket.async_read_some(asio::buffer(chunk), [self = shared_from_this(), mine = attempt](
                                                    error_code error, std::size_t bytes) {
      if (mine != self->attempt) return;
      if (error) {
        return self->lost(error == asio::error::eof ? "it closed the connection" : error.message());
      }
      self->reader.feed(std::string_view(self->chunk.data(), bytes));
      self->take_messages(mine);
    });
  }

  void take_messages(std::uint64_t mine) {
    for (;;) {
      auto message = reader.next();
      if (!message) {
        callbacks.bad_frame(message.error().message);
        break;
      }
      if (!message->has_value()) break;
      callbacks.message(std::move(**message));
      if (mine != attempt) break;  // the message led to a hang-up
    }
    callbacks.batch_read();
    if (mine == attempt && open) read();
  }

  void flush() {
    if (!open || writing) return;
    if (outbox.empty()) {
      if (finished) end();
      return;
    }
    writing = true;
    in_flight.clear();
    in_flight.swap(outbox);
    asio::async_write(socket, asio::buffer(in_flight),
                      [self = shared_from_this(), mine = attempt](error_code error, std::size_t) {
                        if (mine != self->attempt) return;
                        self->writing = false;
                        if (error) return self->lost(error.message());
                        self->flush();
                      });
  }
};

GatewayLink::GatewayLink(asio::io_context& loop, GatewayAddress address, Callbacks callbacks)
    : state_(std::make_shared<State>(loop, std::move(address), std::move(callbacks))) {}

GatewayLink::~GatewayLink() {
  state_->finished = nullptr;
  state_->limit.cancel();
  state_->close();
}

void GatewayLink::dial() { state_->dial(); }
void GatewayLink::hang_up() { state_->close(); }
void GatewayLink::send(const wire::Message& message) {
  if (state_->open) wire::encode(message, state_->outbox);
}
void GatewayLink::flush() { state_->flush(); }

void GatewayLink::finish(Duration limit, std::function<void()> done) {
  state_->finished = std::move(done);
  if (!state_->open) return state_->end();
  state_->limit.expires_after(limit);
  state_->limit.async_wait([state = state_](error_code cancelled) {
    if (!cancelled) state->end();
  });
  state_->flush();
}

}  // namespace spate::worker
