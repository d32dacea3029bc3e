#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes deploy/grafana/dashboards/*.json. Edit the dashboards here, run it, commit both.

tools/make_dashboards.py           write
tools/make_dashboards.py --check   exit status 1 where a committed file is not what would be written
"""
import argparse
import json
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
FOLDER = ROOT / "deploy/grafana/dashboards"
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
PER_MODEL = 'run=~"$run",model=~"$model"'
RATE = "[$__rate_interval]"


# --- parts ------------------------------------------------------------------------------------------

def query(expr, legend="", instant=False, kind="time_series"):
    return {"expr": expr, "legendFormat": legend, "instant": instant, "kind": kind}


def override(name, **properties):
    """Properties of the series called `name`; `__` stands for a dot."""
    return {"matcher": {"id": "byRegexp", "options": name},
            "properties": [{"id": key.replace("__", "."), "value": value} for key, value in properties.items()]}


# What must not be crossed, drawn as a dashed line.
OBJECTIVE = override("/objective|allowed|limit/", color={"mode": "fixed", "fixedColor": "red"},
                     custom__lineStyle={"fill": "dash", "dash": [8, 6]}, custom__fillOpacity=0)


def panel(kind, title, description, unit, queries, width=12, height=8, thresholds=(), overrides=(), **more):
    """`thresholds`: (colour, from) beyond the base, whose colour is the first one's with from None."""
    steps = [{"color": colour, "value": start} for colour, start in thresholds] or [{"color": "green", "value": None}]
    defaults = {"unit": unit, "min": more.pop("min", 0), "thresholds": {"mode": "absolute", "steps": steps},
                "color": {"mode": "thresholds" if thresholds else "palette-classic"}}
    defaults.update({key: more.pop(key) for key in ("max", "decimals", "noValue") if key in more})
    options = more.pop("options", {})
    if kind == "timeseries":
        defaults["custom"] = {"drawStyle": "line", "lineWidth": 1, "fillOpacity": 8, "showPoints": "never",
                              "spanNulls": False}
        defaults["custom"].update(more.pop("custom", {}))
        options = {"legend": {"displayMode": "list", "placement": "bottom"},
                   "tooltip": {"mode": "multi", "sort": "desc"}} | options
    elif kind in ("stat", "bargauge"):
        options = {"reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
                   "orientation": "auto" if kind == "stat" else "horizontal"} | options
    targets = [{"refId": chr(ord("A") + i), "datasource": SOURCE, "expr": q["expr"], "legendFormat": q["legendFormat"],
                "format": q["kind"], "instant": q["instant"], "range": not q["instant"], "editorMode": "code"}
               for i, q in enumerate(queries)]
    assert not more, more
    return {"type": kind, "title": title, "description": description, "datasource": SOURCE, "targets": targets,
            "fieldConfig": {"defaults": defaults, "overrides": list(overrides)}, "options": options,
            "gridPos": {"w": width, "h": height}}


def row(title):
    return {"type": "row", "title": title, "collapsed": False, "panels": [], "gridPos": {"w": 24, "h": 1}}


def datasource_variable():
    return {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus", "hide": 2,
            "description": "The Prometheus that scrapes Spate.", "refresh": 1,
            "current": {"text": "Spate Prometheus", "value": "spate-prometheus"}}


def variable(name, label, description, values, many=True, newest_first=False):
    out = {"name": name, "label": label, "description": description, "type": "query", "datasource": SOURCE,
           "query": {"query": values, "refId": "variable"}, "definition": values, "refresh": 2,
           "sort": 2 if newest_first else 1, "multi": many, "includeAll": many}
    if many:
        out |= {"allValue": ".*", "current": {"text": "All", "value": "$__all"}}
    return out


def run_variable(many=True):
    return variable("run", "Run", "Strategy and repetition: the label `run`.", "label_values(spate_gateway_info, run)", many)


def model_variable(many=True):
    return variable("model", "Model", "The models of the chosen runs.",
                    'label_values(spate_queue_length{run=~"$run"}, model)', many)


