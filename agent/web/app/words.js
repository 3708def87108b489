// What the agent's states and causes mean to a person, and what to do next. Pure.

/** By urgency, least first. `level` is how high the water stands in the badge's disc, 0…1. */
export const STATES = {
  ok: { rank: 0, label: "OK", level: 0.25, means: "No trend in its memory needs attention so far." },
  warming_up: {
    rank: 1,
    label: "Warming up",
    level: 0.25,
    means: "There is too little history yet to judge.",
  },
  leak_suspected: {
    rank: 2,
    label: "Leak suspected",
    level: 0.5,
    means: "Memory that is not given back has grown steadily; no limit is near yet.",
  },
  oom_predicted: {
    rank: 3,
    label: "OOM predicted",
    level: 0.75,
    means: "At this rate the limit will be reached, and the kernel will kill.",
  },
  oom_imminent: {
    rank: 4,
    label: "OOM imminent",
    level: 1,
    means: "The limit is minutes away. Act now.",
  },
};

export const SUSPECT = 2;
export const SUSPECT_STATES = Object.keys(STATES).filter((key) => STATES[key].rank >= SUSPECT);

export const CAUSES = {
  heap_leak: {
    label: "Heap leak",
    means: "Anonymous memory grows without ever being given back, as when objects are forgotten.",
    next: "Compare two heap profiles some minutes apart; plan a restart before the limit.",
  },
  retained_growth: {
    label: "Retained growth",
    means: "The program holds on to more and more live data, such as a map or queue without bound.",
    next: "Look for collections that only grow: caches without a limit, sessions, backlogs.",
  },
  fragmentation: {
    label: "Fragmentation",
    means:
      "The allocator holds memory the program has freed and cannot give it back to the kernel.",
    next: "Try malloc_trim, fewer arenas (MALLOC_ARENA_MAX) or jemalloc with background purging.",
  },
  cache_fill: {
    label: "Cache filling",
    means: "Growth that slows down as a cache fills up to its own bound.",
    next: "Check that the cache's bound lies below the limit; then nothing needs doing.",
  },
  page_cache: {
    label: "Page cache",
    means: "The kernel keeps file contents in memory and drops them when memory is needed.",
    next: "Nothing, as a rule: this memory is reclaimable and does not lead to a kill by itself.",
  },
  shmem: {
    label: "Shared memory",
    means: "Shared memory or tmpfs files grow; the kernel cannot drop them, only swap them.",
    next: "Look at /dev/shm, tmpfs mounts and emptyDir volumes with medium Memory.",
  },
  off_heap: {
    label: "Off-heap",
    means: "Memory grows outside the runtime's managed heap: buffers, native libraries, mappings.",
    next: "Check direct buffers, native libraries and mmap; heap settings do not bound these.",
  },
  kernel: {
    label: "Kernel memory",
    means: "The kernel itself uses more: slab caches, page tables, socket buffers.",
    next: "See which slab cache grows on the node's page; dentries and sockets are the usual ones.",
  },
  threads: {
    label: "Threads",
    means: "The number of threads grows, and each brings a stack and an arena.",
    next: "Look for pools that are created per request or never shut down.",
  },
  fds: {
    label: "File descriptors",
    means: "Open files or sockets grow, and each holds kernel memory and buffers.",
    next: "List /proc/PID/fd: what repeats there is not being closed.",
  },
  restart_loop: {
    label: "Restart loop",
    means: "Each run of this workload grows until it ends and is started anew.",
    next: "Read the last kill under Events; raise the limit or fix what grows from start to end.",
  },
  unknown: {
    label: "Unknown",
    means: "What grows could not be attributed.",
    next: "See whether a source is degraded (agent health): more rights show more.",
  },
};

export const KINDS_OF_KILL = {
  main_process: "The main process of its cgroup: the container ended with it",
  child_process: "A child: its container lived on",
  group: "All of a cgroup at once (memory.oom.group)",
  node: "The node itself was out of memory",
  unknown: "Whose end it was is not known",
};

export const state = (key) =>
  STATES[key] ?? { rank: 1, label: String(key), level: 0.25, means: "" };
export const cause = (key) => CAUSES[key] ?? { label: String(key), means: "", next: "" };

export const KINDS = { workload: "Workload", process: "Process", cgroup: "Cgroup", node: "Node" };

/** The parts of a target's memory, from the bottom of the stack to its top. */
export const PARTS = [
  { key: "anon", label: "anon", means: "heap, stacks, private memory" },
  { key: "shmem", label: "shmem", means: "shared memory, tmpfs" },
  { key: "other", label: "other", means: "kernel and unattributed" },
  { key: "file", label: "file", means: "page cache, mapped files" },
];

export const USED = { key: "used", label: "used", means: "what the limit is held against" };
export const SWAP = { key: "swap", label: "swap", means: "moved out to swap, not part of used" };
