"""Miss ratios of reference policies: FILE of little-endian 64-bit keys, ITEMS held, POLICIES."""

import array
import sys

import libcachesim

path, items, policies = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
keys = array.array("Q")
with open(path, "rb") as file:
    keys.frombytes(file.read())

for name in policies:
    cache = getattr(libcachesim, name)(cache_size=items)
    request = libcachesim.Request()
    request.obj_size = 1
    misses = 0
    for key in keys:
        request.obj_id = key
        if not cache.get(request):
            misses += 1
    print(name, misses / len(keys), flush=True)
