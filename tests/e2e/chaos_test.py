# SPDX-License-Identifier: Apache-2.0
"""Faults under QoS 1 load, with the real program, broker and models: nothing is lost, nothing is
wrong. The load generator is `spate influx`, which checks every answer and counts what is missing."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from system import ROOT, SPATE, System, route, wait_until  # noqa: E402

MODELS = ROOT / "var/models"


def expected_answers(folder, model, dataset):
    out = pathlib.Path(folder) / f"expected-{model}.jsonl"
    subprocess.run([str(SPATE), "model", "predict", str(MODELS / model), "--dataset", str(dataset), "--split",
                    "held_out", "--expected", str(out)], check=True, capture_output=True)
    return out


class Influx:
    """One `spate influx` run beside a System. Rates in requests per second."""

    def __init__(self, system, loads, duration_s, deadline_ms=30000, settle_s=20):
        datasets = {"linear": ROOT / "data/temperature", "xgboost": ROOT / "data/weather",
                    "resnet50": ROOT / "var/datasets/surface"}
        self.folder = system.folder
        plan = {"broker": {"host": "127.0.0.1", "port": system.broker.port}, "run_dir": str(system.folder),
                "seed": 5, "qos": 1, "warm_up_s": 0, "duration_s": duration_s, "settle_s": settle_s,
                "models": [{"name": model, "dataset": str(datasets[model]), "split": "held_out",
                            "expected": str(expected_answers(system.folder, model, datasets[model])),
                            "deadline_ms": deadline_ms, "slo_latency_ms": deadline_ms,
                            "profile": {"kind": "constant", "rate_per_s": rate}, "arrivals": {"kind": "poisson"}}
                           for model, rate in loads.items()]}
        path = system.folder / "influx.json"
        path.write_text(json.dumps(plan))
        (system.folder / "components").mkdir(exist_ok=True)
        self.log = open(system.folder / "influx.log", "wb")
        self.process = subprocess.Popen([str(SPATE), "influx", "--plan", str(path)], stdout=self.log, stderr=self.log)

    def progress(self):
        try:
            return json.loads((self.folder / "influx.progress.json").read_text())
        except (OSError, ValueError):
            return None

    def wait_for_answers(self, model, count):
        def answered():
            if self.process.poll() is not None:
                raise RuntimeError("influx ended early: " + (self.folder / "influx.log").read_text()[-2000:])
            seen = self.progress()
            return seen and seen["models"][model]["answered"] >= count

        wait_until(answered, f"{count} answers of {model}", 60, 0.05)

    def result(self):
        self.process.wait(180)
        self.log.close()
        return json.loads((self.folder / "influx.summary.json").read_text())


class Chaos(unittest.TestCase):
    def check(self, summary, model):
        counts = summary["models"][model]
        self.assertGreater(counts["sent"], 0)
        self.assertEqual(counts["lost"], 0, counts)
        self.assertEqual(counts["wrong"], 0, counts)
        self.assertEqual(counts["answered"] + sum(counts["rejected"].values()) + counts["expired"], counts["sent"], counts)
        return counts

    def test_a_killed_worker_loses_nothing(self):
        models = [route("resnet50", MODELS / "resnet50", 0.8, replicas=2, min_replicas=2, max_replicas=2,
                        cpu_ceiling=1.6, slo_latency_ms=30000)]
        with System(models) as system:
            influx = Influx(system, {"resnet50": 8}, 10)
            influx.wait_for_answers("resnet50", 15)
            victim = system.workers("resnet50")[0]
            os.kill(victim["pid"], signal.SIGKILL)
            # The autoscaler puts a new one in its place.
            wait_until(lambda: len([w for w in system.workers("resnet50")
                                    if w["state"] == "ready" and w["replica"] != victim["replica"]]) == 2,
                       "the killed replica is replaced", 30)
            counts = self.check(influx.result(), "resnet50")
            self.assertEqual(counts["answered"], counts["sent"])

    def test_a_killed_gateway_loses_nothing_and_adopts_its_workers(self):
        models = [route("linear", MODELS / "linear", 0.3, slo_latency_ms=30000),
                  route("xgboost", MODELS / "xgboost", 0.3, slo_latency_ms=30000)]
        with System(models) as system:
            before = {w["replica"]: w["pid"] for w in system.workers()}
            influx = Influx(system, {"linear": 200, "xgboost": 100}, 10)
            influx.wait_for_answers("linear", 500)
            system.kill_gateway()
            time.sleep(1.0)  # requests pile up in the broker meanwhile
            system.start_gateway()
            after = {w["replica"]: w["pid"] for w in system.workers()}
            self.assertEqual(before, after, "the workers of before are the workers of after")
            summary = influx.result()
            for model in ("linear", "xgboost"):
                counts = self.check(summary, model)
                self.assertEqual(counts["answered"], counts["sent"])

    def test_a_restarted_broker_with_persistence_loses_nothing(self):
        models = [route("linear", MODELS / "linear", 0.3, slo_latency_ms=30000)]
        with System(models, persistence=True) as system:
            influx = Influx(system, {"linear": 50}, 10)
            influx.wait_for_answers("linear", 100)
            system.broker.stop(signal.SIGKILL)
            time.sleep(0.5)
            system.broker.start()
            counts = self.check(influx.result(), "linear")
            self.assertEqual(counts["answered"], counts["sent"])

    def test_stopping_leaves_no_process_and_no_control_group_behind(self):
        models = [route("linear", MODELS / "linear", 0.3), route("xgboost", MODELS / "xgboost", 0.3)]
        with System(models) as system:
            run_id = json.loads((system.folder / "gateway.json").read_text())["run_id"]
            pids = [w["pid"] for w in system.workers()]
            self.assertEqual(len(pids), 2)
            system.stop_gateway()
            self.assertEqual(system.gateway.returncode, 0)
            for pid in pids:
                self.assertFalse(pathlib.Path(f"/proc/{pid}").exists(), f"worker {pid} lives on")
            left = [str(p) for root in ("/sys/fs/cgroup",) for p in pathlib.Path(root).glob(f"**/*{run_id}*")]
            self.assertEqual(left, [])


class Isolation(unittest.TestCase):
    def test_the_gateway_maps_no_model_runtime(self):
        with System([route("linear", MODELS / "linear", 0.3)]) as system:
            maps = pathlib.Path(f"/proc/{system.gateway.pid}/maps").read_text()
            for library in ("onnxruntime", "xgboost", "libjpeg", "turbojpeg", "libpng", "libspate_"):
                self.assertNotIn(library, maps)

    def test_health_is_what_the_gateway_says(self):
        with System([route("linear", MODELS / "linear", 0.3)]) as system:
            url = f"http://127.0.0.1:{system.state['http_port']}"

            def health(path):
                return subprocess.run([str(SPATE), "health", "--url", url + path], capture_output=True, text=True)

            good = health("/healthz")
            self.assertEqual((good.returncode, good.stdout), (0, f"healthy: {url}/healthz: 200 ok\n"))
            system.broker.stop()
            wait_until(lambda: health("/healthz").returncode == 1, "the gateway misses its broker")
            self.assertEqual(health("/healthz").stdout,
                             f"not healthy: {url}/healthz: 503 the broker is not connected\n")

    def test_metrics_of_gateway_pass_promtool(self):
        with System([route("linear", MODELS / "linear", 0.3)]) as system:
            status, text = system.get("/metrics")
            self.assertEqual(status, 200)
            for name in ("spate_requests_total", "spate_request_latency_seconds_bucket", "spate_queue_length",
                         "spate_replicas", "spate_cpu_limit_cpus", "spate_component_cpu_seconds_total",
                         "spate_component_memory_bytes"):
                self.assertIn(name, text)
            result = subprocess.run(["promtool", "check", "metrics"], input=text, text=True, capture_output=True)
            self.assertEqual((result.returncode, result.stdout + result.stderr), (0, ""))


if __name__ == "__main__":
    unittest.main(verbosity=2)
