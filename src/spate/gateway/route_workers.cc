// SPDX-License-Identifier: Apache-2.0
//
// Route's workers: credits, answers, attempts that are given up.
#include <algorithm>
#include <cmath>

#include "spate/gateway/route.h"

namespace spate::gateway {

namespace {

std::uint32_t milli_cpus(double cpus) {
  if (!(cpus > 0.0)) return 1000;
  return static_cast<std::uint32_t>(std::clamp(std::lround(cpus * 1000.0), 1L, 100'000'000L));
}

}  // namespace

std::uint32_t Route::require(WorkerId worker) const {
  const std::uint32_t slot = workers_.find(worker);
  SPATE_CHECK(slot != kNil, "no such worker");
  return slot;
}

WorkerId Route::add_worker(std::uint32_t max_batch, double cpus) {
  const std::uint32_t slot = workers_.acquire();
  Worker& worker = workers_[slot];
  const std::uint32_t generation = worker.generation;
  worker = Worker{};
  worker.generation = generation;
  worker.max_batch = std::max(1U, max_batch);
  worker.milli = milli_cpus(cpus);
  return workers_.name(slot);
}

void Route::worker_ready(WorkerId id, std::uint32_t credits, TimePoint now) {
  const std::uint32_t slot = require(id);
  Worker& worker = workers_[slot];
  worker.credits = credits;
  if (worker.state == WorkerState::Starting) {
    worker.state = WorkerState::Ready;
    worker.last_answer = now;
  }
  refresh(slot);
}

void Route::set_credits(WorkerId id, std::uint32_t credits) {
  const std::uint32_t slot = require(id);
  workers_[slot].credits = credits;
  refresh(slot);
}

void Route::set_cpu_limit(WorkerId id, double cpus) {
  const std::uint32_t slot = require(id);
  Worker& worker = workers_[slot];
  const std::uint32_t milli = milli_cpus(cpus);
  if (worker.counted) usable_milli_ += milli - static_cast<std::uint64_t>(worker.milli);
  worker.milli = milli;
  refresh(slot);
}

void Route::drain_worker(WorkerId id) {
  const std::uint32_t slot = require(id);
  workers_[slot].state = WorkerState::Draining;
  refresh(slot);
}

void Route::park_worker(WorkerId id) {
  const std::uint32_t slot = require(id);
  if (workers_[slot].state != WorkerState::Ready) return;
  workers_[slot].state = WorkerState::Parked;
  refresh(slot);
}

void Route::unpark_worker(WorkerId id, TimePoint now) {
  const std::uint32_t slot = require(id);
  if (workers_[slot].state != WorkerState::Parked) return;
  workers_[slot].state = WorkerState::Ready;
  workers_[slot].last_answer = now;  // it was not busy with anything while it slept
  refresh(slot);
}

void Route::worker_alive(WorkerId id) {
  const std::uint32_t slot = require(id);
  if (!workers_[slot].suspect) return;
  workers_[slot].suspect = false;
  refresh(slot);
}

void Route::worker_gone(WorkerId id, TimePoint now) {
  const std::uint32_t slot = require(id);
  Worker& worker = workers_[slot];
  worker.state = WorkerState::Draining;  // no picker, no capacity
  refresh(slot);
  give_up_all(slot, now);
  while (worker.oldest != kNil) release_batch(worker.oldest);
  workers_.release(slot);
}

AnswerStatus Route::answered(WorkerId worker, BatchId batch, std::span<const RequestAnswer> answers,
                             Duration service, TimePoint now) {
  return finish(worker, batch, answers.data(), answers.size(), service, now);
}

AnswerStatus Route::answered_all(WorkerId worker, BatchId batch, Duration service, TimePoint now) {
  return finish(worker, batch, nullptr, 0, service, now);
}

// `answers` is null when every request was answered Ok.
AnswerStatus Route::finish(WorkerId worker_id, BatchId batch_id, const RequestAnswer* answers,
                           std::size_t count, Duration service, TimePoint now) {
  const std::uint32_t slot = workers_.find(worker_id);
  const std::uint32_t batch_slot = batches_.find(batch_id);
  if (slot == kNil || batch_slot == kNil) return AnswerStatus::Invalid;
  Worker& worker = workers_[slot];
  const Batch& batch = batches_[batch_slot];
  if (batch.worker != slot) return AnswerStatus::Invalid;
  if (answers != nullptr && count != batch.count) return AnswerStatus::Invalid;

  if (batch.first == kNil) {  // given up before
    counters_.late_answers += batch.count;
    worker.suspect = false;
    worker.last_answer = now;
    release_batch(batch_slot);
    refresh(slot);
    return AnswerStatus::Late;
  }
  if (answers != nullptr) {
    std::uint32_t request = batch.first;
    for (std::size_t i = 0; i < count; ++i, request = requests_[request].next) {
      if (answers[i].id != requests_.name(request)) return AnswerStatus::Invalid;
    }
  }

  bool computed = answers == nullptr;
  std::uint32_t request = batch.first;
  for (std::uint32_t i = 0; i < batch.count; ++i) {
    const std::uint32_t next = requests_[request].next;
    const Outcome outcome = answers == nullptr ? Outcome::Answered : answers[i].outcome;
    computed = computed || outcome != Outcome::Expired;
    end_answered(request, outcome, i, batch.sent - requests_[request].arrived, service);
    request = next;
  }
  if (computed) {
    estimate_.observe(now - batch.sent, now - std::max(batch.sent, worker.last_answer), batch.count,
                      worker.milli / 1000.0);
  }
  worker.suspect = false;
  worker.last_answer = now;
  worker.in_flight -= batch.count;
  counters_.in_flight -= batch.count;
  sent_sum_us_ -= since_start_us(batch.sent) * batch.count;
  unlink_by_time(batch_slot);
  release_batch(batch_slot);
  refresh(slot);
  return AnswerStatus::Taken;
}

void Route::end_answered(std::uint32_t slot, Outcome outcome, std::uint32_t index, Duration queued,
                         Duration service) {
  ++counters_.ended[static_cast<std::size_t>(outcome)];
  if (outcome == Outcome::Answered) counters_.service_sum += service;
  Ended ended;
  ended.id = requests_.name(slot);
  ended.outcome = outcome;
  ended.index = index;
  ended.attempts = requests_[slot].attempts;
  ended.queued = queued;
  ended.service = service;
  sink_.on_end(ended);
  requests_.release(slot);
}

// Brings the picker and the sum of usable CPUs up to date with the worker's state.
void Route::refresh(std::uint32_t slot) {
  Worker& worker = workers_[slot];
  const bool serves = worker.state == WorkerState::Ready && !worker.suspect;
  if (serves && worker.batches < worker.credits) {
    picker_.put(slot, (worker.load + 1) * 1000.0 / worker.milli);
  } else {
    picker_.remove(slot);
  }
  const bool usable = serves && worker.given_up < worker.credits;
  if (usable == worker.counted) return;
  worker.counted = usable;
  if (usable) {
    usable_milli_ += worker.milli;
    ++usable_workers_;
  } else {
    usable_milli_ -= worker.milli;
    --usable_workers_;
  }
}

// Its attempt has taken too long: everything it has is given to others, and it gets nothing more
// until it answers or pongs. Its batches stay outstanding: they still hold its credits.
void Route::hang(std::uint32_t slot, TimePoint now) {
  workers_[slot].suspect = true;
  ++counters_.hung;
  give_up_all(slot, now);
  refresh(slot);
  sink_.on_suspect(workers_.name(slot));
}

void Route::give_up_all(std::uint32_t slot, TimePoint now) {
  collected_.clear();
  for (std::uint32_t batch = workers_[slot].oldest; batch != kNil;
       batch = batches_[batch].worker_newer) {
    if (batches_[batch].first != kNil) give_up(batch);
  }
  requeue(now);
}

// Takes the batch's requests away from it, into collected_.
void Route::give_up(std::uint32_t batch_slot) {
  Batch& batch = batches_[batch_slot];
  Worker& worker = workers_[batch.worker];
  for (std::uint32_t request = batch.first; request != kNil; request = requests_[request].next) {
    collected_.push_back(request);
  }
  batch.first = kNil;
  ++worker.given_up;
  worker.in_flight -= batch.count;
  counters_.in_flight -= batch.count;
  sent_sum_us_ -= since_start_us(batch.sent) * batch.count;
  unlink_by_time(batch_slot);
}

// What was collected goes to the front of the queue, in its old order.
void Route::requeue(TimePoint now) {
  for (auto request = collected_.rbegin(); request != collected_.rend(); ++request) {
    if (requests_[*request].attempts < static_cast<std::uint32_t>(options_.max_attempts)) {
      push_front(*request);
    } else {
      end(*request, Outcome::ModelFailed, now);
    }
  }
  collected_.clear();
}

// --- lists of batches ------------------------------------------------------------------------

void Route::link(std::uint32_t slot) {
  Batch& batch = batches_[slot];
  batch.newer = kNil;
  batch.older = newest_;
  (newest_ == kNil ? oldest_ : batches_[newest_].newer) = slot;
  newest_ = slot;

  Worker& worker = workers_[batch.worker];
  batch.worker_newer = kNil;
  batch.worker_older = worker.newest;
  (worker.newest == kNil ? worker.oldest : batches_[worker.newest].worker_newer) = slot;
  worker.newest = slot;
}

void Route::unlink_by_time(std::uint32_t slot) {
  const Batch& batch = batches_[slot];
  (batch.older == kNil ? oldest_ : batches_[batch.older].newer) = batch.newer;
  (batch.newer == kNil ? newest_ : batches_[batch.newer].older) = batch.older;
}

void Route::unlink_from_worker(std::uint32_t slot) {
  const Batch& batch = batches_[slot];
  Worker& worker = workers_[batch.worker];
  (batch.worker_older == kNil ? worker.oldest : batches_[batch.worker_older].worker_newer) =
      batch.worker_newer;
  (batch.worker_newer == kNil ? worker.newest : batches_[batch.worker_newer].worker_older) =
      batch.worker_older;
}

// Requires that it is not in the list by time any more.
void Route::release_batch(std::uint32_t slot) {
  const Batch& batch = batches_[slot];
  Worker& worker = workers_[batch.worker];
  unlink_from_worker(slot);
  --worker.batches;
  worker.load -= batch.count;
  // An answered batch still names its first request, a given-up one does not.
  if (batch.first == kNil) --worker.given_up;
  batches_.release(slot);
}

}  // namespace spate::gateway
