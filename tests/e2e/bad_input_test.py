# SPDX-License-Identifier: Apache-2.0
"""Hostile and broken requests, sent by foreign clients (mosquitto's own): each gets an error result
with its reason, is counted, and the system goes on."""

import json
import pathlib
import struct
import subprocess
import sys
import time
import unittest
import zlib

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from system import ROOT, System, find_program, route  # noqa: E402

MODELS = ROOT / "var/models"


def png_claiming(width, height):
    """A PNG whose header claims a size that its data does not have."""
    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 64)) + chunk(b"IEND", b"")


def jpeg_claiming(path, width, height):
    """A real JPEG with the size in its frame header overwritten."""
    data = bytearray(pathlib.Path(path).read_bytes())
    at = 2
    while not 0xC0 <= data[at + 1] <= 0xC3:
        at += 2 + struct.unpack(">H", data[at + 2:at + 4])[0]
    data[at + 5:at + 9] = struct.pack(">HH", height, width)
    return bytes(data)


class BadInput(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.system = System([route("linear", MODELS / "linear", 0.5), route("xgboost", MODELS / "xgboost", 0.5),
                             route("resnet50", MODELS / "resnet50", 0.8, slo_latency_ms=10000)])
        cls.system.__enter__()
        cls.image = sorted((ROOT / "var/datasets/surface").glob("*.jpg"))[0]

    @classmethod
    def tearDownClass(cls):
        cls.system.__exit__(None, None, None)

    def ask(self, topic, payload, content_type="application/json", extra=()):
        """Publishes with mosquitto_pub, waits for the answer with mosquitto_sub; returns its JSON."""
        reply = f"e2e/reply/{time.monotonic_ns()}"
        port = str(self.system.broker.port)
        # Line by line, so that the subscription is seen before anything is published.
        listener = subprocess.Popen(["stdbuf", "-oL", find_program("mosquitto_sub"), "-p", port, "-V", "5", "-q", "1", "-t", reply, "-C", "1",
                                     "-W", "20", "-d"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        lines = []
        for line in listener.stdout:
            lines.append(line)
            if "SUBACK" in line:
                break
        source = "-s" if payload else "-n"  # its word for an empty message
        subprocess.run([find_program("mosquitto_pub"), "-p", port, "-V", "5", "-q", "1", "-t", topic, source,
                        "-D", "publish", "response-topic", reply, "-D", "publish", "correlation-data", "c-1",
                        "-D", "publish", "content-type", content_type, *extra], input=payload, check=True)
        lines += listener.stdout.readlines()
        listener.wait()
        listener.stdout.close()
        for line in lines:
            if line.startswith("{"):
                return json.loads(line)
        self.fail(f"no answer on {reply} within 20 s: {lines}")

    def expect_error(self, answer, error, *words):
        self.assertEqual(answer.get("error"), error, answer)
        for word in words:
            self.assertIn(word, answer["message"], answer)

    def test_tables(self):
        topic = "spate/v1/infer/linear"
        n = len(json.loads((ROOT / "data/temperature/dataset.json").read_text())["features"])
        self.expect_error(self.ask(topic, b"{not json"), "bad_input", "JSON")
        self.expect_error(self.ask(topic, b'{"features":[1,2]}'), "bad_input", str(n))
        self.expect_error(self.ask(topic, json.dumps({"features": [float("nan")] * n}).encode()), "bad_input")
        self.expect_error(self.ask(topic, json.dumps({"features": ["warm"] * n}).encode()), "bad_input")
        self.expect_error(self.ask(topic, struct.pack(f"<{n}f", *([float("nan")] * n)), "application/x-spate-f32"),
                          "bad_input")
        self.expect_error(self.ask(topic, b""), "bad_input", "empty")
        good = self.ask(topic, json.dumps({"features": [0.5] * n}).encode())
        self.assertIsInstance(good["prediction"], float, good)

    def test_images(self):
        topic = "spate/v1/infer/resnet50"
        whole = self.image.read_bytes()
        self.expect_error(self.ask(topic, whole[: len(whole) // 2], "image/jpeg"), "bad_input")
        self.expect_error(self.ask(topic, jpeg_claiming(self.image, 60000, 60000), "image/jpeg"), "bad_input", "60000")
        self.expect_error(self.ask(topic, png_claiming(60000, 60000), "image/png"), "bad_input", "60000")
        self.expect_error(self.ask(topic, b"not an image at all", "image/jpeg"), "bad_input")
        self.expect_error(self.ask(topic, b"", "image/jpeg"), "bad_input", "empty")
        good = self.ask(topic, whole, "image/jpeg")
        self.assertIn(good["class"], good["top"][0]["class"], good)

    def test_unknown_model_and_oversized_payload(self):
        self.expect_error(self.ask("spate/v1/infer/nonesuch", b'{"features":[1]}'), "unknown_model", "nonesuch")
        self.expect_error(self.ask("spate/v1/infer/linear", b"x" * (33 << 20)), "bad_input")

    def test_the_counters_tell(self):
        self.ask("spate/v1/infer/linear", b"{not json")
        # Metrics are renewed once a second.
        for _ in range(50):
            text = self.system.get("/metrics")[1]
            rows = [l for l in text.splitlines()
                    if l.startswith("spate_requests_total{") and 'model="linear"' in l and 'outcome="bad_input"' in l]
            if rows and float(rows[0].split()[-1]) >= 1:
                return
            time.sleep(0.1)
        self.fail(f"no bad_input counted: {rows}")

    def test_single_topic_mode(self):
        n = len(json.loads((ROOT / "data/temperature/dataset.json").read_text())["features"])
        good = self.ask("data_influx", json.dumps({"type": "numeric", "data": [0.5] * n}).encode())
        self.assertEqual(good["model"], "linear", good)
        import base64
        picture = {"type": "image", "image": base64.b64encode(self.image.read_bytes()).decode()}
        self.assertEqual(self.ask("data_influx", json.dumps(picture).encode())["model"], "resnet50")
        self.expect_error(self.ask("data_influx", b'{"type":"sound","data":[1]}'), "bad_input")
        self.expect_error(self.ask("data_influx", b"nonsense"), "bad_input")


if __name__ == "__main__":
    unittest.main(verbosity=2)
