// SPDX-License-Identifier: Apache-2.0
#include "spate/base/log.h"

#include <spdlog/sinks/stdout_sinks.h>

#include "spate/base/config_error.h"

namespace spate {

void init_logging(const std::string& component, const std::string& level) {
  const auto parsed = spdlog::level::from_str(level);
  if (parsed == spdlog::level::off && level != "off") {
    throw ConfigError("log level '" + level +
                      "': expected one of trace, debug, info, warn, error, off");
  }
  auto logger = std::make_shared<spdlog::logger>(component,
                                                 std::make_shared<spdlog::sinks::stderr_sink_mt>());
  logger->set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %l [%n] %v", spdlog::pattern_time_type::utc);
  logger->set_level(parsed);
  logger->flush_on(spdlog::level::info);
  spdlog::set_default_logger(std::move(logger));
}

}  // namespace spate
