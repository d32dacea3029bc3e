// SPDX-License-Identifier: Apache-2.0
//
// Verifier: follows every request of a schedule from plan to end, and checks every answer. The
// generator tells it what was sent and what came; it does no I/O and reads no clock.
//
// Times are Durations from the start of the measured window, as in the schedule. Requests of the
// warm-up are followed and checked for being lost, and counted nowhere else.
//
// Three clocks per request: intended (the schedule), sent (handed to the MQTT client), answered.
//   latency from intended = answered - intended   (what counts)
//   latency from sent     = answered - sent
//   lag                   = sent - intended       (the generator's own lateness)
//
// Memory: 9 bytes per planned request, set aside at the start so that nothing is allocated for
// them later; 8 bytes per answer of seconds that are not settled; 0.3 KB per second and model.
//
// Threads: one.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "spate/base/histogram.h"
#include "spate/influx/answer.h"
#include "spate/influx/request_ids.h"
#include "spate/influx/schedule.h"
#include "spate/influx/tally.h"

namespace spate::influx {

struct CheckedModel {
  Duration slo_latency = std::chrono::seconds(1);  // an answer at exactly this is in time
  std::vector<Expected> expected;                  // by sample; empty: answers are not compared
};

// One second of the plan, by intended send, for one model.
struct SecondReport {
  Tally tally;
  // Exact quantiles (nearest rank) over the second's well-formed answers and sends; 0 if none.
  Duration p50{0};
  Duration p99{0};
  Duration lag_p99{0};
};

// A stretch of 10 s (the last one may be shorter): what was planned in it and what left in it.
struct OfferedWindow {
  double from_s = 0.0;
  double to_s = 0.0;
  std::uint64_t planned = 0;  // by intended time
  std::uint64_t sent = 0;     // by actual time
};

struct ModelReport {
  std::string name;
  Tally window;
  std::uint64_t lost_in_warm_up = 0;
  Histogram latency;            // from intended, of well-formed answers
  Histogram latency_from_sent;  // the same answers
  Histogram lag;
  double absolute_error_sum = 0.0;  // regression, against the label
  std::uint64_t value_labelled = 0;
  std::vector<OfferedWindow> offered;
  // Up to kSamplesKept malformed or wrong answers, for a person: what was wrong and the payload's
  // beginning.
  std::vector<std::string> wrong_samples;

  // Share of all requests that were planned and due, answered well formed and in time; 1 if
  // there were none.
  double slo_attainment() const;
};

class Verifier {
 public:
  static constexpr std::size_t kSamplesKept = 5;
  static constexpr double kOfferedWindow_s = 10.0;

  // Borrows `schedule`. Requires one CheckedModel per model of the schedule, and `expected` empty
  // or as long as its data set.
  Verifier(const Schedule& schedule, std::vector<CheckedModel> models, RequestIds ids);

  const RequestIds& ids() const { return ids_; }

  // `request` is an index into the schedule; each may be sent or shed once.
  void sent(std::size_t request, Duration at);
  void shed(std::size_t request);
  // The broker refused it with a reason code: no answer will come. Ignored once it has one.
  void refused_by_broker(std::size_t request);
  void answer(std::string_view correlation, std::string_view payload, Duration at);

  // Sent and not answered yet.
  std::size_t outstanding() const { return outstanding_; }
  // Sent so far, warm-up included.
  std::size_t sent_total() const { return sent_total_; }

  // The end: what was sent and not answered is lost, what was not sent is unsent. Nothing may be
  // told to it afterwards.
  void finish();

  // Progress: of answers since the last call, over `model`; clears it.
  struct Recent {
    std::uint64_t answered = 0;
    Duration p99{0};
  };
  Recent take_recent(std::size_t model);

  const Tally& tally(std::size_t model) const { return models_[model].report.window; }
  const ModelReport& report(std::size_t model) const { return models_[model].report; }
  std::size_t seconds() const { return second_count_; }
  // Complete once finished; before that, of what is known so far.
  SecondReport second(std::size_t model, std::size_t second) const;

  // Answers that belong to no request of this run.
  std::uint64_t unknown_answers() const { return unknown_answers_; }

 private:
  enum class State : std::uint8_t { Planned, Sent, Ended };
  struct Second {
    Tally tally;
    std::vector<std::uint32_t> latency_us;
    std::vector<std::uint32_t> lag_us;
    bool settled = false;
    std::uint32_t p50_us = 0;
    std::uint32_t p99_us = 0;
    std::uint32_t lag_p99_us = 0;
  };
  struct Model {
    CheckedModel checked;
    ModelReport report;
    std::vector<Second> seconds;
    std::vector<std::uint32_t> recent_us;
    std::uint64_t recent_answered = 0;
  };

  // Applies `change` to the window's tally and the second's, unless the request belongs to the
  // warm-up.
  template <class Change>
  Second* count(std::size_t request, Change change);
  void end(std::size_t request);
  void settle_if_done(Second& second);
  void check(Model& model, std::size_t request, const Answer& answer, std::string_view payload,
             Tally& marks);
  static void keep_sample(Model& model, const std::string& why, std::string_view payload);

  const Schedule& schedule_;
  RequestIds ids_;
  AnswerParser parser_;
  std::vector<Model> models_;
  std::vector<std::int64_t> sent_ns_;  // by request
  std::vector<State> states_;          // by request
  std::size_t second_count_ = 0;
  std::size_t outstanding_ = 0;
  std::size_t sent_total_ = 0;
  std::uint64_t unknown_answers_ = 0;
  bool finished_ = false;
};

}  // namespace spate::influx
