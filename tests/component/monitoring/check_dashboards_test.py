# SPDX-License-Identifier: Apache-2.0
"""The dashboards' checker: broken dashboards must fail, by themselves and against a real Prometheus
whose data `promtool` made."""

import copy
import json
import pathlib
import subprocess
import sys
import tempfile
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path[:0] = [str(ROOT / "tools"), str(ROOT / "tests/testing")]
import check_dashboards  # noqa: E402
from prometheus import Prometheus, find  # noqa: E402

GOOD = {
    "uid": "u", "title": "t", "description": "d", "schemaVersion": 39,
    "templating": {"list": [
        {"name": "run", "type": "query", "query": {"query": "label_values(spate_info, run)"}, "includeAll": True,
         "allValue": ".*"},
        {"name": "model", "type": "query", "query": {"query": 'label_values(spate_queue{run=~"$run"}, model)'}}]},
    "annotations": {"list": [{"name": "a", "expr": 'spate_queue{model="$model"} > 0'}]},
    "panels": [{"id": 1, "type": "timeseries", "title": "p", "description": "what", "gridPos": {},
                "fieldConfig": {"defaults": {"unit": "s"}},
                "targets": [{"refId": "A", "expr": 'rate(spate_done_total{run=~"$run",model="$model"}[$__rate_interval])'},
                            {"refId": "B", "expr": 'sum(spate_queue{run=~"${run:regex}"})', "instant": True}]},
               {"id": 2, "type": "row", "title": "r", "panels": []}],
}


def problems_of(change):
    dashboard = copy.deepcopy(GOOD)
    change(dashboard, dashboard["panels"][0])
    return list(check_dashboards.static_problems(dashboard))


class ByItself(unittest.TestCase):
    def test_a_good_one_has_no_problem(self):
        self.assertEqual(problems_of(lambda d, p: None), [])

    def test_each_defect_is_found(self):
        def delete(key):
            return lambda d, p: p.pop(key)
        cases = {
            "p: no unit": lambda d, p: p["fieldConfig"]["defaults"].pop("unit"),
            "p: no description": delete("description"),
            "panel 1: no title": delete("title"),
            "p: no query": delete("targets"),
            "p: query B is empty": lambda d, p: p["targets"][1].update(expr=" "),
            "p: two queries have the same refId": lambda d, p: p["targets"][1].update(refId="A"),
            "schemaVersion: expected 39, got 38": lambda d, p: d.update(schemaVersion=38),
            "no description": lambda d, p: d.pop("description"),
            "two panels have the same id": lambda d, p: d["panels"][1].update(id=1),
            "no panels": lambda d, p: d["panels"].clear(),
            "variable other: nothing uses it": lambda d, p: d["templating"]["list"].append(
                {"name": "other", "type": "query", "query": {"query": "label_values(up, other)"}}),
            "variable rnu: is used and not defined": lambda d, p: p["targets"][1].update(expr='x{run="$rnu"}'),
            "variable model: expected label_values(metric, label), got 'query_result(up)'":
                lambda d, p: d["templating"]["list"][1].update(query={"query": "query_result(up)"}),
        }
        for problem, change in cases.items():
            with self.subTest(problem):
                self.assertIn(problem, problems_of(change))

    def test_a_variable_that_only_defines_itself_is_an_orphan(self):
        def change(d, p):
            d["templating"]["list"].append(
                {"name": "own", "type": "query", "query": {"query": 'label_values(up{own="$own"}, own)'}})
        self.assertEqual(problems_of(change), ["variable own: nothing uses it"])

    def test_panels_inside_collapsed_rows_are_looked_at(self):
        def change(d, p):
            d["panels"][1]["panels"].append(dict(copy.deepcopy(p), id=3, title="inner", description=""))
        self.assertEqual(problems_of(change), ["inner: no description"])

    def test_the_committed_dashboards_are_good_and_as_generated(self):
        for tool in (["check_dashboards.py"], ["make_dashboards.py", "--check"]):
            result = subprocess.run([sys.executable, ROOT / "tools" / tool[0], *tool[1:]], capture_output=True, text=True)
            self.assertEqual(result.returncode, 0, result.stdout + result.stderr)

    def test_a_dashboard_that_was_edited_by_hand_is_noticed(self):
        with tempfile.TemporaryDirectory() as folder:
            tool = [sys.executable, ROOT / "tools/make_dashboards.py", "--folder", folder]
            subprocess.run(tool, check=True)
            subprocess.run([*tool, "--check"], check=True)
            file = pathlib.Path(folder) / "spate-model.json"
            file.write_text(file.read_text().replace("Latency quantiles", "Latencies"))
            result = subprocess.run([*tool, "--check"], capture_output=True, text=True)
            self.assertEqual(result.returncode, 1)
            self.assertIn("spate-model.json", result.stderr)


