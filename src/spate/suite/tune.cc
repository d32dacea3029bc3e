// SPDX-License-Identifier: Apache-2.0
#include "spate/suite/tune.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <mutex>
#include <numeric>

#include "spate/base/config_error.h"
#include "spate/base/rng.h"
#include "spate/suite/league.h"
#include "spate/suite/parallel.h"

namespace spate::suite {
namespace {

constexpr double kHalvingShare = 0.6;  // of the budget; the rest is for steps around the best
constexpr int kKeep = 3;               // one candidate in three goes on
constexpr std::size_t kSteps = 4;      // tried at a time around the best
constexpr double kFirstStep = 0.15;    // of the unit cube's side
constexpr double kLastStep = 0.01;
constexpr double kShrink = 0.6;
constexpr int kResamples = 4000;
constexpr double kConfidence = 0.95;

struct Where {
  const Demand* demand = nullptr;
  const DemandBound* bound = nullptr;
  std::uint64_t seed = 0;
};

struct Candidate {
  std::vector<double> point;
  std::vector<double> values;
  std::vector<double> scores;  // logarithms, by training cell; as far as it came
};

double mean_of(const std::vector<double>& values, std::size_t count) {
  return std::accumulate(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(count), 0.0) /
         static_cast<double>(count);
}

class Search {
 public:
  Search(const Suite& suite, const SuiteStrategy& strategy,
         const scaling::StrategyRegistry& registry, const TuneOptions& options)
      : suite_(suite),
        strategy_(strategy),
        registry_(registry),
        options_(options),
        space_(registry.find(strategy.kind, strategy.label), strategy.options, options.parameters),
        rng_(options.seed, "tune") {
    for (const auto& demand : suite.demands) bounds_.push_back(bound_of(suite, demand));
    split();
  }

  Tuned run() {
    plan();
    std::vector<Candidate> field = first_field();
    halve(field);
    refine();
    Tuned out = judge();
    out.numbers = space_.numbers();
    out.best = best_.values;
    out.options_json = space_.options_json(best_.values);
    out.candidates = candidates_;
    out.cells = cells_;
    out.training_before = std::exp(mean_of(before_.scores, training_.size()));
    out.training_best = std::exp(mean_of(best_.scores, training_.size()));
    return out;
  }

 private:
  void split() {
    std::vector<std::size_t> order(suite_.demands.size());
    std::iota(order.begin(), order.end(), 0U);
    shuffle(order, rng_);
    const auto count = static_cast<double>(order.size());
    std::size_t held = 0;
    if (order.size() > 1) {
      held = static_cast<std::size_t>(
          std::clamp(std::round(count * options_.held_out_ratio), 1.0, count - 1.0));
    }
    held_.assign(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(held));
    // Seeds outermost: the first few cells are of as many demands as can be.
    for (const auto seed : suite_.seeds) {
      for (std::size_t i = held; i < order.size(); ++i) training_.push_back(where(order[i], seed));
    }
    if (held_.empty()) held_ = order;
    const auto last = *std::max_element(suite_.seeds.begin(), suite_.seeds.end());
    for (int i = 1; i <= options_.test_seeds; ++i) {
      test_seeds_.push_back(last + static_cast<std::uint64_t>(i));
    }
  }

  Where where(std::size_t demand, std::uint64_t seed) const {
    return {&suite_.demands[demand], &bounds_[demand], seed};
  }

  // How many cells each round has, and how many candidates the budget lets begin.
  void plan() {
    const auto all = static_cast<int>(training_.size());
    for (const int part : {kKeep * kKeep, kKeep, 1}) {
      const int cells = (all + part - 1) / part;
      if (rounds_.empty() || cells > rounds_.back()) rounds_.push_back(cells);
    }
    const auto cost = [&](int candidates) {
      int sum = 0;
      int before = 0;
      for (const int cells : rounds_) {
        sum += candidates * (cells - before);
        before = cells;
        candidates = std::max(1, candidates / kKeep);
      }
      return sum + all;  // and what stands now on all
    };
    while (cost(field_size_ + 1) <= kHalvingShare * options_.budget) ++field_size_;
    if (field_size_ < kKeep) {
      int needed = options_.budget;
      while (cost(kKeep) > kHalvingShare * needed) ++needed;
      throw ConfigError(
          fmt::format("--budget {}: too few cells for {} candidates on {} training cells; at least "
                      "{} are needed",
                      options_.budget, kKeep, all, needed));
    }
    total_ = options_.budget + 2 * static_cast<int>(held_.size() * test_seeds_.size());
  }