def decision_annotations():
    """Each decision that changed something. The counter's own rise over one step, so that none shows twice."""
    out = []
    for direction, colour in (("up", "orange"), ("down", "blue")):
        counter = f'spate_decisions_total{{{PER_MODEL},direction="{direction}"}}'
        out.append({"name": f"Scaled {direction}", "datasource": SOURCE, "enable": True, "iconColor": colour,
                    "expr": f"sum by (run, model, strategy) ({counter} - {counter} offset $__interval) > 0",
                    "step": "2s", "titleFormat": f"{{{{strategy}}}} scales {{{{model}}}} {direction}",
                    "textFormat": "run {{run}}", "useValueForTime": False})
    return out


def dashboard(uid, title, description, variables, panels, annotations=(), span="now-15m"):
    x = y = line = 0
    for number, entry in enumerate(panels, 1):
        entry["id"] = number
        place = entry["gridPos"]
        if x + place["w"] > 24:
            x, y = 0, y + line
            line = 0
        place |= {"x": x, "y": y}
        x, line = x + place["w"], max(line, place["h"])
    return {"uid": uid, "title": title, "description": description, "tags": ["spate"], "schemaVersion": 39,
            "version": 1, "editable": False, "graphTooltip": 1, "refresh": "5s", "time": {"from": span, "to": "now"},
            "timezone": "browser", "templating": {"list": [datasource_variable(), *variables]},
            "annotations": {"list": list(annotations)},
            "links": [{"type": "dashboards", "title": "Spate", "tags": ["spate"], "asDropdown": True,
                       "includeVars": True, "keepTime": True}],
            "panels": panels}


# --- queries that several dashboards use --------------------------------------------------------------

def rate_of(metric, labels=PER_MODEL, by="run, model"):
    return f"sum by ({by}) (rate({metric}{{{labels}}}{RATE}))"


def quantile(q, by="run, model", window=RATE, metric="spate_request_latency_seconds", labels=PER_MODEL):
    return f"histogram_quantile({q}, sum by ({by}, le) (rate({metric}_bucket{{{labels}}}{window})))"


ATTAINMENT = f'{rate_of("spate_slo_good_requests_total")} / ({rate_of("spate_requests_total")} > 0)'
TARGET = f"max by (run, model) (spate_slo_target_ratio{{{PER_MODEL}}})"
SLO_LATENCY = f"max by (run, model) (spate_slo_latency_seconds{{{PER_MODEL}}})"
GOOD_FROM_ONE = (("red", None), ("green", 1))
GOOD_BELOW_ONE = (("green", None), ("red", 1))
STEPS = {"lineInterpolation": "stepAfter"}


def replicas_panel(width=12):
    return panel("timeseries", "Replicas", "Replicas wanted by the strategy, and those that exist by state. Parked ones "
                 "are loaded and paused: they hold memory, use no CPU and answer nothing.", "short",
                 [query(f"sum by (run, model, state) (spate_replicas{{{PER_MODEL}}})", "{{run}} {{model}} {{state}}")],
                 width, custom=STEPS, decimals=0,
                 overrides=[override("/wanted/", custom__lineWidth=2, custom__fillOpacity=0)])


def latency_panel(width=12):
    return panel("timeseries", "Latency of answered requests",
                 "From receipt in the gateway until the broker had the result; the objective's latency is dashed.", "s",
                 [query(quantile(0.5), "{{run}} {{model}} p50"), query(quantile(0.99), "{{run}} {{model}} p99"),
                  query(SLO_LATENCY, "{{run}} {{model}} objective")], width, overrides=[OBJECTIVE])


# --- dashboards ---------------------------------------------------------------------------------------

