// SPDX-License-Identifier: Apache-2.0
#include "spate/lab/supervisor.h"

#include <fmt/format.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <set>

#include "spate/base/check.h"
#include "spate/base/files.h"
#include "spate/base/log.h"

namespace spate::lab {
namespace {

using adapters::ChildProcess;
using adapters::ChildSpec;
using adapters::ExitStatus;
using adapters::ProcessIdentity;

constexpr Duration kSweepGrace = std::chrono::seconds(4);
constexpr int kSweepRounds = 20;
constexpr Duration kKillGrace = std::chrono::seconds(2);

std::vector<pid_t> all_pids() {
  std::vector<pid_t> out;
  std::error_code failed;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", failed)) {
    const std::string name = entry.path().filename().string();
    pid_t pid = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (error == std::errc{} && end == name.data() + name.size()) out.push_back(pid);
  }
  return out;
}

// Fields 3 and 4 of /proc/<pid>/stat. The name in field 2 may hold anything.
struct ProcessState {
  char state = 'X';  // 'Z': ended, not yet reaped
  pid_t parent = 0;  // 0: it is gone
};
ProcessState state_of(pid_t pid) {
  const auto stat = read_file(fmt::format("/proc/{}/stat", pid));
  if (!stat) return {};
  const auto close = stat->rfind(')');
  if (close == std::string::npos || close + 4 >= stat->size()) return {};
  return {(*stat)[close + 2],
          static_cast<pid_t>(std::strtol(stat->c_str() + close + 3, nullptr, 10))};
}

bool mentions(pid_t pid, const std::string& folder) {
  const auto words = read_file(fmt::format("/proc/{}/cmdline", pid));
  return words && words->find(folder + "/") != std::string::npos;
}

bool exists(pid_t pid) { return ::kill(pid, 0) == 0 && !command_line(pid).empty(); }

// Sends SIGTERM, then SIGKILL, to processes that are not ours to wait for; returns when all are
// gone or after the limits.
void end_processes(LiveLoop& loop, const std::vector<pid_t>& pids) {
  const auto none_left = [&] { return std::none_of(pids.begin(), pids.end(), exists); };
  for (const auto& [signal, limit] :
       {std::pair{SIGTERM, kSweepGrace}, std::pair{SIGKILL, kKillGrace}}) {
    for (const pid_t pid : pids) {
      if (!exists(pid)) continue;
      ::kill(pid, signal);
      ::kill(pid, SIGCONT);  // a parked worker takes its SIGTERM only once it goes on
    }
    if (loop.run_until(none_left, limit, true) == Waited::Done) return;
  }
}

}  // namespace

std::filesystem::path runtime_directory() {
  const char* given = std::getenv("XDG_RUNTIME_DIR");
  if (given != nullptr && *given != '\0') return std::filesystem::path(given) / "spate";
  return std::filesystem::temp_directory_path() / fmt::format("spate-{}", ::getuid());
}

std::string command_line(pid_t pid) {
  auto text = read_file(fmt::format("/proc/{}/cmdline", pid));
  if (!text) return "";
  while (!text->empty() && text->back() == '\0') text->pop_back();
  std::replace(text->begin(), text->end(), '\0', ' ');
  return std::move(text).value();
}

Supervisor::Supervisor(LiveLoop& loop, std::filesystem::path folder, std::filesystem::path registry)
    : loop_(loop),
      folder_(std::filesystem::absolute(std::move(folder)).lexically_normal()),
      registry_(std::move(registry)) {
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  const auto self = adapters::identify_process(::getpid());
  SPATE_CHECK(self.has_value(), "our own process can be identified");
  note_ = registry_ / fmt::format("supervisor-{}.json", ::getpid());
  const nlohmann::json note{
      {"pid", self->pid}, {"start_ticks", self->start_ticks}, {"folder", folder_.string()}};
  if (const Status written = write_file(note_, note.dump()); !written) {
    spdlog::warn("should this process be killed, nothing will sweep up after it: {}",
                 written.error().message);
  }
  std::error_code failed;
  std::filesystem::permissions(registry_, std::filesystem::perms::owner_all, failed);
}

Supervisor::~Supervisor() {
  end_all();
  std::error_code failed;
  std::filesystem::remove(note_, failed);
}

