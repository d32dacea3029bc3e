// SPDX-License-Identifier: Apache-2.0
#include "spate/scaling/scripted.h"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <stdexcept>

namespace spate::scaling {
namespace {

struct Step {
  Duration at{};                    // since the first decision
  std::string model;                // "" = every model
  std::optional<int> replicas;      // unset = as it is
  std::optional<double> cpu_limit;  // CPUs per replica; unset = as it is
};

Step read_step(const nlohmann::json& json, std::size_t number) {
  const auto bad = [&](const std::string& what) {
    throw std::invalid_argument(fmt::format("steps[{}]: {}", number, what));
  };
  if (!json.is_object()) bad("expected a map");
  Step step;
  bool timed = false;
  for (const auto& [key, value] : json.items()) {
    if (key == "model" && value.is_string()) {
      step.model = value.get<std::string>();
    } else if (key == "at_s" && value.is_number() && value.get<double>() >= 0.0) {
      step.at = from_seconds(value.get<double>());
      timed = true;
    } else if (key == "replicas" && value.is_number_integer() && value.get<int>() >= 0) {
      step.replicas = value.get<int>();
    } else if (key == "cpu_limit" && value.is_number() && value.get<double>() > 0.0) {
      step.cpu_limit = value.get<double>();
    } else {
      bad(fmt::format(
          "{} {}: expected at_s (from 0), replicas (from 0), cpu_limit (above 0), model", key,
          value.dump()));
    }
  }
  if (!timed) bad("at_s is missing");
  return step;
}

// Throws std::invalid_argument or nlohmann::json::exception.
std::vector<Step> read_steps(const std::string& text) {
  const auto json = nlohmann::json::parse(text);
  if (!json.is_array()) throw std::invalid_argument("expected a list");
  std::vector<Step> out;
  for (std::size_t i = 0; i < json.size(); ++i) {
    out.push_back(read_step(json[i], i));
    if (i > 0 && out[i].at < out[i - 1].at) {
      throw std::invalid_argument(fmt::format("steps[{}]: earlier than the one before", i));
    }
  }
  return out;
}

class Scripted final : public Strategy {
 public:
  explicit Scripted(const StrategyOptions& options) : steps_(read_steps(options.text("steps"))) {
    needs_.tick = options.seconds("tick_s");
  }

  std::string_view name() const override { return "scripted"; }
  const Needs& needs() const override { return needs_; }

  std::vector<Target> decide(const Observation& seen) override {
    if (!began_) began_ = seen.now;
    const Duration since = seen.now - *began_;
    std::vector<Target> out;
    for (const auto& model : seen.models) {
      Target target;
      target.replicas = model.wanted_replicas;
      target.rule = Rule::Script;
      target.reason = "hold: the script says nothing yet";
      for (const Step& step : steps_) {
        if (step.at > since) break;
        if (!step.model.empty() && step.model != model.model) continue;
        target.replicas = step.replicas.value_or(target.replicas);
        if (step.cpu_limit) target.cpu_limit = step.cpu_limit;
        target.reason = fmt::format("the script's step at {:g} s", to_seconds(step.at));
      }
      out.push_back(std::move(target));
    }
    return out;
  }

  std::string snapshot() const override {
    return began_ ? std::to_string(began_->time_since_epoch().count()) : "new";
  }
  Status restore(std::string_view snapshot) override {
    if (snapshot == "new") {
      began_.reset();
      return ok();
    }
    const auto json = nlohmann::json::parse(snapshot, nullptr, false);
    if (!json.is_number_integer()) {
      return Error{ErrorCode::InvalidArgument, "not a snapshot of a script"};
    }
    began_ = TimePoint(Duration(json.get<std::int64_t>()));
    return ok();
  }

 private:
  const std::vector<Step> steps_;
  Needs needs_;
  std::optional<TimePoint> began_;
};

}  // namespace

StrategyInfo scripted_strategy() {
  return {
      .name = "scripted",
      .summary = "Follows a list of steps, blind to every metric: for measuring the machinery.",
      .source = "our own; no contestant in a comparison",
      .options =
          {
              {"steps", std::string("[]"), 0, 0,
               "JSON list of {\"at_s\", \"replicas\", \"cpu_limit\", \"model\"}, in order of at_s, "
               "counted from the first decision; a step holds until the next"},
              {"tick_s", 1.0, 0.05, 60.0, "seconds between two decisions"},
          },
      .make = [](const StrategyOptions& options) { return std::make_unique<Scripted>(options); },
      .check = [](const StrategyOptions& options) -> std::string {
        try {
          read_steps(options.text("steps"));
        } catch (const std::exception& error) {
          return std::string("option \"steps\": ") + error.what();
        }
        return "";
      },
      .rules = {Rule::Script},
  };
}

}  // namespace spate::scaling
