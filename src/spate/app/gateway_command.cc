// SPDX-License-Identifier: Apache-2.0
//
// `spate gateway`: wires the gateway's server, the autoscaler with its control loop and actuator,
// and the HTTP endpoints into one process.
#include <fmt/format.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <csignal>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "spate/adapters/control_loop.h"
#include "spate/adapters/external_strategy.h"
#include "spate/adapters/scaling_metrics.h"
#include "spate/app/command.h"
#include "spate/app/gateway_backend.h"
#include "spate/app/gateway_pages.h"
#include "spate/base/config_error.h"
#include "spate/base/files.h"
#include "spate/base/log.h"
#include "spate/base/real_clock.h"
#include "spate/gateway/gateway_metrics.h"
#include "spate/gateway/server.h"
#include "spate/scaling/strategies.h"
#include "spate/telemetry/http_server.h"
#include "spate/telemetry/metrics.h"

namespace spate::app {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kAbout =
    "Subscribes to requests on the broker, decides which model each is for, queues, batches and\n"
    "dispatches them to workers, and publishes the results. Hosts the autoscaler, which starts "
    "and\n"
    "stops workers and sets their CPU limits. SIGTERM: finishes what waits, drains the workers, "
    "ends.\n\n"
    "HTTP (address in <run_dir>/gateway.state.json):\n"
    "  /               a page that shows what happens now\n"
    "  /metrics        Prometheus exposition (docs/metrics.md)\n"
    "  /api/v1/service-discovery  where every component's /metrics is, for Prometheus\n"
    "  /healthz        200 while the broker is connected and the worker listener open\n"
    "  /readyz         200 once, besides, every model has the replicas it wants\n"
    "  /api/state      models, workers, components: the newest line of the series, as JSON\n"
    "  /api/decisions  the latest decisions and scaling events, as JSON";

std::vector<scaling::ModelSettings> model_settings(const gateway::GatewayConfig& config) {
  std::vector<scaling::ModelSettings> out;
  for (const auto& model : config.models) {
    scaling::ModelSettings s;
    s.name = model.name;
    s.model_path = model.path;
    s.mode = model.mode;
    s.slo_latency_s = to_seconds(model.slo_latency);
    s.slo_target = model.slo_target;
    s.cpu_request = model.cpu_request;
    s.cpu_limit = model.cpu_limit;
    s.replicas = model.replicas;
    s.bounds = {.min_replicas = model.min_replicas,
                .max_replicas = model.max_replicas,
                .min_cpu = model.min_cpu,
                .max_cpu = model.max_cpu,
                .cpu_ceiling = model.cpu_ceiling};
    s.warm_pool = model.warm_pool;
    s.max_warm_pool = model.max_warm_pool;
    s.scaled = model.scaled;
    out.push_back(std::move(s));
  }
  return out;
}

std::unique_ptr<scaling::Strategy> make_strategy(const gateway::GatewayConfig& config,
                                                 const std::string& file,
                                                 std::shared_ptr<adapters::ExternalFaults> faults) {
  const auto options =
      ConfigReader::from_text(config.strategy.options_json, file + ": strategy.options");
  scaling::DemandByModel demand;
  const auto strategy = ConfigReader::from_file(file).find("strategy");
  if (strategy && strategy->has("demand")) demand = scaling::read_demand(strategy->at("demand"));
  return adapters::all_strategies(adapters::ExternalPace::Live, std::move(faults), demand)
      .make(config.strategy.name, options, file + ": strategy.name");
}

template <class T>
T required(Result<T> result) {
  if (!result) throw ConfigError(result.error().message);
  return std::move(result).value();
}
void required(const Status& status) {
  if (!status) throw ConfigError(status.error().message);
}

std::string worker_state(const gateway::WorkerInfo& worker) {
  return std::string(scaling::to_string(worker.state));
}

Json worker_json(const gateway::WorkerInfo& worker) {
  return {{"replica", worker.replica_id},
          {"model", worker.model},
          {"pid", worker.pid},
          {"container", worker.container_id},
          {"state", worker_state(worker)},
          {"in_flight", worker.in_flight},
          {"cpu_limit", worker.cpu_limit},
          {"load_ms", to_ms(worker.load)},
          {"warm_up_ms", to_ms(worker.warm_up)}};
}

// Everything the process holds, in the order in which it is made; torn down in reverse.
class Gateway {
 public:
  Gateway(boost::asio::io_context& loop, const std::string& file)
      : loop_(loop),
        clock_(loop),
        config_(gateway::read_gateway_config(std::filesystem::path(file))),
        autoscaler_(std::make_unique<scaling::Autoscaler>(
            model_settings(config_), make_strategy(config_, file, external_faults_),
            scaling::AutoscalerOptions{}, clock_.now())),
        server_(loop, clock_, config_),
        signals_(loop, SIGTERM, SIGINT) {
    required(server_.start());
    backend_ = make_backend(
        loop, clock_, config_,
        gateway::read_backend_config(std::filesystem::path(file), config_.run_id),
        server_.worker_address(), [this](const std::string& replica, double cpus, bool duty_cycle) {
          server_.announce_cpu_limit(replica, cpus, duty_cycle);
        });
    scaling::Actuator& actuator = backend_->actuator();
    if (!backend_->limit_note().empty()) {
      spdlog::warn("CPU limits are kept by {}: {}", scaling::to_string(actuator.limit_mechanism()),
                   backend_->limit_note());
    }
    adapters::ControlLoop::Options options;
    options.run_dir = config_.run_dir;
    control_ = std::make_unique<adapters::ControlLoop>(clock_, server_, actuator, backend_->meter(),
                                                       std::move(autoscaler_), options);
    serving_metrics_ = std::make_unique<gateway::GatewayMetrics>(metrics_, server_);
    scaling_metrics_ = std::make_unique<adapters::ScalingMetrics>(
        metrics_, *control_,
        std::string(scaling::to_string(backend_->actuator().limit_mechanism())));
    process_metrics_ = std::make_unique<telemetry::ProcessMetrics>(metrics_);
    server_.set_end_handler(
        [this](std::string_view model, gateway::Outcome outcome, Duration latency) {
          serving_metrics_->on_end(model, outcome, latency);
        });
    http_ = required(telemetry::HttpServer::listen(
        loop, {.host = config_.http.host, .port = config_.http.port}));
    add_routes();
    required(control_->start());
    announce();
    signals_.async_wait([this](const boost::system::error_code& error, int number) {
      if (!error) end(number);
    });
  }

