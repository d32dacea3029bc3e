// SPDX-License-Identifier: Apache-2.0
#include "spate/adapters/cgroup.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>
#include <charconv>
#include <cmath>
#include <sstream>
#include <string_view>
#include <system_error>

#include "spate/base/files.h"

namespace spate::adapters {
namespace {

namespace fs = std::filesystem;

constexpr double kLeastCpus = 0.01;

Error with_errno(const fs::path& path, std::string_view doing) {
  return error_from_errno(fmt::format("{} {}", doing, path.string()), errno);
}

// One write() call, as these files want it.
Status write_text(const fs::path& path, const std::string& text) {
  const Fd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd) return with_errno(path, "open");
  if (::write(fd.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
    return with_errno(path, "write \"" + text + "\" to");
  }
  return ok();
}

// The whole small file from its beginning, through a descriptor that stays open.
Result<std::string> reread(const Fd& fd) {
  char buffer[4096];
  const ssize_t n = ::pread(fd.get(), buffer, sizeof buffer, 0);
  if (n < 0) return error_from_errno("read of a cgroup file", errno);
  return std::string(buffer, static_cast<std::size_t>(n));
}

std::optional<double> number(std::string_view text) {
  double value = 0.0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end == text.data()) return std::nullopt;
  return value;
}

// The value of `key` in "key value\n" lines; 0 when it is not there.
double field(std::string_view text, std::string_view key) {
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view line = text.substr(at, end - at);
    if (line.size() > key.size() && line.starts_with(key) && line[key.size()] == ' ') {
      return number(line.substr(key.size() + 1)).value_or(0.0);
    }
    at = end + 1;
  }
  return 0.0;
}

bool has_word(const std::string& text, std::string_view word, char separator) {
  std::istringstream in(text);
  for (std::string part; std::getline(in, part, separator);) {
    while (!part.empty() && (part.back() == '\n' || part.back() == ' ')) part.pop_back();
    if (part == word) return true;
  }
  return false;
}

struct Mount {
  std::string root, point, type, options;
};

std::vector<Mount> read_mounts(const std::string& mountinfo) {
  std::vector<Mount> out;
  std::istringstream in(mountinfo);
  for (std::string line; std::getline(in, line);) {
    std::istringstream words(line);
    Mount m;
    std::string skipped;
    words >> skipped >> skipped >> skipped >> m.root >> m.point;
    while (words >> skipped && skipped != "-") {
    }
    words >> m.type >> skipped >> m.options;
    if (words) out.push_back(std::move(m));
  }
  return out;
}

// Our path in the hierarchy whose /proc/self/cgroup line has `controller` ("" = version 2).
std::string own_path(const std::string& cgroup_file, std::string_view controller) {
  std::istringstream in(cgroup_file);
  for (std::string line; std::getline(in, line);) {
    const std::size_t first = line.find(':');
    const std::size_t second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const bool match =
        controller.empty() ? controllers.empty() : has_word(controllers, controller, ',');
    if (match) return line.substr(second + 1);
  }
  return "/";
}

// Our group's folder as seen through `mount`, which may show only a part of the hierarchy (a
// container) or be seen from another namespace.
fs::path own_folder(const Mount& mount, std::string path) {
  if (mount.root != "/" && path.starts_with(mount.root)) path = path.substr(mount.root.size());
  if (path.find("..") != std::string::npos) path = "/";
  fs::path folder = mount.point;
  if (path.size() > 1) folder /= path.substr(1);
  std::error_code ignored;
  return fs::is_directory(folder, ignored) ? folder : fs::path(mount.point);
}

Status make_folder(const fs::path& folder) {
  if (::mkdir(folder.c_str(), 0755) != 0 && errno != EEXIST) return with_errno(folder, "make");
  return ok();
}

// Lets children of `folder` have the cpu controller (and memory, if it can be had).
Status delegate(const fs::path& folder) {
  const auto control = read_file(folder / "cgroup.subtree_control");
  if (!control) return control.error();
  // Memory is a wish: without it memory is read from /proc.
  if (!has_word(*control, "memory", ' ')) {
    (void)write_text(folder / "cgroup.subtree_control", "+memory").has_value();
  }
  if (has_word(*control, "cpu", ' ')) return ok();
  return write_text(folder / "cgroup.subtree_control", "+cpu");
}

// Makes `name` where version 2 allows it: at our group or the nearest above.
Result<fs::path> make_v2_parent(const CgroupPlace& place, const std::string& name) {
  std::string tried;
  for (fs::path at = place.cpu;; at = at.parent_path()) {
    Status status = delegate(at);
    if (status) status = make_folder(at / name);
    if (status) status = delegate(at / name);
    if (status) return at / name;
    tried += (tried.empty() ? "" : "; ") + status.error().message;
    ::rmdir((at / name).c_str());
    if (at == place.mount || at == at.root_path()) break;
  }
  return Error{ErrorCode::PermissionDenied, tried};
}

}  // namespace

