// SPDX-License-Identifier: Apache-2.0
#include "spate/scaling/none.h"

namespace spate::scaling {
namespace {

class None final : public Strategy {
 public:
  std::string_view name() const override { return "none"; }
  const Needs& needs() const override { return needs_; }

  std::vector<Target> decide(const Observation& seen) override {
    std::vector<Target> out;
    for (const auto& model : seen.models) {
      Target target;
      target.replicas = model.wanted_replicas;
      target.rule = Rule::Fixed;
      target.reason = "hold: this strategy never scales";
      out.push_back(std::move(target));
    }
    return out;
  }

  std::string snapshot() const override { return "{}"; }
  Status restore(std::string_view) override { return ok(); }

 private:
  Needs needs_;
};

}  // namespace

StrategyInfo none_strategy() {
  return {
      .name = "none",
      .summary = "Never scales: the replicas and CPU limits that the scenario starts with.",
      .source = "the baseline of the original experiment",
      .options = {},
      .make = [](const StrategyOptions&) { return std::make_unique<None>(); },
      .check = nullptr,
      .rules = {Rule::Fixed},
  };
}

}  // namespace spate::scaling
