// SPDX-License-Identifier: Apache-2.0
#include "spate/lab/scenario.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "spate/base/check.h"
#include "spate/base/config_error.h"
#include "spate/influx/arrivals.h"
#include "spate/sim/fault_script.h"

namespace spate::lab {
namespace {

using Json = nlohmann::json;

constexpr double kMaxCpus = 1024.0;
constexpr int kMaxWarmPool = 64;
constexpr std::size_t kMostMachines = 999;  // besides the first
// Sums of decimal fractions are not exact in binary.
constexpr double kSlack = 1e-9;
// Long runs are simulated; compare() refuses to run more than a day.
constexpr double kLongestSeconds = 400.0 * 86400.0;

bool is_name(const std::string& text) {
  const auto plain = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  return !text.empty() && text.size() <= 40 && plain(text.front()) &&
         std::all_of(text.begin(), text.end(),
                     [&](char c) { return plain(c) || c == '-' || c == '_'; });
}

void require_name(const ConfigReader& at, const std::string& text) {
  if (!is_name(text)) {
    at.complain("\"" + text +
                "\" is no name: expected 1 to 40 of a-z, 0-9, - and _, "
                "starting with a letter or digit");
  }
}

void read_slo(const ConfigReader& in, ModelScenario& m) {
  in.allow_only({"latency_ms", "target"});
  m.slo_latency_ms = in.at("latency_ms").number(1.0, 3.6e6);
  m.slo_target = in.at("target").number(0.001, 1.0);
}

void read_demand(const ConfigReader& in, ModelScenario& m) {
  in.allow_only({"profile", "arrivals"});
  m.profile_settings = in.at("profile");
  const auto arrivals = in.find("arrivals");
  if (!arrivals) {
    m.arrivals_json = R"({"kind":"poisson"})";
    return;
  }
  m.arrivals_json = influx::to_json_text(influx::read_arrivals(*arrivals));
}

void read_bounds(const ConfigReader& in, ModelScenario& m) {
  in.allow_only(
      {"min_replicas", "max_replicas", "min_cpu", "max_cpu", "cpu_ceiling", "max_warm_pool"});
  m.min_replicas = static_cast<int>(in.integer_or("min_replicas", m.min_replicas, 0, 1000));
  m.max_replicas = static_cast<int>(in.integer_or("max_replicas", m.max_replicas, 1, 1000));
  m.min_cpu = in.number_or("min_cpu", m.min_cpu, 0.01, kMaxCpus);
  m.max_cpu = in.number_or("max_cpu", m.max_cpu, 0.01, kMaxCpus);
  m.cpu_ceiling = std::max(m.max_replicas * m.cpu_limit, m.replicas * m.max_cpu);
  m.cpu_ceiling = in.number_or("cpu_ceiling", m.cpu_ceiling, 0.01, kMaxCpus);
  m.max_warm_pool = std::max(m.warm_pool, std::min(m.max_replicas, kMaxWarmPool));
  m.max_warm_pool =
      static_cast<int>(in.integer_or("max_warm_pool", m.max_warm_pool, 0, kMaxWarmPool));
  if (m.warm_pool > m.max_warm_pool) {
    in.complain(fmt::format("expected warm_pool <= max_warm_pool, got {} <= {}", m.warm_pool,
                            m.max_warm_pool));
  }
  if (m.min_replicas > m.replicas || m.replicas > m.max_replicas) {
    in.complain(fmt::format("expected min_replicas <= replicas <= max_replicas, got {} <= {} <= {}",
                            m.min_replicas, m.replicas, m.max_replicas));
  }
  if (m.min_cpu > m.cpu_limit + kSlack || m.cpu_limit > m.max_cpu + kSlack) {
    in.complain(fmt::format("expected min_cpu <= cpu_limit <= max_cpu, got {} <= {} <= {}",
                            m.min_cpu, m.cpu_limit, m.max_cpu));
  }
  const double start = m.replicas * m.cpu_limit;
  if (start > m.cpu_ceiling + kSlack) {
    in.complain(fmt::format("{} replicas x {} CPU = {} CPU at the start are above cpu_ceiling {}",
                            m.replicas, m.cpu_limit, start, m.cpu_ceiling));
  }
}

void read_cpu(const ConfigReader& in, ModelScenario& m) {
  m.cpu_request = in.at("cpu_request").number(0.01, kMaxCpus);
  m.cpu_limit = in.number_or("cpu_limit", m.cpu_request, 0.01, kMaxCpus);
  if (m.cpu_limit + kSlack < m.cpu_request) {
    in.at("cpu_limit")
        .complain(
            fmt::format("{} is below cpu_request {}: a replica cannot reserve more than it may use",
                        m.cpu_limit, m.cpu_request));
  }
  m.replicas = static_cast<int>(in.integer_or("replicas", 1, 0, 1000));
  m.min_replicas = std::min(1, m.replicas);
  m.max_replicas = std::max(1, m.replicas);
  m.min_cpu = m.cpu_limit;
  m.max_cpu = m.cpu_limit;
  m.cpu_ceiling = m.max_replicas * m.cpu_limit;
  m.warm_pool = static_cast<int>(in.integer_or("warm_pool", 0, 0, kMaxWarmPool));
  m.max_warm_pool =
      m.scaled ? std::max(m.warm_pool, std::min(m.max_replicas, kMaxWarmPool)) : m.warm_pool;
  if (const auto bounds = in.find("bounds")) {
    if (!m.scaled) bounds->complain("only a model with `scaled: true` has bounds");
    read_bounds(*bounds, m);
  }
}

void read_batching(const ConfigReader& in, ModelScenario& m) {
  in.allow_only({"max_batch", "max_delay_ms"});
  m.max_batch = static_cast<int>(in.integer_or("max_batch", 1, 1, 1024));
  m.max_delay_ms = in.number_or("max_delay_ms", 0.0, 0.0, 60000.0);
}

void read_queue(const ConfigReader& in, ModelScenario& m) {
  in.allow_only(
      {"max_messages", "max_bytes", "max_attempts", "attempt_timeout_ms", "early_overload"});
  m.max_queue_messages = in.integer_or("max_messages", m.max_queue_messages, 1, 10'000'000);
  m.max_queue_bytes = in.integer_or("max_bytes", m.max_queue_bytes, 1024, 1LL << 40);
  m.max_attempts = static_cast<int>(in.integer_or("max_attempts", m.max_attempts, 1, 100));
  m.attempt_timeout_ms = in.number_or("attempt_timeout_ms", m.attempt_timeout_ms, 1.0, 3.6e6);
  m.early_overload = in.boolean_or("early_overload", m.early_overload);
}

ModelScenario read_model(const ConfigReader& in, const std::string& name) {
  in.allow_only({"model", "dataset", "split", "slo", "deadline_ms", "demand", "cpu_request",
                 "cpu_limit", "replicas", "warm_pool", "scaled", "bounds", "mode", "batching",
                 "queue", "dispatch"});
  ModelScenario m;
  m.name = name;
  require_name(in, name);
  m.model = in.at("model").text();
  m.dataset = in.at("dataset").text();
  m.split = in.text_or("split", m.split);
  read_slo(in.at("slo"), m);
  m.deadline_ms = in.number_or("deadline_ms", m.slo_latency_ms, 1.0, 3.6e6);
  read_demand(in.at("demand"), m);
  m.scaled = in.boolean_or("scaled", false);
  if (const auto mode = in.find("mode")) m.mode = mode->one_of({"throughput", "latency"});
  read_cpu(in, m);
  if (const auto batching = in.find("batching")) read_batching(*batching, m);
  if (const auto queue = in.find("queue")) read_queue(*queue, m);
  if (const auto d = in.find("dispatch")) {
    m.dispatch = d->one_of({"least_outstanding", "power_of_two", "round_robin"});
  }
  return m;
}

MachineBudget read_machine(const ConfigReader& in) {
  in.allow_only({"cores", "reserve", "more"});
  MachineBudget out;
  if (const auto cores = in.find("cores");
      cores && !(cores->is_scalar() && cores->text() == "auto")) {
    out.cores = cores->number(0.1, kMaxCpus);
  }
  out.reserve = in.number_or("reserve", out.reserve, 0.0, kMaxCpus);
  if (const auto more = in.find("more")) {
    for (const ConfigReader& cpus : more->list()) out.more.push_back(cpus.number(0.1, kMaxCpus));
    if (out.more.size() > kMostMachines)
      more->fail(fmt::format("at most {} CPUs counts", kMostMachines));
  }
  return out;
}

BrokerScenario read_broker(const ConfigReader& in) {
  in.allow_only({"persistence", "max_queued_bytes", "message_size_limit"});
  BrokerScenario out;
  if (const auto p = in.find("persistence")) {
    out.persistence = p->one_of({"off", "on_exit", "every_change"});
  }
  out.max_queued_bytes =
      in.integer_or("max_queued_bytes", out.max_queued_bytes, 1 << 16, 1LL << 40);
  out.message_size_limit =
      in.integer_or("message_size_limit", out.message_size_limit, 1024, 268435455);
  return out;
}

std::vector<StrategyChoice> read_strategies(const ConfigReader& in) {
  std::vector<StrategyChoice> out;
  for (const auto& label : in.keys()) {
    StrategyChoice choice{label, label, "{}"};
    if (const auto at = in.find(label)) {
      require_name(*at, label);
      if (const auto command = at->find("external")) {  // short for the kind with that command
        at->allow_only({"external"});
        choice.kind = "external";
        choice.options_json = nlohmann::json{{"command", command->text()}}.dump();
        out.push_back(std::move(choice));
        continue;
      }
      at->allow_only({"kind", "options", "wrap"});
      choice.kind = at->text_or("kind", label);
      if (const auto options = at->find("options")) {
        if (!options->is_map()) options->fail("a map of the strategy's settings");
        choice.options_json = options->to_json_text();
      }
      // The strategy's maker takes wrappers as one more option.
      if (const auto wrap = at->find("wrap")) {
        if (!wrap->is_list()) wrap->fail("a list of wrappers");
        auto options = nlohmann::ordered_json::parse(choice.options_json);
        options["wrap"] = nlohmann::ordered_json::parse(wrap->to_json_text());
        choice.options_json = options.dump();
      }
    }
    out.push_back(std::move(choice));
  }
  return out;
}

// The measured window is as long as the scenario says, else as the longest profile. Reads each
// profile once with 1 standing for 1 request a second, for its errors and whether it needs a
// capacity.
void settle_duration(const ConfigReader& in, Scenario& out) {
  double longest = 0.0;
  for (const auto& m : out.models) {
    longest = std::max(longest, influx::profile_length_s(*m.profile_settings).value_or(0.0));
  }
  if (const auto given = in.find("duration_s")) {
    out.duration_s = given->number(1.0, kLongestSeconds);
  } else if (longest > 0.0) {
    out.duration_s = longest;
  } else {
    in.complain("expected a duration_s: no profile has a length of its own");
  }
  for (auto& m : out.models) {
    const auto with = [&](double scale) {
      return influx::read_profile(*m.profile_settings, {out.duration_s, scale, {}}).total();
    };
    m.needs_capacity = with(1.0) != with(2.0);
    if (!m.needs_capacity) resolve_demand(m, std::nullopt, out.duration_s);
  }
}

Scenario read(const ConfigReader& in, const std::string& stem) {
  in.allow_only({"name", "description", "seed", "warm_up_s", "settle_s", "duration_s", "qos",
                 "machine", "prices", "broker", "models", "strategies", "faults"});
  Scenario out;
  out.name = in.text_or("name", stem);
  require_name(in.find("name").value_or(in), out.name);
  out.description = in.text_or("description", "");
  out.seed = static_cast<std::uint64_t>(in.integer_or("seed", 1, 0, (1LL << 53)));
  out.warm_up_s = in.number_or("warm_up_s", out.warm_up_s, 0.0, 3600.0);
  out.settle_s = in.number_or("settle_s", out.settle_s, 0.0, 3600.0);
  out.qos = static_cast<int>(in.integer_or("qos", 1, 0, 1));
  if (const auto machine = in.find("machine")) out.machine = read_machine(*machine);
  if (const auto prices = in.find("prices")) out.prices = judge::read_prices(*prices);
  if (const auto broker = in.find("broker")) out.broker = read_broker(*broker);
  const ConfigReader models = in.at("models");
  if (!models.is_map() || models.keys().empty()) models.fail("a map of at least one model");
  std::set<std::string> seen;
  for (const auto& name : models.keys()) {
    if (!seen.insert(name).second) models.complain("model \"" + name + "\" stands twice");
    out.models.push_back(read_model(models.at(name), name));
  }
  if (const auto strategies = in.find("strategies")) out.strategies = read_strategies(*strategies);
  settle_duration(in, out);
  if (const auto faults = in.find("faults")) {
    out.faults = sim::read_fault_script(*faults, out.duration_s, out.model_names());
  }
  return out;
}

}  // namespace

const ModelScenario* Scenario::find_model(const std::string& model) const {
  for (const auto& m : models) {
    if (m.name == model) return &m;
  }
  return nullptr;
}

std::vector<std::string> Scenario::model_names() const {
  std::vector<std::string> out;
  for (const auto& m : models) out.push_back(m.name);
  return out;
}

StrategyChoice Scenario::strategy(const std::string& label) const {
  for (const auto& s : strategies) {
    if (s.label == label) return s;
  }
  return {label, label, "{}"};
}

Scenario read_scenario(const std::filesystem::path& file) {
  Scenario out = read(ConfigReader::from_file(file), file.stem().string());
  out.file = file;
  return out;
}

Scenario read_scenario_text(const std::string& text, const std::string& name) {
  return read(ConfigReader::from_text(text, name), "scenario");
}

void resolve_demand(ModelScenario& model, std::optional<double> capacity_per_s, double duration_s) {
  SPATE_CHECK(!model.needs_capacity || capacity_per_s, "a capacity to resolve the demand with");
  model.profile = influx::read_profile(*model.profile_settings, {duration_s, capacity_per_s, {}});
}

BudgetCheck check_budget(const Scenario& scenario, double machine_cores) {
  BudgetCheck out;
  out.cores = scenario.machine.cores.value_or(machine_cores);
  std::string lines;
  for (const auto& m : scenario.models) {
    const double cpus = m.scaled ? m.cpu_ceiling : m.replicas * m.cpu_limit;
    out.needed += cpus;
    lines += m.scaled ? fmt::format("  {:<12} {:6.2f} CPU  (its ceiling)\n", m.name, cpus)
                      : fmt::format("  {:<12} {:6.2f} CPU  ({} x {:g})\n", m.name, cpus, m.replicas,
                                    m.cpu_limit);
  }
  for (const auto& m : scenario.models) {
    if (m.warm_pool == 0) continue;
    lines += fmt::format("  {:<12} {:6.2f} CPU  ({} parked {}: memory, no CPU)\n", "", 0.0,
                         m.warm_pool, m.name);
  }
  out.needed += scenario.machine.reserve;
  lines += fmt::format("  {:<12} {:6.2f} CPU  (gateway, broker, influx, system)\n", "reserve",
                       scenario.machine.reserve);
  out.fits = out.needed <= out.cores + kSlack && out.cores <= machine_cores + kSlack;
  lines += fmt::format("  {:<12} {:6.2f} CPU  {} the {:g} CPU {}\n", "sum", out.needed,
                       out.needed <= out.cores + kSlack ? "fits in" : "does not fit in", out.cores,
                       scenario.machine.cores ? "of the scenario" : "of this machine");
  if (out.cores > machine_cores + kSlack) {
    lines += fmt::format("  but this machine has {:g} CPU\n", machine_cores);
  }
  out.arithmetic = std::move(lines);
  return out;
}

}  // namespace spate::lab
