# SPDX-License-Identifier: Apache-2.0
"""`spate validate` as a process on a tiny scenario: really run, really simulated, gone on with, and its page."""

import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from system import ROOT, SPATE, find_program  # noqa: E402

SCENARIO = """
name: tiny
seed: 3
warm_up_s: 1
settle_s: 1
duration_s: 4
machine: {reserve: 0.5}
models:
  linear:
    model: var/models/linear
    dataset: data/temperature
    slo: {latency_ms: 250, target: 0.99}
    demand:
      profile: {kind: constant, rate_per_s: 40}
    cpu_request: 0.25
"""


class Validate(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="spate-validate-")
        self.scenario = pathlib.Path(self.folder.name) / "tiny.yaml"
        self.scenario.write_text(SCENARIO)
        self.out = pathlib.Path(self.folder.name) / "out"

    def tearDown(self):
        self.folder.cleanup()

    def validate(self, *arguments):
        return subprocess.run([str(SPATE), "validate", str(self.scenario), *arguments], cwd=ROOT, capture_output=True,
                              text=True, timeout=280)

    def test_runs_simulates_compares_and_goes_on(self):
        command = ("--strategies", "none", "--repeat", "2", "--out", str(self.out))
        result = self.validate(*command)
        # 1: something was not within, as on a machine that was busy. A timing decides no test.
        self.assertIn(result.returncode, (0, 1), result.stdout[-3000:] + result.stderr[-3000:])
        self.assertIn("2 live runs to make, 0 are there", result.stdout)
        for file in ("summary.json", "report.html", "table.txt", "tiny/live/none-2/run.json",
                     "tiny/simulated/none-1/run.json", "tiny/simulated/none-2/run.json"):
            self.assertTrue((self.out / file).exists(), file)
        summary = json.loads((self.out / "summary.json").read_text())
        [scenario] = summary["scenarios"]
        [line] = scenario["lines"]
        self.assertEqual((line["scenario"], line["strategy"], line["model"]), ("tiny", "none", "linear"))
        self.assertEqual((line["live_runs"], line["simulated_runs"]), (2, 2))
        for side in ("live", "simulated"):
            self.assertGreater(line["slo_attainment"][side], 0)
            self.assertGreater(line["cost"][side], 0)
            self.assertGreater(line["p99_ms"][side], 0)
        self.assertLess(line["p50_ms"]["low"], line["p50_ms"]["high"])
        self.assertEqual(summary["verdict"]["figures"], 4)
        self.assertEqual(summary["verdict"]["figures_unknown"], 0)
        for repetition in (1, 2):
            planned = [json.loads((self.out / "tiny" / side / f"none-{repetition}/influx.summary.json").read_text())
                       ["models"]["linear"]["planned"] for side in ("live", "simulated")]
            self.assertEqual(planned[0], planned[1], "the same requests on both sides")

        # The same command again makes only what is missing; a run that did not finish is made anew.
        (self.out / "tiny/live/none-2/influx.summary.json").unlink()
        kept = (self.out / "tiny/live/none-1/run.json").read_bytes()
        again = self.validate(*command)
        self.assertIn(again.returncode, (0, 1), again.stdout[-3000:] + again.stderr[-3000:])
        self.assertIn("1 live runs to make, 1 are there", again.stdout)
        self.assertEqual((self.out / "tiny/live/none-1/run.json").read_bytes(), kept)

        # Finished live runs from elsewhere: equal figures, and nothing is run.
        other = self.out.parent / "other"
        taken = self.validate("--live", str(self.out), "--out", str(other))
        self.assertEqual(taken.returncode, again.returncode, taken.stderr)
        self.assertFalse((other / "tiny/live").exists())
        first, second = (json.loads((d / "summary.json").read_text())["scenarios"][0]["lines"] for d in (self.out, other))
        self.assertEqual(first, second)

        page = subprocess.run([find_program("node"), "tests/e2e/open_page.mjs", str(self.out / "report.html"), "--expect",
                               "table=1", "--expect", "canvas,svg=1", "--text", "tiny", "--text", "none"], cwd=ROOT,
                              capture_output=True, text=True, timeout=120)
        self.assertEqual(page.returncode, 0, page.stdout + page.stderr)

        # Runs of another scenario under the same name are not mixed with these.
        self.scenario.write_text(SCENARIO.replace("rate_per_s: 40", "rate_per_s: 50"))
        refused = self.validate(*command)
        self.assertEqual(refused.returncode, 2)
        self.assertIn("another version", refused.stderr)

    def test_bad_input(self):
        nothing = self.validate("--live", str(self.out), "--out", str(self.out))
        self.assertEqual(nothing.returncode, 2)
        self.assertIn("holds no run of scenario tiny", nothing.stderr)
        self.assertNotEqual(self.validate("--repeat", "1").returncode, 0)
        unknown = self.validate("--strategies", "vertcal", "--out", str(self.out))
        self.assertEqual(unknown.returncode, 2)
        self.assertIn("vertical", unknown.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
