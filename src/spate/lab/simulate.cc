// SPDX-License-Identifier: Apache-2.0
#include "spate/lab/simulate.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>

#include "spate/adapters/external_strategy.h"
#include "spate/adapters/run_records.h"
#include "spate/base/config_error.h"
#include "spate/base/files.h"
#include "spate/lab/demand.h"
#include "spate/scaling/strategies.h"
#include "spate/sim/world.h"

namespace spate::lab {
namespace {

using Json = nlohmann::json;
using gateway::Outcome;

// Simulated time has no calendar: every measured window begins at this Unix second, so that equal
// runs have equal bytes.
constexpr double kEpoch = 1e9;

constexpr Outcome kRejections[] = {Outcome::BadInput, Outcome::UnknownModel, Outcome::Overloaded,
                                   Outcome::ModelFailed, Outcome::ShuttingDown};

double count_of(const sim::Tally& tally, Outcome outcome) {
  return static_cast<double>(tally.ended[static_cast<std::size_t>(outcome)]);
}

std::map<std::string, double> rejected_of(const sim::Tally& tally) {
  std::map<std::string, double> out;
  for (const Outcome outcome : kRejections) {
    if (count_of(tally, outcome) > 0) {
      out[std::string(gateway::to_string(outcome))] = count_of(tally, outcome);
    }
  }
  return out;
}

Json rejected_json(const sim::Tally& tally) {
  Json out = Json::object();
  for (const auto& [reason, count] : rejected_of(tally)) out[reason] = count;
  return out;
}

InfluxSample influx_sample(const sim::Bin& bin, double t_s) {
  InfluxSample s;
  s.unix_s = kEpoch + t_s;
  s.t_s = t_s;
  s.planned = s.sent = static_cast<double>(bin.tally.planned);
  s.answered = count_of(bin.tally, Outcome::Answered);
  s.in_time = static_cast<double>(bin.tally.in_time);
  s.rejected = rejected_of(bin.tally);
  s.expired = count_of(bin.tally, Outcome::Expired);
  s.lost = static_cast<double>(bin.tally.lost());
  s.p50_ms = bin.p50_ms;
  s.p99_ms = bin.p99_ms;
  return s;
}

GatewaySample gateway_sample(const sim::Bin& bin, double until_s, const sim::Tally& sum) {
  GatewaySample s;
  const sim::Gauges& g = bin.gauges;
  s.unix_s = kEpoch + until_s;
  s.arrived = static_cast<double>(sum.planned);
  s.answered = count_of(sum, Outcome::Answered);
  s.rejected = rejected_of(sum);
  s.expired = count_of(sum, Outcome::Expired);
  s.queue = g.queue;
  s.in_flight = g.in_flight;
  s.oldest_ms = g.oldest_ms;
  s.p50_ms = bin.p50_ms;
  s.p99_ms = bin.p99_ms;
  s.wanted = g.wanted;
  s.ready = g.ready;
  s.starting = g.starting;
  s.draining = g.draining;
  s.cpu_limit = g.cpu_limit;
  s.cpu_reserved = g.cpu_reserved;
  s.memory_bytes = g.memory_bytes;
  s.cpu_cores = g.cpu_cores;
  return s;
}

void add_series(const sim::ModelOutput& model, double duration_s, RunFiles& out) {
  ComponentSeries workers{"worker", model.model, "", {}};
  sim::Tally sum;
  for (std::size_t i = 0; i < model.bins.size(); ++i) {
    const sim::Bin& bin = model.bins[i];
    const double from = static_cast<double>(i) * model.bin_s;
    const double until = std::min(from + model.bin_s, duration_s);
    sum += bin.tally;
    out.influx[model.model].push_back(influx_sample(bin, from));
    out.gateway[model.model].push_back(gateway_sample(bin, until, sum));
    workers.samples.push_back(
        {kEpoch + until, bin.gauges.cpu_cores, bin.gauges.memory_bytes, 0.0, 0.0});
  }
  out.components.push_back(std::move(workers));
}

Json summary_model(const sim::ModelOutput& m, const ModelScenario& scenario) {
  const double planned = static_cast<double>(m.total.planned);
  Json out{{"planned", m.total.planned},
           {"sent", m.total.planned},
           {"answered", m.total.answered()},
           {"in_time", m.total.in_time},
           {"rejected", rejected_json(m.total)},
           {"expired", count_of(m.total, Outcome::Expired)},
           {"lost", m.total.lost()},
           {"slo_latency_ms", scenario.slo_latency_ms},
           {"slo_attainment", planned > 0.0 ? Json(m.total.in_time / planned) : Json()},
           {"mean_ms", m.latency.mean_s() * 1e3},
           {"histograms", {{"latency", m.latency.to_json()}}}};
  if (m.latency.count() > 0) {
    for (const auto& [name, q] :
         {std::pair{"p50_ms", 0.5}, {"p90_ms", 0.9}, {"p99_ms", 0.99}, {"p999_ms", 0.999}}) {
      out[name] = to_ms(m.latency.quantile(q));
    }
  }
  return out;
}

void add_records(const sim::RunOutput& output, RunFiles& out) {
  const auto unix_s = [&](TimePoint at) { return kEpoch + to_seconds(at - output.measured_from); };
  for (const auto& d : output.decisions)
    out.decisions.push_back(adapters::to_json(d, unix_s(d.at)));
  for (const auto& e : output.events) out.decisions.push_back(adapters::to_json(e, unix_s(e.at)));
  std::stable_sort(out.decisions.begin(), out.decisions.end(), [](const Json& a, const Json& b) {
    return number_of(a, "unix_s") < number_of(b, "unix_s");
  });
}

// What the records of a long run do not have in full: exact totals of the measured window.
Json totals_of(const sim::RunOutput& output) {
  Json out = Json::object();
  for (const sim::ModelOutput& m : output.models) {
    out[m.model] = {{"cpu_reserved_s", m.accounts.cpu_reserved_s},
                    {"cpu_used_s", m.accounts.cpu_used_s},
                    {"memory_gib_s", m.accounts.memory_byte_s / (1024.0 * 1024.0 * 1024.0)},
                    {"up", m.decisions.up},
                    {"down", m.decisions.down},
                    {"hold", m.decisions.hold},
                    {"clipped", m.decisions.clipped}};
  }
  return out;
}

std::unique_ptr<scaling::Strategy> make_strategy(const Scenario& scenario,
                                                 const StrategyChoice& choice) {
  const auto options =
      ConfigReader::from_text(choice.options_json, "strategies." + choice.label + ".options");
  return adapters::all_strategies(adapters::ExternalPace::Simulated,
                                  std::make_shared<adapters::ExternalFaults>(), demand_of(scenario))
      .make(choice.kind, options, "strategies." + choice.label + ".kind");
}

// The lines of series.jsonl; those of influx.series.jsonl go to `influx`.
std::string lines_of(const RunFiles& files, const std::vector<std::string>& models,
                     std::string& influx) {
  std::string gateway;
  const std::size_t bins = models.empty() ? 0 : files.gateway.at(models.front()).size();
  for (std::size_t i = 0; i < bins; ++i) {
    Json line{{"models", Json::object()}, {"components", Json::array()}};
    for (const std::string& name : models) {
      const GatewaySample& g = files.gateway.at(name)[i];
      line["unix_s"] = g.unix_s;
      line["models"][name] = {{"arrived", g.arrived},     {"answered", g.answered},
                              {"rejected", g.rejected},   {"expired", g.expired},
                              {"redispatched", 0},        {"queue", g.queue},
                              {"in_flight", g.in_flight}, {"oldest_ms", g.oldest_ms},
                              {"p50_ms", g.p50_ms},       {"p99_ms", g.p99_ms},
                              {"wanted", g.wanted},       {"ready", g.ready},
                              {"starting", g.starting},   {"draining", g.draining},
                              {"cpu_limit", g.cpu_limit}, {"cpu_reserved", g.cpu_reserved}};
      line["components"].push_back({{"component", "worker"},
                                    {"model", name},
                                    {"cpu_cores", g.cpu_cores},
                                    {"memory_bytes", g.memory_bytes}});
      const InfluxSample& s = files.influx.at(name)[i];
      influx += Json{{"unix_s", s.unix_s},   {"t_s", s.t_s},           {"model", name},
                     {"planned", s.planned}, {"sent", s.sent},         {"answered", s.answered},
                     {"in_time", s.in_time}, {"rejected", s.rejected}, {"expired", s.expired},
                     {"lost", s.lost},       {"p50_ms", s.p50_ms},     {"p99_ms", s.p99_ms}}
                    .dump() +
                "\n";
    }
    gateway += line.dump() + "\n";
  }
  return gateway;
}

}  // namespace

SimulatedRun make_run(const SimulationPlan& plan, const StrategyChoice& strategy, int repetition,
                      sim::RunOutput output) {
  SimulatedRun run;
  RunFiles& files = run.files;
  const double duration_s = plan.scenario.duration_s;
  files.directory = fmt::format("{}-{}", strategy.label, repetition);
  files.scenario = plan.effective;
  files.gateway_state = Json{{"limit_mechanism", "simulated"}};
  files.run = Json{{"schema", 1},
                   {"run", files.directory.string()},
                   {"scenario", plan.scenario.name},
                   {"strategy", strategy.label},
                   {"kind", strategy.kind},
                   {"options", Json::parse(strategy.options_json)},
                   {"repetition", repetition},
                   {"started_unix_s", kEpoch - to_seconds(output.measured_from - output.load_from)},
                   {"ended_unix_s", kEpoch + to_seconds(output.ended - output.measured_from)},
                   {"interrupted", false},
                   {"problems", output.problems},
                   {"warnings", Json::array()},
                   {"gateway_restarts", 0},
                   {"canary", nullptr},
                   {"machine", plan.machine},
                   {"versions", Json::object()},
                   {"simulated",
                    {{"profile", plan.profile_file},
                     {"mode", plan.world.fluid_step > Duration{0} ? "fluid" : "exact"},
                     {"requests", output.requests},
                     {"holds_dropped", output.holds_dropped},
                     {"records_dropped", output.records_dropped},
                     {"totals", totals_of(output)}}}};
  Json models = Json::object();
  for (std::size_t i = 0; i < output.models.size(); ++i) {
    add_series(output.models[i], duration_s, files);
    models[output.models[i].model] = summary_model(output.models[i], plan.scenario.models[i]);
  }
  files.influx_summary = Json{{"schema", 1},
                              {"valid", true},
                              {"reasons", Json::array()},
                              {"start_unix_s", kEpoch},
                              {"warm_up_s", plan.scenario.warm_up_s},
                              {"duration_s", duration_s},
                              {"seed", plan.scenario.seed},
                              {"run", repetition - 1},
                              {"models", std::move(models)}};
  add_records(output, files);
  files.measured_from = kEpoch;
  files.measured_until = kEpoch + duration_s;
  run.result = judge_run(files);
  run.output = std::move(output);
  return run;
}

SimulatedRun simulate_run(const SimulationPlan& plan, const std::string& label, int repetition) {
  const StrategyChoice choice = plan.scenario.strategy(label);
  sim::WorldConfig config = plan.world;
  config.run = static_cast<std::uint64_t>(repetition - 1);
  sim::World world(config, make_strategy(plan.scenario, choice));
  return make_run(plan, choice, repetition, world.run());
}

Status write_run(const SimulatedRun& run, const std::filesystem::path& folder) {
  std::error_code failed;
  std::filesystem::create_directories(folder, failed);
  if (failed) {
    return Error{ErrorCode::PermissionDenied,
                 "cannot make " + folder.string() + ": " + failed.message()};
  }
  const RunFiles& files = run.files;
  std::vector<std::string> models;
  for (const Json& name : files.scenario["model_order"]) models.push_back(name.get<std::string>());
  std::string influx;
  const std::string series = lines_of(files, models, influx);
  std::string decisions;
  for (const Json& line : files.decisions) {
    decisions += line.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
  }
  const std::pair<const char*, std::string> contents[] = {
      {"run.json", files.run.dump(1) + "\n"},
      {"scenario.json", files.scenario.dump(1) + "\n"},
      {"gateway.state.json", files.gateway_state.dump(1) + "\n"},
      {"influx.summary.json", files.influx_summary.dump(1) + "\n"},
      {"series.jsonl", series},
      {"influx.series.jsonl", influx},
      {"decisions.jsonl", decisions}};
  for (const auto& [name, text] : contents) {
    if (const Status s = write_file(folder / name, text); !s) return s;
  }
  return ok();
}

std::vector<SimulatedRun> simulate_all(const SimulationPlan& plan, const SimulateOptions& options) {
  const int total = static_cast<int>(options.strategies.size()) * options.repetitions;
  std::vector<SimulatedRun> runs(static_cast<std::size_t>(total));
  std::atomic<int> next{0};
  std::mutex reporting;  // guards what follows and the calls of `progress`
  int done = 0;
  std::exception_ptr failure;
  const auto work = [&] {
    for (int i = next++; i < total; i = next++) {
      try {
        SimulatedRun run = simulate_run(
            plan, options.strategies[static_cast<std::size_t>(i / options.repetitions)],
            i % options.repetitions + 1);
        Status written = ok();
        if (!options.out.empty()) written = write_run(run, options.out / run.files.directory);
        if (!written) throw ConfigError(written.error().message);
        const std::lock_guard lock(reporting);
        runs[static_cast<std::size_t>(i)] = std::move(run);
        ++done;
        if (options.progress) options.progress(runs[static_cast<std::size_t>(i)], done, total);
      } catch (...) {
        const std::lock_guard lock(reporting);
        if (!failure) failure = std::current_exception();
        next = total;
      }
    }
  };
  std::vector<std::thread> threads;
  for (int i = 1; i < std::min(options.threads, total); ++i) threads.emplace_back(work);
  work();
  for (auto& thread : threads) thread.join();
  if (failure) std::rethrow_exception(failure);
  return runs;
}

}  // namespace spate::lab