std::vector<Swept> Supervisor::sweep_leftovers() {
  std::vector<Swept> out;
  std::error_code failed;
  for (const auto& entry : std::filesystem::directory_iterator(registry_, failed)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with("supervisor-") || !name.ends_with(".json") || entry.path() == note_) {
      continue;
    }
    const auto text = read_file(entry.path());
    const auto note = text ? nlohmann::json::parse(*text, nullptr, false) : nlohmann::json();
    if (!note.is_object()) continue;
    const ProcessIdentity owner{note.value("pid", 0), note.value("start_ticks", std::uint64_t{0})};
    if (adapters::is_running(owner)) continue;
    Swept swept{note.value("folder", ""), {}};
    if (swept.folder.is_absolute()) {
      for (const pid_t pid : all_pids()) {
        if (pid != ::getpid() && mentions(pid, swept.folder.string())) swept.ended.push_back(pid);
      }
      end_processes(loop_, swept.ended);
    }
    std::filesystem::remove(entry.path(), failed);
    out.push_back(std::move(swept));
  }
  return out;
}

Status Supervisor::start(const std::string& name, ChildSpec spec, ExitHandler on_exit) {
  SPATE_CHECK(!running(name), "a child of this name runs already");
  spec.parent_death_signal = SIGTERM;
  auto child = ChildProcess::spawn(loop_.io(), loop_.clock(), spec,
                                   [on_exit = std::move(on_exit)](const ExitStatus& status) {
                                     if (on_exit) on_exit(status);
                                   });
  if (!child) return child.error();
  children_[name] = std::move(child).value();
  return ok();
}

bool Supervisor::running(const std::string& name) const {
  const auto at = children_.find(name);
  return at != children_.end() && at->second->running();
}

pid_t Supervisor::pid_of(const std::string& name) const {
  const auto at = children_.find(name);
  return at != children_.end() ? at->second->pid() : 0;
}

std::optional<ExitStatus> Supervisor::exit_of(const std::string& name) const {
  const auto at = children_.find(name);
  return at != children_.end() ? at->second->exit_status() : std::nullopt;
}

void Supervisor::stop(const std::string& name, Duration grace) {
  if (!running(name)) return;
  children_[name]->stop(grace);
  const Waited waited = loop_.run_until([&] { return !running(name); }, grace + kKillGrace, true);
  if (waited != Waited::Done) spdlog::error("{} does not end, even killed", name);
}

Status Supervisor::send(const std::string& name, int signal) {
  const auto at = children_.find(name);
  if (at == children_.end()) return Error{ErrorCode::NotFound, "no child is named " + name};
  return at->second->send(signal);
}

Result<ExitStatus> Supervisor::run(const std::vector<std::string>& argv,
                                   const std::filesystem::path& log, Duration limit) {
  static const std::string kName = "(helper)";
  ChildSpec spec;
  spec.argv = argv;
  spec.log_file = log;
  if (const Status started = start(kName, std::move(spec)); !started) return started.error();
  const Waited waited = loop_.run_until([&] { return !running(kName); }, limit);
  if (waited != Waited::Done) {
    stop(kName, kSweepGrace);
    return Error{ErrorCode::Timeout,
                 argv.front() +
                     (waited == Waited::Interrupted ? " was interrupted" : " did not end in time")};
  }
  return *exit_of(kName);
}

std::vector<pid_t> Supervisor::orphans() const {
  std::set<pid_t> ours;
  for (const auto& [name, child] : children_) {
    if (child->running()) ours.insert(child->pid());
  }
  std::vector<pid_t> out;
  for (const pid_t pid : all_pids()) {
    if (state_of(pid).parent != ::getpid() || ours.contains(pid)) continue;
    if (command_line(pid).empty() || mentions(pid, folder_.string())) out.push_back(pid);
  }
  return out;
}

void Supervisor::reap_orphans() {
  for (const pid_t pid : orphans()) ::waitpid(pid, nullptr, WNOHANG);
}

std::vector<std::string> Supervisor::end_all() {
  for (auto& [name, child] : children_) {
    if (child->running()) child->stop(kSweepGrace);
  }
  loop_.run_until(
      [&] {
        return std::none_of(children_.begin(), children_.end(),
                            [](const auto& entry) { return entry.second->running(); });
      },
      kSweepGrace + kKillGrace, true);
  std::vector<std::string> swept;
  // A descendant that is ended may leave children of its own to us: until none are left.
  for (int round = 0; round < kSweepRounds; ++round) {
    reap_orphans();
    std::vector<pid_t> left;
    bool unsure = false;
    for (const pid_t pid : orphans()) {
      if (state_of(pid).state == 'Z') continue;
      const std::string words = command_line(pid);
      if (words.empty()) {
        unsure = true;  // in the middle of exec: its command line can be read in a moment
        continue;
      }
      left.push_back(pid);
      swept.push_back(words);
    }
    if (left.empty() && unsure) {
      (void)loop_.run_until([] { return false; }, std::chrono::milliseconds(20), true);
      continue;
    }
    if (left.empty()) break;
    end_processes(loop_, left);
  }
  reap_orphans();
  return swept;
}

}  // namespace spate::lab
