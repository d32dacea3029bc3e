// SPDX-License-Identifier: Apache-2.0
//
// A long seeded walk of random events through a Route, with what must hold at every step.
#include <set>
#include <string>

#include "spate/base/rng.h"
#include "unit/gateway/route_harness.h"

namespace spate::gateway::test {
namespace {

struct Known {
  std::uint32_t credits = 0;
  bool ready = false;
  bool draining = false;
};

class Walk {
 public:
  Walk(const RouteOptions& options, std::uint64_t seed) : h_(options), rng_(seed, "walk") {}

  void run(int steps) {
    for (int step = 0; step < steps && !::testing::Test::HasFailure(); ++step) {
      one_event();
      h_.route.pump(h_.now);
      take_note();
      check();
    }
    // Whatever state it is in, it can be brought to an end.
    h_.route.begin_shutdown();
    h_.route.end_all(h_.now);
    take_note();
    EXPECT_TRUE(h_.route.idle());
    EXPECT_EQ(h_.ends.size(), admitted_);
    for (const auto& [id, times] : h_.ends) EXPECT_EQ(times, 1) << id;
    std::uint64_t ended = 0;
    for (const std::uint64_t count : h_.route.counters().ended) ended += count;
    EXPECT_EQ(ended, h_.route.counters().arrived);
    EXPECT_EQ(h_.route.counters().arrived, admitted_ + refused_);
  }

  const std::string& trace() const { return trace_; }
  const RouteCounters& counters() const { return h_.route.counters(); }

 private:
  void one_event() {
    h_.now += Duration(static_cast<std::int64_t>(rng_.exponential() * 2e6));
    const std::uint64_t dice = rng_.below(100);
    if (dice < 45) {
      const Duration budget = rng_.below(4) == 0
                                  ? Duration::max()
                                  : Duration(static_cast<std::int64_t>(rng_.below(60'000'000)));
      const auto bytes = static_cast<std::uint32_t>(rng_.below(300));
      (h_.admit(budget, bytes) != 0 ? admitted_ : refused_) += 1;
    } else if (dice < 80) {
      answer_some();
    } else if (dice < 84) {
      const WorkerId id = h_.route.add_worker(1 + static_cast<std::uint32_t>(rng_.below(6)),
                                              rng_.uniform(0.0, 2.0));
      workers_[id] = {};
    } else if (dice < 89) {
      if (const WorkerId id = any_worker(); id != 0 && !workers_[id].ready) {
        workers_[id].ready = true;
        workers_[id].credits = 1 + static_cast<std::uint32_t>(rng_.below(3));
        h_.route.worker_ready(id, workers_[id].credits, h_.now);
      }
    } else if (dice < 92) {
      if (const WorkerId id = any_worker(); id != 0) {
        h_.route.worker_gone(id, h_.now);
        workers_.erase(id);
        std::erase_if(open_, [&](const SentBatch& batch) { return batch.worker == id; });
      }
    } else {
      rare_event(dice);
    }
  }

  void rare_event(std::uint64_t dice) {
    const WorkerId id = any_worker();
    if (dice == 92 && id != 0) {
      workers_[id].draining = true;
      h_.route.drain_worker(id);
    } else if (dice == 93 && id != 0) {
      workers_[id].credits = static_cast<std::uint32_t>(rng_.below(4));
      h_.route.set_credits(id, workers_[id].credits);
    } else if (dice == 94 && id != 0) {
      h_.route.set_cpu_limit(id, rng_.uniform(0.0, 3.0));
    } else if (dice == 95 && id != 0) {
      h_.route.worker_alive(id);
    } else if (dice == 96) {
      h_.route.set_max_batch(1 + static_cast<int>(rng_.below(8)));
    } else {
      h_.route.on_time(h_.now);
      EXPECT_GT(h_.route.next_deadline(), h_.now - 1ns);
    }
  }

  void answer_some() {
    if (open_.empty()) return;
    const auto index = static_cast<std::ptrdiff_t>(rng_.below(open_.size()));
    const SentBatch batch = open_[static_cast<std::size_t>(index)];
    open_.erase(open_.begin() + index);
    std::vector<RequestAnswer> answers;
    const Outcome outcomes[] = {Outcome::Answered, Outcome::Answered,    Outcome::Answered,
                                Outcome::BadInput, Outcome::ModelFailed, Outcome::Expired};
    for (const RequestId request : batch.requests)
      answers.push_back({request, outcomes[rng_.below(6)]});
    const AnswerStatus status = h_.route.answered(batch.worker, batch.batch, answers, 1ms, h_.now);
    EXPECT_NE(status, AnswerStatus::Invalid);
  }

