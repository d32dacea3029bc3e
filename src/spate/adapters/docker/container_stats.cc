// SPDX-License-Identifier: Apache-2.0
#include "spate/adapters/docker/container_stats.h"

#include <nlohmann/json.hpp>

#include "spate/adapters/docker/docker_http.h"

namespace spate::adapters {
namespace {

using nlohmann::json;

constexpr std::size_t kLongestLine = 1 << 20;

std::uint64_t number_at(const json& object, const char* key) {
  const auto it = object.find(key);
  return it != object.end() && it->is_number_unsigned() ? it->get<std::uint64_t>() : 0;
}

const json& member(const json& object, const char* key) {
  static const json empty = json::object();
  const auto it = object.find(key);
  return it != object.end() && it->is_object() ? *it : empty;
}

}  // namespace

std::optional<ContainerUsage> parse_stats(std::string_view line) {
  const json answer = json::parse(line, nullptr, false);
  if (!answer.is_object()) return std::nullopt;
  const json& cpu = member(answer, "cpu_stats");
  const std::uint64_t ns = number_at(member(cpu, "cpu_usage"), "total_usage");
  if (ns == 0) return std::nullopt;  // all zeros: it has ended
  ContainerUsage out;
  out.cpu_seconds = static_cast<double>(ns) * 1e-9;
  const json& throttling = member(cpu, "throttling_data");
  out.periods = number_at(throttling, "periods");
  out.throttled_periods = number_at(throttling, "throttled_periods");
  const json& memory = member(answer, "memory_stats");
  const json& table = member(memory, "stats");
  const std::uint64_t used = number_at(memory, "usage");
  // Names of version 1 and, where they are missing, of version 2.
  const bool v1 = table.contains("total_inactive_file");
  const std::uint64_t idle = number_at(table, v1 ? "total_inactive_file" : "inactive_file");
  out.memory_bytes = used > idle ? used - idle : used;
  out.private_bytes = number_at(table, v1 ? "total_rss" : "anon");
  return out;
}

struct ContainerStats::Stream {
  std::shared_ptr<DockerCall> call;
  std::string rest;  // of a line
  std::optional<ContainerUsage> newest;
  bool ended = false;

  void on_bytes(std::string_view bytes) {
    rest += bytes;
    std::size_t end = 0;
    while ((end = rest.find('\n')) != std::string::npos) {
      if (auto usage = parse_stats(std::string_view(rest).substr(0, end))) newest = usage;
      rest.erase(0, end + 1);
    }
    if (rest.size() > kLongestLine) rest.clear();
  }
};

ContainerStats::ContainerStats(boost::asio::io_context& loop, DockerOptions engine)
    : loop_(loop), engine_(std::move(engine)) {}

ContainerStats::~ContainerStats() {
  for (const auto& [id, stream] : streams_) {
    if (!stream->ended) stream->call->cancel();
  }
}

std::optional<ContainerUsage> ContainerStats::read(const std::string& container_id) {
  if (container_id.empty()) return std::nullopt;
  const auto it = streams_.find(container_id);
  if (it != streams_.end() && !it->second->ended) return it->second->newest;
  // Streams of containers that are gone.
  std::erase_if(streams_, [](const auto& entry) { return entry.second->ended; });
  auto stream = std::make_shared<Stream>();
  const std::weak_ptr<Stream> weak = stream;
  DockerRequest request;
  request.verb = "GET";
  request.target = "/" + engine_.api_version + "/containers/" + container_id + "/stats?stream=1";
  request.on_body = [weak](std::string_view bytes) {
    if (const auto alive = weak.lock()) alive->on_bytes(bytes);
  };
  stream->call =
      DockerCall::begin(loop_, engine_, std::move(request), [weak](const Result<DockerResponse>&) {
        if (const auto alive = weak.lock()) alive->ended = true;
      });
  streams_[container_id] = std::move(stream);
  return std::nullopt;
}

}  // namespace spate::adapters
