// SPDX-License-Identifier: Apache-2.0
#include "spate/worker/worker_core.h"

#include <fmt/format.h>

#include <algorithm>
#include <type_traits>
#include <utility>

#include "spate/base/check.h"
#include "spate/base/log.h"
#include "spate/wire/codec.h"

namespace spate::worker {

using wire::ItemCode;

WorkerCore::WorkerCore(CoreOptions options)
    : options_(std::move(options)),
      backoff_(options_.min_backoff),
      limit_(options_.cpu_limit),
      concurrency_(concurrency_for(options_.mode, limit_.cpus(), options_.machine_cpus)) {}

std::vector<Action> WorkerCore::take_actions() { return std::exchange(actions_, {}); }

void WorkerCore::start(TimePoint now) {
  seen_at_ = now;
  absent_since_ = now;
  limit_check_at_ = now + options_.limit_check_interval;
  actions_.emplace_back(ReadLimit{});
  in_force_ = Resize{concurrency_, limit_.cpus(), limit_.duty_cycle()};
  actions_.emplace_back(in_force_);
  dial(now);
}

// --- link ---------------------------------------------------------------------------------------

void WorkerCore::dial(TimePoint now) {
  link_ = Link::Dialing;
  dialed_at_ = now;
  actions_.emplace_back(Dial{});
}

void WorkerCore::connected(TimePoint now) {
  if (exited_) return;
  SPATE_CHECK(link_ == Link::Dialing, "connected without having dialed");
  link_ = Link::Registering;
  wire::Register hello = options_.identity;
  hello.cpu_limit = limit_.cpus();
  hello.ready = phases_.has_value();
  actions_.emplace_back(Send{std::move(hello)});
  tick(now);
}

void WorkerCore::disconnected(const std::string& why, TimePoint now) {
  if (exited_) return;
  drop_link(why, false, now);
}

void WorkerCore::bad_frame(const std::string& why, TimePoint now) {
  if (exited_) return;
  ++stats_.protocol_errors;
  spdlog::warn("the gateway sent what cannot be read, closing the connection: {}", why);
  drop_link(why, true, now);
}

// Back to Down, whatever the link was; the next attempt comes after the back-off.
void WorkerCore::drop_link(const std::string& why, bool hang_up, TimePoint now) {
  if (link_ == Link::Registered) {
    absent_since_ = now;
    spdlog::warn("lost the gateway: {}", why);
  }
  if (link_ == Link::Registering || link_ == Link::Registered) ++stats_.disconnects;
  if (hang_up) actions_.emplace_back(Hangup{});
  link_ = Link::Down;
  last_problem_ = why;
  redial_at_ = now + backoff_;
  backoff_ = std::min(backoff_ * 2, options_.max_backoff);
  forget_batches();
  if (drain_ != Drain::None) return exit(0, "drained: the gateway has gone");
  tick(now);
}

// The gateway dispatches unanswered work elsewhere; what still runs here finishes unheard.
void WorkerCore::forget_batches() {
  stats_.forgotten += unanswered();
  queue_.clear();
  ++connection_;
}

std::size_t WorkerCore::unanswered() const {
  const auto here = std::count_if(running_.begin(), running_.end(), [this](const auto& job) {
    return job.second.connection == connection_;
  });
  return queue_.size() + static_cast<std::size_t>(here);
}

// --- frames -------------------------------------------------------------------------------------

void WorkerCore::frame(wire::Message message, TimePoint now) {
  if (exited_) return;
  if (link_ != Link::Registering && link_ != Link::Registered) return;  // crossed a Hangup
  heard_at_ = now;
  const bool expected = link_ == Link::Registered ||
                        std::holds_alternative<wire::Registered>(message) ||
                        std::holds_alternative<wire::Refused>(message);
  if (!expected) return bad_frame("a frame before Registered", now);
  std::visit([&](auto& m) { on(m, now); }, message);
}

template <class Unexpected>
void WorkerCore::on(Unexpected&, TimePoint now) {
  bad_frame("a frame that only workers send", now);
}

void WorkerCore::on(wire::Registered& m, TimePoint now) {
  if (link_ == Link::Registered) return bad_frame("Registered twice", now);
  link_ = Link::Registered;
  backoff_ = options_.min_backoff;
  ++stats_.registrations;
  spdlog::info("registered with gateway {}", m.gateway_id);
  if (phases_ && drain_ == Drain::None) send_ready();
}

void WorkerCore::on(wire::Refused& m, TimePoint) {
  exit(3, fmt::format("the gateway refused this worker: {}", m.reason));
}

void WorkerCore::on(wire::Ping& m, TimePoint) { actions_.emplace_back(Send{wire::Pong{m.nonce}}); }

void WorkerCore::on(wire::CpuLimit& m, TimePoint now) {
  if (m.cpus < 0.0) return bad_frame("a negative CPU limit", now);
  limit_.announce(m.cpus, m.duty_cycle);
  actions_.emplace_back(ReadLimit{});  // the reading at hand may be older than this frame
  resize(now);
}

void WorkerCore::on(wire::Drain&, TimePoint now) {
  if (drain_ == Drain::None) drain_since_ = now;
  drain_ = Drain::Ordered;
  check_drain(now);
}

void WorkerCore::on(wire::Batch& m, TimePoint now) {
  if (!phases_) return bad_frame("a Batch before Ready", now);
  if (drain_ == Drain::Ordered) return bad_frame("a Batch after Drain", now);
  if (static_cast<int>(queue_.size() + running_.size()) >= concurrency_.calls) {
    ++stats_.over_credit;
  }
  Pending batch;
  batch.arrived = now;
  batch.connection = connection_;
  batch.result.batch_id = m.batch_id;
  batch.result.items.resize(m.items.size());
  for (std::size_t i = 0; i < m.items.size(); ++i) {
    batch.result.items[i].request_id = m.items[i].request_id;
    const Duration budget = m.items[i].budget;
    const bool bounded = budget > Duration{0} && budget < TimePoint::max() - now;
    batch.deadlines.push_back(bounded ? now + budget : TimePoint::max());
  }
  batch.items = std::move(m.items);
  queue_.push_back(std::move(batch));
  start_jobs(now);
}

// --- model and jobs -----------------------------------------------------------------------------

void WorkerCore::model_loaded(const StartPhases& phases, TimePoint now) {
  if (exited_) return;
  phases_ = phases;
  duty_cycle_.restart(now);  // loading is not charged
  if (link_ == Link::Registered && drain_ == Drain::None) send_ready();
}

void WorkerCore::load_failed(const std::string& why, TimePoint) {
  if (!exited_) exit(1, "the model cannot be served: " + why);
}

void WorkerCore::send_ready() {
  actions_.emplace_back(Send{wire::Ready{.exec_to_main = phases_->exec_to_main,
                                         .load = phases_->load,
                                         .warm_up = phases_->warm_up,
                                         .credits = static_cast<std::uint32_t>(credits())}});
}

void WorkerCore::start_jobs(TimePoint now) {
  while (!exited_ && !queue_.empty() && static_cast<int>(running_.size()) < concurrency_.calls) {
    if (duty_cycle_.ready_at(now) > now) {
      if (!std::exchange(queue_.front().held_back, true)) ++stats_.duty_pauses;
      return;
    }
    Pending batch = std::move(queue_.front());
    queue_.pop_front();
    start_job(std::move(batch), now);
  }
}

void WorkerCore::start_job(Pending batch, TimePoint now) {
  std::vector<wire::Item> due;
  for (std::size_t i = 0; i < batch.items.size(); ++i) {
    if (batch.deadlines[i] <= now) {
      batch.result.items[i].code = ItemCode::Expired;
      batch.result.items[i].body = "the deadline passed before its turn came at the worker";
    } else {
      batch.computed.push_back(i);
      due.push_back(std::move(batch.items[i]));
    }
  }
  batch.items.clear();
  if (due.empty()) return finish(std::move(batch), now);
  const JobId id{next_job_++};
  running_.emplace(id, std::move(batch));
  actions_.emplace_back(StartJob{id, std::move(due)});
}

void WorkerCore::job_done(JobId id, std::vector<wire::ItemResult> results, TimePoint now) {
  if (exited_) return;
  const auto at = running_.find(id);
  SPATE_CHECK(at != running_.end(), "no such job");
  Pending batch = std::move(at->second);
  running_.erase(at);
  SPATE_CHECK(results.size() == batch.computed.size(), "one result per item");
  for (std::size_t i = 0; i < results.size(); ++i) {
    wire::ItemResult& to = batch.result.items[batch.computed[i]];
    to.code = results[i].code;
    to.body = std::move(results[i].body);
  }
  finish(std::move(batch), now);
  start_jobs(now);
  check_drain(now);
}

void WorkerCore::finish(Pending batch, TimePoint now) {
  if (batch.connection != connection_ || link_ != Link::Registered) return;  // forgotten
  batch.result.service = now - batch.arrived;
  std::size_t bytes = wire::kFrameOverhead;
  for (wire::ItemResult& item : batch.result.items) {
    if (bytes + wire::item_size(item) > wire::kMaxFrameBytes / 2) {
      item.code = ItemCode::ModelFailed;
      item.body = "the answer is too large to send; ask for fewer rows at once";
    }
    bytes += wire::item_size(item);
    ++stats_.items[static_cast<std::size_t>(item.code)];
  }
  ++stats_.batches;
  actions_.emplace_back(Send{std::move(batch.result)});
}

// --- CPU limit ----------------------------------------------------------------------------------

void WorkerCore::cgroup_limit(std::optional<double> cpus, TimePoint now) {
  if (exited_) return;
  limit_.observe_cgroup(cpus);
  resize(now);
}

void WorkerCore::resize(TimePoint now) {
  const double cpus = limit_.cpus();
  const Concurrency wanted = concurrency_for(options_.mode, cpus, options_.machine_cpus);
  const bool new_credits = wanted.calls != concurrency_.calls;
  concurrency_ = wanted;
  duty_cycle_.set_limit(limit_.duty_cycle() ? cpus : 0.0, now);
  const Resize now_in_force{concurrency_, cpus, limit_.duty_cycle()};
  if (now_in_force != in_force_) actions_.emplace_back(in_force_ = now_in_force);
  if (new_credits && ready()) {
    actions_.emplace_back(Send{wire::Credits{static_cast<std::uint32_t>(credits())}});
  }
  start_jobs(now);
}

// --- drain, end, time ---------------------------------------------------------------------------

void WorkerCore::terminate(TimePoint now) {
  if (exited_) return;
  if (std::exchange(terminated_, true)) {
    const std::size_t left = unanswered();
    return exit(left == 0 ? 0 : 1,
                fmt::format("ended by a second signal, {} batches unanswered", left));
  }
  if (link_ != Link::Registered) return exit(0, "ended by a signal, without work");
  if (drain_ != Drain::None) return;
  drain_ = Drain::Announced;
  drain_since_ = now;
  actions_.emplace_back(Send{wire::Draining{}});
}

void WorkerCore::check_drain(TimePoint now) {
  if (exited_ || drain_ == Drain::None) return;
  if (now - drain_since_ >= options_.grace) {
    return exit(1, fmt::format("the drain took too long, {} batches unanswered", unanswered()));
  }
  const bool told = drain_ == Drain::Ordered || now - drain_since_ >= options_.drain_answer_timeout;
  if (!told || unanswered() > 0) return;
  actions_.emplace_back(Send{wire::Goodbye{}});
  exit(0, "drained");
}

void WorkerCore::exit(int status, std::string reason) {
  exited_ = true;
  queue_.clear();
  actions_.emplace_back(Exit{status, std::move(reason)});
}

void WorkerCore::tick(TimePoint now) {
  if (exited_) return;
  if (const Duration gap = now - std::exchange(seen_at_, now); gap >= options_.pause_noticed) {
    // What came right after the pause has set its time already.
    for (TimePoint* since : {&heard_at_, &dialed_at_, &absent_since_}) {
      *since = std::min(*since + gap, now);
    }
  }
  if (now >= limit_check_at_) {
    limit_check_at_ = now + options_.limit_check_interval;
    actions_.emplace_back(ReadLimit{});
  }
  if (link_ != Link::Registered && now - absent_since_ >= options_.give_up_after) {
    return exit(0, fmt::format("no gateway for {:.0f} s, giving up: {}",
                               to_seconds(options_.give_up_after), last_problem_));
  }
  if (link_ == Link::Down && now >= redial_at_) {
    dial(now);
  } else if ((link_ == Link::Dialing || link_ == Link::Registering) &&
             now - dialed_at_ >= options_.register_timeout) {
    return drop_link("the gateway does not answer", true, now);
  } else if (link_ == Link::Registered && now - heard_at_ >= options_.silence_timeout) {
    return drop_link("the gateway is silent", true, now);
  }
  start_jobs(now);
  check_drain(now);
}

TimePoint WorkerCore::next_wake(TimePoint now) {
  TimePoint wake = limit_check_at_;
  switch (link_) {
    case Link::Down:
      wake = std::min(wake, redial_at_);
      break;
    case Link::Dialing:
    case Link::Registering:
      wake = std::min(wake, dialed_at_ + options_.register_timeout);
      break;
    case Link::Registered:
      wake = std::min(wake, heard_at_ + options_.silence_timeout);
      break;
  }
  if (link_ != Link::Registered) wake = std::min(wake, absent_since_ + options_.give_up_after);
  if (!queue_.empty() && static_cast<int>(running_.size()) < concurrency_.calls) {
    wake = std::min(wake, std::max(duty_cycle_.ready_at(now), now + options_.least_pause));
  }
  if (drain_ != Drain::None) {
    wake = std::min(wake, drain_since_ + options_.grace);
    if (drain_ == Drain::Announced && now < drain_since_ + options_.drain_answer_timeout) {
      wake = std::min(wake, drain_since_ + options_.drain_answer_timeout);
    }
  }
  return wake;
}

}  // namespace spate::worker
