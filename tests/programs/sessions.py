"""Healthy: sessions that come at a steady rate and end after a while, held in cycles.

    sessions.py SESSIONS_PER_S LIFETIME_S

Lifetimes are exponential, so the number of sessions rises to rate times lifetime and stays about
there. A session and its user refer to each other: only the cycle collector frees them.
"""

import gc
import heapq
import random
import sys
import time

per_s, lifetime_s = map(float, sys.argv[1:3])
random.seed(1)
# As it is set, a full collection waits for 70,000 objects: all that ended in minutes.
gc.set_threshold(700, 5, 2)


class Session:
    def __init__(self, number):
        self.page = "p" * 4000 + str(number)
        self.user = {"session": self, "number": number}


ends, number, started = [], 0, time.monotonic()
while True:
    now = time.monotonic() - started
    while number < now * per_s:
        number += 1
        end = now + random.expovariate(1.0 / lifetime_s)
        heapq.heappush(ends, (end, number, Session(number)))
    while ends and ends[0][0] < now:
        heapq.heappop(ends)
    time.sleep(0.02)
