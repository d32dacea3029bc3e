// SPDX-License-Identifier: Apache-2.0
//
// Service discovery for Prometheus (its HTTP SD format): where the /metrics of every component of
// a run are, so that replicas which come and go are found without a configuration that names them.
// The gateway serves it on /api/v1/service-discovery (docs/monitoring.md).
//
// Threads: any; plain functions.
#pragma once

#include <filesystem>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "spate/gateway/control.h"

namespace spate::adapters {

// "host:port" by component ("influx", …), for components that are neither gateway nor worker;
// ":port" for one that listens on every address of the gateway's machine.
using ComponentAddresses = std::map<std::string, std::string>;

// What components of the run noted about themselves: each file <folder>/<component>.metrics holds
// one "host:port" line. A file without such a line is left out. No folder: nothing.
ComponentAddresses read_component_addresses(const std::filesystem::path& folder);

struct DiscoveryInput {
  std::string run{};  // label `run`: which run of a comparison this is ("vertical-1")
  // What the asking client calls the gateway ("gateway:8080"): the gateway's own target, and its
  // host is that of workers which listen on every address of the gateway's machine.
  std::string asked_host{};
  std::uint16_t gateway_port = 0;  // when asked_host names none
  ComponentAddresses components{};
  std::vector<gateway::WorkerInfo> workers{};
};

// A list of {"targets": ["host:port"], "labels": {component, model, replica, run}}, ordered by
// component and replica. Workers without an address and those that are neither starting, ready nor
// draining (a paused one could not answer) are left out; empty labels are not written.
nlohmann::ordered_json service_discovery(const DiscoveryInput& input);

}  // namespace spate::adapters
