// SPDX-License-Identifier: Apache-2.0
#include "spate/worker/worker_shell.h"

#include <malloc.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <csignal>
#include <cstdlib>
#include <type_traits>
#include <utility>

#include "spate/base/config_error.h"
#include "spate/base/log.h"
#include "spate/base/real_clock.h"
#include "spate/telemetry/http_server.h"
#include "spate/worker/cgroup_limit.h"
#include "spate/worker/compute_pool.h"
#include "spate/worker/predict_items.h"
#include "spate/worker/worker_metrics.h"

namespace spate::worker {
namespace {

namespace asio = boost::asio;

// What a load gave, on its way from a compute thread to the loop.
struct Loaded {
  std::unique_ptr<models::Model> model;
  StartPhases phases;
  std::string problem;  // set when it failed
};

// Loads and predicts once, so that the first request does not pay for it.
Loaded load_and_warm_up(const WorkerOptions& options, int threads) {
  Loaded out;
  out.phases.exec_to_main = options.exec_to_main;
  try {
    const TimePoint begin = monotonic_now();
    auto model = options.load(threads);
    const TimePoint loaded = monotonic_now();
    if (!model) {
      out.problem = model.error().message;
      return out;
    }
    const wire::Item sample{0, "", (*model)->sample_payload(), Duration{0}};
    const auto first = predict_items(**model, {sample});
    if (first.front().code != wire::ItemCode::Ok) {
      out.problem = "it fails on its own sample input: " + first.front().body;
      return out;
    }
    out.phases.load = loaded - begin;
    out.phases.warm_up = monotonic_now() - loaded;
    out.model = std::move(*model);
  } catch (const std::exception& error) {
    out.problem = error.what();
  }
  malloc_trim(0);  // parsing leaves free pages behind, which each replica would keep to itself
  return out;
}

class Shell {
 public:
  explicit Shell(WorkerOptions options)
      : options_(std::move(options)),
        core_(options_.core),
        clock_(loop_),
        signals_(loop_),
        metrics_(registry_, options_.core.identity.model),
        link_(loop_, options_.gateway, link_callbacks()),
        work_(asio::make_work_guard(loop_)) {}

  int run() {
    std::signal(SIGPIPE, SIG_IGN);
    if (options_.handle_signals) {
      // Sent by the kernel to a stopped process whose parent, the gateway, dies: the worker lives
      // on for the next gateway, parked or not.
      std::signal(SIGHUP, SIG_IGN);
      signals_.add(SIGTERM);
      signals_.add(SIGINT);
      wait_for_signal();
    }
    serve_metrics();
    event([this](TimePoint now) { core_.start(now); });
    start_load();
    loop_.run();
    if (computing_ > 0) {
      spdlog::default_logger()->flush();
      std::_Exit(status_);
    }
    return status_;
  }

 private:
  GatewayLink::Callbacks link_callbacks() {
    return {
        .connected = [this] { event([this](TimePoint now) { core_.connected(now); }); },
        .disconnected =
            [this](const std::string& why) {
              event([&](TimePoint now) { core_.disconnected(why, now); });
            },
        .message =
            [this](wire::Message message) {
              event([&](TimePoint now) { core_.frame(std::move(message), now); }, false);
            },
        .bad_frame =
            [this](const std::string& why) {
              event([&](TimePoint now) { core_.bad_frame(why, now); });
            },
        .batch_read = [this] { link_.flush(); },
    };
  }

  // One event of the core, then what it wants done.
  template <class Happens>
  void event(Happens happens, bool flush = true) {
    const TimePoint now = clock_.now();
    if (core_.duty_cycling()) core_.cpu_time(process_cpu_time(), now);
    happens(now);
    // An action may lead to another event (a cgroup reading), whose actions come next.
    for (auto actions = core_.take_actions(); !actions.empty(); actions = core_.take_actions()) {
      for (Action& action : actions) std::visit([this](auto& a) { perform(a); }, action);
    }
    if (core_.exited()) return;
    if (flush) link_.flush();
    arm();
  }

  void perform(Dial&) { link_.dial(); }
  void perform(Hangup&) { link_.hang_up(); }
  void perform(Send& send) { link_.send(send.message); }
  void perform(ReadLimit&) { core_.cgroup_limit(cgroup_.read(), clock_.now()); }

  void perform(Resize& size) {
    spdlog::info("CPU limit {}: {} calls at once, {} threads each{}",
                 size.cpus > 0.0 ? fmt::format("{:.3g}", size.cpus) : "none",
                 size.concurrency.calls, size.concurrency.threads,
                 size.duty_cycle ? ", kept by duty cycle" : "");
    pool_.grow_to(size.concurrency.calls);
    if (size.concurrency.threads != threads_) {
      threads_ = size.concurrency.threads;
      set_model_threads();
    }
  }

  // On a compute thread: a runtime may have to build itself anew for it.
  void set_model_threads() {
    if (model_ == nullptr) return;  // the load takes, or took, threads_; see on_loaded()
    compute(
        [model = model_, threads = threads_] {
          try {
            model->set_intra_op_threads(threads);
          } catch (const std::exception& error) {
            spdlog::error("the model keeps its threads: {}", error.what());
          }
        },
        [] {});
  }

