# SPDX-License-Identifier: Apache-2.0
"""`spate compare --backend docker` on a short scenario: broker, gateway, influx and every worker in
a container of its own of a real engine (scripts/dockerd), with the image of this build."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from system import ROOT, SPATE, free_port, wait_until  # noqa: E402


def run(*command, timeout_s=120, **options):
    result = subprocess.run([str(c) for c in command], capture_output=True, text=True, cwd=ROOT, timeout=timeout_s,
                            **options)
    if result.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command))}: exit status {result.returncode}\n"
                           f"{result.stdout[-3000:]}{result.stderr[-3000:]}")
    return result.stdout.strip()


class DockerBackend(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        socket = run("scripts/dockerd", "socket")
        cls.engine_was_up = pathlib.Path(socket).exists()
        run("scripts/dockerd", "start")
        cls.env = dict(os.environ, DOCKER_HOST=f"unix://{socket}")
        run("scripts/image", "--from-build", SPATE.parent, timeout_s=600, env=cls.env)

    @classmethod
    def tearDownClass(cls):
        if not cls.engine_was_up:
            run("scripts/dockerd", "end")

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="spate-docker-")
        self.out = pathlib.Path(self.folder.name) / "out"

    def tearDown(self):
        self.folder.cleanup()

    def docker(self, *arguments):
        return run("/usr/bin/docker", *arguments, env=self.env)

    def left(self):
        """Containers and networks of lab runs."""
        names = self.docker("ps", "-a", "--filter", "label=spate.owner", "--format",
                            '{{.Names}} {{.Label "spate.owner"}}').splitlines()
        names += self.docker("network", "ls", "--filter", "label=spate.owner", "--format",
                             "{{.Name}} {{.Label \"spate.owner\"}}").splitlines()
        return [name for name in names if name.split()[-1].startswith("lab-")]

    def start(self, *arguments):
        return subprocess.Popen([str(SPATE), "run", "scenarios/smoke.yaml", "--backend", "docker", "--strategy", "none",
                                 *arguments], cwd=ROOT, env=self.env, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, text=True)

    def wait_for_load(self, process, out):
        def runs():
            if process.poll() is not None:
                raise RuntimeError("it ended: " + process.stdout.read()[-3000:])
            return list(out.glob("**/influx.progress.json"))

        wait_until(runs, "the load runs", 120, 0.1)

    def test_compares_and_leaves_nothing(self):
        result = subprocess.run([str(SPATE), "compare", "scenarios/smoke.yaml", "--backend", "docker", "--strategies",
                                 "none,horizontal,vertical", "--out", str(self.out)], cwd=ROOT, env=self.env,
                                capture_output=True, text=True, timeout=280)
        # 4: measured, but a run was invalid, as on a machine that was busy. A timing decides no test.
        self.assertIn(result.returncode, (0, 4), result.stdout[-3000:] + result.stderr[-3000:])
        self.assertEqual(self.left(), [])
        summary = json.loads((self.out / "summary.json").read_text())
        self.assertTrue((self.out / "report.html").exists())
        self.assertEqual({r["strategy"] for r in summary["runs"]}, {"none", "horizontal", "vertical"})
        for measured in summary["runs"]:
            for model, figures in measured["models"].items():
                self.assertEqual(figures["lost"], 0, f"{measured['strategy']} {model}")
                self.assertEqual(figures["wrong"], 0, f"{measured['strategy']} {model}")
                self.assertGreater(figures["answered"], 0, f"{measured['strategy']} {model}")
        for folder in self.out.glob("*-1"):
            record = json.loads((folder / "run.json").read_text())
            self.assertEqual(record["backend"]["kind"], "docker")
            self.assertTrue(record["backend"]["meter"].startswith("cgroup_v"), record["backend"])
            self.assertTrue(record["broker"]["version"].startswith("mosquitto 2"))
            self.assertEqual(json.loads((folder / "gateway.state.json").read_text())["limit_mechanism"], "engine")
            events = [json.loads(line) for line in (folder / "decisions.jsonl").read_text().splitlines()]
            starts = next(r for r in summary["runs"] if r["run"] == folder.name)["models"]["resnet50"]["starts"]
            self.assertTrue(starts)
            for start in starts:
                for phase in ("create_ms", "start_ms", "exec_to_main_ms", "load_ms", "warm_up_ms"):
                    self.assertGreater(start["phases"][phase], 0.0, start)
                self.assertIsNotNone(start["ready_ms"], start)
            limits = [event for event in events if event.get("event") == "limit_applied"]
            self.assertTrue(limits, "limits were set through the engine")
            series = [json.loads(line) for line in (folder / "series.jsonl").read_text().splitlines()]
            components = {c["component"] for line in series for c in line["components"]}
            self.assertEqual(components, {"gateway", "broker", "influx", "worker"})
            used = max(c["cpu_cores"] for line in series for c in line["components"] if c["component"] == "worker")
            self.assertGreater(used, 0.0)
            for log in ("gateway", "broker", "influx", "worker-resnet50-1"):
                self.assertTrue((folder / "logs" / f"{log}.log").exists(), log)

    def test_ctrl_c_leaves_nothing_and_a_killed_run_is_cleared_away(self):
        killed = self.start("--out", str(self.out))
        try:
            self.wait_for_load(killed, self.out)
        finally:
            killed.kill()
            killed.communicate()
        self.assertNotEqual(self.left(), [], "containers outlive a killed run")
        foreign = self.docker("run", "-d", "--entrypoint", "sleep", "--label", "spate.owner=someone", "spate:latest", "300")
        second = self.out.with_name("second")
        process = self.start("--out", str(second))
        try:
            self.wait_for_load(process, second)
            time.sleep(1)
            process.send_signal(signal.SIGINT)
            text, _ = process.communicate(timeout=90)
        finally:
            if process.poll() is None:
                process.kill()
        self.assertEqual(process.returncode, 130, text[-3000:])
        self.assertIn("removed what a killed run had left", text)
        self.assertEqual(self.left(), [], text[-2000:])
        self.assertTrue((second / "summary.json").exists(), text[-2000:])
        self.assertEqual(self.docker("inspect", "-f", "{{.State.Running}}", foreign), "true")
        self.docker("rm", "-f", foreign)

    def test_a_watched_run_is_scraped_from_this_machine(self):
        port = free_port()
        process = self.start("--out", str(self.out), "--http", f"127.0.0.1:{port}")
        try:
            self.wait_for_load(process, self.out)
            found = json.loads(self.fetch(f"127.0.0.1:{port}", "/api/v1/service-discovery"))
            components = sorted(entry["labels"]["component"] for entry in found)
            self.assertEqual(components, ["gateway", "influx", "worker", "worker", "worker"], found)
            expected = {"gateway": "spate_requests_total", "influx": "spate_influx_", "worker": "spate_worker_"}
            for entry in found:
                text = self.fetch(entry["targets"][0], "/metrics")
                self.assertIn(expected[entry["labels"]["component"]], text, entry)
            process.send_signal(signal.SIGINT)
            text, _ = process.communicate(timeout=90)
        finally:
            if process.poll() is None:
                process.kill()
        self.assertEqual(process.returncode, 130, text[-3000:])
        self.assertEqual(self.left(), [], text[-2000:])

    @staticmethod
    def fetch(address, path):
        with urllib.request.urlopen(f"http://{address}{path}", timeout=10) as answer:
            return answer.read().decode()

    def test_what_is_missing_is_said(self):
        for arguments, words in ((["--image", "no-such-image:1"], "the Docker engine has no image no-such-image:1"),
                                 (["--docker-socket", "/no/such.sock"], "no Docker engine answers at /no/such.sock")):
            process = self.start("--out", str(self.out), *arguments)
            text, _ = process.communicate(timeout=30)
            self.assertEqual(process.returncode, 2, text)
            self.assertIn(words, text)
        self.assertEqual(self.left(), [])


if __name__ == "__main__":
    unittest.main(verbosity=2)
