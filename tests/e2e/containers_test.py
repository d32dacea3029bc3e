# SPDX-License-Identifier: Apache-2.0
"""deploy/compose.yaml on a real Docker engine: everything comes up, serves, scales, survives, is as
confined as docs/security.md says, and leaves nothing. One system for all tests, in the order of their
names: Containers, Proxy, Restart, Teardown."""

import copy
import json
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from containers import COMPONENTS, Stack, wait_until  # noqa: E402

MODELS = ("linear", "resnet50", "xgboost")
stack = None


def setUpModule():
    global stack
    stack = Stack().__enter__()
    unittest.addModuleCleanup(stack.__exit__)
    stack.up()


def health(container):
    return container["State"].get("Health", {}).get("Status")


class Containers(unittest.TestCase):
    def test_01_everything_is_up_and_healthy(self):
        wait_until(lambda: json.loads(stack.get("/api/state")).get("workers"), "workers have registered", 60, 0.5)
        for model in MODELS:
            wait_until(lambda m=model: stack.workers(m), f"a worker of {model} runs", 60, 0.5)
        wait_until(lambda: "ok" in stack.get("/readyz"), "the gateway has the replicas it wants", 60, 0.5)
        for name in COMPONENTS:
            container = stack.component(name)
            self.assertIsNotNone(container, f"{name} does not run")
            if name != "influx":
                wait_until(lambda n=name: health(stack.component(n)) == "healthy", f"{name} is healthy", 60, 0.5)

    def test_02_the_image_is_small_labelled_and_stops_by_sigterm(self):
        image = json.loads(stack.engine("image", "inspect", "spate:latest"))[0]
        self.assertLessEqual(image["Size"], 300e6)
        self.assertEqual(image["Config"]["User"], "10001:10001")
        self.assertEqual(image["Config"]["StopSignal"], "SIGTERM")
        self.assertIn("spate", image["Config"]["Healthcheck"]["Test"])
        for key in ("title", "version", "revision", "licenses", "created"):
            self.assertTrue(image["Config"]["Labels"].get(f"org.opencontainers.image.{key}"), key)

    def test_03_each_container_is_confined(self):
        everything = stack.containers()
        self.assertGreaterEqual(len(everything), len(COMPONENTS) + len(MODELS))
        for container in everything:
            host, name = container["HostConfig"], container["Name"]
            self.assertTrue(host["ReadonlyRootfs"], name)
            self.assertFalse(host["Privileged"], name)
            self.assertEqual([c.upper() for c in host["CapDrop"]], ["ALL"], name)
            self.assertIn("no-new-privileges", " ".join(host["SecurityOpt"]), name)
            self.assertGreater(host["Memory"], 0, f"{name} has no memory limit")
            self.assertGreater(host["NanoCpus"], 0, f"{name} has no CPU limit")
            component = container["Config"]["Labels"]["spate.component"]
            socket = [m for m in container["Mounts"] if m["Destination"].endswith("docker.sock")]
            if component == "socket-proxy":
                self.assertEqual(host["NetworkMode"], "none")
            else:
                self.assertNotIn(container["Config"]["User"].split(":")[0], ("", "0", "root"), name)
                self.assertEqual(socket, [], f"{name} has the engine's socket")
            # What the kernel says, beside what was asked for.
            status = pathlib.Path(f"/proc/{container['State']['Pid']}/status").read_text()
            self.assertIn("CapEff:\t0000000000000000", status, name)
            self.assertIn("NoNewPrivs:\t1", status, name)

    def test_04_only_dashboard_and_prometheus_are_published_and_on_loopback(self):
        published = {}
        for container in stack.containers():
            for inside, places in (container["NetworkSettings"]["Ports"] or {}).items():
                for place in places or []:
                    self.assertEqual(place["HostIp"], "127.0.0.1")
                    published[container["Config"]["Labels"]["spate.component"]] = inside
        self.assertEqual(published, {"gateway": "8080/tcp", "prometheus": "9090/tcp"})

    def test_05_the_gateway_maps_no_model_runtime(self):
        maps = pathlib.Path(f"/proc/{stack.component('gateway')['State']['Pid']}/maps").read_text()
        for library in ("onnxruntime", "xgboost", "libjpeg", "turbojpeg", "libpng", "libspate_"):
            self.assertNotIn(library, maps)
        worker = stack.workers("resnet50")[0]
        self.assertIn("onnxruntime", pathlib.Path(f"/proc/{worker['State']['Pid']}/maps").read_text())

    def test_06_requests_of_every_model_are_answered(self):
        for model in MODELS:
            wait_until(lambda m=model: stack.metric("spate_requests_total", model=m, outcome="answered") >= 20,
                       f"20 answers of {model}", 60, 0.5)

    def test_07_the_surge_makes_more_containers(self):
        wait_until(lambda: len(stack.workers("resnet50")) >= 2, "a second container of resnet50", 120, 0.5)
        wait_until(lambda: sum(w["model"] == "resnet50" and w["state"] == "ready"
                               for w in json.loads(stack.get("/api/state"))["workers"]) >= 2,
                   "two ready workers of resnet50", 60, 0.5)
        self.assertEqual(len(stack.workers("linear")), 1)

    def test_08_prometheus_sees_gateway_influx_and_workers(self):
        def up(component):
            return [r for r in stack.query(f'up{{component="{component}"}} == 1')]

        for component in ("gateway", "influx"):
            wait_until(lambda c=component: up(c), f"Prometheus scrapes {component}", 90, 1)
        wait_until(lambda: len({r["metric"]["model"] for r in up("worker")}) == len(MODELS),
                   "Prometheus scrapes workers of every model", 90, 1)
        self.assertTrue(stack.query("sum(spate_requests_total) > 0"))

    def test_09_a_killed_worker_is_replaced(self):
        victim = stack.workers("linear")[0]["Id"]
        stack.engine("kill", victim)
        wait_until(lambda: [w for w in stack.workers("linear") if w["Id"] != victim], "another worker of linear", 60, 0.5)
        before = stack.metric("spate_requests_total", model="linear", outcome="answered")
        wait_until(lambda: stack.metric("spate_requests_total", model="linear", outcome="answered") > before + 20,
                   "linear answers again", 60, 0.5)

    def test_10_a_killed_gateway_comes_back_and_adopts_its_workers(self):
        gateway = stack.component("gateway")
        workers = {w["Id"] for w in stack.workers("xgboost")}
        stack.engine("kill", gateway["Id"])  # a manual kill is not restarted by the engine's policy
        stack.engine("start", gateway["Id"])

        def serves():
            try:
                return "ok" in stack.get("/readyz")
            except OSError:
                return False

        wait_until(serves, "the gateway serves again", 60, 0.5)
        self.assertEqual({w["Id"] for w in stack.workers("xgboost")}, workers)
        wait_until(lambda: stack.metric("spate_requests_total", model="xgboost", outcome="answered") > 20,
                   "xgboost answers again", 60, 0.5)


