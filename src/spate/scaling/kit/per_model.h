// SPDX-License-Identifier: Apache-2.0
//
// PerModelStrategy: the frame of a strategy that decides each model by itself and remembers a
// `Memory` for each. Internal to scaling/: strategies derive from it in their .cc files.
//
// Memory has default construction, save() and load() as in kit/memory.h, and a bounded size.
#pragma once

#include <map>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "spate/scaling/kit/memory.h"
#include "spate/scaling/strategy.h"

namespace spate::scaling {

inline Target hold(const ModelView& model, Rule rule, std::string why) {
  Target target;
  target.rule = rule;
  target.replicas = model.wanted_replicas;
  target.reason = "hold: " + std::move(why);
  return target;
}

template <class Memory>
class PerModelStrategy : public Strategy {
 public:
  explicit PerModelStrategy(std::string name) : name_(std::move(name)) {}

  std::string_view name() const override { return name_; }
  const Needs& needs() const override { return needs_; }

  std::vector<Target> decide(const Observation& seen) override {
    std::vector<Target> out;
    out.reserve(seen.models.size());
    for (const auto& model : seen.models) {
      auto found = memory_.find(model.model);
      if (found == memory_.end()) found = memory_.emplace(model.model, Memory{}).first;
      out.push_back(decide_model(seen.now, model, found->second));
    }
    return out;
  }

  std::string snapshot() const override {
    MemoryByModel out;
    for (const auto& [model, memory] : memory_) {
      MemoryWriter writer;
      memory.save(writer);
      out.emplace(model, writer.take());
    }
    return write_memory(out);
  }

  Status restore(std::string_view snapshot) override {
    const auto bad = [this](const std::string& why) {
      return Error{ErrorCode::InvalidArgument, "not a snapshot of strategy " + name_ + ": " + why};
    };
    const auto words = read_memory(snapshot);
    if (!words) return bad(words.error().message);
    try {
      std::map<std::string, Memory, std::less<>> read;
      for (const auto& [model, row] : *words) {
        MemoryReader reader(row);
        read.emplace(model, Memory::load(reader));
        reader.expect_end();
      }
      memory_ = std::move(read);
    } catch (const std::invalid_argument& error) {
      return bad(error.what());
    }
    return ok();
  }

 protected:
  virtual Target decide_model(TimePoint now, const ModelView& model, Memory& memory) = 0;

  Needs needs_;

 private:
  const std::string name_;
  std::map<std::string, Memory, std::less<>> memory_;  // by model
};

}  // namespace spate::scaling
