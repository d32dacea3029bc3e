# SPDX-License-Identifier: Apache-2.0
"""The command line as a newcomer meets it: help that documents, errors that say what to do."""

import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from system import ROOT, SPATE, find_program, free_port  # noqa: E402


def spate(*args, **options):
    return subprocess.run([str(SPATE), *args], capture_output=True, text=True, cwd=ROOT, timeout=60, **options)


def subcommands(text):
    part = re.split(r"^Subcommands:$", text, maxsplit=1, flags=re.M)
    if len(part) != 2:
        return []
    listed = part[1].split("\n\n", 1)[0]  # examples may follow
    return re.findall(r"^  ([a-z0-9-]+) ", listed, re.M)


class Commands(unittest.TestCase):
    def test_every_command_documents_itself(self):
        seen = []

        def visit(path):
            result = spate(*path, "--help")
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assertGreater(len(result.stdout), 100, path)
            below = subcommands(result.stdout)
            if not below:
                self.assertRegex(" ".join(result.stdout.split()), r"Exit status: 0 .*; 2 .*\.$",
                                 f"{path}: the statuses are listed, and 2 is among them")
            for name in below:
                seen.append([*path, name])
                visit([*path, name])

        visit([])
        names = {" ".join(path) for path in seen}
        for wanted in ("run", "compare", "report", "influx", "gateway", "worker", "model build", "model predict",
                       "model import", "model info", "model bench", "dataset", "doctor", "strategies", "health", "simulate", "profile", "capacity", "trace import", "suite run", "tune", "export"):
            self.assertIn(wanted, names)

    def test_strategies_and_wrappers_are_listed_with_their_options(self):
        text = spate("strategies").stdout
        for name in ("horizontal", "keda", "cooldown", "keep_warm"):
            self.assertRegex(text, rf"(?m)^{name} +\S")
        listed = {entry["name"]: entry for entry in json.loads(spate("strategies", "--json").stdout)}
        self.assertEqual({name for name, entry in listed.items() if entry["wrapper"]},
                         {"limits", "cooldown", "dead_band", "scale_in_guard", "keep_warm", "metrics"})
        self.assertEqual([(o["name"], o["default"], o["low"], o["high"]) for o in listed["cooldown"]["options"]],
                         [("out_s", 0.0, 0.0, 86400.0), ("in_s", 60.0, 0.0, 86400.0)])
        one = spate("strategies", "cooldown").stdout
        self.assertRegex(one, r"in_s +seconds after .*\n +default 60, from 0 to 86400")
        self.assertNotIn("kind", one)
        self.expect_refusal("strategies", "cooldwon", says=['did you mean "cooldown"?'])
        self.expect_refusal("strategies", "hpa_cpuu", says=['did you mean "hpa_cpu"?'])

    def test_a_tuned_strategy_is_exported(self):
        with tempfile.TemporaryDirectory() as folder:
            options = pathlib.Path(folder) / "tuned.yaml"
            options.write_text("strategies:\n  hpa_cpu_tuned:\n    kind: hpa_cpu\n    options:\n"
                               "      target_utilization_percent: 55\n")
            result = spate("export", "hpa_cpu", "--as", "hpa", "--options", str(options), "--model", "web", "--max", "7")
            self.assertEqual(result.returncode, 0, result.stderr)
            for line in ("apiVersion: autoscaling/v2", "  name: web", "  maxReplicas: 7", "          averageUtilization: 55"):
                self.assertIn(line + "\n", result.stdout)
            self.expect_refusal("export", "keda", "--as", "keda", "--options", str(options), says=["hpa_cpu_tuned"])
        scenario = spate("export", "hpa_cpu", "--as", "hpa", "--scenario", "scenarios/demo.yaml", "--model", "resnet50")
        self.assertEqual(scenario.returncode, 0, scenario.stderr)
        self.assertIn("  name: resnet50\n", scenario.stdout)
        self.expect_refusal("export", "erlang_c", "--as", "hpa", says=["hpa_cpu, hpa_external"])

    def test_version(self):
        self.assertRegex(spate("--version").stdout, r"^\d+\.\d+\.\d+\n$")

    def expect_refusal(self, *args, says):
        result = spate(*args)
        self.assertEqual(result.returncode, 2, result.stdout + result.stderr)
        for word in says:
            self.assertIn(word, result.stderr)

    def test_what_is_wrong_with_a_command_line_is_said_in_one_line_and_ends_with_2(self):
        for args, says in (
                ([], "A subcommand is required (see spate --help)"),
                (["frobnicate"], "unknown command frobnicate (see spate --help)"),
                (["compair", "x.yaml"], "unknown command compair; did you mean compare? (see spate --help)"),
                (["--nonesuch"], "unknown option --nonesuch (see spate --help)"),
                (["model"], "A subcommand is required (see spate model --help)"),
                (["model", "biuld"], "unknown command biuld; did you mean build? (see spate model --help)"),
                (["run"], "scenario is required (see spate run --help)"),
                (["run", "x.yaml"], "--strategy is required (see spate run --help)"),
                (["run", "x.yaml", "--strategi=none"],
                 "unknown option --strategi; did you mean --strategy? (see spate run --help)"),
                (["run", "x.yaml", "y.yaml"], 'unexpected argument "y.yaml" (see spate run --help)'),
                (["run", "x.yaml", "--strategy"], r"--strategy: 1 required NAME missing (see spate run --help)"),
                (["compare", "x.yaml", "--strategies", "none", "--repeat", "0"],
                 "--repeat: Value 0 not in range 1 to 100 (see spate compare --help)"),
                (["model", "build", "linear", "--csv", "a.csv", "--target", "t", "--dataset", "d", "--out", "o"],
                 "--csv excludes --dataset (see spate model build linear --help)"),
                (["validate", "x.yaml", "--limits", "some"],
                 "--limits: some not in {auto,cgroup,duty_cycle,none} (see spate validate --help)")):
            with self.subTest(" ".join(args)):
                result = spate(*args)
                self.assertEqual((result.returncode, result.stdout, result.stderr), (2, "", f"spate: {says}\n"))
        self.assertEqual(spate("run", "--help").returncode, 0)
        self.assertEqual(spate("--version").returncode, 0)

    def test_capacity_is_simulated_without_anything_running(self):
        with tempfile.TemporaryDirectory() as folder:
            out = pathlib.Path(folder) / "curve.json"
            result = spate("capacity", "--models", "resnet50", "--cpus", "0.3,0.9", "--replicas", "1,2", "--live", "0",
                           "--requests", "1000", "--out", str(out))
            self.assertEqual(result.returncode, 0, result.stderr)
            points = json.loads(out.read_text())["points"]
            page = subprocess.run([find_program("node"), "tests/e2e/open_page.mjs", str(out.with_suffix(".html")),
                                   "--expect", "#points-resnet50 tbody tr=4", "--expect", "svg path=4",
                                   "--text", "none was measured live", "--text", "0.9 CPU"],
                                  cwd=ROOT, capture_output=True, text=True, timeout=120)
            self.assertEqual(page.returncode, 0, page.stdout + page.stderr)
            self.assertIn("curve.html", result.stdout)
            self.expect_refusal("capacity", "--live", "0", "--out", str(out.with_suffix(".html")), says=["--page", ".json"])
        self.assertEqual([(p["cpus"], p["replicas"]) for p in points], [(0.3, 1), (0.3, 2), (0.9, 1), (0.9, 2)])
        for less, more in ((0, 1), (2, 3), (0, 2), (1, 3)):
            self.assertLess(points[less]["simulated"]["per_s"], points[more]["simulated"]["per_s"])
        self.assertNotIn("live", points[0])
        self.assertIn("resnet50", result.stdout)

    def test_profile_and_capacity_say_what_they_lack(self):
        self.expect_refusal("profile", "--models", "resnet", says=["resnet", "resnet50"])
        self.expect_refusal("capacity", "--models", "resnet", "--live", "0", says=["resnet", "resnet50"])
        self.expect_refusal("capacity", "--profile", "no.json", says=["no.json"])

    def test_health_says_who_does_not_answer(self):
        port = free_port()
        result = spate("health", "--url", f"http://127.0.0.1:{port}/healthz")
        self.assertEqual(result.returncode, 1, result.stderr)
        self.assertRegex(result.stdout, rf"^no answer: http://127\.0\.0\.1:{port}/healthz: .*\n$")
        self.expect_refusal("health", "--url", "https://127.0.0.1/", says=["--url", "http://HOST"])

    def test_missing_things_are_named_with_the_remedy(self):
        self.expect_refusal("run", "scenarios/nonesuch.yaml", "--strategy", "none", says=["scenarios/nonesuch.yaml"])
        self.expect_refusal("run", "scenarios/demo.yaml", "--strategy", "horizontl", says=["horizontal"])
        result = spate("model", "info", "var/models/nonesuch")
        self.assertNotEqual(result.returncode, 0)
        self.assertIn("spate model build", result.stderr)

    def test_a_model_is_benchmarked_with_the_input_that_was_named(self):
        linear = str(ROOT / "var/models/linear")

        def bench(text):
            return spate("model", "bench", linear, "--seconds", "0.05", "--json", "--input", text)

        row = bench("0.5,0.5,0.5,0.5,1013,3.2,10")
        self.assertEqual(row.returncode, 0, row.stderr)
        self.assertGreater(json.loads(row.stdout)["calls"], 0)
        self.expect_refusal("model", "bench", linear, "--seconds", "0.05", "--input", "1,2,3",
                            says=["7 features", "got 3"])
        self.expect_refusal("model", "bench", linear, "--input", "nonesuch.json", says=["nonesuch.json"])
        self.expect_refusal("model", "bench", linear, "--input", "data/temperature/held_out.csv", says=["held_out.csv", "one"])

    def test_a_scenario_is_read_strictly(self):
        text = (ROOT / "scenarios/demo.yaml").read_text()
        with tempfile.TemporaryDirectory() as folder:
            wrong = pathlib.Path(folder) / "wrong.yaml"
            wrong.write_text(text.replace("latency_ms: ", "latency_msec: ", 1))
            line = text[: text.index("latency_ms: ")].count("\n") + 1
            self.expect_refusal("run", str(wrong), "--strategy", "none", says=[f"wrong.yaml:{line}:", "latency_ms"])

    def test_a_scenario_is_simulated_with_the_committed_profile_and_equal_seeds_give_equal_bytes(self):
        with tempfile.TemporaryDirectory() as folder:
            texts = []
            for name in ("one", "two"):
                out = pathlib.Path(folder) / name
                result = spate("simulate", "scenarios/demo.yaml", "--strategies", "none,horizontal,backlog,hpa_cpu",
                               "--seeds", "2", "--out", str(out))
                self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
                self.assertTrue((out / "report.html").exists())
                texts.append([(out / f"{run}/{file}").read_bytes() for run in ("none-1", "horizontal-2", "hpa_cpu-1")
                              for file in ("series.jsonl", "decisions.jsonl", "influx.series.jsonl")])
                summary = json.loads((out / "summary.json").read_text())
                self.assertEqual(summary["simulated"], {"profile": "profiles/default.json", "mode": "exact"})
                runs = summary["runs"]
            self.assertEqual(texts[0], texts[1])
            got = {r["strategy"]: r["models"]["resnet50"]["attainment_after_surge"] for r in runs}
            self.assertLess(got["none"], 0.7)
            self.assertGreater(got["horizontal"], 0.9, "the surge is met, as live")
        self.expect_refusal("simulate", "scenarios/demo.yaml", "--strategies", "none", "--profile", "/no/such.json",
                            says=["/no/such.json"])

    def test_the_fluid_mode_says_that_it_is_an_approximation(self):
        with tempfile.TemporaryDirectory() as folder:
            pages = {}
            for mode, flags in (("exact", ()), ("fluid", ("--fluid",))):
                out = pathlib.Path(folder) / mode
                result = spate("simulate", "scenarios/demo.yaml", "--strategies", "none", "--out", str(out), *flags)
                self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
                self.assertEqual("in the fluid mode, an approximation" in result.stdout, mode == "fluid")
                self.assertEqual(json.loads((out / "summary.json").read_text())["simulated"]["mode"], mode)
                self.assertEqual(json.loads((out / "none-1/run.json").read_text())["simulated"]["mode"], mode)
                self.assertEqual(json.loads((out / "experiment.json").read_text())["fluid"], mode == "fluid")
                # The page's text is made from its data when it is opened.
                pages[mode] = re.search(r'"simulated":(\{[^}]*\})', (out / "report.html").read_text()).group(1)
                again = spate("report", str(out))
                self.assertEqual(again.returncode, 0, again.stdout + again.stderr)
                self.assertEqual(json.loads((out / "summary.json").read_text())["simulated"]["mode"], mode, "made again")
            self.assertEqual({mode: json.loads(page)["mode"] for mode, page in pages.items()},
                             {"exact": "exact", "fluid": "fluid"})
            scenario = pathlib.Path(folder) / "mmpp.yaml"
            mmpp = "{kind: mmpp, states: [{ratio: 0.5, mean_s: 9}, {ratio: 4, mean_s: 1}]}"
            demo = (ROOT / "scenarios/demo.yaml").read_text().replace("{kind: gamma, cv: 0.5}", mmpp)
            steady = "profile: {kind: constant, rate_per_s: 50}\n"
            self.assertEqual(demo.count(steady), 2)
            scenario.write_text(demo.replace(steady, f"{steady}      arrivals: {mmpp}\n"))
            # Three models in surges that each repetition has of its own, and all strategies alike.
            out = pathlib.Path(folder) / "mmpp"
            result = spate("simulate", str(scenario), "--strategies", "none,horizontal", "--seeds", "2", "--fluid",
                           "--out", str(out))
            self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
            runs = json.loads((out / "summary.json").read_text())["runs"]
            for model in runs[0]["models"]:
                asked = {(r["strategy"], r["repetition"]): r["models"][model]["asked"] for r in runs}
                self.assertEqual(asked["none", 1], asked["horizontal", 1], asked)
                self.assertNotEqual(asked["none", 1], asked["none", 2], asked)

    def test_faults_of_a_scenario_happen_in_simulated_runs_only(self):
        faults = "\nfaults:\n  - {kind: crash, at_s: 20, model: resnet50}\n  - {kind: slow_machine, at_s: 30, for_s: 10, speed_ratio: 0.3}\n"
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            text = (ROOT / "scenarios/demo.yaml").read_text()
            runs = {}
            for name, scenario in (("calm", text), ("broken", text + faults)):
                (folder / f"{name}.yaml").write_text(scenario)
                result = spate("simulate", str(folder / f"{name}.yaml"), "--strategies", "none", "--out", str(folder / name))
                self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
                lines = [json.loads(line) for line in (folder / name / "none-1/decisions.jsonl").read_text().splitlines()]
                runs[name] = [line for line in lines if line.get("detail") == "crashed"]
            self.assertEqual(runs["calm"], [])
            self.assertEqual(len({line["replica"] for line in runs["broken"]}), 1, "one replica, as the script says")
            start = json.loads((folder / "broken/none-1/influx.summary.json").read_text())["start_unix_s"]
            self.assertAlmostEqual(runs["broken"][0]["unix_s"], start + 20.0, delta=0.5)
            recorded = json.loads((folder / "broken/none-1/scenario.json").read_text())["faults"]
            self.assertEqual([f["kind"] for f in recorded], ["crash", "slow_machine"])
            asked = {name: json.loads((folder / name / "summary.json").read_text())["runs"][0]["models"]["resnet50"]
                     for name in runs}
            self.assertLess(asked["broken"]["slo_attainment"], asked["calm"]["slo_attainment"])
            self.expect_refusal("run", str(folder / "broken.yaml"), "--strategy", "none",
                                says=["only `spate simulate` can make them"])
            self.expect_refusal("simulate", str(folder / "calm.yaml"), "--strategies", "none", "--out", str(folder / "broken"),
                                says=["not empty"])
            (folder / "wrong.yaml").write_text(text + faults.replace("model: resnet50", "model: other"))
            self.expect_refusal("simulate", str(folder / "wrong.yaml"), "--strategies", "none",
                                says=["faults[0].model", "a model of this scenario or demand"])

    def test_a_suite_is_run_and_goes_on_where_it_was(self):
        with tempfile.TemporaryDirectory() as folder:
            command = ("suite", "run", "suites/standard.yaml", "--strategies", "none", "horizontal", "--demands", "constant",
                       "--out", str(pathlib.Path(folder) / "out"))
            first = spate(*command)
            self.assertEqual(first.returncode, 0, first.stdout + first.stderr)
            summary = (pathlib.Path(folder) / "out/summary.json").read_bytes()
            self.assertTrue((pathlib.Path(folder) / "out/report.html").exists())
            again = spate(*command)
            self.assertIn("6 taken from an earlier run", again.stdout + again.stderr)
            self.assertEqual((pathlib.Path(folder) / "out/summary.json").read_bytes(), summary)
        self.expect_refusal("suite", "run", "suites/standard.yaml", "--strategies", "nonee", says=["nonee", "horizontal"])

    def test_doctor_says_what_the_machine_offers(self):
        result = spate("doctor")
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        for word in ("mosquitto", "ONNX Runtime", "XGBoost", "cgroup", "CPU", "Docker"):
            self.assertIn(word, result.stdout)

    def test_doctor_finds_the_broker_where_a_plain_path_does_not_lead(self):
        env = dict(os.environ, PATH="/nonexistent")
        result = spate("doctor", env=env)
        self.assertEqual(result.returncode, 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
