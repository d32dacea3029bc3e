// SPDX-License-Identifier: Apache-2.0
//
// ScriptedStrategy: decides what the test says, for every model alike.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "spate/scaling/strategy.h"

namespace spate::scaling {

class ScriptedStrategy : public Strategy {
 public:
  std::string_view name() const override { return "scripted"; }
  const Needs& needs() const override { return needs_; }
  std::vector<Target> decide(const Observation& seen) override {
    last = seen;
    std::vector<Target> out;
    for (const auto& model : seen.models) {
      Target target;
      target.replicas = model.wanted_replicas;
      target.reason = "hold: nothing scripted";
      if (next) target = *next;
      out.push_back(std::move(target));
    }
    if (answer_nothing) out.clear();
    return out;
  }
  std::string snapshot() const override { return std::to_string(memory); }
  Status restore(std::string_view snapshot) override {
    memory = std::stoi(std::string(snapshot));
    return ok();
  }

  std::optional<Target> next;
  bool answer_nothing = false;
  int memory = 0;
  Observation last;

 private:
  Needs needs_;
};

}  // namespace spate::scaling
