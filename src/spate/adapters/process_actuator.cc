// SPDX-License-Identifier: Apache-2.0
#include "spate/adapters/process_actuator.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <csignal>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>
#include <system_error>
#include <utility>

#include "spate/adapters/child_process.h"
#include "spate/base/files.h"

namespace spate::adapters {
namespace {

namespace fs = std::filesystem;
using scaling::LimitMechanism;
using scaling::ReplicaEvent;
using scaling::ReplicaInfo;
using scaling::ReplicaSpec;

constexpr Duration kGroupRetry = std::chrono::milliseconds(50);
constexpr int kGroupRetries = 40;

// The last line a dead worker wrote: most often the reason.
std::string last_line(const fs::path& log) {
  std::ifstream in(log, std::ios::binary | std::ios::ate);
  if (!in) return "";
  constexpr std::streamoff kTail = 2000;
  const std::streamoff size = in.tellg();
  in.seekg(std::max<std::streamoff>(0, size - kTail));
  std::string best;
  for (std::string line; std::getline(in, line);) {
    if (line.find_first_not_of(" \t\r") != std::string::npos) best = line;
  }
  return best.substr(0, 300);
}

}  // namespace

struct ProcessActuator::State : std::enable_shared_from_this<State> {
  State(boost::asio::io_context& l, Clock& c, Options o, AnnounceLimit a)
      : loop(l), clock(c), options(std::move(o)), announce(std::move(a)) {}

  struct Replica {
    ReplicaInfo info;
    std::unique_ptr<ChildProcess> process;
    std::unique_ptr<Cgroup> group;
    bool stop_asked = false;
  };

  boost::asio::io_context& loop;
  Clock& clock;
  const Options options;
  const AnnounceLimit announce;
  LimitMechanism mechanism = LimitMechanism::None;
  std::string note;
  std::unique_ptr<CgroupParent> parent;
  std::map<std::string, Replica> replicas;
  EventHandler handler;

  fs::path state_file(const std::string& id) const {
    return options.run_dir / "replicas" / (id + ".json");
  }
  fs::path log_file(const std::string& id) const {
    return options.run_dir / "logs" / ("worker-" + id + ".log");
  }

  void emit(ReplicaEvent event) {
    clock.post([weak = weak_from_this(), event = std::move(event)] {
      const auto self = weak.lock();
      if (self && self->handler) self->handler(event);
    });
  }

