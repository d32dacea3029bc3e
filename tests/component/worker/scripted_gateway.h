// SPDX-License-Identifier: Apache-2.0
//
// ScriptedGateway: the gateway's side of the wire, spoken by a test line by line: accept, expect
// this, send that. Every wait is bounded by 20 s and then throws, which fails the test.
//
// Threads: one.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

#include "spate/wire/codec.h"

namespace spate::test {

class ScriptedGateway {
 public:
  explicit ScriptedGateway(const std::filesystem::path& socket) : path_(socket) { listen(); }
  // TCP on a loopback port that the kernel picks.
  ScriptedGateway() {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    socklen_t size = sizeof address;
    if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
        ::listen(listener_, 8) != 0 ||
        ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
      throw std::runtime_error("cannot listen on loopback");
    }
    bound(listener_);
    port_ = ntohs(address.sin_port);
  }
  ~ScriptedGateway() {
    hang_up();
    stop_listening();
  }
  ScriptedGateway(const ScriptedGateway&) = delete;
  ScriptedGateway& operator=(const ScriptedGateway&) = delete;

  void listen() {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path_.c_str(), sizeof address.sun_path - 1);
    listener_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ::unlink(path_.c_str());
    if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
        ::listen(listener_, 8) != 0) {
      throw std::runtime_error("cannot listen on " + path_.string());
    }
    bound(listener_);
  }
  void stop_listening() {
    if (listener_ >= 0) ::close(std::exchange(listener_, -1));
    if (!path_.empty()) ::unlink(path_.c_str());
  }
  void accept() {
    hang_up();
    connection_ = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (connection_ < 0) throw std::runtime_error("no worker came");
    bound(connection_);
    reader_ = {};
  }
  void hang_up() {
    if (connection_ >= 0) ::close(std::exchange(connection_, -1));
  }
  void send(const wire::Message& message) {
    std::string bytes;
    wire::encode(message, bytes);
    send_bytes(bytes);
  }
  void send_bytes(std::string_view bytes) {
    while (!bytes.empty()) {
      const auto sent = ::send(connection_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) throw std::runtime_error("the worker takes nothing");
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
  }
  // Nothing at the end of the connection.
  std::optional<wire::Message> next() {
    for (;;) {
      auto message = reader_.next();
      if (!message) throw std::runtime_error(message.error().message);
      if (message->has_value()) return std::move(**message);
      char chunk[65536];
      const auto got = ::recv(connection_, chunk, sizeof chunk, 0);
      if (got < 0) throw std::runtime_error("the worker is silent");
      if (got == 0) return std::nullopt;
      reader_.feed({chunk, static_cast<std::size_t>(got)});
    }
  }
  // The next message, which must be an M.
  template <class M>
  M expect() {
    auto message = next();
    if (!message) throw std::runtime_error("the worker closed the connection");
    if (auto* m = std::get_if<M>(&*message)) return std::move(*m);
    throw std::runtime_error("another message, type " + std::to_string(message->index() + 1));
  }
  // accept, Register, Registered, Ready.
  wire::Ready welcome() {
    accept();
    registered_ = expect<wire::Register>();
    send(wire::Registered{.gateway_id = "scripted"});
    return expect<wire::Ready>();
  }
  std::uint16_t port() const { return port_; }
  const wire::Register& registered() const { return registered_; }

 private:
  static void bound(int fd) {
    const timeval limit{20, 0};
    ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  }

  std::filesystem::path path_;
  std::uint16_t port_ = 0;
  int listener_ = -1;
  int connection_ = -1;
  wire::FrameReader reader_;
  wire::Register registered_;
};

}  // namespace spate::test
