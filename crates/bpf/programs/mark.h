/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
 *
 * The event of one victim, as src/marks.rs takes it apart, and the maps by which it gets there.
 */
#ifndef PLIMSOLL_MARK_H
#define PLIMSOLL_MARK_H

#include "kernel.h"

#define PATH_MAX 1024
#define NAME_MAX 256
#define RING_BYTES (128 * 1024)

#define KNOWN_TASK 1
#define KNOWN_MEMORY 2
#define KNOWN_CGROUP 4

struct mark {
	u64 at_ns;
	u64 victim_start_ns;
	u64 memcg_id;
	u64 limit_id;
	u64 usage_pages;
	u64 limit_pages;
	u64 total_vm_pages;
	u64 pgtables_bytes;
	s64 rss_pages[4];
	u32 victim_pid;
	u32 victim_tgid;
	u32 victim_uid;
	u32 killer_pid;
	s16 oom_score_adj;
	u16 known;
	u16 path_bytes;
	/* Names of `path` that lie below the cgroup whose limit it was. */
	u16 limit_depth;
	/* Not all names had room. */
	u32 cut;
	u32 reserved;
	char victim_comm[16];
	char killer_comm[16];
	/* Names from the innermost cgroup towards the root, each with its NUL. */
	char path[PATH_MAX + NAME_MAX];
};

struct {
	MAP_UINT(type, BPF_MAP_TYPE_RINGBUF);
	MAP_UINT(max_entries, RING_BYTES);
} events SEC(".maps");

struct {
	MAP_UINT(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	MAP_UINT(max_entries, 1);
	MAP_TYPE(key, u32);
	MAP_TYPE(value, struct mark);
} scratch SEC(".maps");

/* Events for which the ring had no room. */
struct {
	MAP_UINT(type, BPF_MAP_TYPE_ARRAY);
	MAP_UINT(max_entries, 1);
	MAP_TYPE(key, u32);
	MAP_TYPE(value, u64);
} lost SEC(".maps");

/* An empty event with the time and the current task, who asked for the memory. */
INLINE struct mark *begin(void)
{
	u32 zero = 0;
	struct mark *mark = bpf_map_lookup_elem(&scratch, &zero);

	if (!mark)
		return NULL;
	__builtin_memset(mark, 0, __builtin_offsetof(struct mark, path));
	mark->at_ns = bpf_ktime_get_boot_ns();
	mark->killer_pid = (u32)bpf_get_current_pid_tgid();
	bpf_get_current_comm(mark->killer_comm, sizeof(mark->killer_comm));
	return mark;
}

INLINE void send(struct mark *mark)
{
	u64 path_bytes = mark->path_bytes;

	if (path_bytes > sizeof(mark->path))
		path_bytes = sizeof(mark->path);
	if (bpf_ringbuf_output(&events, mark, __builtin_offsetof(struct mark, path) + path_bytes, 0)) {
		u32 zero = 0;
		u64 *count = bpf_map_lookup_elem(&lost, &zero);

		if (count)
			__sync_fetch_and_add(count, 1);
	}
}

#endif