class AgainstPrometheus(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="spate-dashboards-")
        folder = pathlib.Path(cls.folder.name)
        cls.end = int(time.time()) - 60
        cls.start = cls.end - 300
        lines = ["# TYPE spate_info gauge", "# TYPE spate_queue gauge", "# TYPE spate_done counter", "# TYPE spate_nan gauge"]
        for at in range(cls.start, cls.end, 2):
            for run in ("none-1", "vertical-1"):
                lines.append(f'spate_info{{run="{run}"}} 1 {at}')
                lines.append(f'spate_queue{{run="{run}",model="m"}} 3 {at}')
                lines.append(f'spate_done_total{{run="{run}",model="m"}} {at - cls.start} {at}')
                lines.append(f'spate_nan{{run="{run}",model="m"}} NaN {at}')
        # OpenMetrics wants the samples of a metric together.
        head, samples = lines[:4], sorted(lines[4:], key=lambda line: line.split("{")[0])
        text = []
        for kind in head:
            name = kind.split()[2]
            text += [kind] + [s for s in samples if s.startswith((name + "{", name + "_total{"))]
        (folder / "series.txt").write_text("\n".join(text) + "\n# EOF\n")
        subprocess.run([find("promtool"), "tsdb", "create-blocks-from", "openmetrics", folder / "series.txt", folder / "data"],
                       check=True, capture_output=True)
        (folder / "empty.yml").write_text("scrape_configs: []\n")
        cls.prometheus = Prometheus(folder, folder / "empty.yml")
        cls.prometheus.__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.prometheus.__exit__()
        cls.folder.cleanup()

    def live(self, change=lambda d, p: None):
        dashboard = copy.deepcopy(GOOD)
        change(dashboard, dashboard["panels"][0])
        server = check_dashboards.Prometheus(self.prometheus.url, self.start, self.end - 2, 2)
        return list(check_dashboards.live_problems(dashboard, server))

    def test_a_good_one_has_no_problem(self):
        self.assertEqual(self.live(), [])

    def test_an_empty_answer_fails(self):
        found = self.live(lambda d, p: p["targets"][1].update(expr='sum(spate_queue{run=~"$run",model="none"})'))
        self.assertEqual(found, ['p: no data: sum(spate_queue{run=~".*",model="none"})'])

    def test_nothing_but_nan_is_empty(self):
        self.assertEqual(self.live(lambda d, p: p["targets"][0].update(expr="spate_nan")), ["p: no data: spate_nan"])

    def test_a_query_that_is_refused_fails_with_the_reason(self):
        found = self.live(lambda d, p: p["targets"][0].update(expr="sum(rate(spate_done_total)"))
        self.assertEqual(len(found), 1)
        self.assertIn("p: ", found[0])
        self.assertIn("parse error", found[0])

    def test_a_variable_without_values_fails(self):
        found = self.live(lambda d, p: d["templating"]["list"][1].update(query={"query": "label_values(spate_queue, modl)"}))
        self.assertEqual(found, ["variable model: label_values(spate_queue, modl) has no value"])

    def test_an_annotation_without_data_fails(self):
        found = self.live(lambda d, p: d["annotations"]["list"][0].update(expr='spate_queue{model="$model"} > 9'))
        self.assertEqual(found, ['annotation a: no data: spate_queue{model="m"} > 9'])

    def test_every_choice_of_a_single_valued_variable_is_asked(self):
        def change(d, p):
            d["templating"]["list"][0].update(includeAll=False)
            p["targets"][0].update(expr='spate_queue{run="$run",model="$model"} and on () spate_info{run="none-1"}')
            p["targets"][1].update(expr='spate_queue{run="$run",run!="vertical-1"}')
        self.assertEqual(self.live(change), ['p: no data: spate_queue{run="vertical-1",run!="vertical-1"}'])

    def test_the_command_says_it_with_its_exit_status(self):
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder) / "d.json"

            def run(dashboard):
                file.write_text(json.dumps(dashboard))
                return subprocess.run([sys.executable, ROOT / "tools/check_dashboards.py", "--prometheus", self.prometheus.url,
                                       "--from", str(self.start), "--to", str(self.end - 2), file], capture_output=True, text=True)
            good = run(GOOD)
            self.assertEqual((good.returncode, good.stdout), (0, "check_dashboards: ok (1 dashboards, 3 queries answered)\n"))
            broken = copy.deepcopy(GOOD)
            broken["panels"][0]["targets"][0]["expr"] = "no_such_metric"
            result = run(broken)
            self.assertEqual(result.returncode, 1)
            self.assertIn("d.json: p: no data: no_such_metric", result.stdout)
            file.write_text("{")
            unreadable = subprocess.run([sys.executable, ROOT / "tools/check_dashboards.py", file], capture_output=True)
            self.assertEqual(unreadable.returncode, 2)


if __name__ == "__main__":
    unittest.main(verbosity=2)
