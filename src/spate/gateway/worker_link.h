// SPDX-License-Identifier: Apache-2.0
//
// WorkerLink: the gateway's end of one worker connection: frames in and out over a Unix or TCP
// socket. WorkerListener makes them, WorkerHub owns them. What is sent within one turn of the loop
// leaves in one write.
//
// It keeps itself alive through its pending operations; after close() or link_closed() the
// owner is not called again.
//
// Threads: the loop's.
#pragma once

#include <array>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <memory>
#include <string>

#include "spate/wire/codec.h"

namespace spate::gateway {

class WorkerLink : public std::enable_shared_from_this<WorkerLink> {
 public:
  using Socket = boost::asio::generic::stream_protocol::socket;

  class Owner {
   public:
    // May call anything of the link, close() too.
    virtual void link_message(WorkerLink& link, wire::Message&& message) = 0;
    // The other side closed it, it broke, or it sent what is no frame. Not called after close().
    virtual void link_closed(WorkerLink& link, const std::string& why) = 0;

   protected:
    ~Owner() = default;
  };

  WorkerLink(boost::asio::io_context& loop, Socket socket, Owner& owner);

  void start();
  void send(const wire::Message& message);
  void send(const wire::Batch& batch);
  // Writes what was sent, then closes.
  void close();

  // The other side's IP address, as it stands in an URL ("10.0.0.7", "[fd00::7]"); "" for a Unix
  // socket, and when it cannot be told.
  std::string peer_host() const;

  bool closed() const { return owner_ == nullptr; }

 private:
  void read();
  void take(std::size_t count);
  void schedule_flush();
  void flush();
  void lost(const std::string& why);
  void shut();

  boost::asio::io_context& loop_;
  Socket socket_;
  Owner* owner_;
  wire::FrameReader reader_;
  std::array<char, 64 * 1024> input_;
  std::string out_;
  std::string writing_;  // being written
  bool flush_posted_ = false;
};

}  // namespace spate::gateway
