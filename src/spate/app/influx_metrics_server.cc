// SPDX-License-Identifier: Apache-2.0
#include "spate/app/influx_metrics_server.h"

#include <fmt/format.h>

#include <boost/asio/post.hpp>
#include <system_error>

#include "spate/base/config_error.h"
#include "spate/base/files.h"
#include "spate/base/log.h"

namespace spate::app {

InfluxMetricsServer::InfluxMetricsServer(const influx::Plan& plan)
    : plan_(plan), influx_(registry_, plan), process_(registry_) {
  auto server = telemetry::HttpServer::listen(
      loop_, {.host = plan.metrics->host, .port = plan.metrics->port});
  if (!server) throw ConfigError("metrics: " + server.error().message);
  http_ = std::move(*server);
  http_->get("/metrics", [this](const telemetry::HttpRequest&) {
    process_.update();
    return telemetry::HttpResponse{.content_type = telemetry::kTextContentType,
                                   .body = registry_.text()};
  });
  http_->get("/healthz", [](const auto&) { return telemetry::HttpResponse{.body = "alive\n"}; });
  note_address();
  thread_ = std::thread([this] { loop_.run(); });
}

InfluxMetricsServer::~InfluxMetricsServer() {
  std::error_code ignored;
  if (!note_.empty()) std::filesystem::remove(note_, ignored);
  boost::asio::post(loop_, [this] {
    http_.reset();
    loop_.stop();
  });
  thread_.join();
}

void InfluxMetricsServer::note_address() {
  const std::string& host = plan_.metrics->host;
  spdlog::info("metrics on http://{}:{}/metrics", host, http_->port());
  if (plan_.run_dir.empty()) return;
  note_ = plan_.run_dir / "components" / "influx.metrics";
  std::error_code ignored;
  std::filesystem::create_directories(note_.parent_path(), ignored);
  const bool everywhere = host == "0.0.0.0" || host == "::";
  const std::string in_url = host.find(':') == std::string::npos ? host : "[" + host + "]";
  const Status noted =
      write_file(note_, fmt::format("{}:{}\n", everywhere ? "" : in_url, http_->port()));
  if (!noted) spdlog::warn("metrics: service discovery will not know: {}", noted.error().message);
}

}  // namespace spate::app