  // Runs `work` on a compute thread, then `done` with what it returned on the loop.
  template <class Work, class Done>
  void compute(Work work, Done done) {
    ++computing_;
    pool_.run([this, work = std::move(work), done = std::move(done)]() mutable {
      if constexpr (std::is_void_v<decltype(work())>) {
        work();
        asio::post(loop_, [this, done = std::move(done)]() mutable {
          --computing_;
          done();
        });
      } else {
        asio::post(loop_, [this, done = std::move(done), result = work()]() mutable {
          --computing_;
          done(result);
        });
      }
    });
  }

  void perform(StartJob& job) {
    struct Predicted {
      std::vector<wire::ItemResult> results;
      Duration took{};
    };
    const auto items = std::make_shared<std::vector<wire::Item>>(std::move(job.items));
    compute(
        [items, model = model_] {
          const TimePoint begin = monotonic_now();
          Predicted out{predict_items(*model, *items), {}};
          out.took = monotonic_now() - begin;
          return out;
        },
        [this, id = job.id](Predicted& out) {
          metrics_.on_predicted(out.results.size(), out.took);
          event([&](TimePoint now) { core_.job_done(id, std::move(out.results), now); });
        });
  }

  void perform(Exit& exit) {
    status_ = exit.status;
    if (exit.status == 0) {
      spdlog::info("{}", exit.reason);
    } else {
      spdlog::error("{}", exit.reason);
    }
    http_.reset();
    signals_.cancel();
    link_.finish(std::chrono::seconds(1), [this] { loop_.stop(); });
  }

  void start_load() {
    const int threads = threads_;
    compute([this, threads] { return load_and_warm_up(options_, threads); },
            [this, threads](Loaded& loaded) { on_loaded(loaded, threads); });
  }

  void on_loaded(Loaded& loaded, int threads) {
    if (loaded.model == nullptr) {
      return event([&](TimePoint now) { core_.load_failed(loaded.problem, now); });
    }
    model_ = std::move(loaded.model);
    if (threads != threads_) set_model_threads();  // the limit changed meanwhile
    metrics_.on_start(loaded.phases);
    spdlog::info("ready after {:.0f} ms: exec to main {:.0f}, load {:.0f}, first answer {:.0f}",
                 to_ms(loaded.phases.exec_to_main + loaded.phases.load + loaded.phases.warm_up),
                 to_ms(loaded.phases.exec_to_main), to_ms(loaded.phases.load),
                 to_ms(loaded.phases.warm_up));
    event([&](TimePoint now) { core_.model_loaded(loaded.phases, now); });
  }

  // Most events move the next wake-up later; the timer is left to fire early then.
  void arm() {
    const TimePoint wake = core_.next_wake(clock_.now());
    if (armed_ && *armed_ <= wake) return;
    if (armed_) clock_.cancel(timer_);
    armed_ = wake;
    timer_ = clock_.call_at(wake, [this] {
      armed_.reset();
      event([this](TimePoint now) { core_.tick(now); });
    });
  }

  void wait_for_signal() {
    signals_.async_wait([this](const boost::system::error_code& error, int signal) {
      if (error) return;
      spdlog::info("signal {}: draining", signal);
      event([this](TimePoint now) { core_.terminate(now); });
      if (!core_.exited()) wait_for_signal();
    });
  }

  void serve_metrics() {
    if (!options_.metrics_port) return;
    auto server = telemetry::HttpServer::listen(
        loop_, {.host = options_.metrics_host, .port = *options_.metrics_port});
    if (!server) throw ConfigError("--metrics-port: " + server.error().message);
    http_ = std::move(*server);
    http_->get("/metrics", [this](const telemetry::HttpRequest&) {
      metrics_.update(core_);
      return telemetry::HttpResponse{.content_type = telemetry::kTextContentType,
                                     .body = registry_.text()};
    });
    http_->get("/healthz", [](const auto&) { return telemetry::HttpResponse{.body = "alive\n"}; });
    http_->get("/readyz", [this](const auto&) {
      return core_.ready() ? telemetry::HttpResponse{.body = "ready\n"}
                           : telemetry::HttpResponse{.status = 503, .body = "not ready\n"};
    });
    std::string host = options_.metrics_advertise;
    if (host.empty() && options_.metrics_host != "0.0.0.0" && options_.metrics_host != "::") {
      host = options_.metrics_host;
    }
    if (host.find(':') != std::string::npos) host = "[" + host + "]";
    core_.set_metrics_address(fmt::format("{}:{}", host, http_->port()));
    spdlog::info("metrics on http://{}:{}/metrics", options_.metrics_host, http_->port());
  }

  const WorkerOptions options_;
  asio::io_context loop_{1};
  WorkerCore core_;
  RealClock clock_;
  asio::signal_set signals_;
  telemetry::Metrics registry_;
  WorkerMetrics metrics_;
  CgroupLimit cgroup_;
  GatewayLink link_;
  asio::executor_work_guard<asio::io_context::executor_type> work_;
  std::unique_ptr<telemetry::HttpServer> http_;
  std::shared_ptr<models::Model> model_;
  int threads_ = 1;    // per call, as last asked for
  int computing_ = 0;  // works handed to the pool whose end the loop has not seen
  std::optional<TimePoint> armed_;
  TimerId timer_{};
  int status_ = 1;
  ComputePool pool_;  // last: its threads use the rest and end first
};

}  // namespace

int run_worker(WorkerOptions options) { return Shell(std::move(options)).run(); }

}  // namespace spate::worker