  Status choose_mechanism();
  void adopt_all();
  void adopt(const fs::path& file);
  void save(const Replica& replica) const;
  Result<std::unique_ptr<ChildProcess>> spawn(const ReplicaSpec& spec, const Cgroup* group);
  void exited(const std::string& id, const ExitStatus& status);
  void remove_group(std::shared_ptr<Cgroup> group, int retries);
  Status start(const ReplicaSpec& spec);
  Status set_cpu_limit(const std::string& id, double cpus);
  Status park(const std::string& id, bool parked);
};

Status ProcessActuator::State::choose_mechanism() {
  if (options.limits == "none") {
    note = "limits are switched off";
    return ok();
  }
  if (options.limits == "duty_cycle") {
    mechanism = LimitMechanism::DutyCycle;
    note = "as configured";
    return ok();
  }
  auto opened = CgroupParent::open("spate-" + options.run_id,
                                   {.proc_self = options.proc_self, .period = options.cfs_period});
  if (opened) {
    parent = std::move(opened.value());
    mechanism = parent->version() == CgroupVersion::V1 ? LimitMechanism::CgroupV1
                                                       : LimitMechanism::CgroupV2;
    if (const int swept = parent->sweep_siblings(); swept > 0) {
      spdlog::info("removed {} empty control group(s) of earlier runs", swept);
    }
    return ok();
  }
  if (options.limits == "cgroup") {
    return Error{opened.error().code, "CPU limits by cgroup: " + opened.error().message};
  }
  mechanism = LimitMechanism::DutyCycle;
  note = opened.error().message;
  spdlog::warn("no cgroup can be made ({}); workers keep to their CPU limits by themselves", note);
  return ok();
}

void ProcessActuator::State::save(const Replica& replica) const {
  const ProcessIdentity identity = replica.process->identity();
  const nlohmann::ordered_json json = {{"replica", replica.info.replica_id},
                                       {"model", replica.info.model},
                                       {"pid", identity.pid},
                                       {"start_ticks", identity.start_ticks},
                                       {"cpu_limit", replica.info.cpu_limit},
                                       {"parked", replica.info.parked}};
  const Status written = write_file(state_file(replica.info.replica_id), json.dump() + "\n");
  if (!written) {
    spdlog::error("{} could not be adopted after a restart: {}", replica.info.replica_id,
                  written.error().message);
  }
}

void ProcessActuator::State::adopt_all() {
  std::error_code ignored;
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(options.run_dir / "replicas", ignored)) {
    if (entry.path().extension() == ".json") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  for (const auto& file : files) adopt(file);
}

void ProcessActuator::State::adopt(const fs::path& file) {
  const auto text = read_file(file);
  const auto json = text ? nlohmann::json::parse(*text, nullptr, false) : nlohmann::json();
  Replica replica;
  ProcessIdentity identity;
  try {
    replica.info.replica_id = json.at("replica").get<std::string>();
    replica.info.model = json.at("model").get<std::string>();
    replica.info.cpu_limit = json.at("cpu_limit").get<double>();
    replica.info.parked = json.value("parked", false);
    identity.pid = json.at("pid").get<pid_t>();
    identity.start_ticks = json.at("start_ticks").get<std::uint64_t>();
  } catch (const nlohmann::json::exception& error) {
    spdlog::warn("{} is no state of a replica ({}); ignored", file.string(), error.what());
    return;
  }
  const std::string id = replica.info.replica_id;
  replica.info.pid = identity.pid;
  if (parent) {
    auto group = parent->make(id);
    if (group) replica.group = std::move(group.value());
  }
  auto process = ChildProcess::adopt(loop, clock, identity,
                                     [weak = weak_from_this(), id](const ExitStatus& status) {
                                       if (const auto self = weak.lock()) self->exited(id, status);
                                     });
  if (!process) {
    std::error_code ignored;
    fs::remove(file, ignored);
    if (replica.group) remove_group(std::move(replica.group), kGroupRetries);
    return;
  }
  replica.process = std::move(process.value());
  spdlog::info("adopted {} (pid {})", id, identity.pid);
  replicas.emplace(id, std::move(replica));
}

Result<std::unique_ptr<ChildProcess>> ProcessActuator::State::spawn(const ReplicaSpec& spec,
                                                                    const Cgroup* group) {
  const std::string& id = spec.replica_id;
  ChildSpec child;
  child.argv = options.worker_command;
  for (const std::string& argument :
       {std::string("--model"), spec.model_path, std::string("--route"), spec.model,
        std::string("--replica"), id, std::string("--gateway"), options.gateway_address,
        std::string("--token-file"), options.token_file, std::string("--mode"), spec.mode,
        std::string("--metrics-host"), options.metrics_host, std::string("--metrics-port"),
        std::string("0")}) {
    child.argv.push_back(argument);
  }
  // Huge pages for malloc: page faults are most of what loading a model costs.
  child.env = {{"GLIBC_TUNABLES", "glibc.malloc.hugetlb=1"},
               {"SPATE_SPAWNED_NS", std::to_string(clock.now().time_since_epoch().count())}};
  child.log_file = log_file(id);
  if (group != nullptr) child.cgroup_procs = group->procs_files();
  return ChildProcess::spawn(loop, clock, child,
                             [weak = weak_from_this(), id](const ExitStatus& status) {
                               if (const auto self = weak.lock()) self->exited(id, status);
                             });
}

Status ProcessActuator::State::start(const ReplicaSpec& spec) {
  if (replicas.contains(spec.replica_id)) {
    return Error{ErrorCode::InvalidArgument, "replica " + spec.replica_id + " exists already"};
  }
  Replica replica;
  replica.info = {.replica_id = spec.replica_id, .model = spec.model};
  Result<std::unique_ptr<ChildProcess>> process = Error{};
  // Twice: another run's sweep may take the empty group away before the worker is in it.
  for (int attempt = 0; attempt < (parent ? 2 : 1) && !process; ++attempt) {
    if (parent) {
      auto group = parent->make(spec.replica_id);
      if (!group) return group.error();
      replica.group = std::move(group.value());
      // No limit while it loads; a group found here may carry an old one.
      if (Status s = replica.group->set_cpu_limit(0.0); !s) return s;
    }
    process = spawn(spec, replica.group.get());
  }
  if (!process) {
    if (replica.group) remove_group(std::move(replica.group), kGroupRetries);
    return process.error();
  }
  replica.process = std::move(process.value());
  replica.info.pid = replica.process->pid();
  save(replica);
  emit({.kind = ReplicaEvent::Kind::Started,
        .replica_id = spec.replica_id,
        .detail = fmt::format("pid {}", replica.info.pid)});
  replicas.emplace(spec.replica_id, std::move(replica));
  return ok();
}

Status ProcessActuator::State::set_cpu_limit(const std::string& id, double cpus) {
  const auto it = replicas.find(id);
  if (it == replicas.end()) return Error{ErrorCode::NotFound, "no replica " + id};
  Replica& replica = it->second;
  if (replica.group) {
    if (Status s = replica.group->set_cpu_limit(cpus); !s) return s;
  }
  announce(id, cpus, mechanism == LimitMechanism::DutyCycle);
  emit({.kind = ReplicaEvent::Kind::LimitApplied, .replica_id = id});
  if (replica.info.cpu_limit != cpus) {
    replica.info.cpu_limit = cpus;
    save(replica);
  }
  return ok();
}

Status ProcessActuator::State::park(const std::string& id, bool parked) {
  const auto it = replicas.find(id);
  if (it == replicas.end()) return Error{ErrorCode::NotFound, "no replica " + id};
  Replica& replica = it->second;
  if (parked && replica.stop_asked) {
    return Error{ErrorCode::Unavailable, id + " has been asked to stop"};
  }
  // The file says parked whenever it may be stopped: waking one that runs does no harm.
  const bool changes = replica.info.parked != parked;
  replica.info.parked = parked;
  if (parked && changes) save(replica);
  if (Status s = replica.process->send(parked ? SIGSTOP : SIGCONT); !s) return s;
  if (!parked && changes) save(replica);
  emit({.kind = parked ? ReplicaEvent::Kind::Parked : ReplicaEvent::Kind::Unparked,
        .replica_id = id});
  return ok();
}

void ProcessActuator::State::exited(const std::string& id, const ExitStatus& status) {
  const auto it = replicas.find(id);
  if (it == replicas.end()) return;
  // The process object is the caller: it is kept until this returns to the loop.
  const auto replica = std::make_shared<Replica>(std::move(it->second));
  replicas.erase(it);
  clock.post([replica] { (void)replica; });
  std::error_code ignored;
  fs::remove(state_file(id), ignored);
  if (replica->group) remove_group(std::move(replica->group), kGroupRetries);
  std::string detail = status.describe();
  // Who was killed from outside had no last word.
  if (!replica->stop_asked && !status.success() && status.signal != SIGKILL) {
    const std::string said = last_line(log_file(id));
    if (!said.empty()) detail += "; it last said: " + said;
  }
  emit({.kind = ReplicaEvent::Kind::Exited,
        .replica_id = id,
        .detail = std::move(detail),
        .expected = replica->stop_asked});
}

void ProcessActuator::State::remove_group(std::shared_ptr<Cgroup> group, int retries) {
  const Status removed = group->remove();
  if (removed) return;
  if (retries == 0) {
    spdlog::warn("a control group stays behind: {}", removed.error().message);
    return;
  }
  // Something the worker had started is still in it; the group is ours, so it goes.
  for (const auto& file : group->procs_files()) {
    const auto pids = read_file(file);
    if (!pids) continue;
    std::istringstream in(*pids);
    for (pid_t pid = 0; in >> pid;) {
      if (pid > 1) ::kill(pid, SIGKILL);
    }
  }
  clock.call_after(kGroupRetry, [weak = weak_from_this(), group = std::move(group), retries] {
    if (const auto self = weak.lock()) self->remove_group(group, retries - 1);
  });
}

ProcessActuator::ProcessActuator(std::shared_ptr<State> state) : state_(std::move(state)) {}
ProcessActuator::~ProcessActuator() { state_->handler = nullptr; }

Result<std::unique_ptr<ProcessActuator>> ProcessActuator::create(boost::asio::io_context& loop,
                                                                 Clock& clock, Options options,
                                                                 AnnounceLimit announce) {
  for (const char* folder : {"replicas", "logs"}) {
    std::error_code error;
    fs::create_directories(options.run_dir / folder, error);
    if (error) {
      return Error{
          ErrorCode::PermissionDenied,
          fmt::format("make {}: {}", (options.run_dir / folder).string(), error.message())};
    }
  }
  auto state = std::make_shared<State>(loop, clock, std::move(options), std::move(announce));
  if (Status s = state->choose_mechanism(); !s) return s.error();
  state->adopt_all();
  return std::unique_ptr<ProcessActuator>(new ProcessActuator(std::move(state)));
}

LimitMechanism ProcessActuator::limit_mechanism() const { return state_->mechanism; }
const std::string& ProcessActuator::limit_note() const { return state_->note; }
void ProcessActuator::set_event_handler(EventHandler handler) {
  state_->handler = std::move(handler);
}
Status ProcessActuator::start(const ReplicaSpec& spec) { return state_->start(spec); }
Status ProcessActuator::set_cpu_limit(const std::string& replica_id, double cpus) {
  return state_->set_cpu_limit(replica_id, cpus);
}

Status ProcessActuator::stop(const std::string& replica_id, Duration grace) {
  const auto it = state_->replicas.find(replica_id);
  if (it == state_->replicas.end()) return ok();  // it is gone, as wanted
  it->second.stop_asked = true;
  it->second.process->stop(grace);
  // A stopped process takes its SIGTERM when it goes on. Not an unpark: it is not to serve again.
  if (it->second.info.parked) return it->second.process->send(SIGCONT);
  return ok();
}

Status ProcessActuator::park(const std::string& replica_id) {
  return state_->park(replica_id, true);
}
Status ProcessActuator::unpark(const std::string& replica_id) {
  return state_->park(replica_id, false);
}

std::vector<ReplicaInfo> ProcessActuator::list() const {
  std::vector<ReplicaInfo> out;
  for (const auto& [id, replica] : state_->replicas) out.push_back(replica.info);
  return out;
}

const Cgroup* ProcessActuator::cgroup(const std::string& replica_id) const {
  const auto it = state_->replicas.find(replica_id);
  return it == state_->replicas.end() ? nullptr : it->second.group.get();
}

Status ProcessActuator::remove_groups() { return state_->parent ? state_->parent->remove() : ok(); }

}  // namespace spate::adapters
