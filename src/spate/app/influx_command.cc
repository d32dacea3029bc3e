// SPDX-License-Identifier: Apache-2.0
//
// `spate influx`: puts load on a system and checks every answer.
#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/thread_pool.hpp>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstring>
#include <nlohmann/json.hpp>

#include "spate/app/command.h"
#include "spate/app/influx_metrics_server.h"
#include "spate/base/config_error.h"
#include "spate/base/files.h"
#include "spate/base/log.h"
#include "spate/base/real_clock.h"
#include "spate/influx/generator.h"
#include "spate/influx/plan.h"
#include "spate/influx/report.h"

namespace spate::app {
namespace {

constexpr int kNice = -10;

// --- arguments --------------------------------------------------------------------------------

struct Arguments {
  std::string plan;
  std::string broker = "mqtt://127.0.0.1:1883";
  std::string password_file;
  std::string model;
  std::string topic;
  std::string dataset;
  std::string split = "held_out";
  std::string expected;
  double rate = 0.0;
  std::string profile;
  std::string arrivals = "poisson";
  std::string length = "30s";
  std::string warm_up = "0s";
  std::string settle = "10s";
  std::string slo = "1s";
  std::string deadline = "0s";
  std::string connect_timeout = "10s";
  int qos = 1;
  std::uint64_t seed = 1;
  std::uint64_t run = 0;
  std::uint64_t min_samples = 20;
  std::string save_schedule;
  std::string replay;
  std::string out;
  std::string log = "warn";
  std::string metrics_host = "127.0.0.1";
  int metrics_port = -1;
  bool json = false;
  bool dry_run = false;
};

// "500ms", "30s", "2m", "1h" or a number of seconds.
double parse_length_s(const std::string& option, const std::string& text) {
  double value = 0.0;
  const char* end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, value);
  const std::string unit(at, end);
  double factor = 0.0;
  if (unit.empty() || unit == "s") factor = 1.0;
  if (unit == "ms") factor = 1e-3;
  if (unit == "m") factor = 60.0;
  if (unit == "h") factor = 3600.0;
  if (error != std::errc{} || factor == 0.0 || !(value >= 0.0 && value < 1e9)) {
    throw ConfigError(option + ": expected a length of time such as 500ms, 30s or 2m, got \"" +
                      text + "\"");
  }
  return value * factor;
}

void parse_broker(const std::string& url, influx::GeneratorOptions& options) {
  const auto complain = [&url] {
    throw ConfigError("--broker: expected mqtt://[USER@]HOST[:PORT], got \"" + url + "\"");
  };
  std::string_view rest = url;
  constexpr std::string_view kScheme = "mqtt://";
  if (rest.substr(0, kScheme.size()) != kScheme) complain();
  rest.remove_prefix(kScheme.size());
  if (!rest.empty() && rest.back() == '/') rest.remove_suffix(1);
  if (const auto at = rest.find('@'); at != std::string_view::npos) {
    options.username = rest.substr(0, at);
    rest.remove_prefix(at + 1);
  }
  const auto bracket = rest.rfind(']');
  const auto colon = rest.rfind(':');
  if (colon != std::string_view::npos && (bracket == std::string_view::npos || colon > bracket)) {
    const std::string_view port = rest.substr(colon + 1);
    const auto [at, error] = std::from_chars(port.data(), port.data() + port.size(), options.port);
    if (error != std::errc{} || at != port.data() + port.size() || options.port == 0) complain();
    rest = rest.substr(0, colon);
  }
  if (rest.size() > 2 && rest.front() == '[' && rest.back() == ']') {
    rest = rest.substr(1, rest.size() - 2);
  }
  if (rest.empty()) complain();
  options.host = rest;
}

std::shared_ptr<const influx::Profile> profile_of(const Arguments& a, double duration_s) {
  if (a.profile.empty()) {
    if (!(a.rate > 0.0))
      throw ConfigError("give --rate (requests per second), --profile or --replay");
    return std::make_shared<const influx::Profile>(influx::Profile::constant(a.rate, duration_s));
  }
  if (a.rate > 0.0) throw ConfigError("give --rate or --profile, not both");
  const auto folder = std::filesystem::path(a.profile).parent_path();
  return std::make_shared<const influx::Profile>(
      influx::read_profile(ConfigReader::from_file(a.profile), {duration_s, std::nullopt, folder}));
}

influx::Plan plan_of(const Arguments& a) {
  influx::Plan plan;
  if (a.model.empty()) throw ConfigError("give --plan, or --model with --dataset");
  if (a.dataset.empty()) throw ConfigError("give --dataset: the data set whose samples are sent");
  parse_broker(a.broker, plan.generator);
  if (!a.password_file.empty()) plan.generator.password = influx::read_password(a.password_file);
  plan.generator.qos = static_cast<mqtt::Qos>(a.qos);
  plan.generator.settle = from_seconds(parse_length_s("--settle", a.settle));
  plan.generator.connect_timeout =
      from_seconds(parse_length_s("--connect-timeout", a.connect_timeout));
  plan.run_dir = a.out;
  plan.seed = a.seed;
  plan.run = a.run;
  plan.warm_up_s = parse_length_s("--warm-up", a.warm_up);
  plan.duration_s = parse_length_s("--for", a.length);
  if (!(plan.duration_s >= 0.1)) throw ConfigError("--for: expected at least 100ms");
  plan.rules.min_samples = a.min_samples;
  plan.save_schedule = a.save_schedule;
  plan.replay = a.replay;
  if (a.metrics_port >= 0) {
    plan.metrics = influx::MetricsPlan{a.metrics_host, static_cast<std::uint16_t>(a.metrics_port)};
  }
  influx::ModelPlan model;
  model.name = a.model;
  model.topic = a.topic.empty() ? "spate/v1/infer/" + a.model : a.topic;
  model.dataset = a.dataset;
  model.split = a.split;
  model.expected = a.expected;
  model.deadline = from_seconds(parse_length_s("--deadline", a.deadline));
  model.slo_latency = from_seconds(parse_length_s("--slo", a.slo));
  if (!(model.slo_latency > Duration{0})) throw ConfigError("--slo: expected more than 0");
  model.arrivals = influx::parse_arrivals(a.arrivals);
  if (plan.replay.empty()) model.profile = profile_of(a, plan.duration_s);
  plan.models.push_back(std::move(model));
  return plan;
}

// --- the run ----------------------------------------------------------------------------------

// The generator must get the CPU when its time comes, or it measures itself.
influx::HostReport raise_priority() {
  influx::HostReport host;
  if (::setpriority(PRIO_PROCESS, 0, kNice) == 0) {
    host.priority_note = "raised, so that the load is on time";
  } else {
    host.priority_note = fmt::format("could not be raised to {}: {}", kNice, std::strerror(errno));
  }
  errno = 0;
  host.priority = ::getpriority(PRIO_PROCESS, 0);
  return host;
}

// One run on one loop. A second thread writes the progress file, because a slow disk must not
// delay a request.
class InfluxRun {
 public:
  InfluxRun(influx::Plan plan, influx::Prepared prepared, bool watch)
      : plan_(std::move(plan)),
        prepared_(std::move(prepared)),
        watch_(watch),
        clock_(loop_),
        signals_(loop_, SIGINT, SIGTERM),
        verifier_(prepared_.schedule, std::move(prepared_.checked),
                  influx::RequestIds(influx::RequestIds::random_key())),
        generator_(loop_, clock_, plan_.generator, prepared_.schedule, std::move(prepared_.load),
                   verifier_) {
    // Before the priority is raised: its thread keeps the ordinary one.
    if (plan_.metrics) metrics_ = std::make_unique<InfluxMetricsServer>(plan_);
  }

