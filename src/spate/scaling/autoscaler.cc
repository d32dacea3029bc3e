// SPDX-License-Identifier: Apache-2.0
#include "spate/scaling/autoscaler.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "spate/base/check.h"
#include "spate/base/config_error.h"
#include "spate/scaling/fleet.h"
#include "spate/scaling/limits.h"

namespace spate::scaling {
namespace {

constexpr int kSnapshotVersion = 1;
constexpr double kCpuSlack = 1e-6;
constexpr int kMostReplicas = 1'000'000;

// "" or what makes a target unusable.
std::string wrong_with(const Target& target) {
  if (target.replicas < 0 || target.replicas > kMostReplicas) {
    return fmt::format("{} replicas", target.replicas);
  }
  if (target.cpu_limit && !(std::isfinite(*target.cpu_limit) && *target.cpu_limit > 0.0)) {
    return fmt::format("a CPU limit of {}", *target.cpu_limit);
  }
  if (target.max_batch && *target.max_batch < 1) {
    return fmt::format("a batch of {}", *target.max_batch);
  }
  if (target.warm_pool && *target.warm_pool < 0) {
    return fmt::format("a warm pool of {}", *target.warm_pool);
  }
  return "";
}

// By the CPUs that may be used; where they stay, by the warm pool.
std::string direction_of(const DecisionRecord& r) {
  const double change = r.to_replicas * r.to_cpu_limit - r.from_replicas * r.from_cpu_limit;
  const bool serving_changed =
      r.to_replicas != r.from_replicas || std::abs(r.to_cpu_limit - r.from_cpu_limit) > kCpuSlack;
  if (serving_changed) return change >= 0.0 ? "up" : "down";
  if (r.to_warm_pool == r.from_warm_pool) return "hold";
  return r.to_warm_pool > r.from_warm_pool ? "up" : "down";
}

}  // namespace

struct Autoscaler::State {
  State(std::vector<ModelSettings> models, std::unique_ptr<Strategy> s, AutoscalerOptions o,
        TimePoint start_at)
      : options(o), strategy(std::move(s)), start(start_at), sampler({}, {}, start_at) {
    SPATE_CHECK(strategy->needs().tick > Duration{0}, "a strategy needs a tick above zero");
    std::set<std::string> names;
    std::vector<std::string> scaled;
    for (auto& model : models) {
      if (!names.insert(model.name).second) {
        throw ConfigError("model \"" + model.name + "\" is listed twice");
      }
      check_settings(model);
      if (model.scaled) scaled.push_back(model.name);
      fleets.emplace_back(std::move(model), options);
    }
    any_scaled = !scaled.empty();
    sampler = Sampler(strategy->needs().metrics, std::move(scaled), start);
    next_tick = start + strategy->needs().tick;
  }

  const AutoscalerOptions options;
  std::unique_ptr<Strategy> strategy;
  const TimePoint start;
  Sampler sampler;
  std::vector<Fleet> fleets;
  bool any_scaled = false;
  bool shutting_down = false;
  TimePoint next_tick{};
  std::vector<DecisionRecord> decisions;
  std::uint64_t invalid = 0;
  std::vector<std::pair<std::string, int>> max_batches;  // by model, last set

  Fleet* fleet(std::string_view model) {
    for (auto& f : fleets) {
      if (f.settings().name == model) return &f;
    }
    return nullptr;
  }
  Fleet* owner(std::string_view replica) {
    for (auto& f : fleets) {
      if (f.has(replica)) return &f;
    }
    return nullptr;
  }
  void forget_removed() {
    for (auto& f : fleets) {
      for (const auto& id : f.take_forgotten()) sampler.forget(f.settings().name, id);
    }
  }

