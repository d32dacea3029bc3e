// SPDX-License-Identifier: Apache-2.0
//
// `spate health`: asks a component how it is; what a container's health check runs.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>

#include "spate/app/command.h"
#include "spate/base/config_error.h"
#include "spate/telemetry/http_get.h"

namespace spate::app {
namespace {

constexpr const char* kAbout =
    "Asks a running component how it is, and says so in one line. Made for the health checks of\n"
    "container engines, which look at the exit status.\n\n"
    "A gateway answers at the port of its settings (http.port), a worker where --metrics-port "
    "says.\n"
    "/healthz: it lives and does its work; /readyz: besides, a gateway has the replicas it wants, "
    "a\n"
    "worker has loaded its model.";

std::string first_line(const std::string& text) {
  return text.substr(0, std::min<std::size_t>(text.find_first_of("\r\n"), 200));
}

int health(const std::string& url, double timeout_s) {
  const auto answer = telemetry::http_get(url, from_seconds(timeout_s));
  if (!answer) {
    if (answer.error().code == ErrorCode::InvalidArgument) {
      throw ConfigError("--url: " + answer.error().message);
    }
    fmt::print("no answer: {}: {}\n", url, answer.error().message);
    return kFailed;
  }
  const bool good = answer->status >= 200 && answer->status < 300;
  fmt::print("{}: {}: {} {}\n", good ? "healthy" : "not healthy", url, answer->status,
             first_line(answer->body));
  return good ? kDone : kFailed;
}

}  // namespace

void add_health_command(CLI::App& app, Run& run) {
  struct Settings {
    std::string url = "http://127.0.0.1:9464/healthz";
    double timeout_s = 2.0;
  };
  auto settings = std::make_shared<Settings>();
  CLI::App* command = app.add_subcommand("health", kAbout);
  command->add_option("--url", settings->url, "What to ask")
      ->envname("SPATE_HEALTH_URL")
      ->capture_default_str()
      ->type_name("URL");
  command->add_option("--timeout", settings->timeout_s, "Seconds to wait for the answer")
      ->check(CLI::Range(0.1, 60.0))
      ->capture_default_str()
      ->type_name("SECONDS");
  command->footer(
      "Example:\n  spate health --url http://127.0.0.1:9464/readyz\n\n" +
      exit_text({{kDone, "healthy (a status of 2xx)"}, {kFailed, "not healthy or no answer"}}));
  command->callback([&run, settings] {
    run = [settings] { return health(settings->url, settings->timeout_s); };
  });
}

}  // namespace spate::app
