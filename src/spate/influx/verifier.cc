// SPDX-License-Identifier: Apache-2.0
#include "spate/influx/verifier.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "spate/base/check.h"

namespace spate::influx {
namespace {

std::uint32_t to_us(Duration d) {
  const auto us = std::chrono::round<std::chrono::microseconds>(d).count();
  return static_cast<std::uint32_t>(
      std::clamp<std::int64_t>(us, 0, std::numeric_limits<std::uint32_t>::max()));
}

// Nearest rank. Reorders `values`.
std::uint32_t quantile_of(std::vector<std::uint32_t>& values, double q) {
  if (values.empty()) return 0;
  const auto rank = std::max(1.0, std::ceil(q * static_cast<double>(values.size())));
  const auto at = values.begin() + static_cast<std::ptrdiff_t>(rank) - 1;
  std::nth_element(values.begin(), at, values.end());
  return *at;
}

}  // namespace

std::uint64_t Tally::rejected_total() const {
  std::uint64_t sum = 0;
  for (const auto n : rejected) sum += n;
  return sum;
}

std::uint64_t Tally::resolved() const {
  return answered + rejected_total() + expired + lost + shed + unsent;
}

Tally& Tally::operator+=(const Tally& other) {
  planned += other.planned;
  sent += other.sent;
  shed += other.shed;
  unsent += other.unsent;
  answered += other.answered;
  in_time += other.in_time;
  late += other.late;
  malformed += other.malformed;
  for (std::size_t i = 0; i < kRejections; ++i) rejected[i] += other.rejected[i];
  expired += other.expired;
  lost += other.lost;
  compared += other.compared;
  wrong += other.wrong;
  labelled += other.labelled;
  correct += other.correct;
  duplicate += other.duplicate;
  return *this;
}

nlohmann::json rejected_json(const Tally& tally) {
  auto json = nlohmann::json::object();
  for (std::size_t i = 0; i < kRejections; ++i) {
    if (tally.rejected[i] == 0) continue;
    json[std::string(to_string(static_cast<Rejection>(i)))] = tally.rejected[i];
  }
  return json;
}

double ModelReport::slo_attainment() const {
  const std::uint64_t due = window.planned - window.unsent;
  return due == 0 ? 1.0 : static_cast<double>(window.in_time) / static_cast<double>(due);
}

Verifier::Verifier(const Schedule& schedule, std::vector<CheckedModel> models, RequestIds ids)
    : schedule_(schedule),
      ids_(ids),
      sent_ns_(schedule.requests.size()),
      states_(schedule.requests.size(), State::Planned) {
  SPATE_CHECK(models.size() == schedule.models.size(), "one checked model per scheduled model");
  const double duration_s = to_seconds(schedule.duration);
  second_count_ = static_cast<std::size_t>(std::ceil(duration_s));
  models_.resize(models.size());
  for (std::size_t m = 0; m < models.size(); ++m) {
    Model& model = models_[m];
    model.checked = std::move(models[m]);
    SPATE_CHECK(model.checked.expected.empty() ||
                    model.checked.expected.size() == schedule.models[m].samples,
                "an expected answer per sample");
    model.report.name = schedule.models[m].name;
    model.seconds.resize(second_count_);
    for (double from = 0.0; from < duration_s; from += kOfferedWindow_s) {
      model.report.offered.push_back({from, std::min(from + kOfferedWindow_s, duration_s)});
    }
  }
  for (std::size_t i = 0; i < schedule.requests.size(); ++i) {
    count(i, [](Tally& t) { ++t.planned; });
    const PlannedRequest& request = schedule.requests[i];
    if (request.at < Duration{0}) continue;
    auto& offered = models_[request.model].report.offered;
    ++offered[static_cast<std::size_t>(to_seconds(request.at) / kOfferedWindow_s)].planned;
  }
}

template <class Change>
Verifier::Second* Verifier::count(std::size_t request, Change change) {
  const PlannedRequest& planned = schedule_.requests[request];
  if (planned.at < Duration{0}) return nullptr;
  Model& model = models_[planned.model];
  Second& second = model.seconds[static_cast<std::size_t>(planned.at / std::chrono::seconds(1))];
  change(model.report.window);
  change(second.tally);
  return &second;
}

void Verifier::settle_if_done(Second& second) {
  if (second.settled || !second.tally.conserved()) return;
  second.settled = true;
  second.p50_us = quantile_of(second.latency_us, 0.50);
  second.p99_us = quantile_of(second.latency_us, 0.99);
  second.lag_p99_us = quantile_of(second.lag_us, 0.99);
  second.latency_us = {};
  second.lag_us = {};
}

void Verifier::sent(std::size_t request, Duration at) {
  SPATE_CHECK(!finished_ && states_[request] == State::Planned, "a request is sent once");
  states_[request] = State::Sent;
  sent_ns_[request] = at.count();
  ++outstanding_;
  ++sent_total_;
  const PlannedRequest& planned = schedule_.requests[request];
  Second* second = count(request, [](Tally& t) { ++t.sent; });
  if (second == nullptr) return;
  const Duration lag = at - planned.at;
  second->lag_us.push_back(to_us(lag));
  ModelReport& report = models_[planned.model].report;
  report.lag.record(lag);
  const auto window = static_cast<std::size_t>(std::max(0.0, to_seconds(at)) / kOfferedWindow_s);
  if (at < schedule_.duration) ++report.offered[window].sent;
}

void Verifier::shed(std::size_t request) {
  SPATE_CHECK(!finished_ && states_[request] == State::Planned, "a request is shed once");
  states_[request] = State::Ended;
  if (Second* second = count(request, [](Tally& t) { ++t.shed; })) settle_if_done(*second);
}

void Verifier::end(std::size_t request) {
  states_[request] = State::Ended;
  --outstanding_;
}

void Verifier::refused_by_broker(std::size_t request) {
  if (finished_ || states_[request] != State::Sent) return;
  end(request);
  const auto reason = static_cast<std::size_t>(Rejection::RefusedByBroker);
  if (Second* second = count(request, [&](Tally& t) { ++t.rejected[reason]; })) {
    settle_if_done(*second);
  }
}

void Verifier::answer(std::string_view correlation, std::string_view payload, Duration at) {
  SPATE_CHECK(!finished_, "no answers after the end");
  const auto found = ids_.request(correlation);
  if (!found || *found >= states_.size() || states_[*found] == State::Planned) {
    ++unknown_answers_;
    return;
  }
  const auto request = static_cast<std::size_t>(*found);
  if (states_[request] == State::Ended) {
    count(request, [](Tally& t) { ++t.duplicate; });
    return;
  }
  end(request);
  const PlannedRequest& planned = schedule_.requests[request];
  if (planned.at < Duration{0}) return;
  Model& model = models_[planned.model];

  const Answer answer = parser_.parse(payload);
  Tally marks;  // what this one answer adds
  check(model, request, answer, payload, marks);
  if (marks.answered > 0) {
    ++model.recent_answered;
    const Duration latency = at - planned.at;
    if (marks.malformed == 0) {
      const bool in_time = latency <= model.checked.slo_latency;
      ++(in_time ? marks.in_time : marks.late);
      model.report.latency.record(latency);
      model.report.latency_from_sent.record(at - Duration{sent_ns_[request]});
      model.recent_us.push_back(to_us(latency));
      const auto s = static_cast<std::size_t>(planned.at / std::chrono::seconds(1));
      model.seconds[s].latency_us.push_back(to_us(latency));
    }
  }
  settle_if_done(*count(request, [&](Tally& t) { t += marks; }));
}

void Verifier::check(Model& model, std::size_t request, const Answer& answer,
                     std::string_view payload, Tally& marks) {
  const bool other_id = !answer.id.empty() && answer.id != ids_.text(request);
  if (other_id || answer.kind == Answer::Kind::Malformed) {
    marks.answered = marks.malformed = marks.wrong = 1;
    keep_sample(
        model,
        other_id ? fmt::format("id is not {}", ids_.text(request)) : std::string(answer.text),
        payload);
    return;
  }
  if (answer.kind == Answer::Kind::Expired) {
    marks.expired = 1;
    return;
  }
  if (answer.kind == Answer::Kind::Rejected) {
    marks.rejected[static_cast<std::size_t>(answer.rejection)] = 1;
    if (answer.rejection == Rejection::Other) keep_sample(model, "unknown error word", payload);
    return;
  }
  marks.answered = 1;
  if (model.checked.expected.empty()) return;
  const Expected& want = model.checked.expected[schedule_.requests[request].sample];
  const bool is_class = answer.kind == Answer::Kind::Class;
  if (want.predicted_class || want.predicted_value) {
    marks.compared = 1;
    const bool right =
        is_class ? want.predicted_class && *want.predicted_class == answer.text
                 : want.predicted_value && same_value(answer.value, *want.predicted_value);
    if (!right) {
      marks.wrong = 1;
      keep_sample(model,
                  want.predicted_class
                      ? fmt::format("expected class \"{}\"", *want.predicted_class)
                      : fmt::format("expected prediction {}", *want.predicted_value),
                  payload);
    }
  }
  if (is_class && want.label_class) {
    marks.labelled = 1;
    marks.correct = *want.label_class == answer.text;
  }
  if (!is_class && want.label_value) {
    model.report.absolute_error_sum += std::abs(answer.value - *want.label_value);
    ++model.report.value_labelled;
  }
}

void Verifier::keep_sample(Model& model, const std::string& why, std::string_view payload) {
  auto& samples = model.report.wrong_samples;
  if (samples.size() >= kSamplesKept) return;
  samples.push_back(why + ": " + std::string(payload.substr(0, 200)));
}

void Verifier::finish() {
  SPATE_CHECK(!finished_, "finish() once");
  for (std::size_t i = 0; i < states_.size(); ++i) {
    if (states_[i] == State::Ended) continue;
    const bool lost = states_[i] == State::Sent;
    states_[i] = State::Ended;
    Second* second = count(i, [&](Tally& t) { ++(lost ? t.lost : t.unsent); });
    if (second != nullptr) {
      settle_if_done(*second);
    } else if (lost) {
      ++models_[schedule_.requests[i].model].report.lost_in_warm_up;
    }
  }
  outstanding_ = 0;
  finished_ = true;
  for (Model& model : models_) {
    SPATE_CHECK(model.report.window.conserved(), "every planned request ends in one class");
    for (Second& second : model.seconds) settle_if_done(second);
  }
}

Verifier::Recent Verifier::take_recent(std::size_t index) {
  Model& model = models_[index];
  const Recent recent{model.recent_answered,
                      std::chrono::microseconds(quantile_of(model.recent_us, 0.99))};
  model.recent_us.clear();
  model.recent_answered = 0;
  return recent;
}

SecondReport Verifier::second(std::size_t model, std::size_t index) const {
  const Second& second = models_[model].seconds[index];
  using std::chrono::microseconds;
  if (second.settled) {
    return {second.tally, microseconds(second.p50_us), microseconds(second.p99_us),
            microseconds(second.lag_p99_us)};
  }
  auto latency = second.latency_us;
  auto lag = second.lag_us;
  return {second.tally, microseconds(quantile_of(latency, 0.50)),
          microseconds(quantile_of(latency, 0.99)), microseconds(quantile_of(lag, 0.99))};
}

}  // namespace spate::influx
