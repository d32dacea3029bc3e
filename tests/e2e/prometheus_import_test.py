# SPDX-License-Identifier: Apache-2.0
"""`spate trace import prometheus --url` against a real Prometheus whose data are known: `promtool` made
them, so the trace can be told bin by bin."""

import pathlib
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "testing"))
from prometheus import Prometheus, find, free_port  # noqa: E402
from system import ROOT, SPATE  # noqa: E402

STEP = 15
POINTS = 1200  # of the short series: five hours
GAP = range(400, 420)  # points that the short series lacks: longer than Prometheus' 5 minutes of patience


def requests_in(i):
    """Requests of job a in the step that ends at point i."""
    return 30 + i % 7 * 5


class ImportFromPrometheus(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="spate-import-")
        cls.addClassCleanup(cls.folder.cleanup)
        folder = pathlib.Path(cls.folder.name)
        cls.end = (int(time.time()) - 600) // 3600 * 3600
        cls.start = cls.end - STEP * (POINTS - 1)
        lines = ["# TYPE shop_requests counter"]
        total = 0
        for i in range(POINTS):
            total += requests_in(i)
            if i not in GAP:
                lines.append(f'shop_requests_total{{job="a"}} {total} {cls.start + STEP * i}')
        for i in range(POINTS):
            lines.append(f'shop_requests_total{{job="b"}} {10 * i} {cls.start + STEP * i}')
        (folder / "series.txt").write_text("\n".join(lines) + "\n# EOF\n")
        subprocess.run([find("promtool"), "tsdb", "create-blocks-from", "openmetrics", folder / "series.txt", folder / "data"],
                       check=True, capture_output=True)
        (folder / "empty.yml").write_text("scrape_configs: []\n")
        cls.prometheus = cls.enterClassContext(Prometheus(folder, folder / "empty.yml"))

    def ask(self, query, url=None, start=None, end=None, step=STEP, values="count", code=0):
        out = pathlib.Path(self.folder.name) / "trace.csv"
        out.unlink(missing_ok=True)
        result = subprocess.run(
            [str(SPATE), "trace", "import", "prometheus", "--url", url or self.prometheus.url, "--query", query,
             "--start", str(start or self.start), "--end", str(end or self.end), "--step", str(step), "--values", values,
             "--out", str(out)], capture_output=True, text=True, cwd=ROOT, timeout=120)
        self.assertEqual(result.returncode, code, result.stdout + result.stderr)
        self.assertEqual(out.exists(), code == 0)
        rows = [tuple(map(float, line.split(","))) for line in out.read_text().splitlines()[1:]] if code == 0 else []
        return rows, result.stdout if code == 0 else result.stderr

    def test_what_was_counted_comes_back_bin_by_bin(self):
        # From point 1 to 399: the counter itself against the one a step before, so nothing is extrapolated.
        query = f'shop_requests_total{{job="a"}} - shop_requests_total{{job="a"}} offset {STEP}s'
        rows, _ = self.ask(query, start=self.start + STEP, end=self.start + 399 * STEP)
        self.assertEqual(rows, [(STEP * (i - 1), requests_in(i)) for i in range(1, 400)])

    def test_rates_are_per_second(self):
        rows, _ = self.ask('rate(shop_requests_total{job="b"}[1m])', start=self.start + 300, end=self.end, values="rate")
        self.assertEqual({round(count, 6) for _, count in rows}, {10.0})

    def test_longer_than_one_answer_may_be(self):
        # 1 s apart: 17 986 points, two answers; a single one Prometheus refuses.
        rows, said = self.ask('sum(rate(shop_requests_total{job="b"}[1m]))', start=self.start, end=self.end - 300, step=1,
                              values="rate")
        self.assertGreater(len(rows), 11000 + 6000)
        self.assertEqual([t for t, _ in rows], [float(i) for i in range(len(rows))])
        self.assertIn("with a step of 1 s", said)

    def test_missing_points_are_reported(self):
        _, said = self.ask('sum(rate(shop_requests_total{job="a"}[30s]))', values="rate")
        self.assertRegex(said, r"\d+ bins are missing from the file")

    def test_failures_are_told_apart(self):
        _, said = self.ask("shop_requests_total", code=2)
        self.assertRegex(said, r"2 series \(.*job=\"a\".*job=\"b\".*\).*sum\(")
        _, said = self.ask("nothing_of_that_name", code=2)
        self.assertIn("the query found nothing from", said)
        _, said = self.ask("sum(rate(x[1m])", code=1)
        self.assertRegex(said, r"HTTP 400: .*parse error")
        _, said = self.ask("x", url=f"http://127.0.0.1:{free_port()}", code=1)
        self.assertIn("connecting failed", said)
        _, said = self.ask("x", url="https://127.0.0.1:9090", code=2)
        self.assertIn("only plain http", said)
        _, said = self.ask("x", start="yesterday", code=2)
        self.assertIn('--start: expected a time such as 2026-03-01T00:00:00Z or Unix seconds, got "yesterday"', said)
        _, said = self.ask("x", start=self.end, end=self.start, code=2)
        self.assertIn("must be after the start", said)


if __name__ == "__main__":
    unittest.main(verbosity=2)
