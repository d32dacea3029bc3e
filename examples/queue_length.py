#!/usr/bin/env python3
"""A strategy in fifteen lines: one replica for every four requests that wait or run."""
import json
import math
import sys

for line in sys.stdin:
    seen = json.loads(line)
    decisions = []
    for model in seen["models"]:
        work = model["metrics"]["concurrency"]["value"]
        if work is not None:  # no reading: say nothing about the model, and it is held
            decisions.append({"model": model["model"], "replicas": max(1, math.ceil(work / 4)),
                              "reason": f"{work:.0f} requests, four for each replica"})
    print(json.dumps({"sequence": seen["sequence"], "models": decisions}), flush=True)
