// SPDX-License-Identifier: Apache-2.0
#include "spate/gateway/gateway_metrics.h"

#include <algorithm>

namespace spate::gateway {

using telemetry::advance_to;

GatewayMetrics::GatewayMetrics(telemetry::Metrics& metrics, const Server& server)
    : server_(server),
      unknown_model_(metrics.counter("spate_unknown_model_requests_total",
                                     "Requests for a model that has no route.")),
      single_topic_(metrics.counter("spate_single_topic_messages_total",
                                    "Messages of single-topic mode given to a model's topic.")),
      single_topic_bad_(metrics.counter("spate_single_topic_bad_messages_total",
                                        "Messages of single-topic mode that were refused.")),
      clock_disagreements_(metrics.counter(
          "spate_clock_disagreements_total",
          "Requests whose deadline ran from receipt, as their sender's clock is off.")),
      late_answers_(metrics.counter("spate_late_answers_total",
                                    "Answers to attempts that had been given up; ignored.")),
      results_refused_(metrics.counter("spate_results_refused_total",
                                       "Results that the broker refused to take.")),
      results_dropped_(metrics.counter("spate_results_dropped_total",
                                       "QoS 0 results dropped while the broker was away.")),
      workers_refused_(
          metrics.counter("spate_workers_refused_total",
                          "Worker connections refused: token, route or protocol was wrong.")),
      broker_disconnects_(metrics.counter("spate_broker_disconnects_total",
                                          "Lost connections to the broker, over all sessions.")),
      messages_in_(metrics.counter("spate_mqtt_messages_received_total",
                                   "MQTT messages received, over all sessions.")),
      messages_out_(metrics.counter("spate_mqtt_messages_sent_total",
                                    "MQTT messages sent, over all sessions.")) {
  std::vector<Duration> slos;
  for (const ModelConfig& model : server.config().models) slos.push_back(model.slo_latency);
  const std::vector<double> edges = telemetry::latency_edges(slos);
  for (const ModelConfig& config : server.config().models) {
    const telemetry::Labels labels{{"model", config.name}};
    Model& model = models_[config.name];
    for (std::size_t i = 0; i < kOutcomes; ++i) {
      const std::string outcome(to_string(static_cast<Outcome>(i)));
      model.requests[i] = &metrics.counter("spate_requests_total", "Requests by how they ended.",
                                           {{"model", config.name}, {"outcome", outcome}});
    }
    model.latency = &metrics.histogram(
        "spate_request_latency_seconds",
        "Of answered requests: from receipt until the broker had the result.", labels, edges);
    model.good =
        &metrics.counter("spate_slo_good_requests_total",
                         "Requests answered within the objective's latency, from receipt.", labels);
    model.slo_latency = config.slo_latency;
    metrics.gauge("spate_slo_latency_seconds", "The objective's latency.", labels)
        .Set(to_seconds(config.slo_latency));
    metrics
        .gauge("spate_slo_target_ratio", "Share of all requests that must meet the objective.",
               labels)
        .Set(config.slo_target);
    model.redispatched = &metrics.counter("spate_redispatched_requests_total",
                                          "Attempts beyond a request's first.", labels);
    model.service_seconds = &metrics.counter(
        "spate_service_seconds_total", "Time that answered requests spent inside workers.", labels);
    model.queue_length = &metrics.gauge("spate_queue_length", "Requests that wait.", labels);
    model.queue_bytes = &metrics.gauge("spate_queue_bytes", "Payload of what waits.", labels);
    model.oldest_age = &metrics.gauge("spate_queue_oldest_age_seconds",
                                      "Age of the request that has waited longest.", labels);
    model.in_flight = &metrics.gauge("spate_in_flight", "Requests dispatched to workers.", labels);
  }
}

void GatewayMetrics::on_end(std::string_view model, Outcome outcome, Duration latency) {
  if (outcome != Outcome::Answered) return;
  const auto entry = models_.find(model);
  if (entry == models_.end()) return;
  entry->second.latency->Observe(to_seconds(latency));
  if (latency <= entry->second.slo_latency) entry->second.good->Increment();
}

void GatewayMetrics::update() {
  for (auto& [name, model] : models_) {
    const RouteStats& stats = server_.stats(name);
    for (std::size_t i = 0; i < kOutcomes; ++i) {
      advance_to(*model.requests[i], static_cast<double>(stats.ended[i]));
    }
    advance_to(*model.redispatched, static_cast<double>(stats.redispatched));
    advance_to(*model.service_seconds, to_seconds(stats.service_sum));
    model.queue_length->Set(static_cast<double>(stats.queue_length));
    model.queue_bytes->Set(static_cast<double>(stats.queue_bytes));
    model.oldest_age->Set(to_seconds(stats.oldest_age));
    model.in_flight->Set(static_cast<double>(stats.in_flight));
  }
  const ServerStats stats = server_.server_stats();
  advance_to(unknown_model_, static_cast<double>(stats.unknown_model));
  advance_to(single_topic_, static_cast<double>(stats.single_topic_messages));
  advance_to(single_topic_bad_, static_cast<double>(stats.single_topic_bad));
  advance_to(clock_disagreements_, static_cast<double>(stats.clock_disagreements));
  advance_to(late_answers_, static_cast<double>(stats.late_answers));
  advance_to(results_refused_, static_cast<double>(stats.results_refused));
  advance_to(results_dropped_, static_cast<double>(stats.results_dropped));
  advance_to(workers_refused_, static_cast<double>(stats.workers_refused));
  advance_to(broker_disconnects_, static_cast<double>(stats.broker_disconnects));
  advance_to(messages_in_, static_cast<double>(stats.messages_in));
  advance_to(messages_out_, static_cast<double>(stats.messages_out));
}

}  // namespace spate::gateway
