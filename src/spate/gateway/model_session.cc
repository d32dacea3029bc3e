// SPDX-License-Identifier: Apache-2.0
#include "spate/gateway/model_session.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <utility>

namespace spate::gateway {

namespace {

// Timers are coarse: the core is woken at most this often.
constexpr Duration kTimerStep = std::chrono::microseconds(500);

// Grows `items` so that `slot` exists.
template <class T>
T& at_slot(std::vector<T>& items, std::uint32_t slot) {
  if (slot >= items.size()) items.resize(slot + 1);
  return items[slot];
}

Outcome outcome_of(wire::ItemCode code) {
  switch (code) {
    case wire::ItemCode::Ok:
      return Outcome::Answered;
    case wire::ItemCode::BadInput:
      return Outcome::BadInput;
    case wire::ItemCode::ModelFailed:
      return Outcome::ModelFailed;
    case wire::ItemCode::Expired:
      return Outcome::Expired;
  }
  return Outcome::ModelFailed;
}

}  // namespace

ModelSession::ModelSession(boost::asio::io_context& loop, Clock& clock, const ModelConfig& model,
                           const RequestRules& rules, mqtt::ClientOptions mqtt_options,
                           const Server::EndHandler& end_handler)
    : loop_(loop),
      clock_(clock),
      model_(model),
      rules_(rules),
      end_handler_(end_handler),
      route_(route_options(model), *this, clock.now()),
      client_(
          loop, clock, std::move(mqtt_options),
          {.on_connected = [this](bool) { on_connected(); },
           .on_disconnected = {},
           .on_message = [this](mqtt::Message&& message,
                                mqtt::AckHandle handle) { on_message(std::move(message), handle); },
           .on_subscribed =
               [this](const mqtt::Subscription&, const Status& status) {
                 subscribed_ = status.has_value();
                 if (subscribed_ && on_healthy_) on_healthy_();
               }}),
      publisher_(client_) {}

void ModelSession::start() {
  client_.subscribe({std::string(kInferPrefix) + model_.name, mqtt::Qos::AtLeastOnce});
  client_.start();
}

void ModelSession::stop() {
  client_.stop();
  if (timer_) clock_.cancel(*timer_);
  timer_.reset();
}

void ModelSession::on_connected() {
  if (subscribed_ && on_healthy_) on_healthy_();
}

// --- requests ----------------------------------------------------------------------------------

void ModelSession::on_message(mqtt::Message&& message, mqtt::AckHandle handle) {
  const TimePoint now = clock_.now();
  ParsedRequest parsed = parse_request(std::move(message), handle, rules_, now, clock_.wall_now());
  Request& request = parsed.request;
  if (parsed.clock_disagrees) ++clock_disagreements_;
  if (!parsed.bad_input.empty()) {
    ++bad_inputs_;
    return refuse(request, Outcome::BadInput, parsed.bad_input);
  }
  const Admission admission =
      route_.admit(request.deadline, static_cast<std::uint32_t>(request.payload.size()), now);
  if (admission.id == 0) return refuse(request, admission.refused, explain(admission.refused));
  at_slot(requests_, slot_of(admission.id)) = std::move(request);
  schedule_pump();
}

void ModelSession::refuse(Request& request, Outcome outcome, std::string_view why) {
  if (outcome == Outcome::ShuttingDown && request.qos == mqtt::Qos::AtLeastOnce) {
    // Unacknowledged, so that the broker gives it to the gateway that comes next.
    return count_end(outcome, request.received);
  }
  finish(request, outcome, make_error_result(request, model_.name, outcome, why));
}

// Publishes the result; the request is acknowledged when the broker has acknowledged that.
void ModelSession::finish(Request& request, Outcome outcome, mqtt::Message result) {
  if (request.qos == mqtt::Qos::AtMostOnce) {
    if (!publisher_.publish_unacknowledged(std::move(result))) ++results_dropped_;
    return count_end(outcome, request.received);
  }
  const std::uint32_t slot = finished_.acquire();
  Finished& finished = finished_[slot];
  finished.handle = request.handle;
  finished.received = request.received;
  finished.outcome = outcome;
  publisher_.publish(std::move(result),
                     [this, slot](mqtt::ReasonCode reason) { published(slot, reason); });
}

void ModelSession::published(std::uint32_t slot, mqtt::ReasonCode reason) {
  const Finished finished = finished_[slot];
  finished_.release(slot);
  if (is_refusal(reason) && results_refused_++ % 1000 == 0) {
    // Acknowledged all the same: to keep it would hold back every later acknowledgement.
    spdlog::warn("gateway {}: a result could not be published (reason code 0x{:02x}; {} so far)",
                 model_.name, static_cast<unsigned>(reason), results_refused_);
  }
  client_.ack(finished.handle);
  count_end(finished.outcome, finished.received);
}

void ModelSession::count_end(Outcome outcome, TimePoint received) {
  const Duration latency = clock_.now() - received;
  if (outcome == Outcome::Answered) stats_.latency.record(latency);
  if (end_handler_) end_handler_(model_.name, outcome, latency);
}

// --- driving the core --------------------------------------------------------------------------

// Once for everything that happens in one turn of the loop, so that what arrived together can
// leave as one batch.
void ModelSession::schedule_pump() {
  if (pump_posted_) return;
  pump_posted_ = true;
  boost::asio::post(loop_, [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->pump();
  });
}

void ModelSession::pump() {
  pump_posted_ = false;
  route_.pump(clock_.now());
  arm_timer();
}

// The core's deadline moves with every request, mostly later: the timer is set again only when
// it moves earlier, or when it fired before its time.
void ModelSession::arm_timer() {
  const TimePoint due = route_.next_deadline();
  if (due == kNever || (timer_ && timer_at_ <= due)) return;
  if (timer_) clock_.cancel(*timer_);
  timer_at_ = std::max(due, clock_.now() + kTimerStep);
  timer_ = clock_.call_at(timer_at_, [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (!self) return;
    self->timer_.reset();
    self->route_.on_time(self->clock_.now());
    self->arm_timer();
  });
}

void ModelSession::on_batch(WorkerId worker, BatchId batch, std::span<const RequestId> requests,
                            TimePoint now) {
  batch_.batch_id = batch;
  batch_.items.resize(requests.size());
  // The payloads are lent to the frame's encoder: they stay ours for a second attempt.
  for (std::size_t i = 0; i < requests.size(); ++i) {
    Request& request = requests_[slot_of(requests[i])];
    wire::Item& item = batch_.items[i];
    item.request_id = requests[i];
    item.content_type.swap(request.content_type);
    item.payload.swap(request.payload);
    item.budget = request.deadline == kNever ? Duration{0} : request.deadline - now;
  }
  workers_[slot_of(worker)].link->send(batch_);
  for (std::size_t i = 0; i < requests.size(); ++i) {
    Request& request = requests_[slot_of(requests[i])];
    request.content_type.swap(batch_.items[i].content_type);
    request.payload.swap(batch_.items[i].payload);
  }
}

void ModelSession::on_end(const Ended& ended) {
  Request done = std::exchange(requests_[slot_of(ended.id)], Request{});
  const std::string* said = result_ != nullptr ? &result_->items[ended.index].body : nullptr;
  if (ended.outcome == Outcome::Answered && said != nullptr) {
    finish(done, ended.outcome,
           make_result(done, model_.name, *result_variant_, *said, ended.queued, ended.service));
    return;
  }
  const bool explained = said != nullptr && !said->empty();
  refuse(done, ended.outcome, explained ? std::string_view(*said) : explain(ended.outcome));
}

void ModelSession::on_suspect(WorkerId worker) {
  workers_[slot_of(worker)].link->send(wire::Ping{});
  spdlog::warn("gateway {}: a worker has not answered for {:.1f} s; its work goes to others",
               model_.name, to_seconds(route_.options().attempt_timeout));
}

// --- workers -----------------------------------------------------------------------------------

WorkerId ModelSession::attach(std::shared_ptr<WorkerLink> link, const wire::Register& worker) {
  const WorkerId id = route_.add_worker(worker.max_batch, worker.cpu_limit);
  at_slot(workers_, slot_of(id)) = {std::move(link), worker.variant};
  return id;
}

void ModelSession::ready(WorkerId worker, std::uint32_t credits) {
  route_.worker_ready(worker, credits, clock_.now());
  schedule_pump();
}

void ModelSession::set_credits(WorkerId worker, std::uint32_t credits) {
  route_.set_credits(worker, credits);
  schedule_pump();
}

void ModelSession::set_cpu_limit(WorkerId worker, double cpus) {
  route_.set_cpu_limit(worker, cpus);
}

void ModelSession::drain(WorkerId worker) {
  route_.drain_worker(worker);
  workers_[slot_of(worker)].link->send(wire::Drain{});
}

void ModelSession::park(WorkerId worker) { route_.park_worker(worker); }

void ModelSession::unpark(WorkerId worker) {
  route_.unpark_worker(worker, clock_.now());
  schedule_pump();
}

void ModelSession::alive(WorkerId worker) {
  if (!route_.is_suspect(worker)) return;
  route_.worker_alive(worker);
  schedule_pump();
}

void ModelSession::detach(WorkerId worker) {
  route_.worker_gone(worker, clock_.now());
  workers_[slot_of(worker)] = Worker{};
  schedule_pump();
}

bool ModelSession::answered(WorkerId worker, wire::BatchResult&& result, std::size_t& answers) {
  answers_.clear();
  answers = 0;
  for (const wire::ItemResult& item : result.items) {
    answers_.push_back({item.request_id, outcome_of(item.code)});
    if (item.code == wire::ItemCode::Ok) ++answers;
  }
  result_ = &result;
  result_variant_ = &workers_[slot_of(worker)].variant;
  const AnswerStatus status =
      route_.answered(worker, result.batch_id, answers_, result.service, clock_.now());
  result_ = nullptr;
  if (status != AnswerStatus::Taken) answers = 0;
  schedule_pump();
  return status != AnswerStatus::Invalid;
}

void ModelSession::set_max_batch(int max_batch) { route_.set_max_batch(max_batch); }

// --- shutting down -----------------------------------------------------------------------------

void ModelSession::begin_shutdown() {
  route_.begin_shutdown();
  schedule_pump();
}

void ModelSession::end_all() { route_.end_all(clock_.now()); }

const RouteStats& ModelSession::stats() const {
  const RouteCounters& counters = route_.counters();
  stats_.arrived = counters.arrived + bad_inputs_;
  stats_.ended = counters.ended;
  stats_.ended[static_cast<std::size_t>(Outcome::BadInput)] += bad_inputs_;
  stats_.redispatched = counters.redispatched;
  stats_.queue_length = counters.queue_length;
  stats_.queue_bytes = counters.queue_bytes;
  stats_.in_flight = counters.in_flight;
  stats_.oldest_age = route_.oldest_age(clock_.now());
  stats_.service_sum = counters.service_sum;
  return stats_;
}

}  // namespace spate::gateway
