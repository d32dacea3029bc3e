// SPDX-License-Identifier: Apache-2.0
//
// What the gateway serves over HTTP beside its state: the live page and service discovery.
// `spate gateway` adds both to its server. Threads: the server's loop.
#pragma once

#include "spate/gateway/config.h"
#include "spate/gateway/control.h"
#include "spate/telemetry/http_server.h"

namespace spate::app {

// "/" shows what happens now (it reads /api/state and /api/decisions); "/echarts.js" is its charts.
void add_live_page(telemetry::HttpServer& http);

// "/api/v1/service-discovery": Prometheus' HTTP SD. Borrows `config` and `control`, which must
// outlive the server. Components that are not of the gateway's own note their address in
// <run_dir>/components/<component>.metrics; those of "metrics_targets" come on top.
void add_service_discovery(telemetry::HttpServer& http, const gateway::GatewayConfig& config,
                           const gateway::Control& control);

}  // namespace spate::app