Result<CgroupPlace> find_cgroup_place(const fs::path& proc_self) {
  const auto mountinfo = read_file(proc_self / "mountinfo");
  if (!mountinfo) return mountinfo.error();
  const auto cgroup = read_file(proc_self / "cgroup");
  if (!cgroup) return cgroup.error();
  const Mount* cpu = nullptr;
  const Mount* cpuacct = nullptr;
  const Mount* unified = nullptr;
  const std::vector<Mount> mounts = read_mounts(*mountinfo);
  for (const auto& mount : mounts) {
    if (mount.type == "cgroup2" && unified == nullptr) unified = &mount;
    if (mount.type != "cgroup") continue;
    if (cpu == nullptr && has_word(mount.options, "cpu", ',')) cpu = &mount;
    if (cpuacct == nullptr && has_word(mount.options, "cpuacct", ',')) cpuacct = &mount;
  }
  if (cpu != nullptr && cpuacct != nullptr) {
    return CgroupPlace{.version = CgroupVersion::V1,
                       .cpu = own_folder(*cpu, own_path(*cgroup, "cpu")),
                       .cpuacct = own_folder(*cpuacct, own_path(*cgroup, "cpuacct")),
                       .mount = cpu->point};
  }
  if (unified != nullptr) {
    return CgroupPlace{.version = CgroupVersion::V2,
                       .cpu = own_folder(*unified, own_path(*cgroup, "")),
                       .mount = unified->point};
  }
  return Error{ErrorCode::NotFound, "no cgroup hierarchy with a cpu controller is mounted"};
}

// --- Cgroup ---------------------------------------------------------------------------------

Status Cgroup::open() {
  for (const auto& folder : folders_) procs_files_.push_back(folder / "cgroup.procs");
  const fs::path& cpu = folders_.front();
  const bool v1 = version_ == CgroupVersion::V1;
  const auto open_file = [](Fd& fd, const fs::path& path, int mode) -> Status {
    fd = Fd(::open(path.c_str(), mode | O_CLOEXEC));
    if (!fd) return with_errno(path, "open");
    return ok();
  };
  const fs::path quota = cpu / (v1 ? "cpu.cfs_quota_us" : "cpu.max");
  if (Status s = open_file(quota_, quota, O_RDWR); !s) return s;
  if (Status s = open_file(stat_, cpu / "cpu.stat", O_RDONLY); !s) return s;
  if (v1) {
    if (Status s = open_file(usage_, folders_.back() / "cpuacct.usage", O_RDONLY); !s) return s;
    const auto period_us = std::chrono::duration_cast<std::chrono::microseconds>(period_).count();
    return write_text(cpu / "cpu.cfs_period_us", std::to_string(period_us));
  }
  memory_ = Fd(::open((cpu / "memory.current").c_str(), O_RDONLY | O_CLOEXEC));
  return ok();
}

Status Cgroup::add(pid_t pid) {
  for (const auto& file : procs_files_) {
    if (Status s = write_text(file, std::to_string(pid)); !s) return s;
  }
  return ok();
}

Status Cgroup::set_cpu_limit(double cpus) {
  if (!std::isfinite(cpus) || cpus < 0.0 || (cpus > 0.0 && cpus < kLeastCpus)) {
    return Error{
        ErrorCode::InvalidArgument,
        fmt::format("a CPU limit of {:g}: expected 0 (none) or at least {:g}", cpus, kLeastCpus)};
  }
  const auto period_us = std::chrono::duration_cast<std::chrono::microseconds>(period_).count();
  const auto quota_us = std::llround(cpus * static_cast<double>(period_us));
  std::string text;
  if (version_ == CgroupVersion::V1) {
    text = cpus > 0.0 ? fmt::format("{}\n", quota_us) : "-1\n";
  } else {
    text = fmt::format("{} {}\n", cpus > 0.0 ? std::to_string(quota_us) : "max", period_us);
  }
  if (::pwrite(quota_.get(), text.data(), text.size(), 0) != static_cast<ssize_t>(text.size())) {
    return with_errno(folders_.front(), "write quota \"" + text + "\" of");
  }
  return ok();
}

Result<double> Cgroup::cpu_limit() const {
  const auto text = reread(quota_);
  if (!text) return text.error();
  const auto quota_us = number(*text);
  if (!quota_us || *quota_us < 0.0) return 0.0;  // "max" or -1
  double period_us =
      static_cast<double>(std::chrono::duration_cast<std::chrono::microseconds>(period_).count());
  if (version_ == CgroupVersion::V2) {
    const std::size_t space = text->find(' ');
    if (space == std::string::npos) return 0.0;
    period_us = number(std::string_view(*text).substr(space + 1)).value_or(period_us);
  }
  return *quota_us / period_us;
}

