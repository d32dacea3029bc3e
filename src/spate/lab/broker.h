// SPDX-License-Identifier: Apache-2.0
//
// Broker: where a run's MQTT traffic goes: Spate's own mosquitto, started by the supervisor on a
// free loopback port, or one that exists already (--broker URL).
//
// Spate's own is set up so that the gateway owns the queue: no limit on messages in flight or
// queued (but one in bytes), TCP_NODELAY at its end, and as much persistence as the scenario asks.
//
// Threads: the loop's thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "spate/base/result.h"
#include "spate/lab/scenario.h"
#include "spate/lab/supervisor.h"

namespace spate::lab {

struct BrokerAddress {
  std::string host = "127.0.0.1";
  std::uint16_t port = 1883;
  std::string username;
  std::string password_file;  // "" = none
  bool external = false;
  std::string version;  // "mosquitto 2.0.11"; "" when unknown
};

// "mqtt://[user[:password]@]host[:port]". A password goes to `password_file`, which is written
// with mode 0600. Throws ConfigError naming what was expected.
BrokerAddress parse_broker_url(const std::string& url, const std::filesystem::path& password_file);

// The mosquitto.conf of our own broker.
std::string broker_config(const BrokerScenario& settings, std::uint16_t port,
                          const std::filesystem::path& data, bool as_root,
                          const std::string& address = "127.0.0.1");

// Starts mosquitto as the supervisor's child "broker", its files in `folder`, its log in `log`,
// and returns when it accepts connections. NotFound names the package to install.
Result<BrokerAddress> start_broker(LiveLoop& loop, Supervisor& supervisor,
                                   const BrokerScenario& settings,
                                   const std::filesystem::path& folder,
                                   const std::filesystem::path& log);

// What `--broker` reaches: Unavailable when nothing answers. `warnings` gets what can lose or
// delay messages, as far as its CONNACK tells.
Result<BrokerAddress> probe_broker(LiveLoop& loop, BrokerAddress address,
                                   std::vector<std::string>& warnings);

// Full path of a program on PATH or in the system's sbin folders; "" when there is none.
std::string find_program(const std::string& name);

// A loopback port that was free a moment ago.
Result<std::uint16_t> free_loopback_port();

// True when something accepts TCP connections on that loopback port now.
bool accepts_connections(std::uint16_t port);

}  // namespace spate::lab