  Status run() {
    host_ = raise_priority();
    const TimePoint start = clock_.now();
    const Duration cpu = process_cpu_time();
    wait_for_signal();
    tick(start);
    generator_.start([this](Status status) {
      status_ = std::move(status);
      if (ticker_) clock_.cancel(*ticker_);
      ticker_.reset();
      signals_.cancel();
      finished_ = true;
      if (metrics_) metrics_->update(verifier_, to_seconds(generator_.time()));
    });
    loop_.run();
    host_.cpu_cores = to_seconds(process_cpu_time() - cpu) / to_seconds(clock_.now() - start);
    files_.join();
    if (watch_) std::fputc('\n', stderr);
    return status_;
  }

  influx::RunView view() const {
    influx::RunView view;
    view.plan = &plan_;
    view.schedule = &prepared_.schedule;
    view.verifier = &verifier_;
    view.generator = generator_.report();
    view.host = host_;
    view.verdict = influx::judge_run(plan_, verifier_, view.generator);
    if (!status_) {
      view.verdict.valid = false;
      view.verdict.reasons.insert(view.verdict.reasons.begin(), status_.error().message);
    }
    return view;
  }

 private:
  void wait_for_signal() {
    signals_.async_wait([this](const boost::system::error_code& error, int number) {
      if (error || finished_) return;
      spdlog::warn("signal {}: no more requests; waiting up to 2 s for answers", number);
      generator_.stop();
      wait_for_signal();
    });
  }

  // Once a second.
  void tick(TimePoint when) {
    ticker_ = clock_.call_at(when, [this, when] {
      ticker_.reset();
      if (finished_) return;
      tick(when + std::chrono::seconds(1));
      if (!generator_.running()) return;
      progress();
      if (metrics_) metrics_->update(verifier_, to_seconds(generator_.time()));
    });
  }

