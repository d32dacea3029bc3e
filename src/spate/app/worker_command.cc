// SPDX-License-Identifier: Apache-2.0
//
// `spate worker`: serves one model to a gateway.
#include <unistd.h>

#include <charconv>
#include <cmath>
#include <cstdlib>
#include <memory>
#include <string>

#include "spate/app/command.h"
#include "spate/base/config_error.h"
#include "spate/base/files.h"
#include "spate/base/log.h"
#include "spate/base/real_clock.h"
#include "spate/models/load.h"
#include "spate/models/manifest.h"
#include "spate/worker/container_id.h"
#include "spate/worker/worker_shell.h"

namespace spate::app {
namespace {

constexpr const char* kAbout = R"(Serve one model to a gateway.

The worker dials the gateway, registers, loads its model, says that it is ready, and answers
batches until it is told to drain. It is started by the gateway's actuator, an engine or a person;
nothing else needs to know of it.

It follows its CPU limit while it runs, whoever sets it: the gateway, or its own cgroup.
  throughput  one thread per prediction; as many at once as whole CPUs of the limit, at least 1
  latency     one prediction at a time; its threads follow the CPUs

SIGTERM (or SIGINT) drains: it takes no new work, finishes what it has, and exits. A second one
ends it at once. While the gateway is away it dials again for 30 s, then gives up.)";

constexpr const char* kExample = R"(Example:
  spate worker --model var/models/linear --route linear --replica linear-1 \
    --gateway unix:run/gateway.sock --token-file run/token --cpu-limit 0.5

)";

struct Settings {
  std::string model;
  std::string route;
  std::string replica;
  std::string gateway;
  std::string token_file;
  std::string mode = "throughput";
  double cpu_limit = 0.0;
  int metrics_port = -1;
  std::string metrics_host = "127.0.0.1";
  std::string metrics_advertise;
  std::uint32_t max_batch = 256;
  double grace_s = 9.0;
  std::string log_level = "info";
};

std::string read_token(const std::string& file) {
  const auto text = read_file(file);
  if (!text) throw ConfigError("--token-file: " + text.error().message);
  const auto end = text->find_last_not_of(" \t\r\n");
  if (end == std::string::npos) throw ConfigError("--token-file: " + file + " is empty");
  return text->substr(0, end + 1);
}

// Since the process was asked for. SPATE_SPAWNED_NS, CLOCK_MONOTONIC nanoseconds taken by the
// starter just before it forks, is exact; without it the kernel's record is good to 10 ms.
Duration exec_to_main() {
  const Duration by_kernel = process_age();
  const char* const text = std::getenv("SPATE_SPAWNED_NS");
  if (text == nullptr) return by_kernel;
  std::int64_t spawned = 0;
  const std::string_view digits(text);
  const auto [at, error] = std::from_chars(digits.data(), digits.data() + digits.size(), spawned);
  const Duration since = monotonic_now().time_since_epoch() - Duration(spawned);
  const bool plausible = error == std::errc{} && at == digits.data() + digits.size() &&
                         since >= Duration{0} && since < by_kernel + std::chrono::seconds(1);
  return plausible ? since : by_kernel;  // inherited from something older, or not ours
}

worker::WorkerOptions to_options(const Settings& settings) {
  const auto manifest = models::read_manifest(settings.model);
  if (!manifest) throw ConfigError("--model: " + manifest.error().message);
  if (!std::isfinite(settings.cpu_limit)) throw ConfigError("--cpu-limit: expected a number");
  worker::WorkerOptions options;
  wire::Register& identity = options.core.identity;
  identity.token = read_token(settings.token_file);
  identity.model = settings.route.empty() ? manifest->name : settings.route;
  identity.variant = manifest->variant;
  identity.version = manifest->version;
  identity.replica_id = settings.replica;
  identity.pid = ::getpid();
  identity.container_id = worker::container_id();
  identity.max_batch = settings.max_batch;
  options.core.mode = worker::mode_from(settings.mode).value();  // CLI11 has checked it
  options.core.machine_cpus = worker::usable_cpus();
  options.core.cpu_limit = settings.cpu_limit;
  options.core.grace = from_seconds(settings.grace_s);
  options.gateway = worker::GatewayAddress::parse(settings.gateway);
  options.load = [directory = settings.model](int threads) {
    return models::load_model(directory, {.intra_op_threads = threads, .prepare = true});
  };
  if (settings.metrics_port >= 0) {
    options.metrics_port = static_cast<std::uint16_t>(settings.metrics_port);
  }
  options.metrics_host = settings.metrics_host;
  options.metrics_advertise = settings.metrics_advertise;
  return options;
}

