// SPDX-License-Identifier: Apache-2.0
//
// Link: one TCP connection of a Client, from resolving the name to the last byte. It moves bytes
// and knows nothing of MQTT. Internal to Client.
//
// It keeps itself alive through its pending operations. After link_lost() or close() the owner
// is not called again and may be gone.
//
// Threads: the one that runs the loop.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "spate/base/clock.h"
#include "spate/base/result.h"

namespace spate::mqtt {

class Link : public std::enable_shared_from_this<Link> {
 public:
  class Owner {
   public:
    virtual void link_opened() = 0;
    virtual void link_lost(const Error& why) = 0;
    // Where to read to; used at once.
    virtual std::span<char> room_to_read() = 0;
    virtual void link_read(std::size_t count) = 0;
    // Moves what is to be written into `into`, which is empty; false when there is nothing.
    virtual bool next_to_write(std::string& into) = 0;
    virtual void link_written() = 0;  // what was taken has been written; call write() for more

   protected:
    ~Owner() = default;
  };

  Link(boost::asio::io_context& loop, Clock& clock, Owner& owner);

  void open(const std::string& host, std::uint16_t port);
  // Takes and writes what the owner has, unless a write is under way (then link_written() will
  // tell) or the link is not open yet. Everything that has gathered goes out in one write.
  void write();
  // Writes `farewell` after what was already taken, then ends the connection without cutting off
  // these bytes, within a second; empty: drops the connection at once.
  void close(std::string farewell);

 private:
  using Tcp = boost::asio::ip::tcp;

  void connected(const boost::system::error_code& error);
  void read();
  void read_ready();
  void written(const boost::system::error_code& error);
  void write_buffer();
  void say_farewell();
  void lost(const boost::system::error_code& error);
  void drop();

  Clock& clock_;
  Owner* owner_;
  Tcp::resolver resolver_;
  Tcp::socket socket_;
  std::string buffer_;  // being written
  std::string farewell_;
  std::optional<TimerId> linger_;
  bool open_ = false;
  bool writing_ = false;
};

}  // namespace spate::mqtt