  void progress() {
    const double t_s = to_seconds(generator_.time());
    const auto json = influx::progress_json(plan_, verifier_, t_s);
    if (watch_) {
      const auto& model = json["models"].front();
      std::fprintf(stderr, "\r%7.1f s  %-12s sent %lu  answered %lu  p99 %.2f ms   ", t_s,
                   json["phase"].get<std::string>().c_str(), model["sent"].get<std::uint64_t>(),
                   model["answered"].get<std::uint64_t>(), model["p99_ms_last_s"].get<double>());
    }
    if (plan_.run_dir.empty()) return;
    boost::asio::post(
        files_, [file = plan_.run_dir / "influx.progress.json", text = influx::dump(json) + "\n"] {
          if (const Status status = write_file(file, text); !status) {
            spdlog::warn("progress: {}", status.error().message);
          }
        });
  }

  influx::Plan plan_;
  influx::Prepared prepared_;
  bool watch_;
  boost::asio::io_context loop_{1};
  RealClock clock_;
  boost::asio::signal_set signals_;
  influx::Verifier verifier_;
  influx::Generator generator_;
  boost::asio::thread_pool files_{1};
  std::unique_ptr<InfluxMetricsServer> metrics_;
  influx::HostReport host_;
  std::optional<TimerId> ticker_;
  Status status_ = ok();
  bool finished_ = false;
};

void write_reports(const influx::RunView& view) {
  const auto& folder = view.plan->run_dir;
  const auto write = [&folder](const char* name, const std::string& text) {
    const Status status = write_file(folder / name, text);
    if (!status) throw ConfigError("influx: " + status.error().message);
  };
  write("influx.series.jsonl", influx::series_lines(view));
  write("influx.summary.json", influx::dump(influx::summary_json(view), 1) + "\n");
}

int dry_run(const influx::Plan& plan, const influx::Schedule& schedule) {
  std::vector<std::size_t> counts(schedule.models.size());
  for (const auto& request : schedule.requests) counts[request.model] += request.at >= Duration{0};
  for (std::size_t m = 0; m < counts.size(); ++m) {
    const auto& profile = plan.models[m].profile;
    fmt::print("{}: {} requests in {:.6g} s ({}, {} arrivals; {} samples)\n",
               schedule.models[m].name, counts[m], plan.duration_s,
               profile ? profile->description() : "replayed", plan.models[m].arrivals.describe(),
               schedule.models[m].samples);
    if (!profile) continue;
    for (const std::string& note : profile->notes()) fmt::print("  {}\n", note);
  }
  fmt::print("warm-up: {} requests in {:.6g} s\n", schedule.warm_up_requests(), plan.warm_up_s);
  return kDone;
}

int run_influx(const Arguments& arguments) {
  init_logging("influx", arguments.plan.empty() ? arguments.log : "info");
  influx::Plan plan = arguments.plan.empty()
                          ? plan_of(arguments)
                          : influx::read_plan(ConfigReader::from_file(arguments.plan));
  if (!arguments.plan.empty()) {
    if (!arguments.save_schedule.empty()) plan.save_schedule = arguments.save_schedule;
    if (!arguments.replay.empty()) plan.replay = arguments.replay;
  }
  influx::Prepared prepared = influx::prepare(plan);
  if (arguments.dry_run) return dry_run(plan, prepared.schedule);
  spdlog::info("{} requests in {:.6g} s and {:.6g} s of warm-up to {}:{}",
               prepared.schedule.requests.size(), plan.duration_s, plan.warm_up_s,
               plan.generator.host, plan.generator.port);

  const bool watch = arguments.plan.empty() && !arguments.json && ::isatty(STDERR_FILENO) == 1;
  InfluxRun run(std::move(plan), std::move(prepared), watch);
  const Status status = run.run();
  const influx::RunView view = run.view();
  if (!view.plan->run_dir.empty()) write_reports(view);
  if (!status) {
    fmt::print(stderr, "spate influx: {}\n", status.error().message);
    return kFailed;
  }
  if (arguments.json) {
    fmt::print("{}\n", influx::dump(influx::summary_json(view), 1));
  } else {
    fmt::print("{}", influx::summary_text(view));
  }
  return view.verdict.valid ? kDone : kInvalid;
}

constexpr const char* kFooter = R"(
Examples:
  spate influx --broker mqtt://127.0.0.1:1883 --model linear --dataset data/temperature \
      --rate 100 --for 30s --slo 50ms
  spate influx --model resnet50 --dataset var/datasets/surface --profile surge.yaml --for 105s \
      --arrivals gamma:2 --expected expected-resnet50.jsonl --save-schedule demand.csv
  spate influx --plan var/runs/demo/horizontal-1/influx.json

A profile file holds one profile, for example
  {kind: spike, base_per_s: 5, peak_per_s: 50, at_s: 30, rise_s: 2, hold_s: 20, fall_s: 5}
Kinds: constant, steps, ramp, sine, diurnal, spike, trace (docs/influx.md).

)";

