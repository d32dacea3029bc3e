// SPDX-License-Identifier: Apache-2.0
//
// The files that a run's components are started with: gateway.json and influx.json, written from
// the effective scenario. Their readers are gateway/config.h and influx/plan.h.
//
// Threads: pure functions.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "spate/lab/broker.h"
#include "spate/lab/scenario.h"

namespace spate::lab {

// Where the gateway serves HTTP during a run; port 0: a free one for each run.
struct HttpAddress {
  std::string host = "127.0.0.1";
  std::uint16_t port = 0;
};
// "8080", "0.0.0.0:8080", "[::]:8080". Throws ConfigError.
HttpAddress parse_http_address(const std::string& text);

struct RunPaths {
  std::filesystem::path directory;  // absolute
  std::filesystem::path socket;     // gateway's worker listener
  std::filesystem::path token() const { return directory / "token"; }
  std::filesystem::path log(const std::string& component) const {
    return directory / "logs" / (component + ".log");
  }
};

// A Unix socket's path has at most 107 characters: a longer one goes to `fallback`, named by
// the run.
RunPaths run_paths(const std::filesystem::path& directory, const std::filesystem::path& fallback,
                   const std::string& run_id);

nlohmann::json gateway_json(const Scenario& scenario, const StrategyChoice& strategy,
                            const BrokerAddress& broker, const RunPaths& paths,
                            const std::string& run_id, const std::string& limits,
                            const HttpAddress& http = {});

// `repetition` from 1: all strategies of a repetition get the same schedule. `expected`: file of
// offline predictions by model. influx serves /metrics on `http`'s host, on a free port.
nlohmann::json influx_json(const Scenario& scenario, const BrokerAddress& broker,
                           const RunPaths& paths, int repetition,
                           const std::map<std::string, std::filesystem::path>& expected,
                           const HttpAddress& http = {});

}  // namespace spate::lab