def overview():
    lag = 'max by (run) (spate_influx_lag_p99_seconds{run=~"$run"})'
    return dashboard(
        "spate-overview", "Spate: overview", "Is the system inside its objectives, and what does that take?",
        [run_variable(), model_variable()],
        [panel("stat", "Objective met", "Share of the last minute's requests that were answered in time, divided by the "
               "objective's target: 1 or more is inside.", "none",
               [query(f"(1 - run_model:spate_slo_miss:ratio_rate1m{{{PER_MODEL}}}) / on (run, model) {TARGET}",
                      "{{run}} {{model}}")], 8, 5, GOOD_FROM_ONE, decimals=3),
         panel("stat", "p99 latency over the objective's", "Of the last minute's answers; below 1 is inside.", "none",
               [query(f"run_model:spate_request_latency_seconds:p99_1m{{{PER_MODEL}}} / on (run, model) {SLO_LATENCY}",
                      "{{run}} {{model}}")], 8, 5, GOOD_BELOW_ONE, decimals=2),
         panel("stat", "Alerts firing", "Alerts of deploy/prometheus/rules/alerts.yml that fire, for all runs.", "short",
               [query('count(ALERTS{alertstate="firing",alertname=~"Spate.*"}) or vector(0)', "alerts", True)],
               4, 5, (("green", None), ("red", 1))),
         panel("stat", "Generator's lag", "How late the load generator itself is, as a share of the limit from which a run "
               "is invalid (p99 of a second).", "percentunit",
               [query(f'{lag} / on (run) max by (run) (spate_influx_lag_limit_seconds{{run=~"$run"}})', "{{run}}")],
               4, 5, (("green", None), ("orange", 0.5), ("red", 1))),
         row("Serving"),
         panel("timeseries", "Requests", "What arrives and ends per second, by model; the planned demand is that of the "
               "generator's profile.", "reqps",
               [query(rate_of("spate_requests_total"), "{{run}} {{model}} ended"),
                query(f"sum by (run, model) (spate_influx_planned_requests_per_second{{{PER_MODEL}}})",
                      "{{run}} {{model}} planned")]),
         panel("timeseries", "Share answered in time", "Of all requests; rejected and expired ones are misses.",
               "percentunit", [query(ATTAINMENT, "{{run}} {{model}}"), query(TARGET, "{{run}} {{model}} objective")],
               max=1, overrides=[OBJECTIVE]),
         latency_panel(),
         panel("timeseries", "Not answered", "Requests per second that ended without an answer, by reason.", "reqps",
               [query(rate_of("spate_requests_total", PER_MODEL + ',outcome!="answered"', "run, model, outcome"),
                      "{{run}} {{model}} {{outcome}}")]),
         row("What it takes"),
         replicas_panel(),
         panel("timeseries", "CPU", "CPUs that all workers reserve, and what they use of them.", "short",
               [query(f"sum by (run, model) (spate_cpu_reserved_cpus{{{PER_MODEL}}})", "{{run}} {{model}} reserved"),
                query(rate_of("spate_component_cpu_seconds_total", PER_MODEL + ',component="worker"'),
                      "{{run}} {{model}} used")])],
        decision_annotations())


