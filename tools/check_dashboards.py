#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks Grafana dashboards without Grafana.

By themselves: every panel has a description, a unit and a query; every variable is used, and every
used one is defined. With --prometheus: every variable has values there, and every query of every
panel and annotation gives an answer that is not empty, for every choice of the single-valued
variables. Exit status: 0 all good, 1 problems (one a line), 2 a file or the server cannot be read.
"""
import argparse
import json
import math
import pathlib
import re
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[1]
SCHEMA = 39
BUILT_IN = {"__rate_interval", "__interval", "__interval_ms", "__range", "__range_s", "__range_ms", "__from", "__to",
            "__dashboard", "__name", "__all"}
# $name, ${name}, ${name:format}, [[name]]
REFERENCE = re.compile(r"\$(\w+)|\$\{(\w+)(?::\w+)?\}|\[\[(\w+)\]\]")
LABEL_VALUES = re.compile(r"^\s*label_values\(\s*(?:(?P<metric>.+?)\s*,\s*)?(?P<label>\w+)\s*\)\s*$")
NO_DATA_PANELS = {"row", "text", "news", "dashlist"}


def references(text):
    return {a or b or c for a, b, c in REFERENCE.findall(text)}


def panels_of(dashboard):
    """Every panel, those of collapsed rows included."""
    for panel in dashboard.get("panels", []):
        yield panel
        yield from panel.get("panels", [])


def variables_of(dashboard):
    return dashboard.get("templating", {}).get("list", [])


def annotations_of(dashboard):
    return [a for a in dashboard.get("annotations", {}).get("list", []) if "expr" in a]


def variable_query(variable):
    query = variable.get("query", "")
    return query.get("query", "") if isinstance(query, dict) else query


# --- by themselves ----------------------------------------------------------------------------------

def panel_problems(panel):
    title = panel.get("title") or f"panel {panel.get('id')}"
    if not panel.get("title"):
        yield f"{title}: no title"
    if panel.get("type") in NO_DATA_PANELS:
        return
    if not panel.get("description", "").strip():
        yield f"{title}: no description"
    if not panel.get("fieldConfig", {}).get("defaults", {}).get("unit"):
        yield f"{title}: no unit"
    if not panel.get("targets"):
        yield f"{title}: no query"
    for target in panel.get("targets", []):
        if not target.get("expr", "").strip():
            yield f"{title}: query {target.get('refId')} is empty"
    places = [t.get("refId") for t in panel.get("targets", [])]
    if len(places) != len(set(places)):
        yield f"{title}: two queries have the same refId"


def variable_problems(dashboard):
    variables = {v["name"]: v for v in variables_of(dashboard)}
    # What stands in a variable's own definition does not make that variable used.
    rest = json.dumps({k: v for k, v in dashboard.items() if k != "templating"})
    used = references(rest)
    for name, variable in variables.items():
        used |= references(json.dumps({k: v for k, v in variable.items() if k != "current"})) - {name}
        if variable["type"] == "query" and not LABEL_VALUES.match(variable_query(variable)):
            yield f"variable {name}: expected label_values(metric, label), got {variable_query(variable)!r}"
    for name in variables:
        if name not in used:
            yield f"variable {name}: nothing uses it"
    for name in sorted(used - set(variables) - BUILT_IN):
        yield f"variable {name}: is used and not defined"


def static_problems(dashboard):
    if dashboard.get("schemaVersion") != SCHEMA:
        yield f"schemaVersion: expected {SCHEMA}, got {dashboard.get('schemaVersion')}"
    for key in ("uid", "title", "description"):
        if not dashboard.get(key):
            yield f"no {key}"
    ids = [p.get("id") for p in panels_of(dashboard)]
    if len(ids) != len(set(ids)):
        yield "two panels have the same id"
    if not ids:
        yield "no panels"
    for panel in panels_of(dashboard):
        yield from panel_problems(panel)
    yield from variable_problems(dashboard)


# --- against a Prometheus ----------------------------------------------------------------------------

class Prometheus:
    def __init__(self, url, start, end, scrape_s):
        self.url, self.start, self.end = url.rstrip("/"), start, end
        # As Grafana does it: at most some hundred points, and four scrapes in a rate's window.
        self.step = max(1, math.ceil((end - start) / 300))
        self.rate = max(4 * scrape_s, self.step + scrape_s)
        self.built_in = {"__rate_interval": f"{self.rate:g}s", "__interval": f"{self.step}s",
                         "__range": f"{math.ceil(end - start)}s"}

    def api(self, path, **parameters):
        """The answer's data; a query that Prometheus refuses raises ValueError with its words."""
        data = urllib.parse.urlencode(parameters, doseq=True).encode()
        try:
            with urllib.request.urlopen(f"{self.url}/api/v1/{path}", data, timeout=30) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            text = error.read().decode(errors="replace")
            try:
                raise ValueError(json.loads(text)["error"]) from error
            except (json.JSONDecodeError, KeyError):
                raise ValueError(f"HTTP {error.code}: {text[:200]}") from error

    def values(self, expr, instant):
        """All numbers of the answer, NaN left out."""
        if instant:
            result = self.api("query", query=expr, time=self.end)["result"]
            numbers = [series["value"][1] for series in result]
        else:
            result = self.api("query_range", query=expr, start=self.start, end=self.end, step=self.step)["result"]
            numbers = [value for series in result for _, value in series["values"]]
        return [n for n in map(float, numbers) if not math.isnan(n)]

    def label_values(self, query):
        found = LABEL_VALUES.match(query)
        matcher = found["metric"] or '{__name__=~".+"}'
        # /series, as label values of one selector are what Grafana shows.
        data = self.api("series", **{"match[]": matcher, "start": self.start, "end": self.end})
        return sorted({series[found["label"]] for series in data if found["label"] in series})