int run_worker_command(const Settings& settings) {
  const Duration since_exec = exec_to_main();
  init_logging("worker " + settings.replica, settings.log_level);
  worker::WorkerOptions options = to_options(settings);
  options.exec_to_main = since_exec;
  return worker::run_worker(std::move(options));
}

}  // namespace

void add_worker_command(CLI::App& app, Run& run) {
  auto settings = std::make_shared<Settings>();
  CLI::App* command = app.add_subcommand("worker", kAbout);
  command->add_option("--model", settings->model, "Model directory (see `spate model build`)")
      ->required()
      ->type_name("DIR");
  command
      ->add_option("--route", settings->route,
                   "The gateway's name for what it serves; default: the model's own name")
      ->type_name("NAME");
  command
      ->add_option("--replica", settings->replica,
                   "Identity of this worker, unique in the run, such as resnet50-3")
      ->required()
      ->type_name("ID");
  command->add_option("--gateway", settings->gateway, "Where the gateway listens for workers")
      ->required()
      ->type_name("unix:PATH|tcp:HOST:PORT");
  command
      ->add_option("--token-file", settings->token_file,
                   "File with the token that the gateway expects")
      ->required()
      ->type_name("FILE");
  command->add_option("--mode", settings->mode, "What to make of the CPU limit (above)")
      ->check(CLI::IsMember({"throughput", "latency"}))
      ->capture_default_str()
      ->type_name("MODE");
  command
      ->add_option("--cpu-limit", settings->cpu_limit,
                   "CPUs it has at first; 0: no limit. A limit of its cgroup goes before it")
      ->check(CLI::Range(0.0, 1024.0))
      ->capture_default_str()
      ->type_name("CPUS");
  command
      ->add_option("--metrics-port", settings->metrics_port,
                   "Serve /metrics, /healthz and /readyz on this port; 0: a free one, named in "
                   "the log; default: not at all")
      ->check(CLI::Range(0, 65535))
      ->type_name("PORT");
  command->add_option("--metrics-host", settings->metrics_host, "Address for --metrics-port")
      ->capture_default_str()
      ->type_name("ADDRESS");
  command
      ->add_option(
          "--metrics-advertise", settings->metrics_advertise,
          "What Prometheus is to call this machine, such as the container's name. Default: "
          "--metrics-host, or where it listens on every address the one it dials from")
      ->type_name("HOST");
  command
      ->add_option("--max-batch", settings->max_batch,
                   "Most requests it accepts in one batch; the gateway's own bound may be lower")
      ->check(CLI::Range(1, 4096))
      ->capture_default_str()
      ->type_name("N");
  command
      ->add_option("--grace", settings->grace_s,
                   "Seconds a drain may take; keep below what the engine waits before it kills "
                   "(10 for Docker)")
      ->check(CLI::Range(0.1, 3600.0))
      ->capture_default_str()
      ->type_name("SECONDS");
  command->add_option("--log-level", settings->log_level, "trace, debug, info, warn, error, off")
      ->capture_default_str()
      ->type_name("LEVEL");
  command->footer(
      kExample +
      exit_text({{kDone, "drained, or no gateway any more"},
                 {kFailed, "the model cannot be served, or the drain took longer than --grace"},
                 {kRefused, "refused by the gateway (wrong token, unknown route)"}}));
  command->callback(
      [&run, settings] { run = [settings] { return run_worker_command(*settings); }; });
}

}  // namespace spate::app
