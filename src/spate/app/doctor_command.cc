// SPDX-License-Identifier: Apache-2.0
//
// `spate doctor`: what this machine offers, and what that means for Spate.
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "spate/adapters/cgroup.h"
#include "spate/app/command.h"
#include "spate/base/files.h"
#include "spate/models/load.h"

namespace spate::app {
namespace {

namespace fs = std::filesystem;

struct Finding {
  enum class Level { Ok, Note, Missing };
  Level level = Level::Ok;
  std::string subject;
  std::string found;    // what is there
  std::string meaning;  // what that means, or how to get it; "" when there is nothing to say
};

// The first line of a program's output; "" when it cannot be run. `command` is ours, never input.
std::string first_line_of(const std::string& command) {
  FILE* pipe = ::popen((command + " 2>&1").c_str(), "r");
  if (pipe == nullptr) return "";
  std::array<char, 256> buffer{};
  std::string line;
  if (std::fgets(buffer.data(), buffer.size(), pipe) != nullptr) line = buffer.data();
  while (std::fgets(buffer.data(), buffer.size(), pipe) != nullptr) {
  }
  ::pclose(pipe);
  while (!line.empty() && (line.back() == '\n' || line.back() == '\r')) line.pop_back();
  return line;
}

std::string find_program(const std::string& name) {
  const char* path = std::getenv("PATH");
  std::stringstream folders(std::string(path ? path : "") + ":/usr/sbin:/usr/local/sbin");
  for (std::string folder; std::getline(folders, folder, ':');) {
    const fs::path candidate = fs::path(folder) / name;
    if (!folder.empty() && ::access(candidate.c_str(), X_OK) == 0) return candidate.string();
  }
  return "";
}

std::string field_of(const std::string& file, const std::string& key) {
  const auto text = read_file(file);
  if (!text) return "";
  std::stringstream lines(*text);
  for (std::string line; std::getline(lines, line);) {
    if (line.rfind(key, 0) != 0) continue;
    const auto at = line.find(':');
    if (at != std::string::npos) return line.substr(line.find_first_not_of(" \t", at + 1));
  }
  return "";
}

Finding processor() {
  const std::string flags = " " + field_of("/proc/cpuinfo", "flags") + " ";
  std::string have;
  for (const char* flag : {"avx2", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8"}) {
    if (flags.find(" " + std::string(flag) + " ") != std::string::npos) {
      have += (have.empty() ? "" : " ") + std::string(flag);
    }
  }
  const unsigned cores = std::thread::hardware_concurrency();
  Finding f{
      Finding::Level::Ok, "CPU",
      fmt::format("{} cores, {}; vector units: {}", cores, field_of("/proc/cpuinfo", "model name"),
                  have.empty() ? "none of avx2, avx512, vnni" : have),
      ""};
  if (cores < 2) {
    f.level = Finding::Level::Note;
    f.meaning = "the scenarios want 2 cores: generator, broker and models would disturb each other";
  } else if (have.empty()) {
    f.level = Finding::Level::Note;
    f.meaning = "ResNet-50 will be several times slower than on a CPU with AVX2";
  }
  return f;
}

Finding memory() {
  const std::string total = field_of("/proc/meminfo", "MemTotal");
  const std::string available = field_of("/proc/meminfo", "MemAvailable");
  const double gib = std::strtod(total.c_str(), nullptr) / (1024.0 * 1024.0);
  Finding f{Finding::Level::Ok, "memory",
            fmt::format("{:.1f} GiB, {:.1f} GiB available", gib,
                        std::strtod(available.c_str(), nullptr) / (1024.0 * 1024.0)),
            ""};
  if (gib < 2.0) {
    f.level = Finding::Level::Note;
    f.meaning = "building needs about 2 GiB";
  }
  return f;
}

Finding limits() {
  const auto place = adapters::find_cgroup_place();
  const std::string fallback =
      "workers keep to their CPU limit by a duty cycle of their own, which is coarser; results say "
      "so";
  if (!place) return {Finding::Level::Note, "cgroup", place.error().message, fallback};
  const std::string version = place->version == adapters::CgroupVersion::V1 ? "1" : "2";
  auto parent = adapters::CgroupParent::open(fmt::format("spate-doctor-{}", ::getpid()), {});
  if (!parent) {
    return {Finding::Level::Note, "cgroup",
            fmt::format("version {}, not usable: {}", version, parent.error().message),
            fallback + "; run as root, or have the cpu controller delegated, for real quotas"};
  }
  const std::string folder = (*parent)->folder().parent_path().string();
  if (const auto removed = (*parent)->remove(); !removed) {
    return {Finding::Level::Note, "cgroup", removed.error().message, ""};
  }
  return {Finding::Level::Ok, "cgroup",
          fmt::format("version {}, writable below {}", version, folder),
          "CPU limits are kernel quotas"};
}

Finding program(const std::string& name, const std::string& version_arguments,
                const std::string& need, Finding::Level level_if_missing) {
  const std::string path = find_program(name);
  if (path.empty()) return {level_if_missing, name, "not found", need};
  return {Finding::Level::Ok, name,
          version_arguments.empty() ? path : first_line_of("'" + path + "' " + version_arguments),
          ""};
}

Finding module(const std::string& name, const std::string& subject, const std::string& need) {
  // In a child, so that a library that breaks on loading is a finding and not our end.
  std::fflush(stdout);
  std::array<int, 2> ends{};
  if (::pipe(ends.data()) != 0)
    return {Finding::Level::Note, subject, "cannot be tried (no pipe)", ""};
  const pid_t child = ::fork();
  if (child == 0) {
    ::close(ends[0]);
    const auto found = models::module_symbol(name, "spate_model_module");
    const std::string text = found ? "" : found.error().message;
    [[maybe_unused]] const auto written = ::write(ends[1], text.data(), text.size());
    ::_exit(found ? 0 : 1);
  }
  ::close(ends[1]);
  std::string message;
  std::array<char, 512> buffer{};
  for (ssize_t n = 0; (n = ::read(ends[0], buffer.data(), buffer.size())) > 0;) {
    message.append(buffer.data(), static_cast<std::size_t>(n));
  }
  ::close(ends[0]);
  int status = 0;
  if (child > 0) ::waitpid(child, &status, 0);
  if (child > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0) {
    return {Finding::Level::Ok, subject, "loads", ""};
  }
  return {Finding::Level::Missing, subject, message.empty() ? "does not load" : message, need};
}

Finding docker() {
  const char* const socket = "/var/run/docker.sock";
  if (!fs::exists(socket)) {
    return {Finding::Level::Note, "Docker", "no engine socket at /var/run/docker.sock",
            "only the docker backend needs one: apt-get install docker.io"};
  }
  if (::access(socket, R_OK | W_OK) != 0) {
    return {Finding::Level::Note, "Docker", "an engine's socket is there, but not for this user",
            "join the group that owns /var/run/docker.sock, or run as root"};
  }
  return {Finding::Level::Ok, "Docker", "an engine's socket is at /var/run/docker.sock", ""};
}

Finding clock_source() {
  const auto text = read_file("/sys/devices/system/clocksource/clocksource0/current_clocksource");
  std::string source = text ? *text : "unknown";
  while (!source.empty() && source.back() == '\n') source.pop_back();
  Finding f{Finding::Level::Ok, "clock", source, ""};
  if (source == "hpet" || source == "acpi_pm") {
    f.level = Finding::Level::Note;
    f.meaning = "reading the time is slow here, which costs the generator precision";
  }
  return f;
}

int doctor(bool as_json) {
  const std::string setup = "run scripts/setup, then scripts/build";
  const std::vector<Finding> findings = {
      processor(),
      memory(),
      clock_source(),
      limits(),
      program("mosquitto", "-h", "the broker of every run: apt-get install mosquitto",
              Finding::Level::Missing),
      module("model_onnx_image", "ONNX Runtime", setup),
      module("model_xgboost", "XGBoost", setup),
      docker(),
      program("prometheus", "--version",
              "only for watching with Prometheus: apt-get install prometheus",
              Finding::Level::Note),
      program("chromium", "", "only the tests open reports in a browser: apt-get install chromium",
              Finding::Level::Note),
  };
  int missing = 0;
  auto list = nlohmann::json::array();
  for (const auto& f : findings) {
    const char* mark = f.level == Finding::Level::Ok     ? "ok"
                       : f.level == Finding::Level::Note ? "note"
                                                         : "MISSING";
    missing += f.level == Finding::Level::Missing;
    if (as_json) {
      list.push_back(
          {{"level", mark}, {"subject", f.subject}, {"found", f.found}, {"meaning", f.meaning}});
      continue;
    }
    fmt::print("{:<8}{:<14}{}\n", mark, f.subject, f.found);
    if (!f.meaning.empty()) fmt::print("{:<8}{:<14}-> {}\n", "", "", f.meaning);
  }
  if (as_json) {
    fmt::print("{}\n", list.dump(1));
  } else if (missing == 0) {
    fmt::print("\nSpate can run here.\n");
  } else {
    fmt::print("\n{} thing{} missing: Spate cannot run everything here yet.\n", missing,
               missing == 1 ? " is" : "s are");
  }
  return missing == 0 ? kDone : kFailed;
}

}  // namespace

void add_doctor_command(CLI::App& app, Run& run) {
  auto* command = app.add_subcommand("doctor", "Says what this machine offers and what that means");
  command->description(
      "Looks at the processor, memory, control groups and the rights on them, the broker, the "
      "model\n"
      "runtimes, Docker and the tools of monitoring and tests. Each line says what was found; an "
      "arrow\n"
      "says what that means or how to get what is missing.");
  command->footer(exit_text(
      {{kDone, "the scenarios can run"}, {kFailed, "something that they need is missing"}}));
  auto as_json = std::make_shared<bool>(false);
  command->add_flag("--json", *as_json, "Print a list of {level, subject, found, meaning}");
  command->callback([&run, as_json] { run = [as_json] { return doctor(*as_json); }; });
}

}  // namespace spate::app
