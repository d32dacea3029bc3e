# SPDX-License-Identifier: Apache-2.0
"""A real Prometheus (the distribution's package) on a free loopback port, for tests."""

import contextlib
import json
import os
import pathlib
import shutil
import socket
import subprocess
import time
import urllib.parse
import urllib.request


def find(name):
    path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/bin")
    if path is None:
        raise RuntimeError(f"{name} is not installed: run scripts/setup")
    return path


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Prometheus:
    """Runs in `folder` (settings, data, log) until the `with` block ends."""

    def __init__(self, folder, config):
        self.folder = pathlib.Path(folder)
        self.config = pathlib.Path(config)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process = None

    def __enter__(self):
        with open(self.folder / "prometheus.log", "ab") as log:
            self.process = subprocess.Popen(
                [find("prometheus"), f"--config.file={self.config}", f"--storage.tsdb.path={self.folder / 'data'}",
                 f"--web.listen-address=127.0.0.1:{self.port}", "--log.level=warn"], stdout=log, stderr=log)
        end = time.monotonic() + 60
        while not self.ready():
            if self.process.poll() is not None or time.monotonic() > end:
                text = self.log()
                self.__exit__()
                raise RuntimeError("prometheus did not come up:\n" + text)
            time.sleep(0.1)
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        return False

    def log(self):
        return (self.folder / "prometheus.log").read_text()[-4000:]

    def ready(self):
        with contextlib.suppress(OSError), urllib.request.urlopen(self.url + "/-/ready", timeout=2) as answer:
            return answer.status == 200
        return False

    def api(self, path, **parameters):
        query = "?" + urllib.parse.urlencode(parameters) if parameters else ""
        with urllib.request.urlopen(f"{self.url}/api/v1/{path}{query}", timeout=10) as answer:
            return json.load(answer)["data"]

    def query(self, expr):
        """[(labels, value)] of an instant query."""
        return [(s["metric"], float(s["value"][1])) for s in self.api("query", query=expr)["result"]]
