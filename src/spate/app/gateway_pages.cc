// SPDX-License-Identifier: Apache-2.0
#include "spate/app/gateway_pages.h"

#include <nlohmann/json.hpp>

#include "spate/adapters/service_discovery.h"
#include "spate/report/assets.h"

namespace spate::app {

using telemetry::HttpRequest;
using telemetry::HttpResponse;

void add_live_page(telemetry::HttpServer& http) {
  http.get("/", [](const HttpRequest&) {
    return HttpResponse{.content_type = "text/html; charset=utf-8",
                        .body = std::string(report::live_page()),
                        .headers = {{"Cache-Control", "no-store"},
                                    {"Content-Security-Policy",
                                     "default-src 'self'; style-src 'self' 'unsafe-inline'; "
                                     "script-src 'self' 'unsafe-inline'; img-src 'self' data:"}}};
  });
  http.get("/echarts.js", [](const HttpRequest&) {
    return HttpResponse{.content_type = "text/javascript; charset=utf-8",
                        .body = std::string(report::chart_library()),
                        .headers = {{"Cache-Control", "max-age=86400"}}};
  });
}

void add_service_discovery(telemetry::HttpServer& http, const gateway::GatewayConfig& config,
                           const gateway::Control& control) {
  http.get("/api/v1/service-discovery", [&http, &config, &control](const HttpRequest& request) {
    adapters::DiscoveryInput input;
    input.run = config.run_label;
    input.asked_host = request.host;
    input.gateway_port = http.port();
    input.components = adapters::read_component_addresses(config.run_dir / "components");
    for (const auto& [component, address] : config.metrics_targets) {
      input.components[component] = address;
    }
    input.workers = control.workers();
    return HttpResponse{.content_type = "application/json",
                        .body = adapters::service_discovery(input).dump() + "\n"};
  });
}

}  // namespace spate::app
