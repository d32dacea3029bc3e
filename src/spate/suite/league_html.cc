// SPDX-License-Identifier: Apache-2.0
//
// A league as one self-contained page: no scripts, no network, light and dark.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "spate/base/html.h"
#include "spate/suite/league.h"
#include "spate/suite/scatter.h"

namespace spate::suite {
namespace {

constexpr const char* kStyle = R"(
:root{--bg:#fff;--ink:#1c232b;--dim:#5b6672;--line:#d6dce2;--soft:#f3f5f7;--mark:#0b6bcb;--other:#8a949e;--good:#1a7f37;--bad:#b3261e;--edge:rgba(28,35,43,.18)}
@media(prefers-color-scheme:dark){:root{--bg:#14181d;--ink:#e3e8ed;--dim:#98a3ae;--line:#333b44;--soft:#1d232a;--mark:#63a8f0;--other:#77828d;--good:#56c271;--bad:#f2867d;--edge:rgba(0,0,0,.7)}}
body{margin:0 auto;max-width:80rem;padding:1.5rem;background:var(--bg);color:var(--ink);font:15px/1.5 system-ui,sans-serif}
h1{font-size:1.6rem;margin:0}h2{margin:2.2rem 0 .4rem;font-size:1.2rem}p{max-width:60rem}.dim{color:var(--dim)}
.wide{overflow-x:auto;scrollbar-width:thin;background:linear-gradient(to right,var(--bg) 40%,transparent) left/40px 100% no-repeat local,
linear-gradient(to left,var(--bg) 40%,transparent) right/40px 100% no-repeat local,linear-gradient(to right,var(--edge),transparent) left/14px 100% no-repeat scroll,
linear-gradient(to left,var(--edge),transparent) right/14px 100% no-repeat scroll}table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{text-align:right;padding:.3rem .6rem;border-bottom:1px solid var(--line);white-space:nowrap}
th{color:var(--dim);font-weight:600;white-space:normal;vertical-align:bottom;border-bottom:2px solid var(--line)}th.l,td.l{text-align:left}
.good{color:var(--good)}.bad{color:var(--bad)}details{border-top:1px solid var(--line);padding:.5rem 0}
summary{cursor:pointer;font-weight:600}td.tied{white-space:normal;min-width:9rem;font-size:13px}
td details{border:0;padding:0}td summary{font-weight:400}svg{height:auto}svg text{fill:var(--ink);font-size:12px}
svg .axis{stroke:var(--line)}svg .dim{fill:var(--dim)}svg .bound{stroke:var(--dim);stroke-width:2}svg .lead{stroke:var(--dim)}
.plot{min-width:46rem;max-width:none;width:100%}
)";

std::string percent(double ratio) { return fmt::format("{:.2f} %", 100.0 * ratio); }

std::string joined(const std::vector<std::string>& names) {
  std::string out;
  for (const auto& n : names) out += (out.empty() ? "" : ", ") + html_escaped(n);
  return out;
}

// A long list of ties would make every row as high.
std::string tied_cell(const std::vector<std::string>& names) {
  constexpr std::size_t kShown = 2;
  if (names.size() <= kShown) return joined(names);
  return fmt::format("<details><summary>{} strategies</summary>{}</details>", names.size(),
                     joined(names));
}

std::string standings_table(const Suite& suite, const League& league) {
  std::string out =
      "<div class=\"wide\"><table><thead><tr><th>rank<th class=\"l\">strategy<th>score<th>95 % "
      "interval<th>in time<th>demands met<th title=\"over the bound that no policy can go "
      "below\">cost over bound<th title=\"over the cheapest known that meets the objective with "
      "every seed; below 1: cheap, and misses\">over best<th>elastic speed-up<th "
      "class=\"l\">tied with</tr></thead><tbody>";
  for (const auto& s : league.standings) {
    out += fmt::format(
        "<tr><td>{}<td class=\"l\">{}{}<td>{:.2f}<td>{:.2f} to {:.2f}<td>{}<td "
        "class=\"{}\">{}/{}<td>{:.2f}×<td>{}<td>{}<td class=\"l dim tied\">{}</tr>",
        s.rank, html_escaped(s.strategy),
        s.sees_schedule ? " <span class=\"dim\">(sees the schedule)</span>"
        : s.on_front    ? " ◆"
                        : "",
        s.score.mean, s.score.low, s.score.high, percent(s.attainment),
        s.demands_met == suite.demands.size() ? "good" : "bad", s.demands_met, suite.demands.size(),
        s.relative_cost,
        s.relative_to_best > 0.0 ? fmt::format("{:.2f}×", s.relative_to_best) : "–",
        s.elastic_speedup > 0.0 ? fmt::format("{:.2f}", s.elastic_speedup) : "–",
        tied_cell(s.tied));
  }
  for (const auto& u : league.unranked) {
    out += fmt::format(
        "<tr><td>–<td class=\"l\">{}<td class=\"l bad\" colspan=\"8\">not ranked: {}</tr>",
        html_escaped(u.strategy), html_escaped(why_unranked(u)));
  }
  return out + "</tbody></table></div>";
}

// What is known of the least cost at which the objective can be met.
std::string bracket_text(const Suite& suite, const DemandBound& bound) {
  const std::string currency = " m" + html_escaped(suite.prices.currency);
  std::string out;
  if (bound.upper_cost) {
    out = fmt::format("The cheapest known that meets the objective costs {:.4g}{} ({}).",
                      *bound.upper_cost * 1e3, currency,
                      bound.upper_by == "clairvoyant" ? "the schedule of one who knows the demand"
                                                      : html_escaped(bound.upper_by));
  } else {
    out = "Nothing is known to meet the objective.";
  }
  if (const auto& c = bound.clairvoyant) {
    out += fmt::format(
        " Searched: {} schedules of {} configurations in slots of {:g} s; the exact plan without "
        "queues costs {:.4g}{}.",
        c->evaluations, c->configurations, c->slot_s, c->plan_cost * 1e3, currency);
    if (!c->why.empty()) out += " None met it: " + html_escaped(c->why) + ".";
  }
  return out;
}

std::string demand_section(const Suite& suite, const League& league, std::size_t index) {
  const Demand& demand = suite.demands[index];
  std::vector<Dot> dots;
  std::string rows;
  for (const auto& e : league.entries) {
    if (e.demand != demand.name) continue;
    if (e.runs_unready > 0) {
      rows += fmt::format(
          "<tr><td class=\"l\">{}<td class=\"l bad\" colspan=\"17\">no figures: the replicas "
          "were never ready in {} of {} runs</tr>",
          html_escaped(e.strategy), e.runs_unready, e.runs);
      continue;
    }
    dots.push_back({e.strategy, e.regret + 1.0, e.attainment.mean, e.on_front});
    rows += fmt::format(
        "<tr><td class=\"l\">{}{}<td class=\"{}\">{}<td>{}<td>{:.4g}<td>{:.4g} to "
        "{:.4g}<td>{:.2f}×<td>{}<td>{:.2f}<td>{:.0f} "
        "ms<td>{}<td>{:.0f}<td>{:.0f}<td>{:.0f}<td>{:.1f}<td>"
        "{:.1f}<td>{:.1f}<td>{:.1f}<td>{}</tr>",
        html_escaped(e.strategy), e.on_front ? " ◆" : "",
        e.runs_that_meet == e.runs ? "good" : "bad", percent(e.attainment.mean),
        percent(e.worst_minute), e.cost.mean * 1e3, e.cost.low * 1e3, e.cost.high * 1e3,
        e.regret + 1.0, e.regret_upper ? fmt::format("{:.2f}×", *e.regret_upper + 1.0) : "–",
        e.score, e.p99_ms, fmt::format("{}/{}", e.runs_that_meet, e.runs), e.starts,
        e.wasted_starts, e.oscillations, e.elasticity.theta_u_percent, e.elasticity.theta_o_percent,
        e.elasticity.tau_u_percent, e.elasticity.tau_o_percent,
        e.seeds_needed ? fmt::format("{}", *e.seeds_needed) : "–");
  }
  const DemandBound& bound = league.bounds[index];
  if (bound.clairvoyant && bound.clairvoyant->cost) {
    dots.push_back({"clairvoyant", *bound.clairvoyant->cost / bound.lower_cost,
                    bound.clairvoyant->attainment, true});
  }
  double requests = 0.0;
  for (const auto& m : demand.models) requests += m.sim.profile->total();
  return fmt::format(
      "<details><summary>{}</summary><p class=\"dim\">{} {:.4g} h, {:.0f} requests expected, no "
      "policy can cost less than {:.4g} m{}. {}</p>{}<div class=\"wide\"><table><thead><tr><th "
      "class=\"l\">strategy<th>in time<th>worst minute<th>cost, m{}<th>95 "
      "%<th>over bound<th title=\"over the cheapest known that meets the objective\">over "
      "best<th>score<th>p99<th>runs met<th>starts<th>wasted<th>oscillations<th>θ_U "
      "%<th>θ_O %<th>τ_U %<th>τ_O %<th title=\"seeds for a 95 % interval of the cost of ±2 "
      "%\">seeds for ±2 %</tr></thead><tbody>{}</tbody></table></div></details>",
      html_escaped(demand.name), html_escaped(demand.what), demand.duration_s / 3600.0, requests,
      bound.lower_cost * 1e3, html_escaped(suite.prices.currency), bracket_text(suite, bound),
      scatter(dots), html_escaped(suite.prices.currency), rows);
}

}  // namespace

std::string league_html(const Suite& suite, const League& league) {
  std::vector<Dot> dots;
  for (const auto& s : league.standings) {
    dots.push_back({s.strategy, s.relative_cost, s.attainment, s.on_front});
  }
  std::string out = fmt::format(
      "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
      "content=\"width=device-width\"><title>{0}: league</title><style>{1}</style></head><body>"
      "<h1>{0}</h1><p class=\"dim\">{2}</p><p>{3} strategies on {4} demands with {5} seeds each, "
      "simulated. Every strategy met the same requests.</p><h2>League</h2>",
      html_escaped(suite.name), kStyle, html_escaped(suite.description), suite.strategies.size(),
      suite.demands.size(), suite.seeds.size());
  out += standings_table(suite, league);
  out += fmt::format(
      "<p class=\"dim\">Score: cost, and {:g} times the least cost of a request for each miss "
      "beyond "
      "the objective, over what no policy can go below (docs/suites.md); geometric mean over the "
      "demands, lower is better. Equal ranks are ties: on {} demands the paired data cannot tell "
      "them apart (sign-flip permutation, Holm-corrected, 5 %).{} ◆ No other is both cheaper and "
      "better in time.</p>",
      suite.miss_price, league.ranking.blocks,
      league.ranking.too_few ? " <b>There are too few demands for any difference to show.</b>"
                             : "");
  out += "<h2>Cost against objective</h2>" + scatter(dots) + "<h2>Demands</h2>";
  for (std::size_t i = 0; i < suite.demands.size(); ++i) out += demand_section(suite, league, i);
  return out + "</body></html>\n";
}

}  // namespace spate::suite