  std::optional<Candidate> candidate(std::vector<double> point) {
    Candidate out{std::move(point), {}, {}};
    out.values = space_.values(out.point);
    if (!space_.allowed(out.values)) return std::nullopt;
    ++candidates_;
    return out;
  }

  // A Latin hypercube: each number's range in as many strata as there are candidates.
  std::vector<Candidate> first_field() {
    std::vector<std::vector<std::size_t>> strata(space_.size());
    const auto n = static_cast<std::size_t>(field_size_);
    for (auto& s : strata) {
      s.resize(n);
      std::iota(s.begin(), s.end(), 0U);
      shuffle(s, rng_);
    }
    std::vector<Candidate> out;
    for (std::size_t i = 0; i < n; ++i) {
      // What the strategy refuses is drawn anew within the cube; some spaces are mostly refused.
      for (int attempt = 0; attempt < 100; ++attempt) {
        std::vector<double> point;
        for (const auto& s : strata) {
          point.push_back(attempt == 0 ? (static_cast<double>(s[i]) + rng_.uniform()) /
                                             static_cast<double>(n)
                                       : rng_.uniform());
        }
        if (auto c = candidate(std::move(point))) {
          out.push_back(std::move(*c));
          break;
        }
      }
    }
    return out;
  }

  void halve(std::vector<Candidate>& field) {
    before_.point = space_.start();
    for (const auto& n : space_.numbers()) before_.values.push_back(n.start);
    std::vector<Candidate*> alive{&before_};
    score(alive, training_.size());
    alive.clear();
    for (auto& c : field) alive.push_back(&c);
    for (const int cells : rounds_) {
      const auto count = static_cast<std::size_t>(cells);
      score(alive, count);
      std::stable_sort(alive.begin(), alive.end(), [&](const auto* a, const auto* b) {
        return mean_of(a->scores, count) < mean_of(b->scores, count);
      });
      if (cells != rounds_.back() && alive.size() > 1) {
        alive.resize(std::max<std::size_t>(1, alive.size() / kKeep));
      }
    }
    best_ = before_;
    for (const Candidate* c : alive) take_if_better(*c);
  }

  bool take_if_better(const Candidate& c) {
    if (mean_of(c.scores, training_.size()) >= mean_of(best_.scores, training_.size()))
      return false;
    best_ = c;
    return true;
  }

  void refine() {
    double step = kFirstStep;
    while (step > kLastStep) {
      const auto room = static_cast<std::size_t>(std::max(0, options_.budget - cells_));
      const std::size_t tries = std::min(kSteps, room / training_.size());
      if (tries == 0) return;
      std::vector<Candidate> around;
      for (int attempt = 0; attempt < 100 && around.size() < tries; ++attempt) {
        auto c = candidate(nudged(step));
        if (c && c->values != best_.values) around.push_back(std::move(*c));
      }
      std::vector<Candidate*> all;
      for (auto& c : around) all.push_back(&c);
      score(all, training_.size());
      bool better = false;
      for (const auto& c : around) better = take_if_better(c) || better;
      if (!better) step *= kShrink;
    }
  }

  std::vector<double> nudged(double step) {
    std::vector<double> out = best_.point;
    const std::size_t always = static_cast<std::size_t>(rng_.below(out.size()));
    for (std::size_t i = 0; i < out.size(); ++i) {
      const bool move = rng_.uniform() < 0.5 || i == always;
      const double by = rng_.normal() * step;
      if (move) out[i] = std::clamp(out[i] + by, 0.0, 1.0);
    }
    return out;
  }

  SuiteStrategy with(const std::vector<double>& values) const {
    SuiteStrategy out = strategy_;
    out.options = ConfigReader::from_text(space_.options_json(values), strategy_.label);
    return out;
  }

  // Simulates what is missing of the first `count` training cells.
  void score(const std::vector<Candidate*>& candidates, std::size_t count) {
    struct Job {
      Candidate* candidate;
      std::size_t cell;
    };
    std::vector<Job> jobs;
    for (Candidate* c : candidates) {
      const std::size_t known = c->scores.size();
      if (known < count) c->scores.resize(count);
      for (std::size_t i = known; i < count; ++i) jobs.push_back({c, i});
    }
    cells_ += static_cast<int>(jobs.size());
    for_each_index(jobs.size(), options_.threads, [&](std::size_t i) {
      const Job& job = jobs[i];
      job.candidate->scores[job.cell] = simulate(with(job.candidate->values), training_[job.cell]);
    });
  }

