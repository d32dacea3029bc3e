// SPDX-License-Identifier: Apache-2.0
//
// The queue: admission, expiry, batches. Workers and answers are in route_workers.cc.
#include "spate/gateway/route.h"

#include <algorithm>

namespace spate::gateway {

namespace {

// An unsorted queue is searched for expired requests at most this often: each search reads all
// of it.
constexpr Duration kSweepPeriod = std::chrono::milliseconds(10);

double ns(Duration d) { return static_cast<double>(d.count()); }

}  // namespace

RouteOptions route_options(const ModelConfig& model) {
  RouteOptions options;
  options.max_batch = model.max_batch;
  options.max_delay = model.max_delay;
  options.max_queue_messages = model.max_queue_messages;
  options.max_queue_bytes = model.max_queue_bytes;
  options.max_attempts = model.max_attempts;
  options.attempt_timeout = model.attempt_timeout;
  options.dispatch = model.dispatch;
  options.early_overload = model.early_overload;
  options.deadline_margin = model.deadline_margin;
  return options;
}

Route::Route(const RouteOptions& options, RouteSink& sink, TimePoint start)
    : options_(options), sink_(sink), start_(start), picker_(options.dispatch, options.seed) {
  SPATE_CHECK(options.max_batch >= 1 && options.max_attempts >= 1, "route options out of range");
}

Admission Route::admit(TimePoint deadline, std::uint32_t bytes, TimePoint now) {
  ++counters_.arrived;
  const auto refuse = [this](Outcome why) {
    ++counters_.ended[static_cast<std::size_t>(why)];
    return Admission{0, why};
  };
  if (stopping_) return refuse(Outcome::ShuttingDown);
  if (deadline <= now) return refuse(Outcome::Expired);
  if (counters_.queue_length >= options_.max_queue_messages ||
      counters_.queue_bytes + bytes > options_.max_queue_bytes) {
    return refuse(Outcome::Overloaded);
  }
  if (options_.early_overload && estimate_misses(deadline, now)) {
    return refuse(Outcome::Overloaded);
  }
  const std::uint32_t slot = requests_.acquire();
  Request& request = requests_[slot];
  request.deadline = deadline;
  request.arrived = now;
  request.bytes = bytes;
  request.attempts = 0;
  push_back(slot);
  return Admission{requests_.name(slot), Outcome::Answered};
}

void Route::pump(TimePoint now) {
  expire(now);
  while (head_ != kNil && picker_.size() > 0 && !waits_for_more(now)) send(picker_.pick(), now);
}

void Route::on_time(TimePoint now) {
  expire(now);
  while (oldest_ != kNil && batches_[oldest_].sent + options_.attempt_timeout <= now) {
    hang(batches_[oldest_].worker, now);
  }
  pump(now);
}

TimePoint Route::next_deadline() const {
  TimePoint next = kNever;
  if (head_ != kNil) {
    const Request& head = requests_[head_];
    next = sorted_ ? head.deadline : std::max(soonest_, next_sweep_);
    if (picker_.size() > 0 && options_.max_delay > Duration{0}) {
      next = std::min(next, head.arrived + options_.max_delay);
    }
  }
  if (oldest_ != kNil) next = std::min(next, batches_[oldest_].sent + options_.attempt_timeout);
  return next;
}

void Route::end_all(TimePoint now) {
  while (head_ != kNil) end(pop_front(), Outcome::ShuttingDown, now);
  for (std::uint32_t worker = 0; worker < workers_.end_slot(); ++worker) {
    if (!workers_.alive(worker)) continue;
    collected_.clear();
    for (std::uint32_t batch = workers_[worker].oldest; batch != kNil;
         batch = batches_[batch].worker_newer) {
      if (batches_[batch].first != kNil) give_up(batch);
    }
    for (const std::uint32_t request : collected_) end(request, Outcome::ShuttingDown, now);
    refresh(worker);
  }
}

Duration Route::oldest_age(TimePoint now) const {
  return head_ == kNil ? Duration{0} : now - requests_[head_].arrived;
}

// --- the estimate ------------------------------------------------------------------------------

double Route::mean_cpus() const {
  return static_cast<double>(usable_milli_) / 1000.0 / static_cast<double>(usable_workers_);
}

// Until a request that came now would be sent. Requires known() and usable workers.
double Route::expected_wait_ns(TimePoint now) const {
  double ahead = static_cast<double>(counters_.queue_length);
  if (picker_.size() == 0 && counters_.in_flight > 0) {
    // Then the next answer comes when what is being served is through: on average as far on as
    // the requests in flight are old.
    const double in_flight = static_cast<double>(counters_.in_flight);
    const double elapsed_ns = 1e3 * (static_cast<double>(since_start_us(now)) -
                                     static_cast<double>(sent_sum_us_) / in_flight);
    ahead += std::clamp(1.0 - elapsed_ns / estimate_.latency_ns(mean_cpus()), 0.0, 1.0);
  }
  return ahead * estimate_.per_request_ns(static_cast<double>(usable_milli_) / 1000.0);
}

bool Route::estimate_misses(TimePoint deadline, TimePoint now) const {
  if (deadline == kNever || !estimate_.known() || usable_milli_ == 0) return false;
  if (counters_.queue_length < picker_.size()) return false;  // a worker is free for it
  const Duration budget = deadline - now;
  const Duration margin = std::min(options_.deadline_margin, budget / 10);
  return expected_wait_ns(now) + estimate_.safe_latency_ns(mean_cpus()) > ns(budget - margin);
}

Duration Route::margin_of(const Request& request) const {
  return std::min(options_.deadline_margin, (request.deadline - request.arrived) / 10);
}

// The answer would most likely come after the deadline: the worker's time is better spent on
// the next in the queue.
bool Route::too_late_to_start(const Request& request, double cpus, TimePoint now) const {
  if (!options_.early_overload || request.deadline == kNever || !estimate_.known()) return false;
  return estimate_.safe_latency_ns(cpus) > ns(request.deadline - margin_of(request) - now);
}

// --- the queue ---------------------------------------------------------------------------------

void Route::push_back(std::uint32_t slot) {
  Request& request = requests_[slot];
  request.next = kNil;
  if (tail_ == kNil) {
    head_ = slot;
  } else {
    if (request.deadline < requests_[tail_].deadline) sorted_ = false;
    requests_[tail_].next = slot;
  }
  tail_ = slot;
  soonest_ = std::min(soonest_, request.deadline);
  ++counters_.queue_length;
  counters_.queue_bytes += request.bytes;
}

void Route::push_front(std::uint32_t slot) {
  Request& request = requests_[slot];
  request.next = head_;
  if (head_ == kNil) {
    tail_ = slot;
  } else if (request.deadline > requests_[head_].deadline) {
    sorted_ = false;
  }
  head_ = slot;
  soonest_ = std::min(soonest_, request.deadline);
  ++counters_.queue_length;
  counters_.queue_bytes += request.bytes;
}

std::uint32_t Route::pop_front() {
  const std::uint32_t slot = head_;
  const Request& request = requests_[slot];
  head_ = request.next;
  --counters_.queue_length;
  counters_.queue_bytes -= request.bytes;
  if (head_ == kNil) {
    tail_ = kNil;
    sorted_ = true;
    soonest_ = kNever;
  }
  return slot;
}

// Ends a request that is neither in the queue nor in a batch any more.
void Route::end(std::uint32_t slot, Outcome outcome, TimePoint now) {
  const Request& request = requests_[slot];
  ++counters_.ended[static_cast<std::size_t>(outcome)];
  Ended ended;
  ended.id = requests_.name(slot);
  ended.outcome = outcome;
  ended.attempts = request.attempts;
  ended.queued = now - request.arrived;
  sink_.on_end(ended);
  requests_.release(slot);
}

void Route::expire(TimePoint now) {
  if (now < soonest_) return;
  if (!sorted_) {
    if (now >= next_sweep_) sweep(now);
    return;
  }
  while (head_ != kNil && requests_[head_].deadline <= now) end(pop_front(), Outcome::Expired, now);
  soonest_ = head_ == kNil ? kNever : requests_[head_].deadline;
}

// Takes every expired request out of a queue whose deadlines are in no order.
void Route::sweep(TimePoint now) {
  next_sweep_ = now + kSweepPeriod;
  std::uint32_t slot = head_;
  head_ = tail_ = kNil;
  sorted_ = true;
  soonest_ = kNever;
  counters_.queue_length = 0;
  counters_.queue_bytes = 0;
  while (slot != kNil) {
    const std::uint32_t next = requests_[slot].next;
    if (requests_[slot].deadline <= now) {
      end(slot, Outcome::Expired, now);
    } else {
      push_back(slot);
    }
    slot = next;
  }
}

// --- batches -----------------------------------------------------------------------------------

bool Route::waits_for_more(TimePoint now) const {
  return options_.max_delay > Duration{0} && !stopping_ &&
         counters_.queue_length < static_cast<std::size_t>(options_.max_batch) &&
         now < requests_[head_].arrived + options_.max_delay;
}

// Sends the head of the queue to `slot`: an even share of what waits among the workers that are
// free, up to the largest batch, so that one worker does not serve all while others idle.
void Route::send(std::uint32_t slot, TimePoint now) {
  Worker& worker = workers_[slot];
  const std::size_t free_workers = picker_.size();
  // A division is dear; mostly there are workers enough.
  const std::size_t share = counters_.queue_length <= free_workers
                                ? 1
                                : (counters_.queue_length + free_workers - 1) / free_workers;
  const std::size_t limit =
      std::min<std::size_t>(static_cast<std::size_t>(options_.max_batch), worker.max_batch);
  const std::size_t wanted = std::min(share, limit);
  const double cpus = worker.milli / 1000.0;

  ids_.clear();
  std::uint32_t first = kNil;
  std::uint32_t last = kNil;
  std::size_t bytes = 0;
  while (ids_.size() < wanted && head_ != kNil) {
    Request& request = requests_[head_];
    if (request.deadline <= now ||
        (counters_.queue_length > 1 && too_late_to_start(request, cpus, now))) {
      end(pop_front(), Outcome::Expired, now);
      continue;
    }
    if (!ids_.empty() && bytes + request.bytes > options_.max_batch_bytes) break;
    bytes += request.bytes;
    const std::uint32_t taken = pop_front();
    request.next = kNil;
    if (++request.attempts > 1) ++counters_.redispatched;
    if (last == kNil) {
      first = taken;
    } else {
      requests_[last].next = taken;
    }
    last = taken;
    ids_.push_back(requests_.name(taken));
  }
  if (ids_.empty()) return;

  const auto count = static_cast<std::uint32_t>(ids_.size());
  const std::uint32_t batch_slot = batches_.acquire();
  Batch& batch = batches_[batch_slot];
  batch.sent = now;
  batch.worker = slot;
  batch.first = first;
  batch.count = count;
  link(batch_slot);
  ++worker.batches;
  worker.load += count;
  worker.in_flight += count;
  counters_.in_flight += count;
  ++counters_.batches;
  sent_sum_us_ += since_start_us(now) * count;
  refresh(slot);
  sink_.on_batch(workers_.name(slot), batches_.name(batch_slot), ids_, now);
}

}  // namespace spate::gateway