Result<CgroupUsage> Cgroup::read() const {
  const auto stat = reread(stat_);
  if (!stat) return stat.error();
  CgroupUsage out;
  out.periods = static_cast<std::uint64_t>(field(*stat, "nr_periods"));
  out.throttled_periods = static_cast<std::uint64_t>(field(*stat, "nr_throttled"));
  if (version_ == CgroupVersion::V1) {
    const auto usage = reread(usage_);
    if (!usage) return usage.error();
    out.cpu_seconds = number(*usage).value_or(0.0) * 1e-9;
    out.throttled_seconds = field(*stat, "throttled_time") * 1e-9;
    return out;
  }
  out.cpu_seconds = field(*stat, "usage_usec") * 1e-6;
  out.throttled_seconds = field(*stat, "throttled_usec") * 1e-6;
  if (memory_) {
    const auto memory = reread(memory_);
    if (memory) out.memory_bytes = static_cast<std::uint64_t>(number(*memory).value_or(0.0));
  }
  return out;
}

Status Cgroup::remove() {
  Status result = ok();
  for (const auto& folder : folders_) {
    if (::rmdir(folder.c_str()) == 0 || errno == ENOENT) continue;
    Error error = with_errno(folder, "remove");
    if (errno == EBUSY) error.code = ErrorCode::Unavailable;
    result = std::move(error);
  }
  return result;
}

// --- CgroupParent ------------------------------------------------------------------------------

Result<std::unique_ptr<CgroupParent>> CgroupParent::open(const std::string& name,
                                                         const Options& options) {
  const auto place = find_cgroup_place(options.proc_self);
  if (!place) return place.error();
  std::vector<fs::path> folders;
  if (place->version == CgroupVersion::V1) {
    folders.push_back(place->cpu / name);
    if (place->cpuacct != place->cpu) folders.push_back(place->cpuacct / name);
  } else {
    const auto made = make_v2_parent(*place, name);
    if (!made) return made.error();
    folders.push_back(*made);
  }
  std::unique_ptr<CgroupParent> parent(
      new CgroupParent(place->version, std::move(folders), options.period));
  const auto probe = parent->make("probe");
  if (!probe) {
    (void)parent->remove().has_value();  // the probe's error is the one to tell
    return probe.error();
  }
  if (Status s = (*probe)->set_cpu_limit(1.0); !s) {
    (void)(*probe)->remove().has_value();
    (void)parent->remove().has_value();
    return s.error();
  }
  if (Status s = (*probe)->remove(); !s && options.proc_self == "/proc/self") return s.error();
  return parent;
}

Result<std::unique_ptr<Cgroup>> CgroupParent::make(const std::string& replica) {
  std::vector<fs::path> groups;
  for (const auto& folder : folders_) {
    if (Status s = make_folder(folder); !s) return s.error();
    // Where a sweep took the folder, the new one has yet to hand the controller on.
    if (version_ == CgroupVersion::V2) {
      if (Status s = delegate(folder); !s) return s.error();
    }
    if (Status s = make_folder(folder / replica); !s) return s.error();
    groups.push_back(folder / replica);
  }
  std::unique_ptr<Cgroup> group(new Cgroup(version_, std::move(groups), period_));
  if (Status s = group->open(); !s) return s.error();
  return group;
}

namespace {

// Removes the groups under `folder`, then it. False when one was not empty.
bool remove_tree(const fs::path& folder) {
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    if (entry.is_directory(ignored)) ::rmdir(entry.path().c_str());
  }
  return ::rmdir(folder.c_str()) == 0 || errno == ENOENT;
}

}  // namespace

Status CgroupParent::remove() {
  Status result = ok();
  for (const auto& folder : folders_) {
    if (!remove_tree(folder)) {
      Error error = with_errno(folder, "remove");
      if (errno == EBUSY) error.code = ErrorCode::Unavailable;
      result = std::move(error);
    }
  }
  return result;
}

int CgroupParent::sweep_siblings() const {
  int swept = 0;
  for (const auto& folder : folders_) {
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator(folder.parent_path(), ignored)) {
      const std::string name = entry.path().filename().string();
      if (!name.starts_with("spate-") || entry.path() == folder) continue;
      if (!entry.is_directory(ignored)) continue;
      const bool gone = remove_tree(entry.path());
      if (gone && &folder == &folders_.front()) ++swept;
    }
  }
  return swept;
}

}  // namespace spate::adapters
