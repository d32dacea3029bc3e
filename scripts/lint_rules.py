#!/usr/bin/env python3
"""Checks that a compiler cannot make: where time is read, who includes whom, file heads."""
import pathlib
import re
import sys

REAL_TIME = re.compile(
    r"(system|steady|high_resolution)_clock::now|sleep_(for|until)\(|\bwait_(for|until)\(|\busleep\("
    r"|\bclock_gettime\(|\bgettimeofday\("
)
REAL_TIME_ALLOWED = {"src/spate/base/real_clock.cc", "src/spate/base/real_clock.h"}
CALLS_OF_OURS = re.compile(r"spate::sleep_until\(|::spate::sleep_until\(")

# module -> modules it may include. A module may always include itself.
LAYERS = {
    "base": set(),
    "mqtt": {"base"},
    "wire": {"base"},
    "models": {"base"},
    "telemetry": {"base"},
    "scaling": {"base", "telemetry"},
    "influx": {"base", "mqtt", "models", "telemetry"},
    "judge": {"base", "telemetry", "scaling", "influx"},
    "worker": {"base", "wire", "models", "telemetry"},
    "gateway": {"base", "mqtt", "wire", "telemetry", "scaling"},
    "adapters": {"base", "wire", "telemetry", "scaling", "gateway"},
    "sim": {"base", "telemetry", "scaling", "gateway", "influx", "worker", "judge"},
    "suite": {"base", "telemetry", "scaling", "gateway", "influx", "judge", "sim"},
    "lab": {"base", "mqtt", "wire", "models", "telemetry", "scaling", "gateway", "influx", "judge", "adapters",
            "sim"},
    "report": {"base", "judge", "lab"},
    "app": None,  # wires the program together; may include everything
}

problems = []
files = sorted(p for p in pathlib.Path("src/spate").rglob("*") if p.suffix in {".h", ".cc"})
files += sorted(p for d in ("tests", "bench") for p in pathlib.Path(d).rglob("*") if p.suffix in {".h", ".cc"})
for path in files:
    text = path.read_text()
    lines = text.splitlines()
    if not lines or lines[0] != "// SPDX-License-Identifier: Apache-2.0":
        problems.append(f"{path}:1: the first line is not the SPDX licence line")
    if path.suffix == ".h" and "#pragma once" not in text:
        problems.append(f"{path}:1: no #pragma once")
    in_src = path.parts[0] == "src"
    module = path.parts[2] if in_src else None
    allowed = LAYERS.get(module, set()) if in_src else None
    for number, line in enumerate(lines, 1):
        where = f"{path}:{number}:"
        code = line.split("//", 1)[0]
        unit_test = path.parts[:2] == ("tests", "unit")
        if (in_src or unit_test) and str(path) not in REAL_TIME_ALLOWED:
            if REAL_TIME.search(code) and not CALLS_OF_OURS.search(code):
                problems.append(f"{where} reads real time or sleeps; take a Clock& instead")
        used = re.match(r'#include "spate/(\w+)/', line)
        if in_src and used and allowed is not None and used[1] != module and used[1] not in allowed:
            problems.append(f"{where} {module} must not include {used[1]}")
print("\n".join(problems) or f"lint_rules: ok ({len(files)} files)")
sys.exit(bool(problems))
