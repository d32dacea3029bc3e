// SPDX-License-Identifier: Apache-2.0
#include "unit/scaling_vectors/replay.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "spate/scaling/sampler.h"
#include "spate/scaling/strategies.h"

namespace spate::scaling {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;

constexpr const char* kModel = "m";

std::vector<std::string> lines_of(const std::string& path) {
  std::vector<std::string> out;
  gzFile file = gzopen(path.c_str(), "rb");
  if (file == nullptr) {
    ADD_FAILURE() << "cannot open " << path;
    return out;
  }
  std::string line;
  char buffer[1 << 16];
  while (gzgets(file, buffer, sizeof buffer) != nullptr) {
    line += buffer;
    if (line.back() != '\n') continue;
    line.pop_back();
    out.push_back(std::exchange(line, {}));
  }
  gzclose(file);
  return out;
}

ReplicaState state_from(const std::string& letter) {
  if (letter == "R") return ReplicaState::Ready;
  if (letter == "D") return ReplicaState::Draining;
  return ReplicaState::Starting;
}

// One generated world: its readings, its replicas, and the strategy that watches it.
class World {
 public:
  World(const StrategyRegistry& registry, const std::string& name, const json& sequence,
        TimePoint base)
      : registry_(registry),
        name_(name),
        options_(sequence.at("o").dump()),
        base_(base),
        strategy_(make()),
        sampler_(strategy_->needs().metrics, {kModel}, base) {
    bounds_.min_replicas = sequence.at("b").at(0);
    bounds_.max_replicas = sequence.at("b").at(1);
    if (sequence.contains("q")) request_ = sequence.at("q").get<double>() / 1000.0;
  }

  void reading(const json& e) {
    RawModel raw;
    raw.arrived = e.at(2);
    raw.queue_length = e.at(3);
    for (const auto& r : e.at(4)) {
      RawReplica replica;
      replica.id = id_of(r.at(0));
      replica.in_flight = r.at(1);
      if (r.size() > 2) replica.cpu_seconds = r.at(2).get<double>() / 1e6;
      raw.in_flight += replica.in_flight;
      if (auto* view = find(replica.id)) {
        view->in_flight = replica.in_flight;
        replica.cpu_request = view->cpu_request;
      }
      raw.replicas.push_back(std::move(replica));
    }
    sampler_.read(at(e), kModel, raw);
  }

  void replica_is(const json& e) {
    const std::string id = id_of(e.at(2));
    const std::string state = e.at(3);
    if (state == "G") {
      std::erase_if(replicas_, [&](const ReplicaView& r) { return r.id == id; });
      sampler_.forget(kModel, id);
      return;
    }
    ReplicaView* view = find(id);
    if (view == nullptr) {
      replicas_.push_back({.id = id, .created = at(e), .cpu_request = request_});
      view = &replicas_.back();
    }
    view->state = state_from(state);
    view->state_since = at(e);
  }

  Target decide(const json& e) {
    ModelView view;
    view.model = kModel;
    view.bounds = bounds_;
    view.slo_latency_s = 1.0;
    view.slo_target = 0.95;
    view.cpu_request = request_;
    view.cpu_limit = 1.0;
    view.initial_cpu_limit = 1.0;
    view.wanted_replicas = e.at(2);
    view.replicas = replicas_;
    for (std::size_t i = 0; i < sampler_.specs().size(); ++i) {
      view.metrics.push_back(sampler_.view(kModel, i, at(e)));
    }
    return strategy_->decide({.now = at(e), .models = {std::move(view)}}).at(0);
  }

  void be_reborn() {
    auto reborn = make();
    const Status restored = reborn->restore(strategy_->snapshot());
    ASSERT_TRUE(restored) << restored.error().message;
    strategy_ = std::move(reborn);
  }

 private:
  std::unique_ptr<Strategy> make() const {
    return registry_.make(name_, ConfigReader::from_text(options_, "vectors"));
  }
  // Fixed width, so that the order of the names is that of the numbers.
  static std::string id_of(const json& number) { return fmt::format("r{:05}", number.get<int>()); }
  TimePoint at(const json& e) const { return base_ + milliseconds(e.at(1).get<std::int64_t>()); }
  ReplicaView* find(const std::string& id) {
    const auto it = std::find_if(replicas_.begin(), replicas_.end(),
                                 [&](const ReplicaView& r) { return r.id == id; });
    return it == replicas_.end() ? nullptr : &*it;
  }

  const StrategyRegistry& registry_;
  const std::string name_;
  const std::string options_;
  const TimePoint base_;
  Bounds bounds_;
  double request_ = 0.5;  // CPUs of a replica
  std::unique_ptr<Strategy> strategy_;
  Sampler sampler_;
  std::vector<ReplicaView> replicas_;
};

}  // namespace

Replayed replay(const std::string& name, const std::string& path, bool reborn) {
  Replayed out;
  const auto lines = lines_of(path);
  if (lines.empty()) return out;
  out.header = lines.front();
  const json head = json::parse(lines.front());
  EXPECT_EQ(head.at("autoscaler"), name);
  const TimePoint base{std::chrono::seconds(head.at("base_s").get<std::int64_t>())};
  const StrategyRegistry registry = builtin_strategies();
  for (std::size_t i = 1; i < lines.size(); i += reborn ? 10 : 1) {
    const json sequence = json::parse(lines[i]);
    World world(registry, name, sequence, base);
    bool same = true;
    const auto decide = [&](const json& e) {
      const Target target = world.decide(e);
      ++out.decisions;
      const int expected = e.at(3);
      out.changes += expected != e.at(2).get<int>() ? 1 : 0;
      if (target.replicas != expected) {
        if (same && out.differences.size() < 5) {
          out.differences.push_back(fmt::format(
              "sequence {} at {} ms of {}: original {}, ours {} ({}); options {}, bounds {}", i,
              e.at(1).get<std::int64_t>(), e.at(2).get<int>(), expected, target.replicas,
              target.reason, sequence.at("o").dump(), sequence.at("b").dump()));
        }
        same = false;
      }
      if (reborn && out.decisions % 7 == 0) world.be_reborn();
    };
    // With "t" a decision is taken every so many ms; those that change nothing are not written.
    const std::int64_t every = sequence.value("t", std::int64_t{0});
    std::int64_t due = every;
    int wanted = sequence.value("w", 0);
    const auto decide_until = [&](std::int64_t before) {
      for (; every > 0 && due < before; due += every) decide({"d", due, wanted, wanted});
    };
    for (const auto& e : sequence.at("e")) {
      const std::string& kind = e.at(0).get_ref<const std::string&>();
      decide_until(e.at(1));
      if (kind == "r") world.reading(e);
      if (kind == "s") world.replica_is(e);
      if (kind == "w") wanted = e.at(2);
      if (kind != "d") continue;
      decide(e);
      due = e.at(1).get<std::int64_t>() + every;
      wanted = e.at(3);
    }
    ++out.sequences;
    out.differing_sequences += same ? 0 : 1;
  }
  EXPECT_EQ(lines.size(), head.at("sequences").get<std::size_t>() + 1);
  return out;
}

}  // namespace spate::scaling