class Proxy(unittest.TestCase):
    """What docs/security.md says of the socket that the gateway has."""

    WORKER = {
        "Image": "spate:latest", "Cmd": ["worker", "--help"], "Env": [], "Labels": {"spate.owner": "test"},
        "User": "10001:10001", "StopTimeout": 1,
        "HostConfig": {
            "CapDrop": ["ALL"], "SecurityOpt": ["no-new-privileges"], "NetworkMode": "none",
            "Mounts": [{"Type": "volume", "Source": "spate_run", "Target": "/run/spate", "ReadOnly": False}],
        },
    }

    def create(self, change=None, text=None):
        body = copy.deepcopy(self.WORKER)
        if change:
            change(body)
        return stack.ask_proxy("POST", "/v1.41/containers/create?name=spate-proxy-test",
                               text or json.dumps(body, separators=(",", ":")))

    def test_11_a_worker_may_be_created_looked_at_limited_and_removed(self):
        self.assertEqual(self.create(), 201)
        one = "/v1.41/containers/spate-proxy-test"
        try:
            self.assertEqual(stack.ask_proxy("GET", one + "/json"), 200)
            self.assertEqual(stack.ask_proxy("POST", one + "/update", '{"NanoCpus":100000000}'), 200)
            self.assertEqual(stack.ask_proxy("POST", one + "/update", '{"Memory":100000000}'), 403)
            self.assertEqual(stack.ask_proxy("POST", one + "/exec", '{"Cmd":["sh"]}'), 403)
            self.assertEqual(stack.ask_proxy("GET", one + "/export"), 403)
            self.assertEqual(stack.ask_proxy("GET", one + "/archive?path=/"), 403)
        finally:
            self.assertEqual(stack.ask_proxy("DELETE", one + "?force=1"), 204)

    def test_12_nothing_else_may_be_created(self):
        def host(key, value):
            return lambda body: body["HostConfig"].update({key: value})

        def mount(**change):
            return lambda body: body["HostConfig"]["Mounts"][0].update(change)

        changes = {
            "privileges": host("Privileged", True), "privileges, in small letters": host("privileged", True),
            "the host's files": host("Binds", ["/:/host"]), "a folder of the host": mount(Type="bind", Source="/"),
            "a volume of another": mount(Source="spate_secrets"), "a volume's driver": mount(VolumeOptions={}),
            "the host's network": host("NetworkMode", "host"), "the host's processes": host("PidMode", "host"),
            "capabilities": host("CapAdd", ["SYS_ADMIN"]), "a device": host("Devices", []),
            "no seccomp": host("SecurityOpt", ["seccomp=unconfined"]), "kept capabilities": host("CapDrop", []),
            "another image": lambda body: body.update(Image="debian:bookworm"),
            "an image with our name in front": lambda body: body.update(Image="spate:latest-evil"),
            "another program": lambda body: body.update(Entrypoint=["/bin/sh"]),
            "root": lambda body: body.update(User="0:0"), "the image's user": lambda body: body.pop("User"),
        }
        for what, change in changes.items():
            self.assertEqual(self.create(change), 403, what)
        plain = json.dumps(self.WORKER, separators=(",", ":"))
        disguises = {
            "an escape": plain.replace('"CapDrop"', '"Cap\\u0044rop"'),
            "a key twice": plain[:-1] + ',"Image":"debian:bookworm"}',
            "a second key in other letters": plain[:-1] + ',"image":"debian:bookworm"}',
            "too long": plain[:-1] + ',"Env":["' + "x" * 40000 + '"]}',
        }
        for what, text in disguises.items():
            self.assertEqual(self.create(text=text), 403, what)

    def test_13_no_other_call_passes(self):
        for verb, path in (("GET", "/v1.41/images/json"), ("POST", "/v1.41/images/create?fromImage=x"),
                           ("POST", "/v1.41/build"), ("GET", "/v1.41/volumes"), ("POST", "/v1.41/networks/create"),
                           ("POST", "/v1.41/swarm/init"), ("POST", "/v1.41/containers/prune"), ("GET", "/_ping"),
                           ("GET", "/v1.41/containers/../images/json"), ("POST", "/v1.41/containers/a/attach"),
                           ("PUT", "/v1.41/containers/a/archive"), ("DELETE", "/v1.41/images/spate:latest"),
                           ("POST", "/v1.41/info"), ("DELETE", "/v1.41/containers/a/json")):
            self.assertEqual(stack.ask_proxy(verb, path), 403, f"{verb} {path}")


