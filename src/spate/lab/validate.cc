// SPDX-License-Identifier: Apache-2.0
#include "spate/lab/validate.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "spate/base/config_error.h"
#include "spate/base/files.h"
#include "spate/lab/model_samples.h"
#include "spate/lab/preflight.h"
#include "spate/lab/results.h"
#include "spate/lab/simulate.h"

namespace spate::lab {
namespace {

using Json = nlohmann::json;

// A machine on which nothing comes up should be told, not tried for an hour.
constexpr int kMostFailures = 3;

double plan_s(const Scenario& s) { return s.warm_up_s + s.duration_s + s.settle_s; }

Json at(const Json& in, const std::string& pointer) {
  const Json::json_pointer p(pointer);
  return in.is_object() && in.contains(p) ? in.at(p) : Json();
}

// One scenario and its live runs.
struct Planned {
  std::filesystem::path file;
  Scenario scenario;
  std::filesystem::path live;
};

// The live runs of `name` in a directory that this command or `spate compare` made.
std::filesystem::path find_live(const std::filesystem::path& given, const std::string& name) {
  for (const auto& candidate : {given / name / "live", given / name, given}) {
    for (const auto& run : find_runs(candidate)) {
      const auto files = read_run(run);
      if (files && text_of(files->scenario, "name") == name) return candidate;
    }
  }
  throw ConfigError(fmt::format(
      "--live {}: holds no run of scenario {}; looked in {}/{}/live, "
      "{}/{} and {}",
      given.string(), name, given.string(), name, given.string(), name, given.string()));
}

void require_same_scenario(const Planned& p) {
  const auto kept = read_file(p.live / "scenario.yaml");
  const auto now = read_file(p.file);
  if (kept && now && *kept != *now) {
    throw ConfigError(fmt::format(
        "{}: its runs were made with another version of {}; choose another --out, or take them as "
        "they are with --live",
        p.live.string(), p.file.string()));
  }
}

// A run's planned requests, by model.
double planned_of(const RunFiles& files, const std::string& model) {
  return number_of(at(files.influx_summary, "/models/" + model), "planned");
}

void note_other_machine(const Json& machine, const sim::MachineProfile& profile,
                        std::vector<std::string>& notes) {
  const Json measured =
      profile.machine_json.empty() ? Json::object() : Json::parse(profile.machine_json);
  const std::string here = text_of(machine, "cpu_model");
  const std::string there = text_of(measured, "cpu_model");
  if (here != there || number_of(machine, "cores") != number_of(measured, "cores")) {
    notes.push_back(fmt::format(
        "the profile {} was measured on another machine ({}, {:g} CPU) than the live runs ({}, "
        "{:g} CPU)",
        profile.file, there, number_of(measured, "cores"), here, number_of(machine, "cores")));
  }
}

// The scenario as the live run had it: its seed, its capacity, its machine.
Scenario as_run(const std::filesystem::path& live, const RunFiles& run) {
  const auto text = read_file(live / "scenario.yaml");
  if (!text) {
    throw ConfigError(live.string() +
                      ": has no scenario.yaml; expected a directory that spate "
                      "validate or spate compare made");
  }
  Scenario out = read_scenario_text(*text, (live / "scenario.yaml").string());
  out.seed = run.scenario.value("seed", out.seed);
  if (!out.machine.cores) {
    const double cores = number_of(at(run.run, "/machine"), "cores");
    if (cores > 0.0) out.machine.cores = cores;
  }
  return out;
}

void take_live_capacity(Scenario& scenario, const RunFiles& run) {
  for (auto& m : scenario.models) {
    if (!m.needs_capacity) continue;
    const Json capacity = at(run.scenario, "/models/" + m.name + "/demand/capacity");
    const double per_s = number_of(capacity, "per_s");
    if (per_s <= 0.0) {
      throw ConfigError(fmt::format("{}: its scenario.json has no capacity of {}",
                                    run.directory.string(), m.name));
    }
    m.capacity = capacity;
    resolve_demand(m, per_s, scenario.duration_s);
  }
}

// Live runs that differ in what was asked of them are no repetitions of each other.
void require_one_demand(const std::vector<RunFiles>& live) {
  for (const auto& run : live) {
    for (const Json& name : at(live.front().scenario, "/model_order")) {
      const std::string key = "/models/" + name.get<std::string>() + "/demand/profile";
      if (at(run.scenario, key) == at(live.front().scenario, key)) continue;
      throw ConfigError(fmt::format(
          "{} and {}: the demand of {} differs, so they are no "
          "repetitions of each other",
          live.front().directory.string(), run.directory.string(), name.get<std::string>()));
    }
  }
}

std::vector<CapacityPair> capacities(const Scenario& live, const sim::MachineProfile& profile) {
  std::vector<CapacityPair> out;
  Scenario unresolved = live;
  for (auto& m : unresolved.models) m.capacity.reset();
  const SimulationPlan plan = plan_simulation(std::move(unresolved), profile);
  for (std::size_t i = 0; i < live.models.size(); ++i) {
    if (!live.models[i].needs_capacity) continue;
    out.push_back({live.models[i].name, number_of(*live.models[i].capacity, "per_s"),
                   number_of(*plan.scenario.models[i].capacity, "per_s")});
  }
  return out;
}

void check_same_requests(const ValidatedRun& run, std::vector<std::string>& notes) {
  for (const Json& name : at(run.live.scenario, "/model_order")) {
    const auto model = name.get<std::string>();
    const double live = planned_of(run.live, model);
    const double simulated = planned_of(run.simulated, model);
    if (live == simulated) continue;
    notes.push_back(fmt::format("{}: {} was to get {:.0f} requests live and {:.0f} simulated",
                                run.live.directory.string(), model, live, simulated));
  }
}

// CPU time per answer, live and simulated, of each model that has both.
std::vector<SpeedPair> speeds_of(const Scenario& scenario, const std::vector<ValidatedRun>& runs) {
  std::vector<const RunFiles*> live;
  std::vector<const RunFiles*> simulated;
  for (const auto& run : runs) {
    live.push_back(&run.live);
    simulated.push_back(&run.simulated);
  }
  std::vector<SpeedPair> out;
  for (const auto& m : scenario.models) {
    const auto measured = cpu_per_answer_ms(live, m.name);
    const auto said = cpu_per_answer_ms(simulated, m.name);
    if (measured && said) out.push_back({m.name, profiled_name(m), *measured, *said});
  }
  return out;
}

// By strategy: the runs judged, live and simulated in the same order.
using ByStrategy = std::map<std::string, std::pair<std::vector<RunResult>, std::vector<RunResult>>>;

std::vector<ValidationLine> lines_of(const Scenario& scenario,
                                     const std::vector<std::string>& order, const ByStrategy& runs,
                                     const Tolerance& tolerance) {
  std::vector<std::string> models;
  for (const auto& m : scenario.models) models.push_back(m.name);
  std::vector<ValidationLine> out;
  for (const auto& label : order) {
    const auto at = runs.find(label);
    if (at == runs.end()) continue;
    const auto& [live, simulated] = at->second;
    for (auto& line : validate_runs(scenario.name, label, models, live, simulated, tolerance)) {
      line.scaled = scenario.find_model(line.model)->scaled;
      out.push_back(std::move(line));
    }
  }
  return out;
}

int repetition_of(const RunFiles& run) {
  return std::max(1, static_cast<int>(number_of(run.run, "repetition")));
}

// The same runs simulated at the live runs' speed. Requires speeds.
std::vector<ValidationLine> compare_at_speed(const Scenario& scenario,
                                             const sim::MachineProfile& profile,
                                             const ScenarioValidation& v,
                                             const std::vector<std::string>& order,
                                             const Tolerance& tolerance) {
  const SimulationPlan plan = plan_simulation(scenario, at_speed(profile, v.speeds));
  ByStrategy runs;
  for (const auto& run : v.runs) {
    const std::string label = text_of(run.live.run, "strategy");
    auto& [live, simulated] = runs[label];
    live.push_back(judge_run(run.live));
    simulated.push_back(simulate_run(plan, label, repetition_of(run.live)).result);
  }
  return lines_of(scenario, order, runs, tolerance);
}

// Everything there is before a run starts, so that all is checked first.
std::vector<Planned> read_all(const ValidateOptions& options) {
  std::vector<Planned> out;
  std::set<std::string> names;
  for (const auto& file : options.scenarios) {
    Planned p{file, read_scenario(file), {}};
    if (!names.insert(p.scenario.name).second) {
      throw ConfigError("two scenarios are named " + p.scenario.name);
    }
    p.live = options.live.empty() ? options.out / p.scenario.name / "live"
                                  : find_live(options.live, p.scenario.name);
    if (options.live.empty()) {
      check_strategies(p.scenario, options.strategies);
      check_inputs(p.scenario);
      require_same_scenario(p);
    }
    out.push_back(std::move(p));
  }
  return out;
}

std::string time_text(double seconds) {
  return seconds < 90.0 ? fmt::format("{:.0f} s", seconds)
                        : fmt::format("{:.0f} min", seconds / 60.0);
}

class LiveRuns {
 public:
  LiveRuns(const ValidateOptions& options, const std::vector<Planned>& planned,
           ValidationOutcome& outcome)
      : options_(options), planned_(planned), outcome_(outcome) {}

