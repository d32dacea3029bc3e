// SPDX-License-Identifier: Apache-2.0
#include "spate/mqtt/link.h"

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/write.hpp>
#include <utility>

namespace spate::mqtt {
namespace {

using boost::system::error_code;

constexpr std::chrono::seconds kLinger{1};
constexpr int kReadsInARow = 8;                     // then others on the loop get their turn
constexpr std::size_t kKeepBufferBytes = 1U << 20;  // a larger one is given back after use

}  // namespace

Link::Link(boost::asio::io_context& loop, Clock& clock, Owner& owner)
    : clock_(clock), owner_(&owner), resolver_(loop), socket_(loop) {}

void Link::open(const std::string& host, std::uint16_t port) {
  error_code not_numeric;
  const auto address = boost::asio::ip::make_address(host, not_numeric);
  if (!not_numeric) {
    socket_.async_connect({address, port}, [self = shared_from_this()](const error_code& error) {
      self->connected(error);
    });
    return;
  }
  resolver_.async_resolve(
      host, std::to_string(port),
      [self = shared_from_this()](const error_code& error, const Tcp::resolver::results_type& all) {
        if (self->owner_ == nullptr) return;
        if (error) return self->lost(error);
        boost::asio::async_connect(
            self->socket_, all,
            [self](const error_code& refused, const Tcp::endpoint&) { self->connected(refused); });
      });
}

void Link::connected(const error_code& error) {
  if (owner_ == nullptr) return;
  if (error) return lost(error);
  error_code failed;
  socket_.set_option(Tcp::no_delay(true), failed);
  if (!failed) socket_.non_blocking(true, failed);
  if (failed) return lost(failed);
  open_ = true;
  read();
  owner_->link_opened();
}

// Waits for bytes, then reads them without waiting: the room belongs to the owner, who may go
// away in between, so no operation of the kernel's may hold on to it.
void Link::read() {
  socket_.async_wait(Tcp::socket::wait_read, [self = shared_from_this()](const error_code& error) {
    if (error) return self->lost(error);
    self->read_ready();
  });
}

void Link::read_ready() {
  std::array<char, 4096> discarded;
  for (int i = 0; i < kReadsInARow; ++i) {
    const std::span<char> room = owner_ ? owner_->room_to_read() : std::span<char>(discarded);
    error_code error;
    const std::size_t count =
        socket_.read_some(boost::asio::buffer(room.data(), room.size()), error);
    if (error == boost::asio::error::would_block) break;
    if (error) return lost(error);
    if (owner_) owner_->link_read(count);
    if (!socket_.is_open()) return;
    if (count < room.size()) break;
  }
  read();
}

void Link::write() {
  if (!open_ || writing_ || owner_ == nullptr) return;
  if (owner_->next_to_write(buffer_)) write_buffer();
}

void Link::write_buffer() {
  writing_ = true;
  boost::asio::async_write(
      socket_, boost::asio::buffer(buffer_),
      [self = shared_from_this()](const error_code& error, std::size_t) { self->written(error); });
}

void Link::written(const error_code& error) {
  writing_ = false;
  buffer_.clear();
  if (buffer_.capacity() > kKeepBufferBytes) buffer_.shrink_to_fit();
  if (error) return lost(error);
  if (owner_) return owner_->link_written();
  say_farewell();
}

void Link::close(std::string farewell) {
  owner_ = nullptr;
  if (!open_ || farewell.empty()) return drop();
  farewell_ = std::move(farewell);
  linger_ = clock_.call_after(kLinger, [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (!self) return;
    self->linger_.reset();
    self->drop();
  });
  if (!writing_) say_farewell();
}

void Link::say_farewell() {
  if (!socket_.is_open()) return;
  if (!farewell_.empty()) {
    buffer_ = std::exchange(farewell_, {});
    // At once if it fits into the socket's buffer, as the loop may not run any more.
    error_code error;
    const std::size_t count = socket_.write_some(boost::asio::buffer(buffer_), error);
    if (error && error != boost::asio::error::would_block) return drop();
    buffer_.erase(0, count);
    if (!buffer_.empty()) return write_buffer();
  }
  // The reads go on until the other side closes too: closing with unread bytes would reset the
  // connection and could cost the other side what it has not read yet.
  error_code ignored;
  socket_.shutdown(Tcp::socket::shutdown_send, ignored);
}

void Link::lost(const error_code& error) {
  drop();
  if (Owner* owner = std::exchange(owner_, nullptr)) {
    const bool ended = error == boost::asio::error::eof;
    owner->link_lost(Error{ErrorCode::Unavailable,
                           ended ? "the other side closed the connection" : error.message()});
  }
}

void Link::drop() {
  if (linger_) clock_.cancel(*std::exchange(linger_, std::nullopt));
  open_ = false;
  resolver_.cancel();
  error_code ignored;
  socket_.close(ignored);
}

}  // namespace spate::mqtt
