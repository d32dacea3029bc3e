// SPDX-License-Identifier: Apache-2.0
#include "spate/lab/runner.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "spate/base/files.h"
#include "spate/base/log.h"
#include "spate/lab/canary.h"
#include "spate/lab/run_files.h"

namespace spate::lab {
namespace {

using Json = nlohmann::json;

constexpr const char* kGateway = "gateway";
constexpr const char* kInflux = "influx";
constexpr const char* kBroker = "broker";

constexpr Duration kGatewayUp = std::chrono::seconds(20);
constexpr Duration kReplicasUp = std::chrono::seconds(90);
constexpr Duration kGatewayGrace = std::chrono::seconds(25);
constexpr Duration kInfluxGrace = std::chrono::seconds(15);
constexpr Duration kBrokerGrace = std::chrono::seconds(5);
constexpr Duration kInfluxSlack = std::chrono::seconds(60);  // preparing, beyond its plan's length
constexpr int kMostRestarts = 5;

// 256 random bits as hex, in a file that only we can read.
Status write_token(const std::filesystem::path& file) {
  unsigned char bytes[32];
  if (::getrandom(bytes, sizeof bytes, 0) != sizeof bytes) {
    return error_from_errno("getrandom", errno);
  }
  std::string hex;
  for (const unsigned char byte : bytes) hex += fmt::format("{:02x}", byte);
  const mode_t before = ::umask(0077);
  const Status written = write_file(file, hex + "\n");
  ::umask(before);
  return written;
}

std::string tail_of(const std::filesystem::path& file) {
  const auto text = read_file(file);
  if (!text) return "(no log)";
  constexpr std::size_t kMost = 1500;
  return text->size() > kMost ? "…" + text->substr(text->size() - kMost) : text.value();
}

}  // namespace

struct Runner::Active {
  const RunSpec& spec;
  StrategyChoice strategy;
  RunPaths paths;
  std::string run_id;
  BrokerAddress broker;
  std::vector<std::string> problems;
  std::vector<std::string> warnings;
  int gateway_restarts = 0;
  bool stopping = false;  // from here on the gateway's end is wanted
  CanaryReading before, after;
  Disturbance disturbance;
  double started_unix_s = 0.0;
  double ended_unix_s = 0.0;
  ProgressView view;
};

Runner::Runner(LiveLoop& loop, Components& components, ProgressPrinter& printer,
               const Experiment& experiment)
    : loop_(loop), components_(components), printer_(printer), experiment_(experiment) {}

Status Runner::run(const RunSpec& spec) {
  const std::string folder = spec.directory.filename().string();
  Active active{
      spec, experiment_.scenario.strategy(spec.label), {},  "", {}, {}, {}, 0, false, {}, {},
      {},   to_unix_s(loop_.clock().wall_now()),       0.0, {}};
  // Two runs through one external broker must not share MQTT sessions.
  active.run_id = fmt::format("{}-{:x}", folder.substr(0, 40),
                              static_cast<std::uint64_t>(active.started_unix_s * 1e3));
  active.paths = run_paths(spec.directory, runtime_directory(), active.run_id);
  active.view.run = spec.title;
  active.view.duration_s = experiment_.scenario.duration_s;
  active.view.phase = "starting";
  for (const auto& m : experiment_.scenario.models) {
    ModelProgress progress;
    progress.model = m.name;
    progress.slo_ms = m.slo_latency_ms;
    active.view.models.push_back(progress);
  }
  active.before = read_canary();
  Status up = write_files(active);
  if (up) up = bring_up(active);
  if (up) {
    watch_load(active);
  } else if (!loop_.interrupted()) {
    active.problems.push_back(up.error().message);
  }
  bring_down(active);
  if (loop_.interrupted()) {
    active.problems.push_back(fmt::format("interrupted after {:.0f} s of {:.0f} s",
                                          std::max(0.0, active.view.t_s),
                                          experiment_.scenario.duration_s));
  }
  active.after = read_canary();
  active.disturbance = judge_canary(active.before, active.after, experiment_.machine.cores_online);
  active.ended_unix_s = to_unix_s(loop_.clock().wall_now());
  const Status recorded = write_record(active, true);
  printer_.finish();
  if (!recorded) return recorded.error();
  if (!up && !loop_.interrupted()) return up.error();
  return ok();
}

Status Runner::write_files(Active& active) {
  const auto& directory = active.paths.directory;
  std::error_code failed;
  for (const char* folder : {"logs", "components"}) {
    std::filesystem::create_directories(directory / folder, failed);
    if (failed) {
      return Error{ErrorCode::PermissionDenied,
                   "cannot make " + (directory / folder).string() + ": " + failed.message()};
    }
  }
  if (const Status s = write_file(directory / "scenario.json",
                                  effective_json(experiment_.scenario).dump(1) + "\n");
      !s) {
    return s;
  }
  if (const Status s = write_token(active.paths.token()); !s) return s;
  return write_record(active, false);
}

Status Runner::bring_up(Active& active) {
  if (const Status s = components_.begin_run(active.paths, active.run_id); !s) return s;
  if (experiment_.broker) {
    active.broker = *experiment_.broker;
  } else {
    auto broker = components_.start_broker(experiment_.scenario.broker);
    if (!broker) return broker.error();
    active.broker = std::move(broker).value();
  }
  if (const Status s = start_gateway(active); !s) return s;
  if (const Status s = wait_for_replicas(active); !s) return s;
  return start_influx(active);
}

Status Runner::start_gateway(Active& active) {
  const auto config = active.paths.directory / "gateway.json";
  Json settings = gateway_json(experiment_.scenario, active.strategy, active.broker, active.paths,
                               active.run_id, experiment_.limits, experiment_.http);
  components_.complete_gateway_settings(settings);
  if (const Status s = write_file(config, settings.dump(1) + "\n"); !s) return s;
  const auto state = active.paths.directory / "gateway.state.json";
  std::error_code failed;
  std::filesystem::remove(state, failed);
  if (const Status s =
          components_.start(kGateway, {"gateway", "--config", config.string()},
                            [&](const adapters::ExitStatus&) { gateway_ended(active); });
      !s) {
    return s;
  }
  const Waited waited = loop_.run_until(
      [&] {
        return active.stopping || !components_.running(kGateway) ||
               std::filesystem::exists(state, failed);
      },
      kGatewayUp);
  if (waited == Waited::Interrupted) return Error{ErrorCode::Unavailable, "interrupted"};
  if (waited == Waited::Done && components_.running(kGateway)) return ok();
  return Error{ErrorCode::Unavailable, fmt::format("the gateway did not come up{}:\n{}",
                                                   waited == Waited::TimedOut ? " in time" : "",
                                                   tail_of(active.paths.log(kGateway)))};
}

void Runner::gateway_ended(Active& active) {
  const auto status = components_.exit_of(kGateway);
  // Before its first health its end is an error of bring_up(); a stop is wanted.
  if (active.stopping || !components_.running(kInflux)) return;
  const std::string how = status ? status->describe() : "unknown";
  active.problems.push_back("the gateway ended during the run: " + how);
  spdlog::warn("the gateway ended during the run ({}); starting it again", how);
  if (++active.gateway_restarts > kMostRestarts) {
    active.problems.push_back("the gateway ended too often; given up");
    components_.stop(kInflux, kInfluxGrace);
    return;
  }
  // Its exit handler must return before another child of its name can start.
  loop_.clock().post([this, &active] {
    if (active.stopping) return;
    const Status started = components_.start(
        kGateway, {"gateway", "--config", (active.paths.directory / "gateway.json").string()},
        [&](const adapters::ExitStatus&) { gateway_ended(active); });
    if (!started) active.problems.push_back(started.error().message);
  });
}

Status Runner::wait_for_replicas(Active& active) {
  active.view.phase = "loading models";
  printer_.show(active.view, loop_.clock().now());
  // As many as it starts with, or as the strategy wants by now: those it gave up are not waited
  // for.
  const auto awaited = [&](std::size_t i) {
    const int replicas = experiment_.scenario.models[i].replicas;
    return std::min(replicas, active.view.models[i].wanted.value_or(replicas));
  };
  const auto ready = [&] {
    read_progress(active.paths.directory, active.view);
    for (std::size_t i = 0; i < active.view.models.size(); ++i) {
      if (active.view.models[i].ready < awaited(i)) return false;
    }
    return true;
  };
  const Waited waited =
      loop_.run_until([&] { return !components_.running(kGateway) || ready(); }, kReplicasUp);
  if (waited == Waited::Interrupted) return Error{ErrorCode::Unavailable, "interrupted"};
  if (waited == Waited::Done && components_.running(kGateway)) return ok();
  std::string missing;
  for (std::size_t i = 0; i < active.view.models.size(); ++i) {
    const auto& m = active.view.models[i];
    if (m.ready < awaited(i))
      missing += fmt::format(" {} ({} of {})", m.model, m.ready, awaited(i));
  }
  return Error{
      ErrorCode::Unavailable,
      fmt::format("these models did not become ready:{}. The logs are in {}:\n{}", missing,
                  (active.paths.directory / "logs").string(), tail_of(active.paths.log(kGateway)))};
}

Status Runner::start_influx(Active& active) {
  const auto plan = active.paths.directory / "influx.json";
  Json settings = influx_json(experiment_.scenario, active.broker, active.paths,
                              active.spec.repetition, experiment_.expected, experiment_.http);
  components_.complete_influx_settings(settings);
  if (const Status s = write_file(plan, settings.dump(1) + "\n"); !s) return s;
  return components_.start(kInflux, {"influx", "--plan", plan.string()});
}

void Runner::watch_load(Active& active) {
  const Scenario& s = experiment_.scenario;
  const TimePoint begin = loop_.clock().now();
  const Duration limit = from_seconds(s.warm_up_s + s.duration_s + s.settle_s) + kInfluxSlack;
  active.view.phase = "preparing the load";
  while (components_.running(kInflux) && !loop_.interrupted()) {
    if (loop_.clock().now() - begin > limit) {
      active.problems.push_back("influx did not end in time");
      break;
    }
    read_progress(active.paths.directory, active.view);
    printer_.show(active.view, loop_.clock().now());
    components_.tend();
    if (active.spec.enough && active.spec.enough()) break;
    (void)loop_.run_until([&] { return !components_.running(kInflux); }, std::chrono::seconds(1));
  }
  // An influx that is told to stop writes what it has.
  components_.stop(kInflux, kInfluxGrace);
  const auto status = components_.exit_of(kInflux);
  const bool summary = std::filesystem::exists(active.paths.directory / "influx.summary.json");
  if (!loop_.interrupted() && status && !status->success() && !summary) {
    active.problems.push_back(
        fmt::format("influx: {}: {}", status->describe(), tail_of(active.paths.log(kInflux))));
  }
}

void Runner::bring_down(Active& active) {
  active.stopping = true;
  active.view.phase = "ending";
  components_.stop(kInflux, kInfluxGrace);
  components_.stop(kGateway, kGatewayGrace);
  components_.stop(kBroker, kBrokerGrace);
  for (const auto& words : components_.end_all()) {
    spdlog::warn("ended what was left over: {}", words);
  }
  std::error_code failed;
  std::filesystem::remove(active.paths.socket, failed);
}

Status Runner::write_record(Active& active, bool finished) {
  Json problems = active.problems;
  // A run whose supervisor was killed keeps this record, and is invalid by it.
  if (!finished) problems = Json::array({"the run did not finish"});
  Json backend = components_.description();
  // The gateway knows by what it measured.
  if (const auto text = read_file(active.paths.directory / "gateway.state.json");
      finished && text) {
    const Json state = Json::parse(*text, nullptr, false);
    if (state.is_object() && state.contains("backend")) backend.update(state["backend"]);
  }
  const Json record{
      {"schema", 1},
      {"run", active.spec.directory.filename().string()},
      {"run_id", active.run_id},
      {"scenario", experiment_.scenario.name},
      {"strategy", active.spec.label},
      {"kind", active.strategy.kind},
      {"options", Json::parse(active.strategy.options_json)},
      {"repetition", active.spec.repetition},
      {"started_unix_s", active.started_unix_s},
      {"ended_unix_s", active.ended_unix_s},
      {"interrupted", loop_.interrupted()},
      {"problems", problems},
      {"warnings", active.warnings},
      {"gateway_restarts", active.gateway_restarts},
      {"backend", backend},
      {"broker",
       {{"host", active.broker.host},
        {"port", active.broker.port},
        {"external", active.broker.external},
        {"version", active.broker.version}}},
      {"canary", finished ? canary_json(active.before, active.after, active.disturbance) : Json()},
      {"machine", machine_json(experiment_.machine)},
      {"versions", experiment_.versions}};
  return write_file(active.paths.directory / "run.json", record.dump(1) + "\n");
}

}  // namespace spate::lab
