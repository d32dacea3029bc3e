// SPDX-License-Identifier: Apache-2.0
#include "spate/scaling/wrappers/wrappers.h"

#include <gtest/gtest.h>

#include "spate/base/config_error.h"
#include "testing/scripted_strategy.h"

namespace spate::scaling {
namespace {

struct Asks : ScriptedStrategy {
  std::string snapshot() const override { return "1"; }
};

class Wrapped {
 public:
  explicit Wrapped(const std::string& list) : list_(list) { make(); }

  Target ask(int replicas, int wanted, std::optional<double> cpu = std::nullopt) {
    now_ += std::chrono::seconds(1);
    ModelView model;
    model.model = "m";
    model.wanted_replicas = wanted;
    model.cpu_limit = 0.5;
    Target target;
    target.replicas = replicas;
    target.cpu_limit = cpu;
    target.reason = "asked";
    inner_->next = target;
    return outer_->decide({.now = now_, .models = {model}}).at(0);
  }
  void pass(int seconds) { now_ += std::chrono::seconds(seconds); }
  void reborn() {
    const std::string memory = outer_->snapshot();
    make();
    ASSERT_TRUE(outer_->restore(memory));
    EXPECT_EQ(outer_->snapshot(), memory);
  }
  Strategy& outer() { return *outer_; }

 private:
  void make() {
    auto inner = std::make_unique<Asks>();
    inner_ = inner.get();
    outer_ = wrap(std::move(inner), ConfigReader::from_text(list_, "s.yaml"));
  }
  std::string list_;
  Asks* inner_ = nullptr;
  std::unique_ptr<Strategy> outer_;
  TimePoint now_{std::chrono::hours(1)};
};

TEST(Wrappers, LimitsClampAndSaySo) {
  Wrapped w("[{kind: limits, min_replicas: 2, max_replicas: 4, max_cpu: 0.8}]");
  EXPECT_EQ(w.ask(9, 3).replicas, 4);
  EXPECT_EQ(w.ask(9, 3).reason, "asked; limits: 4 replicas instead of 9");
  EXPECT_EQ(w.ask(0, 3).replicas, 2);
  EXPECT_EQ(w.ask(3, 3, 1.0).cpu_limit, 0.8);
  EXPECT_EQ(w.ask(9, 3, 1.0).changed_by, "limits") << "once, though it changed two things";
  EXPECT_EQ(w.ask(3, 3).reason, "asked");
  EXPECT_EQ(w.ask(3, 3).changed_by, "");
}

TEST(Wrappers, CooldownHoldsAfterAChange) {
  Wrapped w("[{kind: cooldown, out_s: 2, in_s: 10}]");
  EXPECT_EQ(w.ask(4, 2).replicas, 4);
  EXPECT_EQ(w.ask(6, 4).replicas, 4);  // 1 s after
  EXPECT_EQ(w.ask(6, 4).replicas, 6);  // 2 s after
  w.reborn();
  const Target held = w.ask(3, 6);
  EXPECT_EQ(held.replicas, 6);
  EXPECT_EQ(held.changed_by, "cooldown");
  EXPECT_EQ(held.reason, "asked; cooldown: held for 9.0 s more after the last change");
  w.pass(9);
  EXPECT_EQ(w.ask(3, 6).replicas, 3);
}

TEST(Wrappers, CooldownHoldsCpuToo) {
  Wrapped w("[{kind: cooldown, out_s: 5, in_s: 5}]");
  EXPECT_EQ(w.ask(2, 2, 0.8).cpu_limit, 0.8);
  EXPECT_EQ(w.ask(2, 2, 0.9).cpu_limit, 0.5);
}

TEST(Wrappers, DeadBandHoldsSmallChanges) {
  Wrapped w("[{kind: dead_band, replicas: 2, ratio: 0.5}]");
  EXPECT_EQ(w.ask(3, 2).replicas, 2);
  EXPECT_EQ(w.ask(4, 2).replicas, 4);
  EXPECT_EQ(w.ask(12, 10).replicas, 10);  // two, but a fifth only
  EXPECT_EQ(w.ask(0, 1).replicas, 0);     // to nothing is no small change
}

TEST(Wrappers, ScaleInGuardTakesTheLargestOfTheWindowAndSmallSteps) {
  Wrapped w("[{kind: scale_in_guard, window_s: 5, step_replicas: 2, every_s: 3}]");
  EXPECT_EQ(w.ask(8, 4).replicas, 8);
  const Target guarded = w.ask(1, 8);
  EXPECT_EQ(guarded.replicas, 8);  // 8 was asked a second ago
  EXPECT_EQ(guarded.changed_by, "scale_in_guard");
  w.pass(4);
  EXPECT_EQ(w.ask(1, 8).replicas, 6);  // two fewer
  EXPECT_EQ(w.ask(1, 6).replicas, 6);  // too soon
  w.reborn();
  w.pass(2);
  EXPECT_EQ(w.ask(1, 6).replicas, 4);
}

TEST(Wrappers, KeepWarmSetsThePool) {
  Wrapped w("[{kind: keep_warm, replicas: 1, ratio: 0.5}]");
  EXPECT_EQ(w.ask(4, 4).warm_pool, 2);
  EXPECT_EQ(w.ask(4, 4).changed_by, "keep_warm");
  EXPECT_EQ(w.ask(1, 1).warm_pool, 1);
  EXPECT_EQ(w.ask(1, 1).reason, "asked; keep_warm: 1 parked replicas");
}

TEST(Wrappers, TheFirstIsInnermost) {
  Wrapped w("[{kind: limits, max_replicas: 3}, {kind: dead_band, replicas: 2}]");
  const Target both = w.ask(9, 2);
  EXPECT_EQ(both.replicas, 2);  // limited to 3, which is too small a change
  EXPECT_EQ(both.changed_by, "limits+dead_band");
}

TEST(Wrappers, PassOnWhatTheInnerStrategyIs) {
  Wrapped w("[{kind: limits}, {kind: cooldown}]");
  EXPECT_EQ(w.outer().name(), "scripted");
  EXPECT_FALSE(w.outer().restore("oops"));
}

TEST(Wrappers, BadOnesAreNamed) {
  const auto complaint = [](const std::string& list) -> std::string {
    try {
      wrap(std::make_unique<Asks>(), ConfigReader::from_text(list, "s.yaml"));
    } catch (const ConfigError& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_NE(complaint("[{kind: cooldwn}]").find("did you mean \"cooldown\"?"), std::string::npos);
  EXPECT_NE(complaint("[{kind: cooldown, in: 3}]").find("no option \"in\""), std::string::npos);
  EXPECT_NE(complaint("[{kind: limits, min_replicas: 4, max_replicas: 2}]").find("at most"),
            std::string::npos);
  EXPECT_NE(complaint("{kind: limits}").find("a list of wrappers"), std::string::npos);
  EXPECT_EQ(complaint("[]"), "");
}

}  // namespace
}  // namespace spate::scaling
