// SPDX-License-Identifier: Apache-2.0
//
// A league as JSON and as a table for the terminal.
#include <fmt/format.h>

#include "spate/suite/league.h"

namespace spate::suite {
namespace {

using Json = nlohmann::json;

Json interval_json(const judge::Interval& i) {
  return {{"mean", i.mean}, {"low", i.low}, {"high", i.high}, {"confidence", i.confidence}};
}

Json entry_json(const Entry& e) {
  return {{"demand", e.demand},
          {"strategy", e.strategy},
          {"runs", e.runs},
          {"runs_that_meet", e.runs_that_meet},
          {"runs_unready", e.runs_unready},
          {"slo_attainment", interval_json(e.attainment)},
          {"cost", interval_json(e.cost)},
          {"cost_per_1000_good", e.cost_per_1000_good},
          {"regret", e.regret},
          {"regret_upper", e.regret_upper ? Json(*e.regret_upper) : Json(nullptr)},
          {"seeds_needed", e.seeds_needed ? Json(*e.seeds_needed) : Json(nullptr)},
          {"score", e.score},
          {"p99_ms", e.p99_ms},
          {"worst_minute_attainment", e.worst_minute},
          {"starts", e.starts},
          {"wasted_starts", e.wasted_starts},
          {"oscillations", e.oscillations},
          {"on_front", e.on_front},
          {"elasticity",
           {{"theta_u_percent", e.elasticity.theta_u_percent},
            {"theta_o_percent", e.elasticity.theta_o_percent},
            {"tau_u_percent", e.elasticity.tau_u_percent},
            {"tau_o_percent", e.elasticity.tau_o_percent},
            {"instability_percent", e.elasticity.instability_percent.value_or(0.0)},
            {"jitter_per_h", e.elasticity.jitter_per_h}}}};
}

}  // namespace

Json league_json(const Suite& suite, const League& league) {
  Json out{{"schema", 1},
           {"suite", suite.name},
           {"description", suite.description},
           {"seeds", suite.seeds},
           {"miss_price", suite.miss_price},
           {"prices", judge::to_json(suite.prices)},
           {"demand_blocks", league.ranking.blocks},
           {"too_few_to_tell", league.ranking.too_few}};
  out["demands"] = Json::array();
  for (std::size_t i = 0; i < suite.demands.size(); ++i) {
    const Demand& d = suite.demands[i];
    const DemandBound& bound = league.bounds[i];
    Json models = Json::array();
    for (const auto& m : d.models) {
      models.push_back({{"model", m.sim.settings.name},
                        {"capacity_per_s", m.capacity_per_s},
                        {"expected_requests", m.sim.profile->total()},
                        {"peak_per_s", m.sim.profile->peak_per_s()}});
    }
    out["demands"].push_back(
        {{"name", d.name},
         {"what", d.what},
         {"duration_s", d.duration_s},
         {"lower_bound_cost", bound.lower_cost},
         {"upper_bound_cost", bound.upper_cost ? Json(*bound.upper_cost) : Json(nullptr)},
         {"upper_bound_by", bound.upper_by},
         {"clairvoyant", bound.clairvoyant ? to_json(*bound.clairvoyant) : Json(nullptr)},
         {"models", models}});
  }
  out["league"] = Json::array();
  for (const auto& s : league.standings) {
    out["league"].push_back(
        {{"strategy", s.strategy},
         {"sees_schedule", s.sees_schedule},
         {"rank", s.rank},
         {"tied_with", s.tied},
         {"score", interval_json(s.score)},
         {"demands_met", s.demands_met},
         {"slo_attainment", s.attainment},
         {"relative_cost", s.relative_cost},
         {"relative_to_best", s.relative_to_best > 0.0 ? Json(s.relative_to_best) : Json(nullptr)},
         {"elastic_speedup", s.elastic_speedup},
         {"on_front", s.on_front}});
  }
  out["unranked"] = Json::array();
  for (const auto& u : league.unranked) {
    out["unranked"].push_back({{"strategy", u.strategy},
                               {"runs_unready", u.runs_unready},
                               {"runs", u.runs},
                               {"demands", u.demands}});
  }
  out["p_values"] = Json::array();
  for (std::size_t i = 0; i < league.ranking.p.size(); ++i) {
    for (std::size_t k = 0; k < league.ranking.p[i].size(); ++k) {
      const auto& needed = league.demands_needed[i][k];
      out["p_values"].push_back({{"better", league.ranking.order[i].name},
                                 {"worse", league.ranking.order[i + k + 1].name},
                                 {"p_holm", league.ranking.p[i][k]},
                                 {"demands_needed", needed ? Json(*needed) : Json(nullptr)}});
    }
  }
  out["entries"] = Json::array();
  for (const auto& e : league.entries) out["entries"].push_back(entry_json(e));
  return out;
}

std::string why_unranked(const Unranked& unranked) {
  return fmt::format("the replicas were never ready in {} of {} runs ({})", unranked.runs_unready,
                     unranked.runs, fmt::join(unranked.demands, ", "));
}

std::string league_table(const Suite& suite, const League& league) {
  std::size_t width = 8;
  for (const auto& s : suite.strategies) width = std::max(width, s.label.size());
  std::string out = fmt::format("{:>4}  {:<{}}  {:>6}  {:>15}  {:>8}  {:>7}  {:>9}  {:>9}  {:>8}\n",
                                "rank", "strategy", width, "score", "(95 %)", "in time", "demands",
                                "cost/min", "cost/best", "speed-up");
  for (const auto& s : league.standings) {
    out += fmt::format("{:>4}  {:<{}}  {:>6.2f}  {:>15}  {:>8}  {:>7}  {:>9.2f}  {:>9}  {:>8}{}\n",
                       s.rank, s.strategy, width, s.score.mean,
                       fmt::format("{:.2f} to {:.2f}", s.score.low, s.score.high),
                       fmt::format("{:.2f} %", 100.0 * s.attainment),
                       fmt::format("{}/{}", s.demands_met, suite.demands.size()), s.relative_cost,
                       s.relative_to_best > 0.0 ? fmt::format("{:.2f}", s.relative_to_best) : "-",
                       s.elastic_speedup > 0.0 ? fmt::format("{:.2f}", s.elastic_speedup) : "-",
                       s.sees_schedule ? "  sees the schedule"
                       : s.on_front    ? "  front"
                                       : "");
  }
  for (const auto& u : league.unranked) {
    out += fmt::format("{:>4}  {:<{}}  not ranked: {}\n", "-", u.strategy, width, why_unranked(u));
  }
  out += fmt::format(
      "score: cost, with {:g} times the least cost of a request for each miss beyond the "
      "objective, "
      "over what no policy can go below; geometric mean over {} demands\nEqual ranks are ties: the "
      "paired data cannot tell them apart (Holm-corrected p above 0.05).\n",
      suite.miss_price, suite.demands.size());
  std::size_t searched = 0;
  std::size_t found = 0;
  for (const auto& b : league.bounds) {
    searched += b.clairvoyant ? 1 : 0;
    found += b.clairvoyant && b.clairvoyant->cost ? 1 : 0;
  }
  out += fmt::format(
      "cost/min: over the bound that no policy can go below; cost/best: over the cheapest known "
      "that "
      "meets the\nobjective with every seed ({}). The least possible lies between the two.\n",
      searched > 0
          ? fmt::format("a strategy, or the schedule of one who knows the demand, found on "
                        "{} of {} demands",
                        found, searched)
          : "of the strategies; --clairvoyant searches further");
  if (league.ranking.order.size() > 1 && !league.ranking.order.front().tied.empty() &&
      league.demands_needed[0][0]) {
    out += fmt::format("About {} demands like these would tell {} from {} (80 %).\n",
                       *league.demands_needed[0][0], league.ranking.order[0].name,
                       league.ranking.order[1].name);
  }
  if (league.ranking.too_few) {
    out += "Too few demands for any difference to be significant among so many strategies.\n";
  }
  return out;
}

}  // namespace spate::suite
