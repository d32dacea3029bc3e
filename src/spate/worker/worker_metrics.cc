// SPDX-License-Identifier: Apache-2.0
#include "spate/worker/worker_metrics.h"

namespace spate::worker {
namespace {

using telemetry::Labels;

Labels with(Labels labels, const std::string& name, const std::string& value) {
  labels[name] = value;
  return labels;
}

const std::vector<double> kBatchEdges = {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024};

}  // namespace

WorkerMetrics::WorkerMetrics(telemetry::Metrics& metrics, const std::string& model)
    : metrics_(metrics),
      model_{{"model", model}},
      process_(metrics),
      batches_(metrics.counter("spate_worker_batches_total", "Batches answered.", model_)),
      registrations_(metrics.counter("spate_worker_registrations_total",
                                     "How often a gateway registered this worker.", model_)),
      disconnects_(metrics.counter("spate_worker_disconnects_total",
                                   "Connections to the gateway that were lost.", model_)),
      protocol_errors_(metrics.counter("spate_worker_protocol_errors_total",
                                       "Frames that could not be read or made no sense.", model_)),
      over_credit_(metrics.counter("spate_worker_batches_over_credit_total",
                                   "Batches that came while all credits were in use.", model_)),
      forgotten_(metrics.counter("spate_worker_batches_forgotten_total",
                                 "Batches unanswered when their connection was lost.", model_)),
      duty_pauses_(metrics.counter("spate_worker_duty_cycle_pauses_total",
                                   "Batches that had to wait for the duty cycle.", model_)),
      ready_(metrics.gauge("spate_worker_ready",
                           "1 while it is registered, loaded and not draining.", model_)),
      queued_(
          metrics.gauge("spate_worker_queue_batches", "Batches that wait in the worker.", model_)),
      running_(metrics.gauge("spate_worker_running_batches", "Batches being computed.", model_)),
      credits_(metrics.gauge("spate_worker_credits", "Batches it accepts at once.", model_)),
      cpu_limit_(
          metrics.gauge("spate_worker_cpu_limit_cpus", "CPU limit in force; 0 = none.", model_)),
      duty_cycle_(metrics.gauge("spate_worker_duty_cycle",
                                "1 while it keeps to its CPU limit by itself.", model_)),
      predict_seconds_(metrics.histogram("spate_worker_predict_seconds",
                                         "How long the model took for one batch.", model_,
                                         telemetry::latency_edges({}))),
      batch_items_(metrics.histogram("spate_worker_batch_items", "Items per computed batch.",
                                     model_, kBatchEdges)) {
  const char* const codes[4] = {"ok", "bad_input", "model_failed", "expired"};
  for (int i = 0; i < 4; ++i) {
    items_[i] = &metrics.counter("spate_worker_items_total", "Items answered, by outcome.",
                                 with(model_, "outcome", codes[i]));
  }
}

void WorkerMetrics::on_start(const StartPhases& phases) {
  const auto show = [this](const char* phase, Duration took) {
    metrics_
        .gauge("spate_worker_start_seconds", "How long each phase of the start took.",
               with(model_, "phase", phase))
        .Set(to_seconds(took));
  };
  show("exec_to_main", phases.exec_to_main);
  show("load", phases.load);
  show("warm_up", phases.warm_up);
}

void WorkerMetrics::on_predicted(std::size_t items, Duration took) {
  predict_seconds_.Observe(to_seconds(took));
  batch_items_.Observe(static_cast<double>(items));
}

void WorkerMetrics::update(const WorkerCore& core) {
  const CoreStats& stats = core.stats();
  using telemetry::advance_to;
  for (int i = 0; i < 4; ++i) advance_to(*items_[i], static_cast<double>(stats.items[i]));
  advance_to(batches_, static_cast<double>(stats.batches));
  advance_to(registrations_, static_cast<double>(stats.registrations));
  advance_to(disconnects_, static_cast<double>(stats.disconnects));
  advance_to(protocol_errors_, static_cast<double>(stats.protocol_errors));
  advance_to(over_credit_, static_cast<double>(stats.over_credit));
  advance_to(forgotten_, static_cast<double>(stats.forgotten));
  advance_to(duty_pauses_, static_cast<double>(stats.duty_pauses));
  ready_.Set(core.ready() ? 1.0 : 0.0);
  queued_.Set(static_cast<double>(core.queued_batches()));
  running_.Set(static_cast<double>(core.running_jobs()));
  credits_.Set(core.credits());
  cpu_limit_.Set(core.cpu_limit());
  duty_cycle_.Set(core.duty_cycling() ? 1.0 : 0.0);
  process_.update();
}

}  // namespace spate::worker
