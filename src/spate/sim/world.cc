// SPDX-License-Identifier: Apache-2.0
//
// The loop. The autoscaler's side is in world_control.cc.
#include "spate/sim/world.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "spate/base/check.h"
#include "spate/base/config_error.h"

namespace spate::sim {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;
// Any time that is not the epoch, which some records take for "never".
constexpr std::int64_t kStart = 3600 * kSecond;
constexpr std::int64_t kReplicasUp = 90 * kSecond;  // as the live runner waits
constexpr std::size_t kMostModels = 256;
constexpr std::size_t kMostMachines = 1000;
constexpr std::int64_t kShortestStep = 1'000'000;

std::vector<scaling::ModelSettings> settings_of(const WorldConfig& config) {
  std::vector<scaling::ModelSettings> out;
  for (const SimModel& model : config.models) out.push_back(model.settings);
  return out;
}

}  // namespace

ServiceLaws::Draw ServiceLaws::of(int batch) const {
  SPATE_CHECK(!entries.empty(), "a model has a service law");
  const Entry* nearest = &entries.front();
  for (const Entry& entry : entries) {
    if (std::abs(entry.batch - batch) < std::abs(nearest->batch - batch)) nearest = &entry;
  }
  return {&nearest->law, mean_ns(batch) / std::max(1e-9, nearest->law.mean_ns())};
}

double ServiceLaws::mean_ns(int batch) const {
  const auto above = std::find_if(entries.begin(), entries.end(),
                                  [&](const Entry& entry) { return entry.batch >= batch; });
  if (above == entries.end()) {
    return entries.back().law.mean_ns() * batch / entries.back().batch;
  }
  if (above->batch == batch || above == entries.begin()) return above->law.mean_ns();
  const Entry& below = *std::prev(above);
  const double part =
      static_cast<double>(batch - below.batch) / static_cast<double>(above->batch - below.batch);
  return below.law.mean_ns() + part * (above->law.mean_ns() - below.law.mean_ns());
}

void check(const WorldConfig& config) {
  if (config.models.empty()) throw ConfigError("simulation: no models");
  if (config.models.size() > kMostModels) {
    throw ConfigError(fmt::format("simulation: at most {} models", kMostModels));
  }
  if (!(config.duration_s > 0.0) || config.warm_up_s < 0.0 || config.settle_s < 0.0) {
    throw ConfigError("simulation: the measured window must be longer than 0 s");
  }
  for (const SimModel& model : config.models) {
    const std::string& name = model.settings.name;
    if (!model.profile) throw ConfigError("model " + name + ": no demand profile");
    if (model.service.entries.empty()) throw ConfigError("model " + name + ": no service times");
  }
  for (std::size_t i = 0; i < config.transport.size(); ++i) {
    const double before = i == 0 ? 0.0 : config.transport[i - 1].busy_ratio;
    const double at = config.transport[i].busy_ratio;
    if (i == 0 ? at != 0.0 : !(at > before)) {
      throw ConfigError("simulation: transport laws ascend from a load of 0");
    }
  }
  for (const double cpus : config.more_machines) {
    if (!(cpus > 0.0) || !(config.cores > 0.0) || config.more_machines.size() >= kMostMachines) {
      throw ConfigError(
          fmt::format("simulation: at most {} machines, each with CPUs, and the first one's known",
                      kMostMachines));
    }
  }
  const std::int64_t step = config.fluid_step.count();
  if (step != 0 && (step < kShortestStep || step > kSecond || kSecond % step != 0)) {
    throw ConfigError("simulation: a fluid step divides a second and is 1 ms or longer");
  }
  for (const ScriptedFault& fault : config.script) {
    const bool known =
        fault.model == ScriptedFault::kEveryModel || fault.model < config.models.size();
    if (!known || fault.at_s < 0.0 || fault.for_s < 0.0 || fault.count < 1 ||
        !(fault.speed_ratio > 0.0)) {
      throw ConfigError("simulation: a scripted fault is out of range");
    }
  }
}

World::World(const WorldConfig& config, std::unique_ptr<scaling::Strategy> strategy)
    : config_(config),
      now_(kStart),
      control_rng_(config.seed, "control", config.run),
      from_gateway_(std::llround(config.from_gateway.mean_ns())),
      other_at_(kStart),
      control_at_(kStart),
      reading_at_(kStart),
      give_up_at_(kStart + kReplicasUp),
      seconds_(static_cast<std::uint32_t>(std::ceil(config.duration_s - 1e-9))),
      machines_{config.cores} {
  check(config_);
  machines_.insert(machines_.end(), config_.more_machines.begin(), config_.more_machines.end());
  for (const auto& spec : strategy->needs().metrics) {
    latency_wanted_ = latency_wanted_ || spec.signal == scaling::Signal::LatencyQuantile;
  }
  for (std::size_t i = 0; i < config_.models.size(); ++i) {
    models_.push_back(
        std::make_unique<ModelWorld>(*this, config_.models[i], static_cast<std::uint32_t>(i)));
  }
  autoscaler_ = std::make_unique<scaling::Autoscaler>(settings_of(config_), std::move(strategy),
                                                      config_.autoscaler, time());
}

