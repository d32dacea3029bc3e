// SPDX-License-Identifier: Apache-2.0
//
// Logging: spdlog to standard error, one line a record, UTC. Use spdlog::info, warn, error
// directly; messages are for people and name what was tried and on what. Never a payload or
// a secret.
#pragma once

#include <spdlog/spdlog.h>

#include <string>

namespace spate {

// `component` stands in every line ("gateway", "worker resnet50-2", ...). `level` is one of
// trace debug info warn error off; throws ConfigError otherwise.
void init_logging(const std::string& component, const std::string& level = "info");

}  // namespace spate
