// SPDX-License-Identifier: Apache-2.0
#include "spate/adapters/external_strategy.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "spate/adapters/external_program.h"
#include "spate/scaling/observation_json.h"

namespace spate::adapters {
namespace {

using scaling::Aggregate;
using scaling::MetricSpec;
using scaling::Observation;
using scaling::Rule;
using scaling::Signal;
using scaling::StrategyOptions;
using scaling::Target;

constexpr int kMostRestartTicks = 64;
constexpr int kMostUnanswered = 5;  // observations in a row: it is started again

std::vector<MetricSpec> all_metrics(Duration period, Duration window) {
  const auto over_window = [&](const char* name, Signal signal) {
    return MetricSpec{.name = name, .signal = signal, .period = period, .window = window};
  };
  const auto now = [&](const char* name, Signal signal) {
    return MetricSpec{.name = name,
                      .signal = signal,
                      .period = period,
                      .window = period,
                      .aggregate = Aggregate::Last};
  };
  std::vector<MetricSpec> out = {
      over_window("cpu_over_limit", Signal::CpuOverLimit),
      over_window("cpu_usage", Signal::CpuUsage),
      over_window("throttled", Signal::Throttled),
      now("in_flight", Signal::InFlight),
      over_window("arrivals_per_s", Signal::ArrivalRate),
      over_window("completions_per_s", Signal::CompletionRate),
      over_window("rejections_per_s", Signal::RejectionRate),
      now("queue_length", Signal::QueueLength),
      now("concurrency", Signal::Concurrency),
      now("oldest_age_s", Signal::OldestAge),
      over_window("service_time_s", Signal::ServiceTime),
  };
  for (const auto& [name, quantile] : {std::pair{"latency_p50_s", 0.5}, {"latency_p99_s", 0.99}}) {
    MetricSpec spec = over_window(name, Signal::LatencyQuantile);
    spec.quantile = quantile;
    out.push_back(std::move(spec));
  }
  return out;
}

class External final : public scaling::Strategy {
 public:
  External(const StrategyOptions& options, ExternalPace pace,
           std::shared_ptr<ExternalFaults> faults)
      : command_(options.text("command")),
        limit_(from_seconds(options.number("time_limit_ms") / 1000.0)),
        wait_(pace == ExternalPace::Simulated
                  ? limit_
                  : std::min(limit_, from_seconds(options.number("answer_wait_ms") / 1000.0))),
        faults_(std::move(faults)) {
    needs_.tick = options.seconds("tick_s");
    needs_.metrics = all_metrics(options.seconds("sample_s"), options.seconds("window_s"));
  }

  std::string_view name() const override { return "external"; }
  const scaling::Needs& needs() const override { return needs_; }

  std::vector<Target> decide(const Observation& seen) override {
    ++tick_;
    problem_.clear();
    if (ensure_running()) {
      take_answers(seen, Duration{0});  // to earlier observations
      if (program_) ask(seen);
      if (program_) take_answers(seen, wait_);
    }
    return in_force(seen);
  }

  // The program keeps its own memory; what the gateway must remember is what is in force, and it
  // does. A restarted gateway starts the program anew.
  std::string snapshot() const override { return R"({"strategy":"external"})"; }
  Status restore(std::string_view snapshot) override {
    const auto json = nlohmann::json::parse(snapshot, nullptr, false);
    if (!json.is_object() || json.value("strategy", "") != "external") {
      return Error{ErrorCode::InvalidArgument, "not a snapshot of strategy \"external\""};
    }
    return ok();
  }

 private:
  struct Asked {
    std::uint64_t sequence = 0;
    TimePoint at{};
  };

  bool ensure_running() {
    if (program_) return true;
    if (tick_ < start_at_tick_) {
      problem_ = fault_text_;
      return false;
    }
    auto started = ExternalProgram::start(command_);
    if (!started) {
      dead(started.error().message);
      return false;
    }
    program_ = std::move(started).value();
    asked_.reset();
    return true;
  }

  void ask(const Observation& seen) {
    if (asked_) {
      const Duration waited = seen.now - asked_->at;
      if (waited < limit_) {
        fault(faults_->silent, fmt::format("no answer after {:.1f} s", to_seconds(waited)));
        return;  // one observation at a time: it may still answer
      }
      fault(faults_->silent, fmt::format("no answer within {:g} s", to_seconds(limit_)));
      asked_.reset();
      if (++unanswered_ >= kMostUnanswered) {
        dead("it answered nothing and is started again");
        return;
      }
    }
    const Status sent =
        program_->send(scaling::observation_line(seen, needs_.metrics, ++sequence_));
    if (!sent) {
      dead(sent.error().message);
      return;
    }
    asked_ = Asked{sequence_, seen.now};
  }