  // Takes over what was sent, and checks that it may have been.
  void take_note() {
    while (!h_.sent.empty()) {
      SentBatch batch = h_.take();
      ASSERT_TRUE(workers_.contains(batch.worker));
      const Known& worker = workers_[batch.worker];
      EXPECT_TRUE(worker.ready && !worker.draining);
      EXPECT_FALSE(h_.route.is_suspect(batch.worker));
      EXPECT_LE(h_.route.outstanding_batches(batch.worker), worker.credits);
      EXPECT_FALSE(batch.requests.empty());
      for (const RequestId request : batch.requests)
        EXPECT_EQ(h_.ends.count(request), 0U) << "sent after its end";
      trace_ += std::to_string(batch.worker) + ":" + std::to_string(batch.requests.size()) + " ";
      open_.push_back(std::move(batch));
    }
  }

  void check() {
    const RouteCounters& counters = h_.route.counters();
    std::size_t in_flight = 0;
    std::size_t credit = 0;
    for (const auto& [id, worker] : workers_) {
      in_flight += h_.route.worker_in_flight(id);
      credit += h_.route.outstanding_batches(id);
    }
    EXPECT_EQ(counters.in_flight, in_flight);
    EXPECT_EQ(credit, open_.size());
    EXPECT_EQ(admitted_, h_.ends.size() + counters.queue_length + counters.in_flight);
    // Only work that comes back may exceed the bound.
    EXPECT_LE(counters.queue_length, h_.route.options().max_queue_messages + 200);
  }

  WorkerId any_worker() {
    if (workers_.empty()) return 0;
    auto it = workers_.begin();
    std::advance(it, static_cast<std::ptrdiff_t>(rng_.below(workers_.size())));
    return it->first;
  }

  RouteHarness h_;
  Rng rng_;
  std::map<WorkerId, Known> workers_;
  std::vector<SentBatch> open_;
  std::size_t admitted_ = 0;
  std::size_t refused_ = 0;
  std::string trace_;
};

RouteOptions walk_options(DispatchPolicy policy) {
  return {.max_batch = 4,
          .max_delay = 3ms,
          .max_queue_messages = 50,
          .max_queue_bytes = 5000,
          .max_attempts = 2,
          .attempt_timeout = 40ms,
          .dispatch = policy};
}

class RouteProperty : public ::testing::TestWithParam<DispatchPolicy> {};

TEST_P(RouteProperty, EveryRequestEndsExactlyOnce) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    Walk walk(walk_options(GetParam()), seed);
    walk.run(4000);
    if (HasFailure()) FAIL() << "seed " << seed;
    // The walk went everywhere.
    const RouteCounters& counters = walk.counters();
    for (const Outcome outcome : {Outcome::Answered, Outcome::BadInput, Outcome::Overloaded,
                                  Outcome::Expired, Outcome::ModelFailed}) {
      EXPECT_GT(counters.ended[static_cast<std::size_t>(outcome)], 0U) << to_string(outcome);
    }
    EXPECT_GT(counters.redispatched, 0U);
    EXPECT_GT(counters.late_answers, 0U);
    EXPECT_GT(counters.hung, 0U);
  }
}

TEST_P(RouteProperty, EqualSeedsGiveEqualTraces) {
  Walk first(walk_options(GetParam()), 11);
  Walk second(walk_options(GetParam()), 11);
  Walk other(walk_options(GetParam()), 12);
  first.run(2000);
  second.run(2000);
  other.run(2000);
  EXPECT_EQ(first.trace(), second.trace());
  EXPECT_NE(first.trace(), other.trace());
}

INSTANTIATE_TEST_SUITE_P(Policies, RouteProperty,
                         ::testing::Values(DispatchPolicy::LeastOutstanding,
                                           DispatchPolicy::PowerOfTwo, DispatchPolicy::RoundRobin),
                         [](const auto& param) {
                           std::string name(to_string(param.param));
                           std::erase(name, '_');
                           return name;
                         });

}  // namespace
}  // namespace spate::gateway::test