def model():
    worker = PER_MODEL + ',job="worker"'
    return dashboard(
        "spate-model", "Spate: one model in depth", "Where the time of one model's requests goes.",
        [run_variable(False), model_variable(False)],
        [panel("heatmap", "Latency", "How many requests were answered within which latency, from receipt until the broker "
               "had the result. The buckets have an edge exactly at the objective.", "s",
               [query(f"sum by (le) (increase(spate_request_latency_seconds_bucket{{{PER_MODEL}}}{RATE}))", "{{le}}",
                      kind="heatmap")], 24, 10,
               options={"calculate": False, "color": {"mode": "scheme", "scheme": "Oranges", "steps": 64},
                        "yAxis": {"unit": "s", "axisPlacement": "left"}, "cellGap": 1, "filterValues": {"le": 1e-9},
                        "tooltip": {"mode": "single", "showColorScale": True}, "legend": {"show": True}}),
         panel("timeseries", "Latency quantiles", "p50, p95 and p99 of answered requests; the objective is dashed.", "s",
               [query(quantile(q), name) for q, name in ((0.5, "p50"), (0.95, "p95"), (0.99, "p99"))]
               + [query(SLO_LATENCY, "objective")], overrides=[OBJECTIVE]),
         panel("timeseries", "Misses of the objective", "Share of all requests that were not answered in time, over one and "
               "five minutes, and what the target allows.", "percentunit",
               [query(f"run_model:spate_slo_miss:ratio_rate1m{{{PER_MODEL}}}", "1 min"),
                query(f"run_model:spate_slo_miss:ratio_rate5m{{{PER_MODEL}}}", "5 min"),
                query(f"run_model:spate_slo_budget:ratio{{{PER_MODEL}}}", "allowed")], max=1, overrides=[OBJECTIVE]),
         row("Load"),
         panel("timeseries", "Requests by how they ended", "Per second, in the gateway.", "reqps",
               [query(rate_of("spate_requests_total", by="outcome"), "{{outcome}}")], custom={"stacking": {"mode": "normal"}}),
         panel("timeseries", "As the sender saw it", "Requests per second of the generator by how they ended, latency "
               "counted from the intended send; the planned demand as a line.", "reqps",
               [query(rate_of("spate_influx_requests_total", by="outcome"), "{{outcome}}"),
                query(f"sum(spate_influx_planned_requests_per_second{{{PER_MODEL}}})", "planned")]),
         row("Inside"),
         panel("timeseries", "Queue", "Requests that wait in the gateway, and those that workers have.", "short",
               [query(f"sum(spate_queue_length{{{PER_MODEL}}})", "waiting"),
                query(f"sum(spate_in_flight{{{PER_MODEL}}})", "in flight")], 8),
         panel("timeseries", "Age of the oldest waiting request", "Near the objective's latency, new requests are refused "
               "early.", "s", [query(f"max(spate_queue_oldest_age_seconds{{{PER_MODEL}}})", "oldest"),
                               query(f"max(spate_slo_latency_seconds{{{PER_MODEL}}})", "objective")], 8,
               overrides=[OBJECTIVE]),
         panel("timeseries", "Time in the model", "How long workers compute one batch.", "s",
               [query(quantile(q, "run", metric="spate_worker_predict_seconds"), name)
                for q, name in ((0.5, "p50"), (0.99, "p99"))], 8),
         panel("timeseries", "Batch size", "Mean items per computed batch.", "short",
               [query(f'{rate_of("spate_worker_batch_items_sum", by="run")} / '
                      f'({rate_of("spate_worker_batch_items_count", by="run")} > 0)', "items")], 8),
         panel("timeseries", "Batches in the workers", "Being computed, and waiting inside a worker: all its calls are busy, "
               "or its duty cycle pauses.", "short",
               [query(f"sum(spate_worker_running_batches{{{worker}}})", "computed"),
                query(f"sum(spate_worker_queue_batches{{{worker}}})", "waiting")], 8),
         panel("timeseries", "Attempts beyond the first", "Re-dispatched requests per second: their worker died or hung.",
               "reqps", [query(rate_of("spate_redispatched_requests_total", by="run"), "re-dispatched")], 8)],
        decision_annotations())