  // Answers that are there, and, if one is due, those that come within `at_most`.
  void take_answers(const Observation& seen, Duration at_most) {
    for (;;) {
      const bool due = asked_.has_value();
      auto line = program_->receive(due ? at_most : Duration{0});
      if (!line) {
        if (line.error().code == ErrorCode::InvalidArgument) {
          fault(faults_->invalid, line.error().message);
        }
        dead(line.error().message);
        return;
      }
      if (!line.value()) return;
      auto decision = scaling::parse_decision(*line.value(), seen);
      if (!decision) {
        fault(faults_->invalid, decision.error().message);
        asked_.reset();
        continue;
      }
      if (!asked_ || decision.value().sequence != asked_->sequence) {
        fault(faults_->late,
              fmt::format("it answered observation {} too late", decision.value().sequence));
        continue;
      }
      asked_.reset();
      unanswered_ = 0;
      restarts_ = 0;
      if (!fault_text_.empty() && problem_.empty()) {
        spdlog::info("external strategy: it decides again");
        fault_text_.clear();
      }
      last_.clear();
      for (std::size_t i = 0; i < seen.models.size(); ++i) {
        last_[seen.models[i].model] = std::move(decision.value().targets[i]);
      }
      return;  // what comes after it is for the next tick
    }
  }

  void fault(std::atomic<std::uint64_t>& counter, const std::string& what) {
    ++counter;
    problem_ = what;
    if (fault_text_.empty()) {
      spdlog::warn("external strategy \"{}\": {}; the last decision stays in force", command_,
                   what);
    }
    fault_text_ = what;
  }

  void dead(const std::string& how) {
    fault(faults_->dead, how);
    program_.reset();
    asked_.reset();
    unanswered_ = 0;
    start_at_tick_ =
        tick_ + std::min<std::uint64_t>(kMostRestartTicks, 1ULL << std::min(restarts_, 6));
    ++restarts_;
  }

  std::vector<Target> in_force(const Observation& seen) const {
    std::vector<Target> out;
    for (const auto& model : seen.models) {
      const auto it = last_.find(model.model);
      Target target;
      target.replicas = model.wanted_replicas;
      target.rule = Rule::NoData;
      if (it != last_.end()) target = it->second;
      if (!problem_.empty()) {
        target.rule = Rule::Misbehaved;
        target.reason = fmt::format("hold: the program misbehaved: {}", problem_);
      } else if (it == last_.end()) {
        target.reason = "hold: no decision of the program yet";
      }
      out.push_back(std::move(target));
    }
    return out;
  }

  const std::string command_;
  const Duration limit_;
  const Duration wait_;
  const std::shared_ptr<ExternalFaults> faults_;
  scaling::Needs needs_;
  std::unique_ptr<ExternalProgram> program_;
  std::map<std::string, Target, std::less<>> last_;  // decisions in force, by model
  std::uint64_t tick_ = 0;
  std::uint64_t sequence_ = 0;
  std::uint64_t start_at_tick_ = 0;
  int restarts_ = 0;            // in a row, without an answer in between
  std::optional<Asked> asked_;  // not answered yet
  int unanswered_ = 0;          // observations in a row that were given up
  std::string problem_;         // of this tick
  std::string fault_text_;      // of the spell that goes on
};

}  // namespace

void export_faults(telemetry::Metrics& metrics, const ExternalFaults& faults) {
  const std::pair<const char*, const std::atomic<std::uint64_t>*> kinds[] = {
      {"late", &faults.late},
      {"silent", &faults.silent},
      {"invalid", &faults.invalid},
      {"dead", &faults.dead},
  };
  for (const auto& [kind, total] : kinds) {
    telemetry::advance_to(
        metrics.counter("spate_external_strategy_faults_total",
                        "Times an external strategy misbehaved and the last decision was held.",
                        {{"kind", kind}}),
        static_cast<double>(total->load()));
  }
}

scaling::StrategyInfo external_strategy(ExternalPace pace, std::shared_ptr<ExternalFaults> faults) {
  scaling::StrategyInfo info;
  info.name = "external";
  info.rules = {Rule::NoData, Rule::Program, Rule::Misbehaved};
  info.summary =
      "A program of your own, in any language: JSON observations in, JSON decisions out.";
  info.source = "docs/external-strategy.md";
  info.options = {
      {"command", std::string(), 0, 0, "what /bin/sh runs, e.g. python3 examples/queue_length.py"},
      {"tick_s", 1.0, 0.1, 3600.0, "seconds between two decisions"},
      {"sample_s", 1.0, 0.05, 600.0, "seconds between two readings"},
      {"window_s", 5.0, 0.05, 3600.0, "seconds over which readings are averaged"},
      {"time_limit_ms", 1000.0, 1.0, 600'000.0,
       "milliseconds within which it must answer; later, the answer is dropped"},
      {"answer_wait_ms", 20.0, 0.0, 1000.0,
       "milliseconds that a live gateway waits for the answer to be in force at once"},
  };
  info.make = [pace, faults = std::move(faults)](const StrategyOptions& options) {
    return std::make_unique<External>(options, pace, faults);
  };
  info.check = [](const StrategyOptions& options) -> std::string {
    if (options.text("command").empty()) {
      return "external needs a command, for example command: python3 examples/queue_length.py";
    }
    if (options.number("window_s") < options.number("sample_s")) {
      return "window_s must be at least sample_s";
    }
    return "";
  };
  return info;
}

scaling::StrategyRegistry all_strategies(ExternalPace pace, std::shared_ptr<ExternalFaults> faults,
                                         const scaling::DemandByModel& demand) {
  scaling::StrategyRegistry registry = scaling::builtin_strategies(demand);
  registry.add(external_strategy(pace, std::move(faults)));
  return registry;
}

}  // namespace spate::adapters