  Observation observation(TimePoint now) const {
    Observation seen{.now = now, .models = {}};
    for (const auto& f : fleets) {
      const ModelSettings& m = f.settings();
      if (!m.scaled) continue;
      ModelView view;
      view.model = m.name;
      view.bounds = m.bounds;
      view.slo_latency_s = m.slo_latency_s;
      view.slo_target = m.slo_target;
      view.cpu_request = m.cpu_request;
      view.cpu_limit = f.cpu_limit();
      view.initial_cpu_limit = m.cpu_limit;
      view.wanted_replicas = f.wanted();
      view.warm_pool = f.warm_pool();
      view.replicas = f.serving_views();
      view.start_ups.assign(f.start_ups().begin(), f.start_ups().end());
      for (std::size_t i = 0; i < sampler.specs().size(); ++i) {
        view.metrics.push_back(sampler.view(m.name, i, now));
      }
      seen.models.push_back(std::move(view));
    }
    return seen;
  }

  void decide(TimePoint now, std::vector<Action>& actions) {
    const Observation seen = observation(now);
    std::vector<Target> targets = strategy->decide(seen);
    const bool complete = targets.size() == seen.models.size();
    if (!complete) ++invalid;
    for (std::size_t i = 0; i < seen.models.size(); ++i) {
      const ModelView& view = seen.models[i];
      Target target;
      if (complete) target = std::move(targets[i]);
      std::string wrong =
          complete ? wrong_with(target)
                   : fmt::format("{} decisions for {} models", targets.size(), seen.models.size());
      if (!wrong.empty()) {
        if (complete) ++invalid;
        target = {};
        target.replicas = view.wanted_replicas;
        target.rule = Rule::Unusable;
        target.reason = "hold: the strategy's decision is unusable: " + wrong;
      }
      put_in_force(now, view, target, actions);
    }
  }

  void put_in_force(TimePoint now, const ModelView& view, const Target& target,
                    std::vector<Action>& actions) {
    DecisionRecord record;
    record.at = now;
    record.strategy = std::string(strategy->name());
    record.model = view.model;
    for (std::size_t i = 0; i < view.metrics.size(); ++i) {
      const MetricSpec& spec = sampler.specs()[i];
      const MetricView& metric = view.metrics[i];
      record.inputs.push_back({.name = spec.name,
                               .signal = std::string(to_string(spec.signal)),
                               .value = metric.value,
                               .readings = metric.readings,
                               .age_s = metric.value ? to_seconds(now - metric.newest) : 0.0});
    }
    record.from_replicas = view.wanted_replicas;
    record.from_cpu_limit = view.cpu_limit;
    record.asked_replicas = target.replicas;
    record.asked_cpu_limit = target.cpu_limit.value_or(view.cpu_limit);
    const Limited limited =
        apply_limits(view.bounds, record.asked_replicas, record.asked_cpu_limit, view.cpu_limit);
    record.to_replicas = limited.replicas;
    record.to_cpu_limit = limited.cpu_limit;
    record.clipped_by = limited.clipped_by;
    record.reason = target.reason;
    record.rule = to_string(target.rule);
    record.changed_by = target.changed_by;
    Fleet* f = fleet(view.model);
    record.from_warm_pool = view.warm_pool;
    record.asked_warm_pool = target.warm_pool.value_or(view.warm_pool);
    record.to_warm_pool = std::min(record.asked_warm_pool, f->settings().max_warm_pool);
    if (record.to_warm_pool != record.asked_warm_pool) {
      record.clipped_by += record.clipped_by.empty() ? "max_warm_pool" : "+max_warm_pool";
    }
    record.direction = direction_of(record);
    f->want(now, limited.replicas, limited.cpu_limit, record.to_warm_pool);
    record.generation = f->generation();
    if (target.max_batch) set_max_batch(view.model, *target.max_batch, actions);
    decisions.push_back(std::move(record));
  }

