// SPDX-License-Identifier: Apache-2.0
#include "spate/adapters/docker/docker_start.h"

#include <boost/asio/io_context.hpp>
#include <charconv>
#include <functional>
#include <optional>

#include "spate/adapters/docker/docker_wait.h"
#include "spate/base/real_clock.h"

namespace spate::adapters {
namespace {

std::string label_of(const ContainerInfo& container, const char* label) {
  const auto it = container.labels.find(label);
  return it == container.labels.end() ? "" : it->second;
}

}  // namespace

bool leaves_one_by_one(const std::string& engine_version) {
  constexpr int kMended = 23;
  int major = 0;
  const char* const end = engine_version.data() + engine_version.size();
  return std::from_chars(engine_version.data(), end, major).ec != std::errc{} || major < kMended;
}

Result<DockerStart> look_at_engine(const DockerActuatorOptions& options) {
  boost::asio::io_context loop(1);
  RealClock clock(loop);
  DockerClient client(loop, clock, options.engine);
  DockerStart out;
  const auto info = answer_of<nlohmann::json>(loop, [&](auto done) { client.info(done); });
  if (!info) return info.error();
  out.engine = {.version = info->value("version", ""),
                .cgroup_version = info->value("cgroup_version", "1"),
                .cgroup_driver = info->value("cgroup_driver", ""),
                .cpus = info->value("cpus", 0.0),
                .memory_bytes = info->value("memory_bytes", std::int64_t{0})};
  const Status image = answer_of<std::monostate>(
      loop, [&](auto done) { client.require_image(options.image, done); });
  if (!image) return image.error();
  const auto containers = answer_of<std::vector<ContainerInfo>>(loop, [&](auto done) {
    client.list({kOwnerLabel + ("=" + options.owner), kComponentLabel + std::string("=worker")},
                done);
  });
  if (!containers) return containers.error();
  for (const auto& container : *containers) {
    const bool ours = label_of(container, kRunLabel) == options.run_id;
    if (ours && (container.state == "running" || container.state == "paused")) {
      auto inspected =
          answer_of<ContainerInfo>(loop, [&](auto done) { client.inspect(container.id, done); });
      if (!inspected && inspected.error().code == ErrorCode::NotFound) continue;  // gone by now
      if (!inspected) return inspected.error();
      out.workers.push_back(std::move(*inspected));
      continue;
    }
    const Status removed = answer_of<std::monostate>(
        loop, [&](auto done) { client.remove(container.id, true, done); });
    if (!removed) return removed.error();
    out.removed.push_back(container.name);
  }
  return out;
}

}  // namespace spate::adapters
