// SPDX-License-Identifier: Apache-2.0
#include "spate/lab/compare.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <nlohmann/json.hpp>
#include <set>

#include "spate/base/config_error.h"
#include "spate/base/files.h"
#include "spate/base/log.h"
#include "spate/base/rng.h"
#include "spate/lab/capacity.h"
#include "spate/lab/container_components.h"
#include "spate/lab/preflight.h"
#include "spate/lab/run_files.h"
#include "spate/lab/runner.h"

namespace spate::lab {
namespace {

using Json = nlohmann::json;

constexpr double kLongestRunSeconds = 86400.0;

std::filesystem::path default_out(const std::string& scenario, WallTime now) {
  const auto seconds = std::chrono::time_point_cast<std::chrono::seconds>(now);
  return std::filesystem::path("var/runs") /
         fmt::format("{}-{:%Y%m%dT%H%M%SZ}", scenario,
                     fmt::gmtime(static_cast<std::time_t>(seconds.time_since_epoch().count())));
}

void require_fresh(const std::filesystem::path& out) {
  std::error_code failed;
  if (!std::filesystem::exists(out, failed) || std::filesystem::is_empty(out, failed)) return;
  throw ConfigError("--out " + out.string() +
                    ": exists and is not empty; expected a new or empty directory");
}

void require_labels(const std::vector<std::string>& labels) {
  if (labels.empty()) throw ConfigError("expected at least one strategy");
  std::set<std::string> seen;
  for (const auto& label : labels) {
    if (!seen.insert(label).second) throw ConfigError("strategy \"" + label + "\" stands twice");
  }
}

void require_budget(const Scenario& scenario, const Machine& machine) {
  const BudgetCheck budget = check_budget(scenario, machine.cores);
  if (budget.fits) return;
  throw Refused{fmt::format(
      "scenario {} needs more CPU than there is; on less its limits would not mean what they "
      "say:\n{}Lower its limits, its ceiling or machine.reserve, or run it on a larger machine.",
      scenario.name, budget.arithmetic)};
}

// What a run keeps of a model's manifest.
Json manifest_of(const Json& info) {
  Json out = Json::object();
  for (const char* key : {"kind", "version", "variant", "backbone", "held_out", "runtime"}) {
    if (info.contains(key)) out[key] = info[key];
  }
  return out;
}

std::string runtime_text(const Json& info) {
  const std::string version = info.value("version", "");
  const Json runtime = info.value("runtime", Json());
  return fmt::format("{} ({})", version, runtime.is_string() ? runtime.get<std::string>() : "?");
}

// The scenario as a finished run of `out` recorded it; null when there is none. Throws ConfigError
// when that was another machine: its runs and ours would not be comparable.
Json earlier_scenario(const std::filesystem::path& out, const Machine& machine) {
  std::error_code failed;
  if (!std::filesystem::is_directory(out, failed)) return nullptr;
  for (const auto& directory : find_runs(out)) {
    const auto files = read_run(directory);
    if (!files) continue;
    const Json now = machine_json(machine);
    const Json then = files->run.value("machine", Json::object());
    for (const char* key : {"cpu_model", "cores"}) {
      if (then.contains(key) && now.contains(key) && then[key] != now[key]) {
        throw ConfigError(fmt::format(
            "{}: its runs were made on another machine ({} {} there, {} here); choose another "
            "directory",
            out.string(), key, then[key].dump(), now[key].dump()));
      }
    }
    return files->scenario;
  }
  return nullptr;
}

// The capacity that the runs before had; the new ones must meet the same demand.
bool take_capacity(const Json& earlier, ModelScenario& m, double duration_s) {
  const Json::json_pointer at("/models/" + m.name + "/demand/capacity");
  if (!earlier.is_object() || !earlier.contains(at)) return false;
  m.capacity = earlier.at(at);
  resolve_demand(m, number_of(*m.capacity, "per_s"), duration_s);
  return true;
}

// Models' particulars, offline predictions and capacities; blocks for the measurements.
Status prepare(LiveLoop& loop, Supervisor& supervisor, ProgressPrinter& printer,
               const CompareOptions& options, const Json& earlier, Experiment& experiment) {
  const auto preparation = options.out / "preparation";
  for (auto& m : experiment.scenario.models) {
    auto info = model_info(supervisor, experiment.program, m,
                           preparation / fmt::format("model-{}.json", m.name));
    if (!info) return info.error();
    m.manifest = manifest_of(*info);
    experiment.versions[m.name] = runtime_text(*info);
    const auto expected = expected_answers(supervisor, experiment.program, m, "var/cache/expected",
                                           preparation / fmt::format("predict-{}.log", m.name));
    if (!expected) return expected.error();
    experiment.expected[m.name] = *expected;
  }
  for (auto& m : experiment.scenario.models) {
    if (!m.needs_capacity || take_capacity(earlier, m, experiment.scenario.duration_s)) continue;
    printer.say(fmt::format("capacity of one {} with {:g} CPU ...", m.name, m.cpu_limit));
    CapacityOptions capacity;
    capacity.program = experiment.program;
    capacity.work = preparation / ("capacity-" + m.name);
    capacity.limits = options.limits;
    capacity.remeasure = options.remeasure;
    const auto found = capacity_of(loop, m, experiment.machine, capacity);
    if (!found) return found.error();
    m.capacity = found->record;
    resolve_demand(m, found->per_s, experiment.scenario.duration_s);
    printer.say(fmt::format(
        "  {:.2f} requests/s within {:g} ms for {:g} % of them ({}; {:.2f} to "
        "{:.2f})",
        found->per_s, m.slo_latency_ms, 100.0 * m.slo_target,
        found->from_cache ? "measured before, --remeasure does it again" : "measured now",
        found->record.value("low_per_s", 0.0), found->record.value("high_per_s", 0.0)));
    for (const auto& reason : found->disturbances) {
      printer.say("  disturbed, so it is not kept for later: " + reason);
    }
  }
  return ok();
}

// What components in containers read of this machine's files.
void add_paths(ContainerComponents& containers, const Experiment& experiment) {
  for (const auto& m : experiment.scenario.models) {
    containers.add_path(m.model);
    containers.add_path(m.dataset);
  }
  for (const auto& [model, file] : experiment.expected) containers.add_path(file);
  if (experiment.broker && !experiment.broker->password_file.empty()) {
    containers.add_path(experiment.broker->password_file);
  }
}

std::vector<RunKey> all_runs(const CompareOptions& options, std::uint64_t seed) {
  std::vector<RunKey> out;
  for (int repetition = 1; repetition <= options.repetitions; ++repetition) {
    for (const auto& label : order_of(options.strategies, seed, repetition)) {
      out.push_back({label, repetition});
    }
  }
  return out;
}

Status write_experiment(const CompareOptions& options, const Experiment& experiment) {
  const Json record{{"schema", 1},
                    {"scenario", experiment.scenario.name},
                    {"scenario_file", experiment.scenario.file.string()},
                    {"strategies", options.strategies},
                    {"repetitions", options.repetitions},
                    {"seed", experiment.scenario.seed}};
  if (const Status s = write_file(options.out / "experiment.json", record.dump(1) + "\n"); !s) {
    return s;
  }
  if (const auto text = read_file(experiment.scenario.file)) {
    return write_file(options.out / "scenario.yaml", *text);
  }
  return ok();
}

}  // namespace

std::filesystem::path this_program() {
  std::error_code failed;
  const auto path = std::filesystem::read_symlink("/proc/self/exe", failed);
  if (failed) throw ConfigError("cannot find this program: /proc is not mounted");
  return path;
}

std::vector<std::string> order_of(std::vector<std::string> labels, std::uint64_t seed,
                                  int repetition) {
  Rng rng(seed, "order", static_cast<std::uint64_t>(repetition));
  shuffle(labels, rng);
  return labels;
}

CompareOutcome compare(const CompareOptions& given) {
  CompareOptions options = given;
  Experiment experiment;
  experiment.scenario = read_scenario(options.scenario);
  if (options.seed) experiment.scenario.seed = *options.seed;
  if (options.prices) experiment.scenario.prices = *options.prices;
  experiment.program = options.program.empty() ? this_program() : options.program;
  experiment.limits = options.limits;
  if (!options.http.empty()) experiment.http = parse_http_address(options.http);
  experiment.machine = read_machine();
  if (experiment.scenario.duration_s > kLongestRunSeconds) {
    throw ConfigError(
        fmt::format("scenario {} lasts {:g} s; a live run lasts a day at most (spate simulate "
                    "takes longer ones)",
                    experiment.scenario.name, experiment.scenario.duration_s));
  }
  require_live(experiment.scenario);
  require_labels(options.strategies);
  check_strategies(experiment.scenario, options.strategies);
  require_budget(experiment.scenario, experiment.machine);
  check_inputs(experiment.scenario);

  LiveLoop loop;
  if (options.out.empty())
    options.out = default_out(experiment.scenario.name, loop.clock().wall_now());
  Json earlier;
  if (options.runs.empty()) {
    require_fresh(options.out);
  } else {
    earlier = earlier_scenario(options.out, experiment.machine);
  }
  options.out = std::filesystem::absolute(options.out).lexically_normal();
  std::error_code failed;
  std::filesystem::create_directories(options.out / "preparation", failed);
  if (failed) throw ConfigError("--out " + options.out.string() + ": " + failed.message());
  const bool terminal = ::isatty(STDOUT_FILENO) == 1;
  ProgressPrinter printer(stdout, terminal);

  Supervisor supervisor(loop, options.out);
  for (const auto& swept : supervisor.sweep_leftovers()) {
    if (swept.ended.empty()) continue;
    printer.say(fmt::format("ended {} processes that a killed run had left ({})",
                            swept.ended.size(), swept.folder.string()));
  }
  std::unique_ptr<Components> components;
  ContainerComponents* containers = nullptr;
  if (options.backend == "docker") {
    ContainerOptions wanted{.socket = options.docker_socket, .image = options.image};
    if (!options.http.empty()) wanted.http = experiment.http;
    auto made = std::make_unique<ContainerComponents>(loop, wanted);
    std::vector<std::string> swept;
    if (const Status s = made->begin(swept); !s) {
      // Nothing was run: the next try may have the same --out.
      std::filesystem::remove(options.out / "preparation", failed);
      std::filesystem::remove(options.out, failed);
      throw ConfigError("--backend docker: " + s.error().message);
    }
    if (!swept.empty()) {
      printer.say(fmt::format("removed what a killed run had left: {}", fmt::join(swept, ", ")));
    }
    containers = made.get();
    components = std::move(made);
  } else {
    components = make_process_components(loop, supervisor, experiment.program);
  }
  CompareOutcome out;
  out.directory = options.out;
  std::string broker_version;
  if (!options.broker_url.empty()) {
    std::vector<std::string> warnings;
    const auto probed = probe_broker(
        loop, parse_broker_url(options.broker_url, options.out / "preparation/broker-password"),
        warnings);
    if (!probed) throw ConfigError(probed.error().message);
    experiment.broker = *probed;
    for (const auto& warning : warnings) spdlog::warn("{}", warning);
  }
  experiment.versions = {{"spate", options.version}, {"kernel", experiment.machine.kernel}};
  if (containers != nullptr) experiment.versions["engine"] = containers->description()["engine"];
  Status ready = prepare(loop, supervisor, printer, options, earlier, experiment);
  if (ready) ready = write_experiment(options, experiment);
  if (!ready) {
    out.interrupted = loop.interrupted();
    if (!out.interrupted) out.failure = ready.error();
    return out;
  }

  if (containers) add_paths(*containers, experiment);
  Runner runner(loop, *components, printer, experiment);
  const std::vector<RunKey> runs =
      options.runs.empty() ? all_runs(options, experiment.scenario.seed) : options.runs;
  for (const RunKey& key : runs) {
    if (loop.interrupted() || out.failure) break;
    RunSpec spec;
    spec.label = key.label;
    spec.repetition = key.repetition;
    spec.directory = options.out / fmt::format("{}-{}", key.label, key.repetition);
    std::filesystem::remove_all(spec.directory, failed);
    ++out.runs;
    if (options.title) {
      spec.title = options.title(key);
    } else {
      spec.title = runs.size() == 1 ? key.label
                                    : fmt::format("{}, repetition {} (run {} of {})", key.label,
                                                  key.repetition, out.runs, runs.size());
    }
    if (const Status s = runner.run(spec); !s) out.failure = s.error();
  }
  out.interrupted = loop.interrupted();
  return out;
}

}  // namespace spate::lab
