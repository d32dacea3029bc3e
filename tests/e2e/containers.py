# SPDX-License-Identifier: Apache-2.0
"""The whole system in containers, for containers_test.py: an engine (scripts/dockerd), the images
(scripts/image, from the build under test) and deploy/compose.yaml with settings of the test's own.
Everything that was started is gone when the `with` block ends; an engine that ran before stays."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import urllib.parse
import urllib.request

from system import ROOT, SPATE, find_program, free_port, wait_until

BUILD = SPATE.parent
COMPONENTS = ("broker", "socket-proxy", "gateway", "influx", "prometheus")


def run(*command, timeout_s=120, check=True, **options):
    result = subprocess.run([str(c) for c in command], capture_output=True, text=True, cwd=ROOT,
                            timeout=timeout_s, **options)
    if check and result.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command))}: exit status {result.returncode}\n"
                           f"{result.stdout[-3000:]}{result.stderr[-3000:]}")
    return result


class Stack:
    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="spate-stack-"))
        self.ports = {name: free_port() for name in ("DASHBOARD", "PROMETHEUS", "GRAFANA")}
        self.docker = "/usr/bin/docker" if pathlib.Path("/usr/bin/docker").exists() else find_program("docker")
        self.engine_was_up = False
        self.env = dict(os.environ)

    def __enter__(self):
        socket = run(ROOT / "scripts/dockerd", "socket").stdout.strip()
        self.engine_was_up = pathlib.Path(socket).exists()
        run(ROOT / "scripts/dockerd", "start")
        self.socket = socket
        self.env.update(DOCKER_HOST=f"unix://{socket}", SPATE_DOCKER_SOCKET=socket,
                        SPATE_CONFIG=str(self.folder / "config"), COMPOSE_PROJECT_NAME="spate",
                        **{f"SPATE_{name}_PORT": str(port) for name, port in self.ports.items()})
        try:
            self.down()  # what an earlier, killed test left
            run(ROOT / "scripts/image", "--from-build", BUILD, "--all", timeout_s=600, env=self.env)
            self.write_config()
            self.fill_volumes()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        try:
            self.down()
        finally:
            if not self.engine_was_up:
                run(ROOT / "scripts/dockerd", "end", check=False)
            shutil.rmtree(self.folder, ignore_errors=True)

    def write_config(self):
        """deploy/config, with a surge that comes soon: the system's own settings otherwise."""
        config = self.folder / "config"
        shutil.copytree(ROOT / "deploy/config", config)
        self.folder.chmod(0o755)
        plan = json.loads((config / "influx.json").read_text())
        for model in plan["models"]:
            if model["name"] == "resnet50":
                model["profile"]["steps"][0]["for_s"] = 20
                model["profile"]["steps"][1]["for_s"] = 600
        (config / "influx.json").write_text(json.dumps(plan))

    def fill_volumes(self):
        """The models and data of this build, which `prepare` then need not make again."""
        for source, volume in (("models", "spate_models"), ("datasets", "spate_datasets")):
            if not (ROOT / "var" / source).is_dir():
                raise RuntimeError(f"var/{source} is missing: run scripts/models")
            target = "/" + source
            self.engine("run", "--rm", "--user", "0", "-v", f"{ROOT}/var/{source}:/from:ro", "-v",
                        f"{volume}:{target}", "--entrypoint", "/bin/sh", "spate:latest", "-c",
                        f"cp -r /from/. {target} && chown -R 10001:10001 {target}")

    def engine(self, *arguments, **options):
        return run(self.docker, *arguments, env=self.env, **options).stdout

    def compose(self, *arguments, timeout_s=300, check=True):
        probe = run(self.docker, "compose", "version", check=False, env=self.env)
        program = [self.docker, "compose"] if probe.returncode == 0 else [find_program("docker-compose")]
        return run(*program, "-f", ROOT / "deploy/compose.yaml", "-f", ROOT / "deploy/compose.without-grafana.yaml",
                   *arguments, env=self.env, timeout_s=timeout_s, check=check)

    def up(self):
        self.compose("up", "-d", "--no-build")

    def down(self):
        self.compose("down", "-v", "--remove-orphans", "-t", "40", check=False)

    def kill_engine(self):
        """SIGKILL to the private engine, as a crash would end it."""
        pid_file = pathlib.Path(self.socket).parent / "dockerd.pid"
        pid = int(pid_file.read_text())
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not pathlib.Path(f"/proc/{pid}/cmdline").exists() or
                   not pathlib.Path(f"/proc/{pid}/cmdline").read_bytes(), "the engine is dead", 20)

    def start_engine(self):
        run(ROOT / "scripts/dockerd", "start")

    def containers(self, *filters, every=False):
        """What `docker inspect` tells of our containers, by component, or name for workers."""
        arguments = [a for f in ("label=spate.owner=compose", *filters) for a in ("--filter", f)]
        ids = self.engine("ps", "-q", *(["-a"] if every else []), "--no-trunc", *arguments).split()
        return json.loads(self.engine("inspect", *ids)) if ids else []

    def component(self, name):
        found = self.containers(f"label=spate.component={name}")
        return found[0] if found else None

    def workers(self, model=None):
        filters = ["label=spate.component=worker"] + ([f"label=spate.model={model}"] if model else [])
        return self.containers(*filters)

    def get(self, path, port="DASHBOARD"):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.ports[port]}{path}", timeout=10) as answer:
            return answer.read().decode()

    def metric(self, name, **labels):
        """The sum of the gateway's series of that name and labels."""
        total = 0.0
        for line in self.get("/metrics").splitlines():
            head, _, value = line.rpartition(" ")
            if head.split("{", 1)[0] == name and all(f'{k}="{v}"' in head for k, v in labels.items()):
                total += float(value)
        return total

    def query(self, expression):
        answer = json.loads(self.get("/api/v1/query?query=" + urllib.parse.quote(expression), "PROMETHEUS"))
        return answer["data"]["result"]

    def ask_proxy(self, verb, path, body=None):
        """HTTP status of a call to the socket that the gateway has."""
        data = ["-H", "Content-Type: application/json", "-d", body] if body is not None else []
        out = self.engine("exec", self.component("socket-proxy")["Id"], "curl", "-s", "-o", "/dev/null", "-w",
                          "%{http_code}", "--path-as-is", "--max-time", "10", "--unix-socket",
                          "/run/engine/docker.sock", "-X", verb, *data, "http://engine" + path)
        return int(out)


__all__ = ["BUILD", "COMPONENTS", "Stack", "run", "wait_until"]