class Restart(unittest.TestCase):
    def test_14_a_killed_engine_takes_all_down_and_brings_all_back(self):
        before = {c["Id"] for c in stack.workers()}
        stack.kill_engine()
        stack.start_engine()

        def serves():
            try:
                return "ok" in stack.get("/readyz")
            except OSError:
                return False

        wait_until(serves, "the gateway serves again with the replicas that it wants", 120, 0.5)
        for model in MODELS:
            wait_until(lambda m=model: stack.metric("spate_requests_total", model=m, outcome="answered") >= 20,
                       f"20 answers of {model}", 120, 0.5)
        # The dead workers are gone: what there is runs, and the gateway knows all of it.
        wait_until(lambda: {w["State"]["Status"] for w in stack.containers("label=spate.component=worker", every=True)}
                   == {"running"}, "no dead worker is left", 60, 0.5)
        self.assertEqual(len(stack.workers("linear")), 1)
        self.assertTrue({c["Id"] for c in stack.workers()} - before, "workers that the gateway started anew")


class Teardown(unittest.TestCase):
    def test_21_down_leaves_nothing(self):
        self.assertTrue(stack.workers())
        stack.compose("down", "-v", "-t", "40")
        wait_until(lambda: not stack.containers(every=True), "no container is left", 20, 0.5)
        self.assertEqual(stack.engine("ps", "-aq", "--filter", "label=spate.component"), "")
        self.assertEqual(stack.engine("volume", "ls", "-q", "--filter", "name=spate_"), "")
        self.assertEqual(stack.engine("network", "ls", "-q", "--filter", "name=spate_"), "")


if __name__ == "__main__":
    unittest.main(verbosity=2)
