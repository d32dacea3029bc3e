// SPDX-License-Identifier: Apache-2.0
#include "spate/sim/machine_profile.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <set>

#include "spate/base/config_error.h"

namespace spate::sim {
namespace {

int batch_of(const ConfigReader& at, const std::string& key) {
  int batch = 0;
  const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), batch);
  if (error != std::errc{} || end != key.data() + key.size() || batch < 1) {
    at.fail("sizes of batches as keys");
  }
  return batch;
}

ServiceLaws read_service(const ConfigReader& in) {
  ServiceLaws out;
  for (const std::string& key : in.keys()) {
    out.entries.push_back({batch_of(in, key), Law::read(in.at(key))});
  }
  std::sort(out.entries.begin(), out.entries.end(),
            [](const auto& a, const auto& b) { return a.batch < b.batch; });
  const auto twice =
      std::adjacent_find(out.entries.begin(), out.entries.end(),
                         [](const auto& a, const auto& b) { return a.batch == b.batch; });
  if (twice != out.entries.end()) {
    in.complain(fmt::format("the batch of {} stands twice", twice->batch));
  }
  return out;
}

StartLaws read_start(const ConfigReader& in) {
  in.allow_only({"spawn", "to_main", "load_cpu"});
  StartLaws out;
  out.spawn = Law::read(in.at("spawn"));
  out.to_main = Law::read(in.at("to_main"));
  out.load = Law::read(in.at("load_cpu"));
  return out;
}

ProfiledModel read_model(const ConfigReader& in, const std::string& name) {
  in.allow_only({"variant", "memory_bytes", "call_cpu", "call_cpu_threads", "call_cpu_rested",
                 "start", "start_busy", "checks", "measured"});
  ProfiledModel out;
  out.name = name;
  out.variant = in.text_or("variant", "");
  const ConfigReader memory = in.at("memory_bytes");
  for (const std::string& key : memory.keys()) {
    out.memory_bytes[batch_of(memory, key)] = memory.at(key).number(0.0, 1e15);
  }
  if (out.memory_bytes.empty()) memory.fail("at least one size of batch");
  out.service = read_service(in.at("call_cpu"));
  if (out.service.entries.empty()) in.at("call_cpu").fail("at least one size of batch");
  if (const auto threads = in.find("call_cpu_threads")) {
    out.service_threads = read_service(*threads);
  }
  if (const auto rested = in.find("call_cpu_rested")) {
    rested->allow_only({"after_ms", "law"});
    out.rested_after = rested->at("after_ms").milliseconds(0.1, 60'000.0);
    out.service_rested = Law::read(rested->at("law"));
  }
  out.start = read_start(in.at("start"));
  if (const auto busy = in.find("start_busy")) out.start_busy = read_start(*busy);
  return out;
}

std::vector<WorldConfig::Transport> read_transport(const ConfigReader& in) {
  std::vector<WorldConfig::Transport> out;
  for (const ConfigReader& at : in.list()) {
    at.allow_only({"busy_ratio", "requests", "law"});
    const double ratio = at.at("busy_ratio").number(0.0, 1.0);
    if (out.empty() ? ratio != 0.0 : ratio <= out.back().busy_ratio) {
      at.at("busy_ratio").fail(out.empty() ? "0 in the first" : "more than in the one before");
    }
    out.push_back({ratio, Law::read(at.at("law"))});
  }
  return out;
}

}  // namespace

double memory_bytes_of(const ProfiledModel& model, int max_batch) {
  if (model.memory_bytes.empty()) return 0.0;
  const auto at = model.memory_bytes.lower_bound(max_batch);
  return at == model.memory_bytes.end() ? model.memory_bytes.rbegin()->second : at->second;
}

const ProfiledModel& MachineProfile::model(const std::string& name) const {
  std::string known;
  for (const ProfiledModel& model : models) {
    if (model.name == name) return model;
    known += (known.empty() ? "" : ", ") + model.name;
  }
  throw ConfigError(fmt::format(
      "{}: has no model \"{}\" (it has: {}); measure it with spate profile", file, name, known));
}

MachineProfile read_machine_profile(const ConfigReader& in) {
  if (!in.is_map()) in.fail("a machine profile (spate profile makes one)");
  const std::int64_t schema = in.at("schema").integer();
  if (schema != kMachineProfileSchema) {
    in.at("schema").complain(
        fmt::format("this is a machine profile of version {}, and this program reads version {}; "
                    "measure the machine again with spate profile",
                    schema, kMachineProfileSchema));
  }
  in.allow_only({"schema", "spate", "measured_unix_s", "machine", "canary", "cores", "limits",
                 "transport", "control", "warnings", "models"});
  MachineProfile out;
  out.file = in.where();
  if (const auto machine = in.find("machine")) out.machine_json = machine->to_json_text();
  out.measured_unix_s = in.number_or("measured_unix_s", 0.0, 0.0, 1e12);
  out.cores = static_cast<int>(in.at("cores").integer(1, 4096));
  const ConfigReader limits = in.at("limits");
  limits.allow_only({"mechanism", "period_ms", "delay", "measured"});
  out.limit_mechanism = limits.at("mechanism").text();
  out.cfs_period = limits.at("period_ms").milliseconds(1.0, 1000.0);
  out.limit_delay = Law::read(limits.at("delay"));
  const ConfigReader transport = in.at("transport");
  transport.allow_only(
      {"to_gateway", "from_gateway", "by_load", "message_cpu_ms", "idle_cpus", "measured"});
  if (const auto by_load = transport.find("by_load")) out.transport = read_transport(*by_load);
  out.to_gateway = Law::read(transport.at("to_gateway"));
  out.from_gateway = Law::read(transport.at("from_gateway"));
  out.message_cpu_ms = transport.at("message_cpu_ms").number(0.0, 1e4);
  out.idle_cpus = transport.number_or("idle_cpus", 0.0, 0.0, 4096.0);
  if (const auto control = in.find("control")) {
    control->allow_only({"decide", "measured"});
    out.decide = Law::read(control->at("decide"));
  }
  const ConfigReader models = in.at("models");
  std::set<std::string> seen;
  for (const std::string& name : models.keys()) {
    if (!seen.insert(name).second) models.complain("model \"" + name + "\" stands twice");
    out.models.push_back(read_model(models.at(name), name));
  }
  if (out.models.empty()) models.fail("at least one model");
  return out;
}

MachineProfile read_machine_profile(const std::filesystem::path& file) {
  MachineProfile out = read_machine_profile(ConfigReader::from_file(file));
  out.file = file.string();
  return out;
}

}  // namespace spate::sim
