// SPDX-License-Identifier: Apache-2.0
#include "spate/adapters/service_discovery.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <system_error>

#include "spate/base/files.h"

namespace spate::adapters {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;
using scaling::ReplicaState;

// The host of "host", "host:port" or "[v6]:port", brackets kept.
std::string host_of(std::string_view address) {
  const auto bracket = address.rfind(']');
  const auto colon = address.rfind(':');
  const bool has_port =
      colon != std::string_view::npos && (bracket == std::string_view::npos || colon > bracket);
  return std::string(has_port ? address.substr(0, colon) : address);
}

bool has_port(std::string_view address) { return host_of(address).size() + 1 < address.size(); }

bool answers(const gateway::WorkerInfo& worker) {
  return worker.state == ReplicaState::Starting || worker.state == ReplicaState::Ready ||
         worker.state == ReplicaState::Draining;
}

Json target(const std::string& address, const std::string& run, const std::string& component) {
  Json labels = {{"component", component}};
  if (!run.empty()) labels["run"] = run;
  return {{"targets", Json::array({address})}, {"labels", std::move(labels)}};
}

}  // namespace

ComponentAddresses read_component_addresses(const fs::path& folder) {
  ComponentAddresses out;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    if (entry.path().extension() != ".metrics") continue;
    const auto text = read_file(entry.path());
    if (!text) continue;  // it ended between listing and reading
    const std::string line = text->substr(0, text->find('\n'));
    if (has_port(line)) out[entry.path().stem().string()] = line;
  }
  return out;
}

Json service_discovery(const DiscoveryInput& input) {
  Json out = Json::array();
  const std::string host =
      input.asked_host.empty() ? std::string("127.0.0.1") : host_of(input.asked_host);
  const std::string gateway = has_port(input.asked_host)
                                  ? input.asked_host
                                  : fmt::format("{}:{}", host, input.gateway_port);
  out.push_back(target(gateway, input.run, "gateway"));
  const auto full = [&host](const std::string& address) {
    return address.starts_with(':') ? host + address : address;
  };
  for (const auto& [component, address] : input.components) {
    out.push_back(target(full(address), input.run, component));
  }
  std::vector<const gateway::WorkerInfo*> workers;
  for (const auto& worker : input.workers) {
    if (answers(worker) && !worker.metrics_address.empty()) workers.push_back(&worker);
  }
  std::sort(workers.begin(), workers.end(),
            [](const auto* a, const auto* b) { return a->replica_id < b->replica_id; });
  for (const auto* worker : workers) {
    Json entry = target(full(worker->metrics_address), input.run, "worker");
    entry["labels"]["model"] = worker->model;
    entry["labels"]["replica"] = worker->replica_id;
    out.push_back(std::move(entry));
  }
  return out;
}

}  // namespace spate::adapters
