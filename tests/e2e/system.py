# SPDX-License-Identifier: Apache-2.0
"""Starts the real parts of Spate for end-to-end tests and measurements: mosquitto and
`spate gateway` (which starts the workers), each a process, on loopback ports that the kernel
picked. Everything that was started is ended by its pid when the `with` block ends."""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
SPATE = pathlib.Path(os.environ.get("SPATE_BIN", ROOT / "build/release/spate"))


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def find_program(name):
    path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
    if path is None:
        raise RuntimeError(f"{name} is not installed: run scripts/setup")
    return path


def wait_until(condition, what, timeout_s=30.0, interval_s=0.02):
    """Polls until condition() is true; its value is returned. Raises with `what` otherwise."""
    end = time.monotonic() + timeout_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise TimeoutError(f"after {timeout_s:.0f} s still not: {what}")
        time.sleep(interval_s)


class Broker:
    """A mosquitto of our own on a free loopback port."""

    def __init__(self, folder, port=None, persistence=False):
        self.folder = pathlib.Path(folder)
        self.port = port or free_port()
        self.log = self.folder / "broker.log"
        lines = [f"listener {self.port} 127.0.0.1", "allow_anonymous true", "set_tcp_nodelay true",
                 "max_inflight_messages 0", "max_queued_messages 0", "max_queued_bytes 536870912"]
        if persistence:
            (self.folder / "broker-data").mkdir(exist_ok=True)
            os.chmod(self.folder / "broker-data", 0o777)
            lines += ["persistence true", f"persistence_location {self.folder}/broker-data/",
                      "autosave_on_changes true", "autosave_interval 1"]
        if os.geteuid() == 0:
            lines.append("user root")
        (self.folder / "mosquitto.conf").write_text("\n".join(lines) + "\n")
        self.process = None
        self.start()

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [find_program("mosquitto"), "-c", str(self.folder / "mosquitto.conf")],
                stdout=log, stderr=log)

        def accepts():
            if self.process.poll() is not None:
                raise RuntimeError("mosquitto ended: " + self.log.read_text()[-2000:])
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 0.2):
                return True
            return False

        wait_until(accepts, "mosquitto accepts connections", 10)

    def stop(self, how=signal.SIGTERM):
        if self.process and self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait(20)


class System:
    """Broker, gateway and its workers. `models` holds entries of gateway.json's "models"."""

    def __init__(self, models, strategy=None, folder=None, persistence=False, env=None, **settings):
        self.folder = pathlib.Path(folder or tempfile.mkdtemp(prefix="spate-system-"))
        self.keep = folder is not None
        self.models = models
        self.strategy = strategy or {"name": "none"}
        self.persistence = persistence
        self.settings = settings
        self.env = dict(os.environ, **(env or {}))
        self.broker = None
        self.gateway = None
        self.state = None

    def __enter__(self):
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.broker = Broker(self.folder, persistence=self.persistence)
            token = self.folder / "token"
            token.write_text("end-to-end\n")
            token.chmod(0o600)
            config = {
                "broker": {"host": "127.0.0.1", "port": self.broker.port},
                "run_id": f"system-{os.getpid()}-{self.broker.port}",
                "run_dir": str(self.folder),
                "worker_listen": f"unix:{self.folder}/gateway.sock",
                "token_file": str(token),
                "http": {"host": "127.0.0.1", "port": 0},
                "single_topic": "data_influx",
                "strategy": self.strategy,
                "actuator": {"kind": "process", "limits": "auto"},
                "models": self.models,
            }
            config.update(self.settings)
            (self.folder / "gateway.json").write_text(json.dumps(config, indent=1))
            self.start_gateway()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def start_gateway(self, wait_ready=True):
        state_file = self.folder / "gateway.state.json"
        state_file.unlink(missing_ok=True)
        with open(self.folder / "gateway.log", "ab") as log:
            self.gateway = subprocess.Popen([str(SPATE), "gateway", "--config", str(self.folder / "gateway.json")],
                                            stdout=log, stderr=log, env=self.env, cwd=ROOT)

        def up():
            if self.gateway.poll() is not None:
                raise RuntimeError("the gateway ended:\n" + (self.folder / "gateway.log").read_text()[-4000:])
            return state_file.exists()

        wait_until(up, "the gateway writes gateway.state.json", 20)
        self.state = json.loads(state_file.read_text())
        if wait_ready:
            wait_until(self.ready, "the gateway is ready with its workers", 60)

    def ready(self):
        if self.gateway.poll() is not None:
            raise RuntimeError("the gateway ended:\n" + (self.folder / "gateway.log").read_text()[-4000:])
        try:
            return self.get("/readyz")[0] == 200
        except OSError:
            return False

    def url(self, path):
        return f"http://127.0.0.1:{self.state['http_port']}{path}"

    def get(self, path, timeout_s=5):
        try:
            with urllib.request.urlopen(self.url(path), timeout=timeout_s) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def api(self, path="/api/state"):
        return json.loads(self.get(path)[1])

    def workers(self, model=None):
        """[{"replica", "model", "pid", "state", …}] of the live workers."""
        workers = self.api()["workers"]
        return [w for w in workers if model is None or w["model"] == model]

    def kill_gateway(self):
        self.gateway.kill()
        self.gateway.wait(10)

    def stop_gateway(self, timeout_s=40):
        if self.gateway and self.gateway.poll() is None:
            self.gateway.terminate()
            self.gateway.wait(timeout_s)

    def __exit__(self, kind, value, trace):
        if self.gateway and self.gateway.poll() is None:
            self.gateway.terminate()
            try:
                self.gateway.wait(30)
            except subprocess.TimeoutExpired:
                self.gateway.kill()
                self.gateway.wait(10)
        if self.broker:
            self.broker.stop()
        # Workers of a gateway that was killed and never came back.
        for pid_file in (self.folder / "replicas").glob("*.json"):
            with contextlib.suppress(OSError, ValueError, KeyError):
                pid = int(json.loads(pid_file.read_text())["pid"])
                if str(SPATE).encode() in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes() or \
                        b"spate" in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes():
                    os.kill(pid, signal.SIGKILL)
        if kind is not None:
            for name in ("gateway.log", "broker.log"):
                with contextlib.suppress(OSError):
                    print(f"--- {name}\n" + (self.folder / name).read_text()[-3000:])
        if not self.keep:
            shutil.rmtree(self.folder, ignore_errors=True)
        return False


def route(name, path, cpu, **more):
    """An entry of gateway.json's "models" with sensible defaults for tests."""
    entry = {"name": name, "path": str(path), "slo_latency_ms": 1000, "slo_target": 0.95,
             "cpu_request": cpu, "cpu_limit": cpu, "replicas": 1}
    entry.update(more)
    return entry