  int status() const { return status_; }

 private:
  void add_routes() {
    http_->get("/metrics", [this](const telemetry::HttpRequest&) {
      serving_metrics_->update();
      scaling_metrics_->update();
      if (config_.strategy.name == "external") {
        adapters::export_faults(metrics_, *external_faults_);
      }
      process_metrics_->update();
      return telemetry::HttpResponse{.content_type = "text/plain; version=0.0.4; charset=utf-8",
                                     .body = metrics_.text()};
    });
    http_->get("/healthz", [this](const telemetry::HttpRequest&) {
      return health(server_.healthy(), "the broker is not connected");
    });
    http_->get("/readyz", [this](const telemetry::HttpRequest&) {
      if (ending_) return health(false, "shutting down");
      return health(server_.healthy() && control_->all_ready(),
                    server_.healthy() ? "replicas are starting" : "the broker is not connected");
    });
    http_->get("/api/state", [this](const telemetry::HttpRequest&) { return json(state_json()); });
    http_->get("/api/decisions", [this](const telemetry::HttpRequest&) {
      Json list = Json::array();
      for (const auto& record : control_->log().recent()) list.push_back(record);
      return json(list);
    });
    add_live_page(*http_);
    add_service_discovery(*http_, config_, server_);
  }

  static telemetry::HttpResponse health(bool good, const char* why) {
    return {.status = good ? 200 : 503, .body = good ? "ok\n" : std::string(why) + "\n"};
  }
  static telemetry::HttpResponse json(const Json& body) {
    return {.content_type = "application/json", .body = body.dump() + "\n"};
  }