  // Repetition by repetition over all scenarios: whenever it is stopped, every scenario has
  // nearly as many as the others.
  void make() {
    for (const auto& p : planned_) {
      missing_.push_back(
          missing_runs(p.live, p.scenario, options_.strategies, options_.repetitions));
      left_.add(plan_s(p.scenario), static_cast<int>(missing_.back().size()));
    }
    total_ = left_.runs_left();
    const int all =
        static_cast<int>(planned_.size() * options_.strategies.size()) * options_.repetitions;
    fmt::print("{} live runs to make, {} are there; about {}\n", total_, all - total_,
               time_text(left_.seconds()));
    std::fflush(stdout);
    for (int repetition = 1; repetition <= options_.repetitions; ++repetition) {
      for (std::size_t i = 0; i < planned_.size(); ++i) {
        make_repetition(planned_[i], missing_[i], repetition);
        if (outcome_.interrupted || failures_ >= kMostFailures) return;
      }
    }
  }

 private:
  void make_repetition(const Planned& p, const std::vector<RunKey>& missing, int repetition) {
    CompareOptions c = options_.compare;
    for (const auto& key : missing) {
      if (key.repetition == repetition) c.runs.push_back(key);
    }
    if (c.runs.empty()) return;
    c.scenario = p.file;
    c.strategies = options_.strategies;
    c.repetitions = options_.repetitions;
    c.out = p.live;
    c.title = [&](const RunKey& key) {
      return fmt::format("{}: {}, repetition {} (run {} of {}, about {} left)", p.scenario.name,
                         key.label, key.repetition, outcome_.live_runs_made + begun_++ + 1, total_,
                         time_text(left_.seconds()));
    };
    begun_ = 0;
    const CompareOutcome made = compare(c);
    outcome_.live_runs_made += made.runs;
    for (std::size_t i = 0; i < static_cast<std::size_t>(made.runs); ++i) account(p, c.runs[i]);
    outcome_.interrupted = made.interrupted;
    if (!made.failure) {
      failures_ = 0;
      return;
    }
    ++failures_;
    outcome_.notes.push_back(p.scenario.name + ": " + made.failure->message);
    fmt::print(stderr, "spate: {}: {}\n", p.scenario.name, made.failure->message);
  }