def scaling():
    return dashboard(
        "spate-scaling", "Spate: scaling", "What the strategy decided, and how fast it came true. Decisions are annotations.",
        [run_variable(), model_variable()],
        [replicas_panel(24),
         panel("timeseries", "CPU limit of a replica", "What the strategy wants, and what each worker has in force; a loading "
               "worker has none (0).", "short",
               [query(f"max by (run, model) (spate_cpu_limit_cpus{{{PER_MODEL}}})", "{{run}} {{model}} wanted"),
                query(f"max by (run, model, replica) (spate_worker_cpu_limit_cpus{{{PER_MODEL}}})", "{{run}} {{replica}}")],
               custom=STEPS),
         panel("timeseries", "CPU reserved and used", "Reserved: start-up boost and draining replicas included.", "short",
               [query(f"sum by (run, model) (spate_cpu_reserved_cpus{{{PER_MODEL}}})", "{{run}} {{model}} reserved"),
                query(rate_of("spate_component_cpu_seconds_total", PER_MODEL + ',component="worker"'),
                      "{{run}} {{model}} used")]),
         panel("timeseries", "Decisions", "Per minute and direction. Up and down in turn is flapping.", "cpm",
               [query(f'60 * {rate_of("spate_decisions_total", by="run, model, direction")}', "{{run}} {{model}} {{direction}}")]),
         panel("timeseries", "Rules that decide", "Decisions per minute by the strategy's rule that made them; docs/metrics.md says "
               "what each means.", "cpm",
               [query(f'60 * {rate_of("spate_decision_rules_total", by="run, model, rule")}', "{{run}} {{model}} {{rule}}")]),
         panel("timeseries", "Limited decisions", "Decisions per minute that a wrapper or a bound changed. A bound that is always "
               "there decides instead of the strategy.", "cpm",
               [query(f'60 * {rate_of("spate_decisions_limited_total", by="run, model, limit")}', "{{run}} {{model}} {{limit}}")]),
         panel("timeseries", "What is asked", "Requests per second that arrive against what is answered in time.", "reqps",
               [query(rate_of("spate_requests_total"), "{{run}} {{model}} ended"),
                query(rate_of("spate_slo_good_requests_total"), "{{run}} {{model}} in time")]),
         panel("timeseries", "Throttling", "CFS periods per second in which a worker used up its quota (10 is all of them, "
               "at a period of 100 ms).", "short",
               [query(rate_of("spate_component_throttled_periods_total", PER_MODEL + ',component="worker"', "run, replica"),
                      "{{run}} {{replica}}")]),
         panel("timeseries", "Start of a worker", "How long each phase of a start took: until main, loading, first "
               "prediction.", "s",
               [query(f"max by (run, replica, phase) (spate_worker_start_seconds{{{PER_MODEL}}})",
                      "{{run}} {{replica}} {{phase}}")], custom=STEPS),
         panel("timeseries", "Failed replicas", "Replicas that died or did not become ready, since the run began.", "short",
               [query(f"sum by (run, model) (spate_replica_failures_total{{{PER_MODEL}}})", "{{run}} {{model}}")],
               thresholds=(("green", None), ("red", 1)), custom=STEPS),
         panel("timeseries", "Unusable decisions", "Decisions that were held instead, as they made no sense.", "short",
               [query('sum by (run, strategy) (spate_invalid_decisions_total{run=~"$run"})', "{{run}} {{strategy}}")],
               thresholds=(("green", None), ("red", 1)), custom=STEPS)],
        decision_annotations())


def components():
    chosen = 'run=~"$run",component=~"$component"'
    name = "{{run}} {{component}} {{replica}}"
    by = "run, component, replica"
    return dashboard(
        "spate-components", "Spate: CPU and memory", "What every component of a run uses.",
        [run_variable(),
         variable("component", "Component", "gateway, broker, influx, worker.",
                  'label_values(spate_component_memory_bytes{run=~"$run"}, component)')],
        [panel("timeseries", "CPU", "CPUs used. From the cgroup where there is one, else from /proc.", "short",
               [query(rate_of("spate_component_cpu_seconds_total", chosen, by), name)], 24, 9),
         panel("timeseries", "Memory", "Resident, pages shared with others included.", "bytes",
               [query(f"sum by ({by}) (spate_component_memory_bytes{{{chosen}}})", name)]),
         panel("timeseries", "Private memory", "What ends with the component: replicas share a model's weights.", "bytes",
               [query(f"sum by ({by}) (spate_component_private_memory_bytes{{{chosen}}})", name)]),
         panel("timeseries", "Throttled periods", "CFS periods per second in which a component used up its CPU quota.",
               "short", [query(rate_of("spate_component_throttled_periods_total", chosen, by), name)]),
         panel("timeseries", "Reachable for Prometheus", "1 while a component's /metrics answers; replicas come and go.",
               "short", [query(f"max by ({by}) (up{{{chosen}}})", name)], max=1, custom=STEPS),
         panel("timeseries", "Threads", "Of every component that serves /metrics.", "short",
               [query(f"sum by ({by}) (process_threads{{{chosen}}})", name)]),
         panel("timeseries", "Open file descriptors", "Rising without end is a leak.", "short",
               [query(f"sum by ({by}) (process_open_fds{{{chosen}}})", name)])])


