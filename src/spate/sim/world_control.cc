// SPDX-License-Identifier: Apache-2.0
//
// The autoscaler's side of the world, by the rules of the live control loop
// (adapters/control_loop.h): readings five times a second and when a sampler wants one, a step
// after every event, actions carried out in the step that decided them.
#include <algorithm>

#include "spate/sim/world.h"

namespace spate::sim {

void World::wake_control(std::int64_t at) {
  control_at_ = std::min(control_at_, at);
  other_at_ = std::min(other_at_, at);
  status_changed_ = true;
}

void World::control_step() {
  const TimePoint at = time();
  if (now_ >= reading_at_ || at >= autoscaler_->next_reading()) read();
  const std::vector<scaling::Action> actions = autoscaler_->poll(at);
  for (const auto& action : actions) carry_out(action);
  keep_records();
  if (status_changed_ || !actions.empty()) account();
  control_at_ = std::min(reading_at_, autoscaler_->next_wakeup().time_since_epoch().count());
}

void World::read() {
  reading_at_ = now_ + config_.reading_period.count();
  const auto status = autoscaler_->status();
  for (std::size_t i = 0; i < models_.size(); ++i) {
    autoscaler_->read(time(), status[i].model, models_[i]->read(status[i]));
  }
}

// What is reserved and wanted holds from now on.
void World::account() {
  const auto status = autoscaler_->status();
  for (std::size_t i = 0; i < models_.size(); ++i) models_[i]->account(status[i]);
  status_changed_ = false;
  if (loading_) begin_load_if_ready(status);
}

void World::begin_load_if_ready(const std::vector<scaling::ModelStatus>& status) {
  for (std::size_t i = 0; i < models_.size(); ++i) {
    // Replicas that the strategy gave up before they were ready are not waited for.
    if (status[i].ready < std::min(config_.models[i].settings.replicas, status[i].wanted)) return;
  }
  loading_ = false;
  // Live, the runner looks once a second and influx takes about one to be prepared. So the
  // strategy's ticks lie anywhere between the load's seconds.
  load_from_ = now_ + from_seconds(control_rng_.uniform(1.0, 2.0)).count();
  origin_ = load_from_ + from_seconds(config_.warm_up_s).count();
  second_at_ = origin_;
  plan_script();
  for (const auto& model : models_) model->start_load(origin_);
  refresh_arrival();
  refresh_other();
}

void World::carry_out(const scaling::Action& action) {
  using Kind = scaling::Action::Kind;
  for (std::size_t i = 0; i < models_.size(); ++i) {
    if (config_.models[i].settings.name != action.model) continue;
    ModelWorld& model = *models_[i];
    if (action.kind == Kind::Start) {
      model.start_worker(action.spec);
      return;
    }
    if (action.kind == Kind::SetMaxBatch) {
      model.set_max_batch(action.max_batch);
      return;
    }
    const std::uint32_t slot = model.find(action.replica_id);
    if (slot == gateway::kNil) {
      if (action.kind == Kind::Stop) (void)model.stop_zombie(action.replica_id, action.grace);
      return;
    }
    if (action.kind == Kind::SetCpuLimit) {
      model.order_limit(slot, action.cpu_limit);
    } else if (action.kind == Kind::Drain) {
      model.drain(slot);
    } else if (action.kind == Kind::Park) {
      model.park(slot);
    } else if (action.kind == Kind::Unpark) {
      model.unpark(slot);
    } else if (action.kind == Kind::Stop) {
      model.stop(slot, action.grace);
    }
    return;
  }
}

void World::keep_records() {
  decisions_.resize(models_.size());
  const auto room = [&] {
    if (output_.decisions.size() + output_.events.size() < config_.most_records) return true;
    ++output_.records_dropped;
    return false;
  };
  for (auto& decision : autoscaler_->take_decisions()) {
    status_changed_ = status_changed_ || decision.direction != "hold";
    for (std::size_t i = 0; i < models_.size(); ++i) {
      if (config_.models[i].settings.name != decision.model) continue;
      const bool counts = !loading_ && now_ >= origin_ && second_at_ != EventHeap::kNever;
      if (!counts) continue;
      DecisionTotals& totals = decisions_[i];
      totals.up += decision.direction == "up" ? 1 : 0;
      totals.down += decision.direction == "down" ? 1 : 0;
      totals.hold += decision.direction == "hold" ? 1 : 0;
      totals.clipped += decision.clipped_by.empty() ? 0 : 1;
    }
    if (decision.direction == "hold" && decision.clipped_by.empty()) {
      if (holds_kept_ >= config_.most_holds) {
        ++output_.holds_dropped;
        continue;
      }
      ++holds_kept_;
    }
    if (room()) output_.decisions.push_back(std::move(decision));
  }
  for (auto& event : autoscaler_->take_events()) {
    if (room()) output_.events.push_back(std::move(event));
  }
}

}  // namespace spate::sim