  void account(const Planned& p, const RunKey& key) {
    const auto run = read_run(p.live / fmt::format("{}-{}", key.label, key.repetition));
    if (!run) return;
    left_.done(plan_s(p.scenario),
               number_of(run->run, "ended_unix_s") - number_of(run->run, "started_unix_s"));
  }

  const ValidateOptions& options_;
  const std::vector<Planned>& planned_;
  ValidationOutcome& outcome_;
  std::vector<std::vector<RunKey>> missing_;
  RemainingTime left_;
  int total_ = 0;
  int begun_ = 0;  // of the call of compare() that goes on
  int failures_ = 0;
};

Json scenario_json(const ScenarioValidation& s) {
  Json capacities = Json::array();
  for (const auto& c : s.capacities) {
    capacities.push_back(
        {{"model", c.model}, {"live_per_s", c.live_per_s}, {"profile_per_s", c.profile_per_s}});
  }
  Json speeds = Json::array();
  for (const auto& speed : s.speeds) {
    speeds.push_back(
        {{"model", speed.model},
         {"cpu_per_answer_ms",
          {{"live", speed.live_ms}, {"simulated", speed.simulated_ms}, {"ratio", speed.ratio()}}}});
  }
  const auto lines_json = [](const std::vector<ValidationLine>& lines) {
    Json out = Json::array();
    for (const auto& line : lines) out.push_back(to_json(line));
    return out;
  };
  return {{"scenario", s.name},
          {"description", s.description},
          {"live", s.live.string()},
          {"capacities", std::move(capacities)},
          {"lines", lines_json(s.lines)},
          {"speeds", std::move(speeds)},
          {"lines_at_speed", lines_json(s.lines_at_speed)}};
}

Json summary_json(const ValidationOutcome& outcome, const sim::MachineProfile& profile,
                  const Tolerance& tolerance) {
  Json out{{"schema", 1},
           {"kind", "validation"},
           {"profile", profile.file},
           {"profile_machine",
            profile.machine_json.empty() ? Json() : Json::parse(profile.machine_json)},
           {"tolerance",
            {{"attainment_points", tolerance.attainment_points},
             {"cost_ratio", tolerance.cost_ratio},
             {"quantile_confidence", tolerance.quantile_confidence}}},
           {"verdict", to_json(outcome.counted)},
           {"verdict_at_speed", to_json(outcome.counted_at_speed)},
           {"notes", outcome.notes},
           {"interrupted", outcome.interrupted}};
  out["skipped"] = Json::array();
  for (const auto& s : outcome.skipped) {
    out["skipped"].push_back({{"strategy", s.strategy}, {"reason", s.reason}});
  }
  out["scenarios"] = Json::array();
  for (const auto& s : outcome.scenarios) {
    out["scenarios"].push_back(scenario_json(s));
    if (!s.runs.empty()) out["machine"] = at(s.runs.front().live.run, "/machine");
  }
  return out;
}

// The valid live runs of the wanted strategies, in the order in which they are to be shown.
std::vector<RunFiles> valid_runs(const std::filesystem::path& live,
                                 const std::vector<std::string>& strategies,
                                 std::vector<std::string>& notes) {
  std::vector<RunFiles> out;
  for (const auto& directory : find_runs(live)) {
    auto files = read_run(directory);
    if (!files) continue;
    const std::string label = text_of(files->run, "strategy");
    if (!strategies.empty() &&
        std::find(strategies.begin(), strategies.end(), label) == strategies.end()) {
      continue;
    }
    const RunResult result = judge_run(*files);
    if (!result.valid) {
      notes.push_back(fmt::format("{}: not used, it is invalid: {}", directory.string(),
                                  result.invalid_reasons.front()));
    } else {
      out.push_back(std::move(files).value());
    }
  }
  std::stable_sort(out.begin(), out.end(), [](const RunFiles& a, const RunFiles& b) {
    return number_of(a.run, "repetition") < number_of(b.run, "repetition");
  });
  return out;
}

}  // namespace

ScenarioValidation validate_scenario(const std::filesystem::path& live,
                                     const std::vector<std::string>& strategies,
                                     const sim::MachineProfile& profile,
                                     const std::filesystem::path& out, const Tolerance& tolerance,
                                     std::vector<std::string>& notes) {
  ScenarioValidation v;
  v.live = live;
  std::vector<RunFiles> runs = valid_runs(live, strategies, notes);
  if (runs.empty()) return v;
  require_one_demand(runs);
  Scenario scenario = as_run(live, runs.front());
  take_live_capacity(scenario, runs.front());
  v.name = scenario.name;
  v.description = scenario.description;
  v.capacities = capacities(scenario, profile);
  note_other_machine(at(runs.front().run, "/machine"), profile, notes);
  const SimulationPlan plan = plan_simulation(scenario, profile);
  ByStrategy by_strategy;
  std::vector<std::string> order = strategies;
  for (auto& run : runs) {
    const std::string label = text_of(run.run, "strategy");
    SimulatedRun simulated = simulate_run(plan, label, repetition_of(run));
    if (!out.empty()) {
      const Status written = write_run(simulated, out / simulated.files.directory);
      if (!written) throw ConfigError(written.error().message);
    }
    by_strategy[label].first.push_back(judge_run(run));
    by_strategy[label].second.push_back(simulated.result);
    if (std::find(order.begin(), order.end(), label) == order.end()) order.push_back(label);
    v.runs.push_back({std::move(run), std::move(simulated.files)});
    check_same_requests(v.runs.back(), notes);
  }
  v.lines = lines_of(scenario, order, by_strategy, tolerance);
  v.speeds = speeds_of(scenario, v.runs);
  if (!v.speeds.empty())
    v.lines_at_speed = compare_at_speed(scenario, profile, v, order, tolerance);
  return v;
}

ValidationOutcome validate(ValidateOptions options) {
  ValidationOutcome outcome;
  if (options.strategies.empty() && options.live.empty()) {
    options.strategies = {"none", "horizontal", "vertical"};
  }
  options.strategies = expand_strategies(options.strategies, outcome.skipped);
  const auto profile = sim::read_machine_profile(options.profile);
  const std::vector<Planned> planned = read_all(options);
  std::error_code failed;
  std::filesystem::create_directories(options.out, failed);
  if (failed) throw ConfigError("--out " + options.out.string() + ": " + failed.message());
  if (options.live.empty()) LiveRuns(options, planned, outcome).make();
  for (const auto& p : planned) {
    if (find_runs(p.live).empty()) continue;
    const auto folder = options.out / p.scenario.name / "simulated";
    std::filesystem::remove_all(folder, failed);
    auto validated = validate_scenario(p.live, options.strategies, profile, folder,
                                       options.tolerance, outcome.notes);
    if (!validated.lines.empty()) outcome.scenarios.push_back(std::move(validated));
  }
  std::vector<ValidationLine> lines;
  std::vector<ValidationLine> at_speed;
  for (const auto& s : outcome.scenarios) {
    lines.insert(lines.end(), s.lines.begin(), s.lines.end());
    at_speed.insert(at_speed.end(), s.lines_at_speed.begin(), s.lines_at_speed.end());
  }
  // Several scenarios have the same to say of machine and profile.
  std::sort(outcome.notes.begin(), outcome.notes.end());
  outcome.notes.erase(std::unique(outcome.notes.begin(), outcome.notes.end()), outcome.notes.end());
  outcome.counted = count(lines);
  outcome.counted_at_speed = count(at_speed);
  outcome.json = summary_json(outcome, profile, options.tolerance);
  const Status written = write_file(options.out / "summary.json", outcome.json.dump(1) + "\n");
  if (!written) throw ConfigError(written.error().message);
  return outcome;
}

}  // namespace spate::lab