def strategies():
    whole = "[$__range]"

    def total(metric, labels=PER_MODEL):
        return f"sum by (run) (increase({metric}{{{labels}}}{whole}))"

    share = f'{total("spate_slo_good_requests_total")} / ({total("spate_requests_total")} > 0)'
    bars = {"options": {"displayMode": "basic", "valueMode": "color", "minVizHeight": 16}}
    return dashboard(
        "spate-strategies", "Spate: strategies compared",
        "Runs of a comparison side by side, by their label `run`. Each figure is over the time range chosen above, as "
        "Prometheus saw it; report.html of the comparison has the exact ones.",
        [run_variable(), model_variable(False)],
        [panel("bargauge", "Answered in time over the target", "1 or more meets the objective. Over the whole range.",
               "none", [query(f"({share}) / on (run) max by (run) (max_over_time(spate_slo_target_ratio{{{PER_MODEL}}}{whole}))",
                              "{{run}}", True)], 8, 8, GOOD_FROM_ONE, decimals=3, **bars),
         panel("bargauge", "CPU-seconds reserved", "What the replicas of the model cost in CPU: reserved CPUs times time, "
               "boost and draining included.", "s",
               [query(f"sum by (run) (sum_over_time(spate_cpu_reserved_cpus{{{PER_MODEL}}}[$__range:1s]))", "{{run}}", True)],
               8, 8, **bars),
         panel("bargauge", "p99 latency over the objective's", "Of all answers of the range; below 1 is inside.", "none",
               [query(f"histogram_quantile(0.99, sum by (run, le) (increase(spate_request_latency_seconds_bucket"
                      f"{{{PER_MODEL}}}{whole}))) / on (run) max by (run) (max_over_time(spate_slo_latency_seconds"
                      f"{{{PER_MODEL}}}{whole}))", "{{run}}", True)], 8, 8, GOOD_BELOW_ONE, decimals=2, **bars),
         panel("bargauge", "Decisions that changed something", "Up and down, over the whole range.", "short",
               [query(total("spate_decisions_total", PER_MODEL + ',direction=~"up|down"'), "{{run}}", True)], 8, 8,
               decimals=0, **bars),
         panel("bargauge", "Not answered", "Rejected and expired requests, over the whole range.", "short",
               [query(total("spate_requests_total", PER_MODEL + ',outcome!="answered"'), "{{run}}", True)], 8, 8,
               decimals=0, **bars),
         panel("bargauge", "Failed replicas", "Over the whole range.", "short",
               [query(total("spate_replica_failures_total"), "{{run}}", True)], 8, 8, (("green", None), ("red", 1)),
               decimals=0, **bars),
         row("One after the other"),
         panel("timeseries", "Share answered in time", "The runs of a comparison follow each other.", "percentunit",
               [query(ATTAINMENT, "{{run}}"), query(TARGET, "{{run}} objective")], max=1, overrides=[OBJECTIVE]),
         latency_panel(),
         replicas_panel(),
         panel("timeseries", "CPU reserved", "By all replicas of the model.", "short",
               [query(f"sum by (run) (spate_cpu_reserved_cpus{{{PER_MODEL}}})", "{{run}}")], custom=STEPS)],
        decision_annotations(), span="now-1h")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--folder", type=pathlib.Path, default=FOLDER)
    arguments = parser.parse_args()
    wanted = {f"{d['uid']}.json": json.dumps(d, indent=1, ensure_ascii=False) + "\n"
              for d in (overview(), model(), scaling(), components(), strategies())}
    there = {path.name: path.read_text() for path in arguments.folder.glob("*.json")}
    if arguments.check:
        stale = sorted(name for name in wanted.keys() | there.keys() if wanted.get(name) != there.get(name))
        for name in stale:
            print(f"make_dashboards: {name} is not what tools/make_dashboards.py writes; run it and commit", file=sys.stderr)
        return 1 if stale else 0
    arguments.folder.mkdir(parents=True, exist_ok=True)
    for name in there.keys() - wanted.keys():
        (arguments.folder / name).unlink()
    for name, text in wanted.items():
        (arguments.folder / name).write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
