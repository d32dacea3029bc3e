// SPDX-License-Identifier: Apache-2.0
//
// http_get(): a blocking GET from a loopback port. Not for a server on the calling thread's loop.
#pragma once

#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <cstdint>
#include <string>

namespace spate::test {

struct HttpAnswer {
  int status = 0;
  std::string body;
};

// Throws boost::system::system_error when nobody listens.
inline HttpAnswer http_get(std::uint16_t port, const std::string& path) {
  using boost::asio::ip::tcp;
  boost::asio::io_context io;
  tcp::socket socket(io);
  socket.connect({boost::asio::ip::address_v4::loopback(), port});
  const std::string request = "GET " + path +
                              " HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(port) +
                              "\r\nConnection: close\r\n\r\n";
  boost::asio::write(socket, boost::asio::buffer(request));
  std::string text;
  boost::system::error_code end;
  boost::asio::read(socket, boost::asio::dynamic_buffer(text), end);
  HttpAnswer out;
  if (text.size() > 12) out.status = std::stoi(text.substr(9, 3));
  const auto head = text.find("\r\n\r\n");
  if (head != std::string::npos) out.body = text.substr(head + 4);
  return out;
}

// The port of "host:port\n".
inline std::uint16_t port_of(const std::string& address) {
  return static_cast<std::uint16_t>(std::stoi(address.substr(address.rfind(':') + 1)));
}

}  // namespace spate::test
