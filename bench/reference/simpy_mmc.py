#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The M/M/c queue of bench/sim_bench.cc (SimQueue) in SimPy: the yardstick, not part of the product.

  simpy_mmc.py SERVERS REQUESTS

Calls of 10 ms on average, 90 % of what the servers can do. Prints one line of JSON: requests per second of CPU time
after the queue has filled, and the mean wait, so that it can be seen to be the same queue."""

import json
import random
import sys
import time

import simpy

MEAN_S = 0.01
LOAD = 0.9


def main():
    servers, requests = int(sys.argv[1]), int(sys.argv[2])
    rate = LOAD * servers / MEAN_S
    draw = random.Random(1)
    env = simpy.Environment()
    pool = simpy.Resource(env, capacity=servers)
    done, waited = 0, 0.0

    def request():
        nonlocal done, waited
        came = env.now
        with pool.request() as turn:
            yield turn
            waited += env.now - came
            yield env.timeout(draw.expovariate(1.0 / MEAN_S))
        done += 1

    def arrivals():
        while True:
            yield env.timeout(draw.expovariate(rate))
            env.process(request())

    env.process(arrivals())
    env.run(until=20 * MEAN_S)
    before, start = done, time.process_time()
    env.run(until=20 * MEAN_S + requests / rate)
    seconds = time.process_time() - start
    print(json.dumps({"per_s": (done - before) / seconds, "mean_wait_ms": 1000.0 * waited / max(1, done),
                      "simpy": simpy.__version__}))


if __name__ == "__main__":
    main()