void add_load_options(CLI::App& command, Arguments& a) {
  command.add_option("--broker", a.broker, "mqtt://[USER@]HOST[:PORT]")->capture_default_str();
  command.add_option("--password-file", a.password_file, "File that holds the user's password");
  command.add_option("--model", a.model, "Name of the model; requests go to spate/v1/infer/NAME");
  command.add_option("--topic", a.topic, "Another topic for the requests");
  command.add_option("--dataset", a.dataset, "Directory of the data set whose samples are sent");
  command.add_option("--split", a.split, "train, held_out or all")->capture_default_str();
  command.add_option("--expected", a.expected,
                     "Offline predictions to compare with (spate model predict … --expected F)");
  command.add_option("--rate", a.rate, "Requests per second, constant")->check(CLI::PositiveNumber);
  command.add_option("--profile", a.profile, "YAML file with a demand profile")
      ->check(CLI::ExistingFile);
  command
      .add_option("--arrivals", a.arrivals,
                  "even, poisson, gamma:CV or weibull:CV (CV of the gaps), or mmpp:RATIO/SECONDS,… "
                  "(rate and mean length of each state)")
      ->capture_default_str();
  command.add_option("--for", a.length, "Length of the measured window: 500ms, 30s, 2m, 1h")
      ->capture_default_str();
  command.add_option("--warm-up", a.warm_up, "Before it, at the first rate; not counted")
      ->capture_default_str();
  command.add_option("--settle", a.settle, "Wait at most this long for the last answers")
      ->capture_default_str();
  command.add_option("--slo", a.slo, "An answer is in time up to this after the intended send")
      ->capture_default_str();
  command
      .add_option("--deadline", a.deadline, "Budget told to the system (deadline_ms); 0s = none")
      ->capture_default_str();
  command
      .add_option("--connect-timeout", a.connect_timeout,
                  "Wait at most this long for the broker at the start")
      ->capture_default_str();
  command.add_option("--qos", a.qos, "MQTT quality of service")
      ->check(CLI::IsMember({0, 1}))
      ->capture_default_str();
}

}  // namespace

void add_influx_command(CLI::App& app, Run& run) {
  auto arguments = std::make_shared<Arguments>();
  Arguments& a = *arguments;
  CLI::App* command = app.add_subcommand(
      "influx",
      "Puts load on a system over MQTT, on a schedule that is fixed before the run, and checks "
      "every answer. Open loop: requests leave at their planned times whatever the system does; "
      "latency counts from the planned time, and the generator's own lateness is reported apart.");
  command
      ->add_option("--plan", a.plan, "JSON plan of a run of several models (as `spate run` writes)")
      ->check(CLI::ExistingFile);
  add_load_options(*command, a);
  command->add_option("--seed", a.seed, "Of the schedule; equal seeds give equal schedules")
      ->capture_default_str();
  command->add_option("--run", a.run, "Repetition: another schedule of the same seed")
      ->capture_default_str();
  command->add_option("--min-samples", a.min_samples, "Fewer requests than this make a run invalid")
      ->capture_default_str();
  command->add_option("--save-schedule", a.save_schedule, "Write the schedule to this file");
  command
      ->add_option("--replay", a.replay, "Use a saved schedule instead of rate, profile and seed")
      ->check(CLI::ExistingFile);
  command->add_option("--out", a.out,
                      "Directory for influx.summary.json, .series.jsonl and .progress.json");
  command
      ->add_option("--metrics-port", a.metrics_port,
                   "Serve /metrics on this port while the run lasts; 0: a free one, named in the "
                   "log; default: not at all")
      ->check(CLI::Range(0, 65535))
      ->type_name("PORT");
  command->add_option("--metrics-host", a.metrics_host, "Address for --metrics-port")
      ->capture_default_str()
      ->type_name("ADDRESS");
  command->add_option("--log", a.log, "trace, debug, info, warn, error or off")
      ->capture_default_str();
  command->add_flag("--json", a.json, "Print the summary as JSON");
  command->add_flag("--dry-run", a.dry_run, "Make the schedule, describe it and stop");
  command->footer(
      kFooter +
      exit_text(
          {{kDone, "the load was delivered as planned"},
           {kFailed, "the broker could not be reached"},
           {kInvalid,
            "it was not delivered so: the figures must not be used (the reasons are printed)"}}));
  command->callback([arguments, &run] { run = [arguments] { return run_influx(*arguments); }; });
}

}  // namespace spate::app
