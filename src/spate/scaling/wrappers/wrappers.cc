// SPDX-License-Identifier: Apache-2.0
#include "spate/scaling/wrappers/wrappers.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "spate/base/check.h"
#include "spate/scaling/kit/readings.h"
#include "spate/scaling/wrappers/metrics_wrapper.h"

namespace spate::scaling {
namespace {

constexpr double kCpuSlack = 1e-6;

double cpu_of(const ModelView& model, const Target& target) {
  return target.cpu_limit.value_or(model.cpu_limit);
}

// CPUs over all replicas that a target changes, above 0 for more.
double direction(const ModelView& model, const Target& target) {
  const double change =
      target.replicas * cpu_of(model, target) - model.wanted_replicas * model.cpu_limit;
  if (std::abs(change) > kCpuSlack) return change;
  return target.replicas - model.wanted_replicas;
}

// Says that `wrapper` changed it.
void changed(Target& target, std::string_view wrapper) {
  if (target.changed_by == wrapper || target.changed_by.ends_with("+" + std::string(wrapper))) {
    return;
  }
  if (!target.changed_by.empty()) target.changed_by += '+';
  target.changed_by += wrapper;
}

void keep_as_is(const ModelView& model, Target& target, const std::string& why) {
  target.replicas = model.wanted_replicas;
  target.cpu_limit = model.cpu_limit;
  target.reason += "; " + why;
}

// What a wrapper remembers of a model.
struct WrapperMemory {
  TimePoint changed = TimePoint::min();  // when it last let a change through
  PeakHold asked;                        // what the strategy asked

  void save(MemoryWriter& out) const {
    out.put(changed);
    asked.save(out);
  }
  static WrapperMemory load(MemoryReader& in) {
    WrapperMemory out;
    out.changed = in.time();
    out.asked = PeakHold::load(in);
    return out;
  }
};

// The frame: asks the inner strategy, then changes each target.
class Wrapper : public Strategy {
 public:
  explicit Wrapper(std::unique_ptr<Strategy> inner) : inner_(std::move(inner)) {}

  std::string_view name() const override { return inner_->name(); }
  const Needs& needs() const override { return inner_->needs(); }

  std::vector<Target> decide(const Observation& seen) override {
    std::vector<Target> out = inner_->decide(seen);
    // One that does not answer for every model is the autoscaler's to deal with.
    if (out.size() != seen.models.size()) return out;
    for (std::size_t i = 0; i < out.size(); ++i) {
      change(seen.now, seen.models[i], memory_[seen.models[i].model], out[i]);
    }
    return out;
  }

  std::string snapshot() const override {
    MemoryByModel memory;
    for (const auto& [model, mine] : memory_) {
      MemoryWriter writer;
      mine.save(writer);
      memory.emplace(model, writer.take());
    }
    return nlohmann::json{{"inner", inner_->snapshot()}, {"wrapper", write_memory(memory)}}.dump();
  }

  Status restore(std::string_view snapshot) override {
    const auto bad = [](const std::string& why) {
      return Error{ErrorCode::InvalidArgument, "not a snapshot of a wrapper: " + why};
    };
    try {
      const auto json = nlohmann::json::parse(snapshot);
      const auto words = read_memory(json.at("wrapper").get<std::string>());
      if (!words) return bad(words.error().message);
      std::map<std::string, WrapperMemory, std::less<>> read;
      for (const auto& [model, row] : *words) {
        MemoryReader reader(row);
        read.emplace(model, WrapperMemory::load(reader));
        reader.expect_end();
      }
      const Status inner = inner_->restore(json.at("inner").get<std::string>());
      if (!inner) return inner;
      memory_ = std::move(read);
      return ok();
    } catch (const std::exception& error) {
      return bad(error.what());
    }
  }

 protected:
  virtual void change(TimePoint now, const ModelView& model, WrapperMemory& memory,
                      Target& target) = 0;

 private:
  std::unique_ptr<Strategy> inner_;
  std::map<std::string, WrapperMemory, std::less<>> memory_;  // by model
};

class LimitsWrapper final : public Wrapper {
 public:
  LimitsWrapper(const StrategyOptions& o, std::unique_ptr<Strategy> inner)
      : Wrapper(std::move(inner)),
        min_replicas_(static_cast<int>(o.integer("min_replicas"))),
        max_replicas_(static_cast<int>(o.integer("max_replicas"))),
        min_cpu_(o.number("min_cpu")),
        max_cpu_(o.number("max_cpu")) {}