def substitute(text, values):
    return REFERENCE.sub(lambda m: values.get(m[1] or m[2] or m[3], m[0]), text)


def choices_of(dashboard, prometheus):
    """Every combination of the single-valued variables, as {name: value}; many-valued ones stand for all. Raises
    ValueError where a variable has no value."""
    combinations = [dict(prometheus.built_in)]
    for variable in variables_of(dashboard):
        if variable["type"] != "query":
            continue
        extended = []
        for chosen in combinations:
            # Only the own selection decides which values there are (a run's models).
            query = substitute(variable_query(variable), chosen)
            values = prometheus.label_values(query)
            if not values:
                raise ValueError(f"variable {variable['name']}: {query} has no value")
            if variable.get("includeAll"):
                values = [variable.get("allValue") or "|".join(map(re.escape, values))]
            extended += [chosen | {variable["name"]: value} for value in values]
        combinations = extended
    return combinations


def live_problems(dashboard, prometheus):
    try:
        combinations = choices_of(dashboard, prometheus)
    except ValueError as error:
        yield str(error)
        return
    queries = [(p["title"], t["expr"], bool(t.get("instant"))) for p in panels_of(dashboard) for t in p.get("targets", [])]
    queries += [(f"annotation {a['name']}", a["expr"], False) for a in annotations_of(dashboard)]
    annotations = len(annotations_of(dashboard))
    for number, (title, expr, instant) in enumerate(queries):
        # No model is scaled in every run: an annotation needs one choice that has it, a panel all.
        is_annotation = number >= len(queries) - annotations
        empty = []
        for chosen in combinations:
            asked = substitute(expr, chosen)
            try:
                if not prometheus.values(asked, instant):
                    empty.append(asked)
            except ValueError as error:
                yield f"{title}: {error}: {asked}"
                break
        if empty and not (is_annotation and len(empty) < len(combinations)):
            yield f"{title}: no data: {empty[0]}"


# --- the command -------------------------------------------------------------------------------------

def check(files, prometheus=None):
    """[(file, problem)] and the number of queries that were run."""
    problems, queries = [], 0
    uids = {}
    for file in files:
        dashboard = json.loads(file.read_text())
        problems += [(file.name, p) for p in static_problems(dashboard)]
        if uids.setdefault(dashboard.get("uid"), file) != file:
            problems.append((file.name, f"uid {dashboard['uid']} is that of {uids[dashboard['uid']].name} too"))
        if prometheus:
            problems += [(file.name, p) for p in live_problems(dashboard, prometheus)]
            queries += sum(len(p.get("targets", [])) for p in panels_of(dashboard)) + len(annotations_of(dashboard))
    return problems, queries


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=pathlib.Path, help="default: deploy/grafana/dashboards/*.json")
    parser.add_argument("--prometheus", metavar="URL", help="also run every query there, http://127.0.0.1:9090")
    parser.add_argument("--from", dest="start", type=float, metavar="UNIX_S", help="default: 15 minutes before --to")
    parser.add_argument("--to", dest="end", type=float, metavar="UNIX_S", help="default: now")
    parser.add_argument("--scrape", type=float, default=2.0, metavar="SECONDS", help="scrape interval (default: 2)")
    arguments = parser.parse_args()
    files = arguments.files or sorted((ROOT / "deploy/grafana/dashboards").glob("*.json"))
    end = arguments.end or time.time()
    prometheus = None
    if arguments.prometheus:
        prometheus = Prometheus(arguments.prometheus, arguments.start or end - 900, end, arguments.scrape)
    try:
        problems, queries = check(files, prometheus)
    except (OSError, json.JSONDecodeError) as error:
        print(f"check_dashboards: {error}", file=sys.stderr)
        return 2
    for file, problem in problems:
        print(f"{file}: {problem}")
    if not files:
        print("check_dashboards: no dashboards", file=sys.stderr)
        return 2
    if not problems:
        print(f"check_dashboards: ok ({len(files)} dashboards" + (f", {queries} queries answered)" if prometheus else ")"))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
