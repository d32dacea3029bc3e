// SPDX-License-Identifier: Apache-2.0
#include "spate/gateway/worker_link.h"

#include <sys/socket.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <cstring>
#include <optional>
#include <utility>

namespace spate::gateway {

using boost::system::error_code;

WorkerLink::WorkerLink(boost::asio::io_context& loop, Socket socket, Owner& owner)
    : loop_(loop), socket_(std::move(socket)), owner_(&owner) {}

std::string WorkerLink::peer_host() const {
  error_code error;
  const auto peer = socket_.remote_endpoint(error);
  if (error) return "";
  const int family = peer.protocol().family();
  if (family != AF_INET && family != AF_INET6) return "";
  boost::asio::ip::tcp::endpoint endpoint;
  endpoint.resize(peer.size());
  std::memcpy(endpoint.data(), peer.data(), peer.size());
  auto address = endpoint.address();
  if (address.is_v6() && address.to_v6().is_v4_mapped()) {
    address = boost::asio::ip::make_address_v4(boost::asio::ip::v4_mapped, address.to_v6());
  }
  return address.is_v6() ? "[" + address.to_string() + "]" : address.to_string();
}

void WorkerLink::start() { read(); }

void WorkerLink::send(const wire::Message& message) {
  if (closed()) return;
  wire::encode(message, out_);
  schedule_flush();
}

void WorkerLink::send(const wire::Batch& batch) {
  if (closed()) return;
  wire::encode(batch, out_);
  schedule_flush();
}

void WorkerLink::close() {
  if (closed()) return;
  owner_ = nullptr;
  flush();  // shuts the socket when everything is written
}

void WorkerLink::read() {
  socket_.async_read_some(boost::asio::buffer(input_),
                          [self = shared_from_this()](const error_code& error, std::size_t count) {
                            if (self->closed()) return;
                            if (error) {
                              return self->lost(error == boost::asio::error::eof
                                                    ? "it closed the connection"
                                                    : error.message());
                            }
                            self->take(count);
                            if (!self->closed()) self->read();
                          });
}

void WorkerLink::take(std::size_t count) {
  reader_.feed({input_.data(), count});
  while (!closed()) {
    Result<std::optional<wire::Message>> next = reader_.next();
    if (!next) return lost("bad frame: " + next.error().message);
    if (!next->has_value()) return;
    owner_->link_message(*this, std::move(**next));
  }
}

void WorkerLink::schedule_flush() {
  if (flush_posted_ || !writing_.empty()) return;  // a write under way flushes when it is done
  flush_posted_ = true;
  boost::asio::post(loop_, [self = shared_from_this()] {
    self->flush_posted_ = false;
    self->flush();
  });
}

void WorkerLink::flush() {
  if (!writing_.empty()) return;
  if (out_.empty()) {
    if (closed()) shut();
    return;
  }
  std::swap(writing_, out_);
  boost::asio::async_write(socket_, boost::asio::buffer(writing_),
                           [self = shared_from_this()](const error_code& error, std::size_t) {
                             self->writing_.clear();
                             if (error) {
                               self->out_.clear();
                               return self->closed() ? self->shut() : self->lost(error.message());
                             }
                             self->flush();
                           });
}

void WorkerLink::lost(const std::string& why) {
  Owner* owner = std::exchange(owner_, nullptr);
  shut();
  if (owner != nullptr) owner->link_closed(*this, why);
}

void WorkerLink::shut() {
  error_code ignored;
  socket_.shutdown(Socket::shutdown_both, ignored);
  socket_.close(ignored);
}

}  // namespace spate::gateway