  double simulate(const SuiteStrategy& strategy, const Where& at) {
    const Cell cell = run_cell(suite_, *at.demand, strategy, at.seed, registry_);
    const double score = std::log(cell_score(suite_, cell, *at.bound));
    const std::lock_guard lock(mutex_);
    ++done_;
    if (options_.progress) options_.progress(done_, std::max(done_, total_));
    return score;
  }

  Tuned judge() {
    Tuned out;
    const std::size_t seeds = test_seeds_.size();
    const std::size_t count = held_.size() * seeds;
    std::vector<double> before(count);
    std::vector<double> after(count);
    const SuiteStrategy best = with(best_.values);
    for_each_index(2 * count, options_.threads, [&](std::size_t i) {
      const std::size_t cell = i / 2;
      const Where at = where(held_[cell / seeds], test_seeds_[cell % seeds]);
      (i % 2 == 0 ? before : after)[cell] = simulate(i % 2 == 0 ? strategy_ : best, at);
    });
    out.test_before = std::exp(mean_of(before, count));
    out.test_best = std::exp(mean_of(after, count));
    std::vector<std::vector<double>> change(held_.size());  // by demand
    for (std::size_t i = 0; i < count; ++i) change[i / seeds].push_back(after[i] - before[i]);
    for (const auto& c : change) out.demands_better += mean_of(c, c.size()) < 0.0 ? 1 : 0;
    out.ratio = ratio_of(change);
    out.verdict = out.ratio.high < 1.0  ? TuneVerdict::Better
                  : out.ratio.low > 1.0 ? TuneVerdict::Worse
                                        : TuneVerdict::CannotTell;
    name_cells(out);
    return out;
  }

  // Demands are drawn with replacement, then as many seeds of each: seeds of one demand are not
  // independent of each other.
  judge::Interval ratio_of(const std::vector<std::vector<double>>& change) const {
    Rng rng(options_.seed, "tune/bootstrap");
    double mean = 0.0;
    for (const auto& c : change) mean += mean_of(c, c.size()) / static_cast<double>(change.size());
    std::vector<double> means;
    for (int r = 0; r < kResamples; ++r) {
      double sum = 0.0;
      for (std::size_t d = 0; d < change.size(); ++d) {
        const auto& of = change[rng.below(change.size())];
        double inner = 0.0;
        for (std::size_t s = 0; s < of.size(); ++s) inner += of[rng.below(of.size())];
        sum += inner / static_cast<double>(of.size());
      }
      means.push_back(sum / static_cast<double>(change.size()));
    }
    std::sort(means.begin(), means.end());
    const auto at = [&](double q) {
      return means[static_cast<std::size_t>(q * static_cast<double>(kResamples - 1))];
    };
    const double tail = (1.0 - kConfidence) / 2.0;
    return {std::exp(mean), std::exp(at(tail)), std::exp(at(1.0 - tail)), kConfidence};
  }

  void name_cells(Tuned& out) const {
    for (const auto& w : training_) {
      if (w.seed == suite_.seeds.front()) out.training_demands.push_back(w.demand->name);
    }
    for (const auto d : held_) out.test_demands.push_back(suite_.demands[d].name);
    out.demands_held_out = suite_.demands.size() > 1;
    out.training_seeds = suite_.seeds;
    out.test_seeds = test_seeds_;
  }

  const Suite& suite_;
  const SuiteStrategy& strategy_;
  const scaling::StrategyRegistry& registry_;
  const TuneOptions& options_;
  const SearchSpace space_;
  Rng rng_;
  std::vector<DemandBound> bounds_;  // as the suite's demands
  std::vector<Where> training_;
  std::vector<std::size_t> held_;  // demands
  std::vector<std::uint64_t> test_seeds_;
  std::vector<int> rounds_;  // training cells of each
  int field_size_ = 0;
  Candidate before_;
  Candidate best_;
  int candidates_ = 0;
  int cells_ = 0;
  std::mutex mutex_;  // of done_ and progress
  int done_ = 0;
  int total_ = 0;
};

}  // namespace

Tuned tune(const Suite& suite, const SuiteStrategy& strategy,
           const scaling::StrategyRegistry& registry, const TuneOptions& options) {
  return Search(suite, strategy, registry, options).run();
}

}  // namespace spate::suite