World::~World() = default;

std::uint64_t World::requests() const {
  std::uint64_t sum = 0;
  for (const auto& model : models_) sum += model->requests_made();
  return sum;
}

void World::refresh_arrival() {
  arriving_ = nullptr;
  arrival_at_ = EventHeap::kNever;
  for (const auto& model : models_) {
    if (model->next_arrival() >= arrival_at_) continue;
    arrival_at_ = model->next_arrival();
    arriving_ = model.get();
  }
}

void World::refresh_other() {
  other_at_ = std::min({control_at_, second_at_, end_at_, cores_at_, fault_at_});
  if (loading_) other_at_ = std::min(other_at_, give_up_at_);
  for (const auto& model : models_) other_at_ = std::min(other_at_, model->timer_at());
}

bool World::all_idle() const {
  return std::all_of(models_.begin(), models_.end(),
                     [](const auto& model) { return model->idle() && model->load_over(); });
}

// Plays all that lies before `until`. False when the run is over.
bool World::play(std::int64_t until) {
  while (!done_) {
    const std::int64_t event_at = heap_.next_at();
    // At one instant: what ends, what the world does, what arrives.
    if (event_at <= arrival_at_ && event_at <= other_at_) {
      if (event_at >= until) return true;
      now_ = event_at;
      handle(heap_.pop());
    } else if (other_at_ <= arrival_at_) {
      if (other_at_ >= until) return true;
      now_ = other_at_;
      other();
    } else {
      if (arrival_at_ >= until) return true;
      now_ = arrival_at_;
      arriving_->arrive();
      if (models_.size() == 1) {
        arrival_at_ = arriving_->next_arrival();
      } else {
        refresh_arrival();
      }
    }
    if (cores_dirty_) cores_changed();
  }
  return false;
}

void World::handle(const Event& event) {
  ModelWorld& model = *models_[(event.kind >> 8U) & 0xffU];
  if ((event.kind & 0xffU) == static_cast<std::uint32_t>(Happening::Cpu)) {
    model.cpu_event(event.index);
  } else {
    model.worker_event(event);
  }
}

void World::other() {
  for (const auto& model : models_) {
    if (model->timer_at() <= now_) model->timer();
  }
  if (cores_at_ <= now_) cores_event();
  if (second_at_ <= now_) second_passed();
  if (fault_at_ <= now_) faults_due();
  if (control_at_ <= now_) control_step();
  if (loading_ && now_ >= give_up_at_) {
    output_.problems.push_back(
        fmt::format("the replicas were not ready after {} s", kReplicasUp / kSecond));
    done_ = true;
  }
  if (end_at_ <= now_ || (end_at_ != EventHeap::kNever && all_idle())) done_ = true;
  refresh_other();
}

// A second of the measured window ends, or the window begins.
void World::second_passed() {
  if (now_ == origin_) {
    for (const auto& model : models_) model->measure(true);
  } else {
    account();
    for (const auto& model : models_) model->second_passed(second_);
    ++second_;
  }
  if (second_ < seconds_) {
    second_at_ = origin_ + static_cast<std::int64_t>(second_ + 1) * kSecond;
    // The last one may be shorter.
    second_at_ = std::min(second_at_, origin_ + from_seconds(config_.duration_s).count());
    return;
  }
  second_at_ = EventHeap::kNever;
  for (const auto& model : models_) model->measure(false);
  // From now on what is under way is waited for; every step of the autoscaler looks.
  end_at_ = origin_ + from_seconds(config_.duration_s + config_.settle_s).count();
}

RunOutput World::run() {
  (void)play(EventHeap::kNever);
  return finish();
}

bool World::run_until(double until_s) {
  while (loading_ && !done_) (void)play(now_ + kSecond);
  return play(origin_ + from_seconds(until_s).count());
}

RunOutput World::finish() {
  keep_records();
  output_.load_from = TimePoint(Duration(load_from_));
  output_.measured_from = TimePoint(Duration(origin_));
  output_.ended = time();
  output_.requests = requests();
  for (auto& model : models_) {
    output_.models.push_back(model->take_output());
    auto& totals = output_.models.back();
    totals.decisions = decisions_[output_.models.size() - 1];
  }
  return std::move(output_);
}

}  // namespace spate::sim