  Json state_json() const {
    Json out = control_->last_series();
    out["run_id"] = config_.run_id;
    out["run"] = config_.run_label;
    out["strategy"] = config_.strategy.name;
    for (const auto& model : config_.models) {
      if (!out.contains("models") || !out["models"].contains(model.name)) continue;
      out["models"][model.name]["slo_latency_ms"] = to_ms(model.slo_latency);
      out["models"][model.name]["slo_target"] = model.slo_target;
    }
    out["healthy"] = server_.healthy();
    out["limit_mechanism"] = scaling::to_string(backend_->actuator().limit_mechanism());
    out["backend"] = backend_->description();
    out["workers"] = Json::array();
    for (const auto& worker : server_.workers()) out["workers"].push_back(worker_json(worker));
    return out;
  }

  Status write_state() {
    const Json state = {
        {"pid", ::getpid()},
        {"http_port", http_->port()},
        {"limit_mechanism", scaling::to_string(backend_->actuator().limit_mechanism())},
        {"limit_note", backend_->limit_note()},
        {"backend", backend_->description()},
        {"started_unix_s", started_unix_s_}};
    return write_file(config_.run_dir / "gateway.state.json", state.dump(1) + "\n");
  }

  void announce() {
    required(write_state());
    spdlog::info("HTTP on {}:{}, workers dial {}, strategy {}", config_.http.host, http_->port(),
                 server_.worker_address(), config_.strategy.name);
  }

  // First the queues are served, while the workers still are; then the workers leave.
  void end(int signal) {
    spdlog::info("{}: finishing what waits", signal == SIGINT ? "interrupted" : "told to end");
    ending_ = true;
    server_.shut_down([this] {
      control_->shut_down(std::chrono::seconds(15), [this](bool all_gone) {
        if (!all_gone) {
          spdlog::error("some workers did not leave in time");
          status_ = kFailed;
        }
        if (const Status removed = backend_->tidy(); !removed) {
          spdlog::warn("{}", removed.error().message);
        }
        // By now it is known by what containers are measured.
        if (const Status written = write_state(); !written) {
          spdlog::warn("{}", written.error().message);
        }
        http_->close();
        loop_.stop();
      });
    });
  }

  boost::asio::io_context& loop_;
  RealClock clock_;
  const gateway::GatewayConfig config_;
  const std::shared_ptr<adapters::ExternalFaults> external_faults_ =
      std::make_shared<adapters::ExternalFaults>();
  std::unique_ptr<scaling::Autoscaler> autoscaler_;  // until the control loop has it
  gateway::Server server_;
  std::unique_ptr<GatewayBackend> backend_;
  std::unique_ptr<adapters::ControlLoop> control_;
  telemetry::Metrics metrics_;
  std::unique_ptr<gateway::GatewayMetrics> serving_metrics_;
  std::unique_ptr<adapters::ScalingMetrics> scaling_metrics_;
  std::unique_ptr<telemetry::ProcessMetrics> process_metrics_;
  std::unique_ptr<telemetry::HttpServer> http_;
  boost::asio::signal_set signals_;
  const double started_unix_s_ = to_unix_s(clock_.wall_now());
  bool ending_ = false;
  int status_ = kDone;
};

int run_gateway(const std::string& file, const std::string& log_level) {
  init_logging("gateway", log_level);
  std::signal(SIGPIPE, SIG_IGN);
  boost::asio::io_context loop(1);
  Gateway gateway(loop, file);
  loop.run();
  return gateway.status();
}

}  // namespace

void add_gateway_command(CLI::App& app, Run& run) {
  struct Settings {
    std::string config;
    std::string log_level = "info";
  };
  auto settings = std::make_shared<Settings>();
  CLI::App* command =
      app.add_subcommand("gateway", "The main application: routes requests to models, and scales");
  command->description(kAbout);
  command
      ->add_option("--config", settings->config,
                   "Settings (gateway.json; `spate run` writes one for every run)")
      ->required()
      ->type_name("FILE");
  command->add_option("--log-level", settings->log_level, "trace, debug, info, warn, error, off")
      ->capture_default_str()
      ->type_name("LEVEL");
  command->footer(exit_text({{kDone, "ended when it was told to"},
                             {kFailed, "some workers did not leave in time"},
                             {kBadSettings, "bad settings, or it could not begin"}}));
  command->callback([&run, settings] {
    run = [settings] { return run_gateway(settings->config, settings->log_level); };
  });
}

}  // namespace spate::app
