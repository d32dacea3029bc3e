// SPDX-License-Identifier: Apache-2.0
#include "spate/lab/broker.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <charconv>
#include <cstdlib>
#include <fstream>

#include "spate/base/config_error.h"
#include "spate/base/files.h"
#include "spate/mqtt/client.h"

namespace spate::lab {
namespace {

namespace asio = boost::asio;

constexpr const char* kName = "broker";
constexpr int kPortTries = 5;  // another process may take the port between our look and its start
constexpr Duration kStartLimit = std::chrono::seconds(10);
constexpr Duration kProbeLimit = std::chrono::seconds(5);
constexpr Duration kVersionLimit = std::chrono::milliseconds(500);
constexpr int kComfortableInFlight = 100;

asio::ip::tcp::endpoint loopback(std::uint16_t port) {
  return {asio::ip::address_v4::loopback(), port};
}

// "mosquitto version 2.0.11" is the first line of its help.
std::string mosquitto_version(LiveLoop& loop, Supervisor& supervisor, const std::string& program,
                              const std::filesystem::path& folder) {
  (void)loop;
  const auto log = folder / "version.txt";
  (void)supervisor.run({program, "-h"}, log, std::chrono::seconds(2));
  const auto text = read_file(log);
  if (!text) return "mosquitto";
  const std::string line = text->substr(0, text->find('\n'));
  const auto at = line.find("version ");
  return at == std::string::npos ? "mosquitto" : "mosquitto " + line.substr(at + 8);
}

std::string tail(const std::filesystem::path& file) {
  const auto text = read_file(file);
  if (!text) return "";
  return text->size() > 2000 ? text->substr(text->size() - 2000) : text.value();
}

}  // namespace

std::string find_program(const std::string& name) {
  const char* path = std::getenv("PATH");
  std::string folders =
      (path != nullptr ? std::string(path) : "") + ":/usr/sbin:/usr/local/sbin:/sbin";
  for (std::size_t begin = 0; begin <= folders.size();) {
    const std::size_t end = std::min(folders.find(':', begin), folders.size());
    const std::string candidate = folders.substr(begin, end - begin) + "/" + name;
    if (end > begin && ::access(candidate.c_str(), X_OK) == 0) return candidate;
    begin = end + 1;
  }
  return "";
}

Result<std::uint16_t> free_loopback_port() {
  asio::io_context io;
  boost::system::error_code failed;
  asio::ip::tcp::acceptor acceptor(io);
  acceptor.open(asio::ip::tcp::v4(), failed);
  if (!failed) acceptor.bind(loopback(0), failed);
  if (failed) return Error{ErrorCode::Unavailable, "no free loopback port: " + failed.message()};
  return acceptor.local_endpoint().port();
}

bool accepts_connections(std::uint16_t port) {
  asio::io_context io;
  asio::ip::tcp::socket socket(io);
  boost::system::error_code failed;
  socket.connect(loopback(port), failed);
  return !failed;
}

std::string broker_config(const BrokerScenario& settings, std::uint16_t port,
                          const std::filesystem::path& data, bool as_root,
                          const std::string& address) {
  std::string out = fmt::format(
      "# Written by spate; docs/guarantees.md says what each line is for.\n"
      "listener {} {}\n"
      "allow_anonymous true\n"
      "set_tcp_nodelay true\n"
      "max_inflight_messages 0\n"
      "max_queued_messages 0\n"
      "max_queued_bytes {}\n"
      "message_size_limit {}\n"
      "sys_interval 1\n"
      "log_dest stderr\n"
      "log_type error\nlog_type warning\nlog_type notice\nlog_type information\n"
      "log_timestamp_format %Y-%m-%dT%H:%M:%S\n",
      port, address, settings.max_queued_bytes, settings.message_size_limit);
  // Started as root it would change to a user that cannot write into the run's folder.
  if (as_root) out += "user root\n";
  if (settings.persistence == "off") return out + "persistence false\n";
  out += fmt::format("persistence true\npersistence_location {}/\n", data.string());
  if (settings.persistence == "every_change") {
    out += "autosave_on_changes true\nautosave_interval 1\n";
  }
  return out;
}

Result<BrokerAddress> start_broker(LiveLoop& loop, Supervisor& supervisor,
                                   const BrokerScenario& settings,
                                   const std::filesystem::path& folder,
                                   const std::filesystem::path& log) {
  const std::string program = find_program("mosquitto");
  if (program.empty()) {
    return Error{ErrorCode::NotFound,
                 "mosquitto is neither on PATH nor in /usr/sbin: run scripts/setup, install the "
                 "package mosquitto, or name a broker with --broker mqtt://HOST:PORT"};
  }
  std::error_code failed;
  std::filesystem::create_directories(folder, failed);
  BrokerAddress out;
  out.version = mosquitto_version(loop, supervisor, program, folder);
  for (int attempt = 1;; ++attempt) {
    const auto port = free_loopback_port();
    if (!port) return port.error();
    out.port = *port;
    const auto config = folder / "mosquitto.conf";
    if (const Status written =
            write_file(config, broker_config(settings, out.port, folder, ::geteuid() == 0));
        !written) {
      return written.error();
    }
    adapters::ChildSpec spec;
    spec.argv = {program, "-c", config.string()};
    spec.log_file = log;
    if (const Status started = supervisor.start(kName, std::move(spec)); !started) {
      return started.error();
    }
    const Waited waited = loop.run_until(
        [&] { return !supervisor.running(kName) || accepts_connections(out.port); }, kStartLimit);
    if (waited == Waited::Interrupted) return Error{ErrorCode::Unavailable, "interrupted"};
    if (supervisor.running(kName) && waited == Waited::Done) return out;
    supervisor.stop(kName, std::chrono::seconds(1));
    const std::string said = tail(log);
    if (attempt == kPortTries || said.find("Address already in use") == std::string::npos) {
      return Error{ErrorCode::Unavailable, "mosquitto did not come up:\n" + said};
    }
  }
}

BrokerAddress parse_broker_url(const std::string& url, const std::filesystem::path& password_file) {
  const auto refuse = [&] {
    throw ConfigError("--broker: expected mqtt://[user[:password]@]host[:port], got \"" + url +
                      "\"");
  };
  BrokerAddress out;
  out.external = true;
  constexpr std::string_view kScheme = "mqtt://";
  if (!url.starts_with(kScheme)) refuse();
  std::string rest = url.substr(kScheme.size());
  if (!rest.empty() && rest.back() == '/') rest.pop_back();
  if (const auto at = rest.rfind('@'); at != std::string::npos) {
    out.username = rest.substr(0, at);
    rest = rest.substr(at + 1);
    if (const auto colon = out.username.find(':'); colon != std::string::npos) {
      const std::string password = out.username.substr(colon + 1);
      out.username.resize(colon);
      const mode_t before = ::umask(0077);
      const Status written = write_file(password_file, password + "\n");
      ::umask(before);
      if (!written) throw ConfigError("--broker: " + written.error().message);
      out.password_file = password_file.string();
    }
  }
  // A colon inside brackets belongs to an IPv6 address.
  const auto bracket = rest.rfind(']');
  const auto colon = rest.rfind(':');
  if (colon != std::string::npos && (bracket == std::string::npos || colon > bracket)) {
    const std::string digits = rest.substr(colon + 1);
    int port = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
    if (error != std::errc{} || end != digits.data() + digits.size() || port < 1 || port > 65535) {
      refuse();
    }
    out.port = static_cast<std::uint16_t>(port);
    rest.resize(colon);
  }
  if (rest.size() > 2 && rest.front() == '[' && rest.back() == ']') {
    rest = rest.substr(1, rest.size() - 2);
  }
  if (rest.empty() || rest.find('/') != std::string::npos) refuse();
  out.host = rest;
  return out;
}

Result<BrokerAddress> probe_broker(LiveLoop& loop, BrokerAddress address,
                                   std::vector<std::string>& warnings) {
  mqtt::ClientOptions options;
  options.host = address.host;
  options.port = address.port;
  options.username = address.username;
  if (!address.password_file.empty()) {
    const auto password = read_file(address.password_file);
    if (!password) return password.error();
    options.password = password->substr(0, password->find('\n'));
  }
  options.client_id = fmt::format("spate-probe-{}", ::getpid());
  options.clean_start = true;
  options.session_expiry_s = 0;
  std::string why = "no answer";
  mqtt::ClientHandlers handlers;
  handlers.on_disconnected = [&](const Error& error, Duration) { why = error.message; };
  handlers.on_message = [&](mqtt::Message&& message, mqtt::AckHandle) {
    address.version = std::string(message.payload);
  };
  mqtt::Client client(loop.io(), loop.clock(), options, std::move(handlers));
  client.subscribe({"$SYS/broker/version", mqtt::Qos::AtMostOnce});
  client.start();
  if (loop.run_until([&] { return client.connected(); }, kProbeLimit) != Waited::Done) {
    client.stop();
    return Error{ErrorCode::Unavailable, fmt::format("the broker at {}:{} cannot be used: {}",
                                                     address.host, address.port, why)};
  }
  // Brokers without $SYS topics keep their version to themselves.
  (void)loop.run_until([&] { return !address.version.empty(); }, kVersionLimit);
  const int granted = client.broker_receive_maximum();
  if (granted < kComfortableInFlight) {
    warnings.push_back(fmt::format(
        "the broker grants {} unacknowledged messages in flight: a publisher waits for it, which "
        "counts as latency. With mosquitto set max_inflight_messages 0 and max_queued_messages 0 "
        "(past its default of 1 000 it drops messages silently).",
        granted));
  }
  client.stop();
  return address;
}

}  // namespace spate::lab
