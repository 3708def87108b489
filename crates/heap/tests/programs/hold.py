"""Keeps objects of known types, and says for each line on its standard input how many there are."""

import gc
import sys


class Session:
    """An object that the collector knows."""

    def __init__(self, number):
        self.number = number


class Slotted:
    __slots__ = ("number", "other")

    def __init__(self, number):
        self.number = number
        self.other = []


sessions = [Session(i) for i in range(5000)]
slotted = [Slotted(i) for i in range(3000)]
# Atoms alone: the collector lets go of such dicts and tuples, and the walk has to find them.
records = [{"id": 1000000 + i, "page": f"page number {i}"} for i in range(20000)]
numbers = [(float(i), complex(i)) for i in range(7000)]
texts = {f"key {i}" for i in range(1000)}
gc.collect()
for line in sys.stdin:
    by_type = {}
    for tracked in gc.get_objects():
        name = type(tracked).__name__
        by_type[name] = by_type.get(name, 0) + 1
    words = [by_type["Session"], by_type["Slotted"], by_type["function"]]
    words += [sum(map(sys.getsizeof, records)), len(records), sum(len(r["page"]) for r in records)]
    print(*words, flush=True)