  void set_max_batch(const std::string& model, int max_batch, std::vector<Action>& actions) {
    auto it = std::find_if(max_batches.begin(), max_batches.end(),
                           [&](const auto& entry) { return entry.first == model; });
    if (it == max_batches.end()) it = max_batches.insert(it, {model, 0});
    if (it->second == max_batch) return;
    it->second = max_batch;
    actions.push_back({.kind = Action::Kind::SetMaxBatch, .model = model, .max_batch = max_batch});
  }
};

Autoscaler::Autoscaler(std::vector<ModelSettings> models, std::unique_ptr<Strategy> strategy,
                       AutoscalerOptions options, TimePoint start)
    : state_(std::make_unique<State>(std::move(models), std::move(strategy), options, start)) {}
Autoscaler::~Autoscaler() = default;

void Autoscaler::read(TimePoint at, std::string_view model, const RawModel& raw) {
  Fleet* fleet = state_->fleet(model);
  if (fleet == nullptr) return;
  for (const auto& replica : raw.replicas) fleet->set_in_flight(replica.id, replica.in_flight);
  state_->sampler.read(at, model, raw);
}

void Autoscaler::worker_registered(TimePoint at, std::string_view replica, std::string_view model) {
  if (Fleet* fleet = state_->fleet(model)) fleet->registered(at, replica);
}
void Autoscaler::worker_ready(TimePoint at, std::string_view replica, std::string_view model) {
  if (Fleet* fleet = state_->fleet(model)) fleet->ready(at, replica);
}
void Autoscaler::worker_first_answer(TimePoint at, std::string_view replica) {
  if (Fleet* fleet = state_->owner(replica)) fleet->first_answer(at, replica);
}
void Autoscaler::worker_draining(TimePoint at, std::string_view replica) {
  if (Fleet* fleet = state_->owner(replica)) fleet->draining(at, replica);
}
void Autoscaler::worker_gone(TimePoint at, std::string_view replica) {
  if (Fleet* fleet = state_->owner(replica)) fleet->connection_lost(at, replica);
}

void Autoscaler::replica_event(TimePoint at, const ReplicaEvent& event) {
  if (Fleet* fleet = state_->owner(event.replica_id)) fleet->event(at, event);
  state_->forget_removed();
}

void Autoscaler::start_failed(TimePoint at, std::string_view replica, std::string_view why) {
  if (Fleet* fleet = state_->owner(replica)) fleet->start_failed(at, replica, why);
  state_->forget_removed();
}

void Autoscaler::observe(TimePoint at, const std::vector<ReplicaInfo>& existing) {
  for (auto& fleet : state_->fleets) fleet.observe(at, existing);
  state_->forget_removed();
}

std::vector<Action> Autoscaler::poll(TimePoint now) {
  std::vector<Action> actions;
  if (now >= state_->next_tick) {
    const Duration tick = state_->strategy->needs().tick;
    state_->next_tick = state_->start + tick * ((now - state_->start) / tick + 1);
    if (state_->any_scaled && !state_->shutting_down) state_->decide(now, actions);
  }
  for (auto& fleet : state_->fleets) {
    for (auto& action : fleet.reconcile(now)) actions.push_back(std::move(action));
  }
  state_->forget_removed();
  return actions;
}

TimePoint Autoscaler::next_wakeup() const {
  TimePoint next = std::min(state_->next_tick, next_reading());
  for (const auto& fleet : state_->fleets) next = std::min(next, fleet.next_wakeup());
  return next;
}

TimePoint Autoscaler::next_reading() const {
  TimePoint next = TimePoint::max();
  for (const auto& fleet : state_->fleets) {
    next = std::min(next, state_->sampler.next_due(fleet.settings().name));
  }
  return next;
}

void Autoscaler::shut_down(TimePoint at) {
  state_->shutting_down = true;
  for (auto& fleet : state_->fleets) fleet.shut_down(at);
}

bool Autoscaler::all_gone() const {
  return std::all_of(state_->fleets.begin(), state_->fleets.end(),
                     [](const Fleet& fleet) { return fleet.empty(); });
}

std::vector<DecisionRecord> Autoscaler::take_decisions() {
  return std::exchange(state_->decisions, {});
}

std::vector<ScalingEvent> Autoscaler::take_events() {
  std::vector<ScalingEvent> out;
  for (auto& fleet : state_->fleets) {
    for (auto& event : fleet.take_events()) out.push_back(std::move(event));
  }
  std::stable_sort(out.begin(), out.end(),
                   [](const auto& a, const auto& b) { return a.at < b.at; });
  return out;
}

std::vector<ModelStatus> Autoscaler::status() const {
  std::vector<ModelStatus> out;
  for (const auto& fleet : state_->fleets) out.push_back(fleet.status());
  return out;
}

const Strategy& Autoscaler::strategy() const { return *state_->strategy; }
std::uint64_t Autoscaler::invalid_decisions() const { return state_->invalid; }

std::string Autoscaler::snapshot() const {
  nlohmann::ordered_json out;
  out["version"] = kSnapshotVersion;
  out["strategy"] = state_->strategy->name();
  out["strategy_memory"] = state_->strategy->snapshot();
  out["models"] = nlohmann::ordered_json::object();
  for (const auto& fleet : state_->fleets) {
    out["models"][fleet.settings().name] = {{"replicas", fleet.wanted()},
                                            {"cpu_limit", fleet.cpu_limit()},
                                            {"warm_pool", fleet.warm_pool()},
                                            {"next_number", fleet.next_number()},
                                            {"generation", fleet.generation()}};
  }
  return out.dump();
}

Status Autoscaler::restore(std::string_view snapshot) {
  const auto bad = [](const std::string& why) {
    return Error{ErrorCode::InvalidArgument, "autoscaler snapshot: " + why};
  };
  try {
    const auto json = nlohmann::json::parse(snapshot);
    if (json.at("version").get<int>() != kSnapshotVersion) return bad("of another version");
    if (json.at("strategy").get<std::string>() != state_->strategy->name()) {
      return bad("of strategy \"" + json.at("strategy").get<std::string>() + "\", not \"" +
                 std::string(state_->strategy->name()) + "\"");
    }
    struct Read {
      Fleet* fleet;
      int replicas;
      double cpu_limit;
      int warm_pool;
      int next_number;
      std::uint64_t generation;
    };
    std::vector<Read> reads;
    for (const auto& [name, model] : json.at("models").items()) {
      Fleet* fleet = state_->fleet(name);
      if (fleet == nullptr) continue;  // the model was taken out of the configuration
      const Bounds& bounds = fleet->settings().bounds;
      Read read{fleet,
                model.at("replicas").get<int>(),
                model.at("cpu_limit").get<double>(),
                model.value("warm_pool", fleet->settings().warm_pool),
                model.at("next_number").get<int>(),
                model.at("generation").get<std::uint64_t>()};
      if (!std::isfinite(read.cpu_limit) || read.cpu_limit <= 0.0 || read.replicas < 0 ||
          read.warm_pool < 0) {
        return bad("values of model \"" + name + "\" are out of range");
      }
      if (fleet->settings().scaled) {
        const Limited limited = apply_limits(bounds, read.replicas, read.cpu_limit, read.cpu_limit);
        read.replicas = limited.replicas;
        read.cpu_limit = limited.cpu_limit;
        read.warm_pool = std::min(read.warm_pool, fleet->settings().max_warm_pool);
      } else {
        read.warm_pool = fleet->settings().warm_pool;
        read.replicas = fleet->settings().replicas;
        read.cpu_limit = fleet->settings().cpu_limit;
      }
      reads.push_back(read);
    }
    const Status memory = state_->strategy->restore(json.at("strategy_memory").get<std::string>());
    if (!memory) return bad(memory.error().message);
    for (const auto& read : reads) {
      read.fleet->restore(read.replicas, read.cpu_limit, read.warm_pool, read.next_number,
                          read.generation);
    }
    return ok();
  } catch (const nlohmann::json::exception& error) {
    return bad(error.what());
  }
}

}  // namespace spate::scaling
