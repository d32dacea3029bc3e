// SPDX-License-Identifier: Apache-2.0
#include "spate/gateway/backend_config.h"

namespace spate::gateway {
namespace {

std::string absolute(const ConfigReader& node) {
  std::string path = node.text();
  if (path.empty() || path.front() != '/') node.fail("an absolute path");
  return path;
}

void read_address(const ConfigReader& reader, BackendConfig& backend) {
  const auto node = reader.find("worker_address");
  if (!node) return;
  backend.worker_address = node->text();
  if (!backend.worker_address.starts_with("unix:") && !backend.worker_address.starts_with("tcp:"))
    node->fail("unix:/path or tcp:host:port");
}

BackendMount read_mount(const ConfigReader& reader) {
  reader.allow_only({"source", "target", "read_only"});
  BackendMount mount;
  mount.source = reader.at("source").text();
  if (mount.source.empty()) reader.at("source").fail("an absolute path or a volume's name");
  mount.target = absolute(reader.at("target"));
  mount.read_only = reader.boolean_or("read_only", true);
  return mount;
}

}  // namespace

BackendConfig read_backend_config(const ConfigReader& reader, const std::string& run_id) {
  BackendConfig backend;
  backend.owner = run_id;
  backend.kind = reader.at("kind").one_of({"process", "docker"});
  if (backend.kind == "process") {
    reader.allow_only({"kind"});
    return backend;
  }
  reader.allow_only({"kind", "socket", "image", "network", "owner", "worker_address",
                     "worker_token_file", "mounts", "user", "worker_memory_bytes", "labels",
                     "meter", "cgroup_root"});
  if (const auto node = reader.find("socket")) backend.socket = absolute(*node);
  backend.image = reader.text_or("image", backend.image);
  backend.network = reader.text_or("network", backend.network);
  backend.owner = reader.text_or("owner", backend.owner);
  read_address(reader, backend);
  if (const auto node = reader.find("worker_token_file"))
    backend.worker_token_file = absolute(*node);
  if (const auto node = reader.find("mounts")) {
    for (const auto& entry : node->list()) backend.mounts.push_back(read_mount(entry));
  }
  backend.user = reader.text_or("user", "");
  if (const auto node = reader.find("worker_memory_bytes"))
    backend.worker_memory_bytes = node->integer(std::int64_t{16} << 20, std::int64_t{1} << 40);
  if (const auto node = reader.find("labels")) {
    for (const auto& key : node->keys()) backend.labels[key] = node->at(key).text();
  }
  if (const auto node = reader.find("meter"))
    backend.meter = node->one_of({"auto", "cgroup", "stats"});
  if (const auto node = reader.find("cgroup_root")) backend.cgroup_root = absolute(*node);
  return backend;
}

BackendConfig read_backend_config(const std::filesystem::path& file, const std::string& run_id) {
  const auto node = ConfigReader::from_file(file).find("backend");
  if (node) return read_backend_config(*node, run_id);
  BackendConfig backend;
  backend.owner = run_id;
  return backend;
}

}  // namespace spate::gateway