 private:
  void change(TimePoint, const ModelView& model, WrapperMemory&, Target& target) override {
    const int replicas = std::clamp(target.replicas, min_replicas_, max_replicas_);
    if (replicas != target.replicas) {
      target.reason +=
          fmt::format("; limits: {} replicas instead of {}", replicas, target.replicas);
      target.replicas = replicas;
      changed(target, "limits");
    }
    const double asked = cpu_of(model, target);
    if (!std::isfinite(asked)) return;  // unusable as it is
    const double cpu = std::clamp(asked, min_cpu_, max_cpu_);
    if (std::abs(cpu - asked) > kCpuSlack) {
      target.reason += fmt::format("; limits: {:g} CPU instead of {:g}", cpu, asked);
      target.cpu_limit = cpu;
      changed(target, "limits");
    }
  }
  const int min_replicas_;
  const int max_replicas_;
  const double min_cpu_;
  const double max_cpu_;
};

class Cooldown final : public Wrapper {
 public:
  Cooldown(const StrategyOptions& o, std::unique_ptr<Strategy> inner)
      : Wrapper(std::move(inner)), out_(o.seconds("out_s")), in_(o.seconds("in_s")) {}

 private:
  void change(TimePoint now, const ModelView& model, WrapperMemory& memory,
              Target& target) override {
    const double way = direction(model, target);
    if (way == 0.0) return;
    const Duration wait = way > 0.0 ? out_ : in_;
    if (memory.changed != TimePoint::min() && now - memory.changed < wait) {
      keep_as_is(model, target,
                 fmt::format("cooldown: held for {:.1f} s more after the last change",
                             to_seconds(wait - (now - memory.changed))));
      changed(target, "cooldown");
      return;
    }
    memory.changed = now;
  }
  const Duration out_;
  const Duration in_;
};

class DeadBand final : public Wrapper {
 public:
  DeadBand(const StrategyOptions& o, std::unique_ptr<Strategy> inner)
      : Wrapper(std::move(inner)),
        replicas_(static_cast<int>(o.integer("replicas"))),
        ratio_(o.number("ratio")) {}

 private:
  void change(TimePoint, const ModelView& model, WrapperMemory&, Target& target) override {
    const int change = std::abs(target.replicas - model.wanted_replicas);
    // From and to nothing is no small change.
    if (change == 0 || target.replicas == 0 || model.wanted_replicas == 0) return;
    if (change >= replicas_ && change >= ratio_ * model.wanted_replicas) return;
    target.reason += fmt::format("; dead_band: a change of {} is too small", change);
    target.replicas = model.wanted_replicas;
    changed(target, "dead_band");
  }
  const int replicas_;
  const double ratio_;
};

class ScaleInGuard final : public Wrapper {
 public:
  ScaleInGuard(const StrategyOptions& o, std::unique_ptr<Strategy> inner)
      : Wrapper(std::move(inner)),
        window_(o.seconds("window_s")),
        step_(static_cast<int>(o.integer("step_replicas"))),
        every_(o.seconds("every_s")) {}

 private:
  void change(TimePoint now, const ModelView& model, WrapperMemory& memory,
              Target& target) override {
    const int most = memory.asked.push(now, std::clamp(target.replicas, 0, kMostAsked), window_);
    if (target.replicas >= model.wanted_replicas) return;
    int allowed = std::max(target.replicas, std::min(most, model.wanted_replicas));
    if (allowed > target.replicas) {
      target.reason += fmt::format("; scale_in_guard: {} was the most asked in {:g} s", most,
                                   to_seconds(window_));
    }
    if (allowed < model.wanted_replicas) {
      const bool too_soon = memory.changed != TimePoint::min() && now - memory.changed < every_;
      const int least = too_soon ? model.wanted_replicas : model.wanted_replicas - step_;
      if (allowed < least) {
        allowed = least;
        target.reason +=
            fmt::format("; scale_in_guard: at most {} fewer in {:g} s", step_, to_seconds(every_));
      }
      if (allowed < model.wanted_replicas) memory.changed = now;
    }
    if (allowed != target.replicas) changed(target, "scale_in_guard");
    target.replicas = allowed;
  }
  const Duration window_;
  const int step_;
  const Duration every_;
};

class KeepWarm final : public Wrapper {
 public:
  KeepWarm(const StrategyOptions& o, std::unique_ptr<Strategy> inner)
      : Wrapper(std::move(inner)),
        replicas_(static_cast<int>(o.integer("replicas"))),
        ratio_(o.number("ratio")) {}

