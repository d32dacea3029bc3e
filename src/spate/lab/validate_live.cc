// SPDX-License-Identifier: Apache-2.0
//
// Which live runs a validation needs, which of them are there, and how long the rest takes.
#include <algorithm>

#include "spate/adapters/external_strategy.h"
#include "spate/lab/results.h"
#include "spate/lab/validate.h"

namespace spate::lab {
namespace {

// Before any run has been made: start of broker, gateway and replicas, their end, two canaries.
constexpr double kBeyondGuess_s = 10.0;

const char* reason_to_skip(const scaling::StrategyInfo& info) {
  if (info.name == "external") return "needs a command of its own: name a label that has one";
  if (info.name == "scripted") return "needs decisions of its own: name a label that has them";
  if (info.sees_schedule) return "sees the demand's schedule: a baseline, taken when named";
  return nullptr;
}

}  // namespace

std::vector<std::string> expand_strategies(const std::vector<std::string>& names,
                                           std::vector<Skipped>& skipped) {
  std::vector<std::string> out;
  const auto add = [&](const std::string& name) {
    if (std::find(out.begin(), out.end(), name) == out.end()) out.push_back(name);
  };
  for (const auto& name : names) {
    if (name != "all") {
      add(name);
      continue;
    }
    const auto registry = adapters::all_strategies();
    for (const auto& info : registry.list()) {
      if (const char* reason = reason_to_skip(info)) {
        skipped.push_back({info.name, reason});
      } else {
        add(info.name);
      }
    }
  }
  // Named and in "all": it is taken.
  std::erase_if(skipped, [&](const Skipped& s) {
    return std::find(out.begin(), out.end(), s.strategy) != out.end();
  });
  return out;
}

bool is_finished_run(const std::filesystem::path& directory) {
  const auto files = read_run(directory);
  if (!files || files->run.value("interrupted", false)) return false;
  return judge_run(*files).valid;
}

std::vector<RunKey> missing_runs(const std::filesystem::path& live, const Scenario& scenario,
                                 const std::vector<std::string>& strategies, int repetitions) {
  std::vector<RunKey> out;
  for (int repetition = 1; repetition <= repetitions; ++repetition) {
    for (const auto& label : order_of(strategies, scenario.seed, repetition)) {
      if (!is_finished_run(live / (label + "-" + std::to_string(repetition)))) {
        out.push_back({label, repetition});
      }
    }
  }
  return out;
}

void RemainingTime::add(double plan_s, int runs) {
  plan_left_s_ += plan_s * runs;
  left_ += runs;
}

void RemainingTime::done(double plan_s, double took_s) {
  plan_left_s_ -= plan_s;
  --left_;
  ++made_;
  beyond_s_ += took_s - plan_s;
}

double RemainingTime::seconds() const {
  const double beyond = made_ > 0 ? beyond_s_ / made_ : kBeyondGuess_s;
  return std::max(0.0, plan_left_s_ + left_ * beyond);
}

}  // namespace spate::lab
