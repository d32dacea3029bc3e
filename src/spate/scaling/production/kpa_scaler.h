// SPDX-License-Identifier: Apache-2.0
//
// What Knative's reconciler does with a wanted scale (pkg/reconciler/autoscaling/kpa/scaler.go and
// kpa.go, v0.50.0): bounds, initial scale, and the way to zero. Internal to production/kpa.
//
// Threads: one at a time. Memory: constant.
#pragma once

#include "spate/scaling/kit/memory.h"
#include "spate/scaling/strategy.h"

namespace spate::scaling {

struct KpaScalerSettings {
  bool to_zero = true;
  Duration stable{};
  Duration grace{};
  Duration retention{};
  Duration activation_timeout{};
  bool activator_always = false;
  bool reachable = true;  // some route leads to it
};

class KpaScaler {
 public:
  struct Applied {
    int replicas = 0;
    // StableWindow: the autoscaler's want as it is.
    Rule rule = Rule::StableWindow;
    const char* why = "";
  };

  KpaScaler() = default;
  // `initial_scale`: what counts as the least until so many replicas were ready once; 0 = none.
  KpaScaler(TimePoint created, int initial_scale);

  // `desired`: of the autoscaler, -1 before its first; `burst_ok`: the ready replicas have the
  // burst capacity to spare.
  Applied reconcile(const KpaScalerSettings& settings, TimePoint now, const ModelView& model,
                    int ready, int desired, bool burst_ok);

  void save(MemoryWriter& out) const;
  static KpaScaler load(MemoryReader& in);

 private:
  // The Active condition: unknown, true, false for want of traffic, false after a failed start.
  enum class Active : std::int64_t { Activating, Active, Idle, TimedOut };
  // -1: nothing is known. `apply` says whether the scale is set, or only told to the condition.
  struct Want {
    int scale = 0;
    bool apply = false;
    Rule rule = Rule::StableWindow;
    const char* why = "";
  };

  bool inactive() const { return active_ == Active::Idle || active_ == Active::TimedOut; }
  Want want(const KpaScalerSettings& settings, TimePoint now, int least, int most,
            int desired) const;
  Want toward_zero(const KpaScalerSettings& settings, TimePoint now) const;
  void set_active(Active active, TimePoint now);
  void compute_active(TimePoint now, int least, int ready, int want);

  Active active_ = Active::Activating;
  TimePoint since_{};  // of active_, in whole seconds, as the API stores it
  int initial_scale_ = 1;
  bool initialized_ = false;  // the status ScaleTargetInitialized
  bool proxying_ = true;      // the activator is in the path
  TimePoint proxying_since_{};
};

}  // namespace spate::scaling