 private:
  void change(TimePoint, const ModelView& model, WrapperMemory&, Target& target) override {
    const int warm = std::max(replicas_, ceil_replicas(ratio_ * std::max(0, target.replicas)));
    target.warm_pool = warm;
    if (warm != model.warm_pool) {
      target.reason += fmt::format("; keep_warm: {} parked replicas", warm);
      changed(target, "keep_warm");
    }
  }
  const int replicas_;
  const double ratio_;
};

template <class T>
WrapperInfo make_info(const char* name, const char* summary, std::vector<OptionSpec> options) {
  WrapperInfo out;
  out.info.name = name;
  out.info.summary = summary;
  out.info.source = "our own";
  out.info.options = std::move(options);
  out.info.options.insert(out.info.options.begin(),
                          {"kind", std::string(name), 0, 0, "which wrapper"});
  out.wrap = [](const StrategyOptions& o, std::unique_ptr<Strategy> inner) {
    return std::make_unique<T>(o, std::move(inner));
  };
  return out;
}

std::vector<WrapperInfo> make_wrappers() {
  std::vector<WrapperInfo> out;
  out.push_back(make_info<LimitsWrapper>(
      "limits", "Keeps replicas and CPU per replica within a range of its own.",
      {{"min_replicas", std::int64_t{0}, 0, 1'000'000, "replicas at least"},
       {"max_replicas", std::int64_t{1'000'000}, 0, 1'000'000, "replicas at most"},
       {"min_cpu", 0.001, 0.001, 1024.0, "CPUs per replica at least"},
       {"max_cpu", 1024.0, 0.001, 1024.0, "CPUs per replica at most"}}));
  out.back().info.check = [](const StrategyOptions& o) -> std::string {
    if (o.integer("min_replicas") > o.integer("max_replicas")) {
      return "min_replicas must be at most max_replicas";
    }
    return o.number("min_cpu") > o.number("max_cpu") ? "min_cpu must be at most max_cpu" : "";
  };
  out.push_back(make_info<Cooldown>(
      "cooldown", "Lets no change through for a time after a change.",
      {{"out_s", 0.0, 0.0, 86400.0, "seconds after a change without another one outwards"},
       {"in_s", 60.0, 0.0, 86400.0, "seconds after a change without another one inwards"}}));
  out.push_back(make_info<DeadBand>(
      "dead_band", "Holds changes of the replicas that are too small.",
      {{"replicas", std::int64_t{2}, 1, 1'000'000, "changes by fewer replicas are held"},
       {"ratio", 0.0, 0.0, 10.0, "changes by less than this share of the replicas are held"}}));
  out.push_back(make_info<ScaleInGuard>(
      "scale_in_guard", "Scales in only what was not asked for lately, a few at a time.",
      {{"window_s", 60.0, 0.0, 86400.0, "no fewer replicas than were asked for in so many seconds"},
       {"step_replicas", std::int64_t{1'000'000}, 1, 1'000'000, "replicas fewer at a time"},
       {"every_s", 0.0, 0.0, 86400.0, "seconds between two steps"}}));
  out.push_back(make_info<KeepWarm>(
      "keep_warm", "Keeps parked replicas besides: loaded, then paused, back in milliseconds.",
      {{"replicas", std::int64_t{1}, 0, 1000, "parked replicas at least"},
       {"ratio", 0.0, 0.0, 10.0, "parked replicas as a share of the replicas, rounded up"}}));
  out.push_back(metrics_wrapper());
  return out;
}

}  // namespace

const std::vector<WrapperInfo>& wrappers() {
  static const std::vector<WrapperInfo> all = make_wrappers();
  return all;
}

std::unique_ptr<Strategy> wrap(std::unique_ptr<Strategy> inner,
                               const std::optional<ConfigReader>& list) {
  if (!list) return inner;
  if (!list->is_list()) list->fail("a list of wrappers");
  std::vector<std::string> names;
  for (const auto& wrapper : wrappers()) names.push_back(wrapper.info.name);
  for (const ConfigReader& node : list->list()) {
    if (!node.is_map()) node.fail("a map with a kind");
    const ConfigReader kind = node.at("kind");
    const auto found = std::find_if(wrappers().begin(), wrappers().end(),
                                    [&](const auto& w) { return w.info.name == kind.text(); });
    if (found == wrappers().end()) {
      const std::string near = nearest_word(kind.text(), names);
      kind.complain(fmt::format("unknown wrapper \"{}\"{} (known: {})", kind.text(),
                                near.empty() ? "" : "; did you mean \"" + near + "\"?",
                                fmt::join(names, ", ")));
    }
    inner = found->wrap(StrategyRegistry::read_options(found->info, node), std::move(inner));
  }
  return inner;
}

}  // namespace spate::scaling
