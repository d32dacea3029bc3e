#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Decisions of Ray Serve's own autoscaling code on generated worlds, as decision vectors.

Drives, from the installed `ray` package: the router's RouterMetricsManager (records, pruning, report,
the push at zero replicas), the columnar codec, and the controller's DeploymentAutoscalingState with
the default policy. Not driven: the actors, the event loops that call these, long polling, the
state machine of replicas (the generator's own world stands for it).

Usage: oracle.py --seed N --sequences N --out FILE.jsonl.gz
"""
import argparse
import asyncio
import gzip
import json
import os
import random
import sys
import time
import types
import warnings

os.environ["RAY_SERVE_METRICS_EXPORT_INTERVAL_MS"] = "0"
warnings.filterwarnings("ignore")

BASE_S = 1_700_000_000
NOW = [float(BASE_S)]
time.time = lambda: NOW[0]  # before ray looks at it

import ray  # noqa: E402
from ray.serve._private import autoscaling_metrics_codec as codec  # noqa: E402
from ray.serve._private.autoscaling_state import DeploymentAutoscalingState  # noqa: E402
from ray.serve._private.common import DeploymentHandleSource, DeploymentID, ReplicaID  # noqa: E402
from ray.serve._private.router import RouterMetricsManager  # noqa: E402
from ray.serve.config import AutoscalingConfig  # noqa: E402

DEPLOYMENT = DeploymentID(name="m", app_name="app")


class Quiet:
    """Stands for an exported metric."""

    def set_default_tags(self, tags):
        pass

    def set(self, value, tags=None):
        pass

    def inc(self, value=1, tags=None):
        pass


class Original:
    """The router's handle and the controller's state of one deployment."""

    def __init__(self, options, low, high, initial):
        config = AutoscalingConfig(
            min_replicas=low,
            max_replicas=high,
            target_ongoing_requests=options["target_ongoing_requests"],
            upscale_delay_s=options["upscale_delay_s"],
            downscale_delay_s=options["downscale_delay_s"],
            downscale_to_zero_delay_s=(
                None if options["downscale_to_zero_delay_s"] < 0 else options["downscale_to_zero_delay_s"]),
            upscaling_factor=options["upscaling_factor"],
            downscaling_factor=options["downscaling_factor"],
            look_back_period_s=options["look_back_period_s"],
            metrics_interval_s=options["metrics_interval_s"],
            aggregation_function=options["aggregation_function"],
        )
        deployment_config = types.SimpleNamespace(
            autoscaling_config=config, max_queued_requests=-1, gang_scheduling_config=None)
        controller = types.SimpleNamespace(
            record_autoscaling_metrics_from_handle=types.SimpleNamespace(remote=self._received))
        self.router = RouterMetricsManager(
            DEPLOYMENT, "handle", "actor", DeploymentHandleSource.PROXY, controller, Quiet(), Quiet(), Quiet(),
            asyncio.new_event_loop())
        self.router._deployment_config = deployment_config
        self.state = DeploymentAutoscalingState(DEPLOYMENT)
        for name in vars(self.state):
            if name.endswith("_gauge"):
                setattr(self.state, name, Quiet())
        info = types.SimpleNamespace(
            deployment_config=deployment_config, target_capacity=None, target_capacity_direction=None)
        self.state.register(info, initial)
        self.running = []

    def _received(self, payload):
        self.state.record_columnar_metrics_for_handle(codec.decode_handle_flat(payload))

    def push(self):
        self.router._pending_metrics_push_ref = None  # the last push has long arrived
        self.router.push_autoscaling_metrics_to_controller()

    def record(self):
        self.router._add_autoscaling_metrics_point()

    def set_running(self, ids):
        self.running = [replica_id(i) for i in ids]
        self.router._update_running_replicas([types.SimpleNamespace(replica_id=r) for r in self.running])
        self.state.update_running_replica_ids(self.running)

    def request_arrived(self):
        if self.router.should_send_scaled_to_zero_optimized_push(len(self.running)):
            self.push()

    def set_load(self, queued, in_flight):
        self.router.num_queued_requests = queued
        sent = self.router.num_requests_sent_to_replicas
        for number, count in in_flight.items():
            if count > 0 or replica_id(number) in sent:
                sent[replica_id(number)] = count

    def decide(self, target):
        return self.state.get_decision_num_replicas(target)


def replica_id(number):
    return ReplicaID(unique_id=f"r{number}", deployment_id=DEPLOYMENT)


def pick_options(rng):
    options = {
        "target_ongoing_requests": rng.choice([1.0, 2.0, 2.0, 5.0, 0.5, 1.5, 3.0]),
        "upscale_delay_s": rng.choice([0.0, 0.5, 1.0, 3.0, 5.0, 10.0, 30.0]),
        "downscale_delay_s": rng.choice([0.0, 1.0, 2.0, 5.0, 10.0, 20.0]),
        "downscale_to_zero_delay_s": rng.choice([-1.0, -1.0, 0.0, 3.0, 15.0]),
        "upscaling_factor": rng.choice([1.0, 1.0, 0.3, 0.5, 2.0]),
        "downscaling_factor": rng.choice([1.0, 1.0, 0.3, 0.6]),
        "look_back_period_s": rng.choice([30.0, 30.0, 10.0, 5.0, 20.0]),
        "metrics_interval_s": rng.choice([10.0, 10.0, 5.0, 2.0, 1.0]),
        "aggregation_function": rng.choice(["mean", "mean", "mean", "max", "min"]),
        "tick_s": rng.choice([0.1, 0.1, 0.2, 0.25, 0.5, 1.0]),
    }
    if rng.random() < 0.05:  # the defaults of the original
        options.update(target_ongoing_requests=2.0, upscale_delay_s=30.0, downscale_delay_s=600.0,
                       downscale_to_zero_delay_s=-1.0, upscaling_factor=1.0, downscaling_factor=1.0,
                       look_back_period_s=30.0, metrics_interval_s=10.0, aggregation_function="mean", tick_s=0.5)
    return options


class World:
    """Replicas that start, serve, drain and die; a demand that jumps, ramps, flips and stops."""

    def __init__(self, rng, initial):
        self.rng = rng
        self.replicas = {}  # number -> [state, when it next changes]
        self.in_flight = {}
        self.next = 1
        self.queued = 0
        self.arrived = 0
        self.level = rng.randint(0, 12)
        self.level_until = 0
        self.capacity = rng.choice([1, 2, 5, 5, 20])
        self.start_ms = rng.choice([0, 500, 2000, 7000])
        self.events = []
        for _ in range(initial):
            self._start(0, ready=True)

    def _start(self, t, ready=False):
        number = self.next
        self.next += 1
        slow = self.rng.random() < 0.1
        self.replicas[number] = ["S", t + self.start_ms * (3 if slow else 1)]
        self.in_flight[number] = 0
        self.events.append(["s", t, number, "S"])
        if ready:
            self._state(t, number, "R")

    def _state(self, t, number, state, until=None):
        self.replicas[number] = [state, until]
        self.events.append(["s", t, number, state])

    def running(self):
        return [n for n, (state, _) in self.replicas.items() if state == "R"]

    def step(self, t, wanted):
        for number, (state, until) in list(self.replicas.items()):
            if state == "S" and t >= until:
                self._state(t, number, "R")
            elif state == "D" and t >= until:
                self._gone(t, number)
            elif state == "R" and self.rng.random() < 0.001:
                self._gone(t, number)
        alive = [n for n, (state, _) in self.replicas.items() if state in "SR"]
        for _ in range(wanted - len(alive)):
            self._start(t)
        for number in sorted(alive, reverse=True)[:max(0, len(alive) - wanted)]:
            if self.replicas[number][0] == "S":
                self._gone(t, number)
            else:
                self._state(t, number, "D", t + self.rng.choice([0, 500, 3000]))

    def _gone(self, t, number):
        del self.replicas[number]
        self.in_flight[number] = 0
        self.events.append(["s", t, number, "G"])

    def load(self, t):
        if t >= self.level_until:
            kind = self.rng.random()
            if kind < 0.25:
                self.level = 0
            elif kind < 0.5:
                self.level = max(0, self.level + self.rng.randint(-3, 3))
            elif kind < 0.8:
                self.level = self.rng.randint(0, 15)
            else:
                self.level = self.rng.randint(0, 60)
            self.level_until = t + self.rng.choice([1000, 3000, 10000, 30000])
        level = self.level
        if level and self.rng.random() < 0.3:
            level = max(0, level + self.rng.randint(-2, 2))
        running = self.running()
        for number in list(self.in_flight):
            if number not in self.replicas:
                del self.in_flight[number]
            elif self.replicas[number][0] == "D":
                self.in_flight[number] = max(0, self.in_flight[number] - 1)
        left = level
        for i, number in enumerate(running):
            share = min(self.capacity, -(-left // (len(running) - i)))
            self.in_flight[number] = share
            left -= share
        new = self.rng.randint(1, 3) if level and self.rng.random() < 0.5 else 0
        if left > self.queued:
            new = max(new, 1)
        if left == 0:
            new = new if running else 0
        self.queued = left
        self.arrived += new
        return new


def sequence(rng):
    options = pick_options(rng)
    low = rng.choice([0, 0, 1, 1, 2])
    high = max(low, rng.choice([1, 3, 5, 10, 50]))
    target = rng.randint(low, min(high, 6))
    tick = round(options["tick_s"] * 1000)
    record_every = round(min(options["look_back_period_s"] * 0.2, options["metrics_interval_s"]) * 1000)
    push_every = round(options["metrics_interval_s"] * 1000)
    original = Original(options, low, high, target)
    world = World(rng, target)
    events = world.events
    record_due, push_due = 0, 0
    gap_until = -1
    last = None
    for i in range(rng.choice([80, 120, 200])):
        t = i * tick
        while push_due < t:
            NOW[0] = BASE_S + push_due / 1000
            original.push()
            push_due += push_every
        NOW[0] = BASE_S + t / 1000
        if i:
            world.step(t, target)
        original.set_running(world.running())
        if t >= gap_until and i and rng.random() < 0.01:
            gap_until = t + min(rng.choice([2, 5, 20]) * tick, round(options["look_back_period_s"] * 600))
        # A gateway too busy to read its counters records late, and says so in the time of the record.
        late = i and (t < gap_until or rng.random() < 0.05)
        if not late:
            new = world.load(t)
            original.set_load(world.queued, world.in_flight)
            if i and new:
                original.request_arrived()
            reading = [world.arrived, world.queued, [[n, c] for n, c in sorted(world.in_flight.items())]]
            if reading != last or t >= record_due:
                events.append(["r", t, *reading])
                last = reading
            if t >= record_due:
                original.record()
                record_due = (t // record_every + 1) * record_every
        if push_due == t:
            original.push()
            push_due += push_every
        if i:
            decided = original.decide(target)
            events.append(["d", t, target, decided])
            target = decided
            # The world may be set to something else by hand, as an operator would.
            if rng.random() < 0.002:
                target = rng.randint(low, high)
    return {"o": options, "b": [low, high], "e": events}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--sequences", type=int, default=1000)
    parser.add_argument("--out", required=True)
    args = parser.parse_args()
    with gzip.GzipFile(args.out, "wb", 9, mtime=0) as out:
        head = {"autoscaler": "ray_serve", "original": f"ray {ray.__version__} (PyPI)", "seed": args.seed,
                "sequences": args.sequences, "base_s": BASE_S}
        out.write((json.dumps(head) + "\n").encode())
        for number in range(args.sequences):
            line = sequence(random.Random(f"ray_serve {args.seed} {number}"))
            out.write((json.dumps(line, separators=(",", ":")) + "\n").encode())
    print(f"{args.sequences} sequences, seed {args.seed}: {args.out}", file=sys.stderr)


if __name__ == "__main__":
    main()
