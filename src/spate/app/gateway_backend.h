// SPDX-License-Identifier: Apache-2.0
//
// GatewayBackend: where `spate gateway` has its workers, chosen by the settings: processes or a
// Docker engine. The actuator and the meter that belong together, and what is said about them.
#pragma once

#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "spate/adapters/meter.h"
#include "spate/base/clock.h"
#include "spate/base/result.h"
#include "spate/gateway/backend_config.h"
#include "spate/gateway/config.h"
#include "spate/scaling/actuator.h"

namespace spate::app {

class GatewayBackend {
 public:
  using AnnounceLimit =
      std::function<void(const std::string& replica, double cpus, bool duty_cycle)>;
  virtual ~GatewayBackend() = default;

  virtual scaling::Actuator& actuator() = 0;
  virtual adapters::Meter& meter() = 0;
  // How limits are enforced, and why not better; "" = nothing to say.
  virtual std::string limit_note() const = 0;
  // What gateway.state.json and /api/state say of it: kind, meter, the engine.
  virtual nlohmann::ordered_json description() const = 0;
  // Once no worker is left.
  virtual Status tidy() = 0;
};

// `worker_address`: where the gateway listens for workers. Throws ConfigError with what to do when
// the backend cannot be used.
std::unique_ptr<GatewayBackend> make_backend(boost::asio::io_context& loop, Clock& clock,
                                             const gateway::GatewayConfig& config,
                                             const gateway::BackendConfig& backend,
                                             const std::string& worker_address,
                                             GatewayBackend::AnnounceLimit announce);

}  // namespace spate::app
