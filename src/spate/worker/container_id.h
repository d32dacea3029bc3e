// SPDX-License-Identifier: Apache-2.0
//
// container_id(): which container this process runs in, for engines' actuators. Threads: any.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace spate::worker {

// The engine's 64 hex digits, or "" outside a container. Found in /proc/self/cgroup (version 1,
// or no cgroup namespace) or in the mounts that Docker and containerd make for /etc/hostname.
std::string container_id(const std::filesystem::path& proc_self = "/proc/self");

// The first run of exactly 64 hex digits between other characters, or "".
std::string_view find_container_id(std::string_view text);

}  // namespace spate::worker
