// SPDX-License-Identifier: Apache-2.0
#include "spate/scaling/production/kpa_scaler.h"

#include <algorithm>

#include "spate/scaling/kit/readings.h"
#include "spate/scaling/production/kpa_autoscaler.h"

namespace spate::scaling {
namespace {

TimePoint stored(TimePoint at) { return TimePoint(std::chrono::seconds(whole_seconds(at))); }

}  // namespace

KpaScaler::KpaScaler(TimePoint created, int initial_scale)
    : since_(stored(created)), initial_scale_(initial_scale), proxying_since_(stored(created)) {}

KpaScaler::Applied KpaScaler::reconcile(const KpaScalerSettings& settings, TimePoint now,
                                        const ModelView& model, int ready, int desired,
                                        bool burst_ok) {
  const int least = settings.reachable ? model.bounds.min_replicas : 0;
  const Want wanted = want(settings, now, least, model.bounds.max_replicas, desired);
  const bool unknown_and_idle = wanted.scale == -1 && inactive();
  const bool serve = !unknown_and_idle && wanted.scale > 0 && burst_ok;
  if (proxying_ == serve) {
    proxying_ = !serve;
    proxying_since_ = stored(now);
  }
  compute_active(now, least, ready, wanted.scale);
  return {wanted.apply ? wanted.scale : model.wanted_replicas, wanted.rule, wanted.why};
}

KpaScaler::Want KpaScaler::want(const KpaScalerSettings& settings, TimePoint now, int least,
                                int most, int desired) const {
  if (desired < 0 && active_ != Active::Activating) {
    return {desired, false, Rule::NoData, "no data yet"};
  }
  Rule rule = Rule::StableWindow;
  if (desired < least || (most != 0 && desired > most)) rule = Rule::AtBound;
  if (initial_scale_ > 1 && !initialized_ && settings.reachable && initial_scale_ > least) {
    least = initial_scale_;
    if (desired < least) rule = Rule::InitialScale;
  }
  int scale = desired;
  if (scale < least) {
    scale = least;
  } else if (most != 0 && scale > most) {
    scale = most;
  }
  if (scale == 0) return toward_zero(settings, now);
  return {scale, true, rule, rule == Rule::InitialScale ? "the initial scale was not reached" : ""};
}

KpaScaler::Want KpaScaler::toward_zero(const KpaScalerSettings& settings, TimePoint now) const {
  if (!settings.to_zero) return {1, true, Rule::Idle, "not to zero"};
  const Duration lasted = now - since_;
  if (active_ == Active::Activating) {
    if (lasted > settings.activation_timeout) {
      return {0, true, Rule::StartTimedOut, "the start timed out"};
    }
    return {-1, false, Rule::Activating, "activating"};
  }
  if (active_ == Active::Active) {
    if (lasted >= settings.stable) {
      return {0, false, Rule::Idle, "idle, to be inactive"};
    }
    return {1, true, Rule::Idle, "idle, but active for less than the stable window"};
  }
  // Before requests go to the activator nothing is taken away.
  if (!settings.activator_always && !proxying_) {
    return {0, false, Rule::Idle, "the activator is not in the path"};
  }
  const Duration retention = settings.reachable ? settings.retention : Duration{0};
  if (lasted >= std::max(settings.grace, retention)) return {0, true, Rule::ToZero, "inactive"};
  if (retention > Duration{0} && lasted < retention) {
    return {0, false, Rule::Idle, "inactive, the last replica is kept"};
  }
  const Duration proxied = proxying_ ? now - proxying_since_ : Duration{0};
  if (settings.grace - proxied <= Duration{0}) {
    return {0, true, Rule::ToZero, "inactive, behind the activator"};
  }
  return {0, false, Rule::Idle, "inactive, in the grace period"};
}

void KpaScaler::set_active(Active active, TimePoint now) {
  if (active_ == active) return;
  active_ = active;
  since_ = stored(now);
}

void KpaScaler::compute_active(TimePoint now, int least, int ready, int want) {
  const int threshold = std::max(least, initialized_ ? 1 : initial_scale_);
  if (ready >= threshold) initialized_ = true;
  if (want == 0 || threshold == 0) {
    const bool failed = active_ == Active::Activating && threshold > 0;
    set_active(failed ? Active::TimedOut : Active::Idle, now);
  } else if (ready < threshold) {
    set_active(want > 0 || !inactive() ? Active::Activating : Active::Idle, now);
  } else if (want > 0 || !inactive()) {
    set_active(Active::Active, now);
  }
}

void KpaScaler::save(MemoryWriter& out) const {
  out.put(static_cast<std::int64_t>(active_));
  out.put(since_);
  out.put(std::int64_t{initial_scale_});
  out.put(std::int64_t{initialized_});
  out.put(std::int64_t{proxying_});
  out.put(proxying_since_);
}

KpaScaler KpaScaler::load(MemoryReader& in) {
  KpaScaler out;
  out.active_ = static_cast<Active>(in.integer(0, static_cast<std::int64_t>(Active::TimedOut)));
  out.since_ = in.time();
  out.initial_scale_ = static_cast<int>(in.integer(0, kMostAsked));
  out.initialized_ = in.integer(0, 1) == 1;
  out.proxying_ = in.integer(0, 1) == 1;
  out.proxying_since_ = in.time();
  return out;
}

}  // namespace spate::scaling
