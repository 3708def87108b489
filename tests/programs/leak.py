"""Keeps ever more objects reachable, until the kernel ends it.

    leak.py SHAPE KIB_PER_S QUIET_S PERIOD_S list|dict

The shapes of leak.c. A list keeps strings of 1 KiB and doubles in place now and then; a dict keeps
small records under growing keys, as a cache without a bound does, and is copied when it grows.
"""

import sys
import time

shape, kib_per_s, quiet_s, period_s = sys.argv[1], *map(float, sys.argv[2:5])
container = sys.argv[5]
BLOCKS = {"list": 1024 + 60, "dict": 512}  # what one entry takes of CPython's memory, about

kept = [] if container == "list" else {}
lost, teeth, onset = 0.0, [], time.monotonic() + quiet_s
while True:
    age = max(time.monotonic() - onset, 0.0)
    phase = age % period_s
    while lost < kib_per_s * 1024 * (age - phase if shape == "stair" else age):
        if container == "list":
            kept.append(b"x" * 1024 + str(len(kept)).encode())
        else:
            kept[f"session-{len(kept)}"] = {"seen": lost, "page": "p" * 100 + str(lost)}
        lost += BLOCKS[container]
    wanted = int(3 * kib_per_s * phase) if shape == "sawtooth" else 0
    if wanted < len(teeth):
        teeth.clear()
    while len(teeth) < wanted:
        teeth.append(b"x" * 1000 + str(len(teeth)).encode())
    time.sleep(0.05)
