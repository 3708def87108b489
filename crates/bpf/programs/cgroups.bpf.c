/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
 *
 * One record of each memory cgroup, put into a ring: the iterator's own file ends after 32 KiB, and
 * cannot be gone on with.
 *
 * The kernel holds its mutex of all cgroups while it iterates.
 */
#include "kernel.h"

#define RING_BYTES (512 * 1024)

/* As src/cgroups.rs reads it. */
struct cgroup_record {
	u64 id;
	u64 usage_pages;
	u64 limit_pages;
	u64 peak_pages;
};

struct {
	MAP_UINT(type, BPF_MAP_TYPE_RINGBUF);
	MAP_UINT(max_entries, RING_BYTES);
} records SEC(".maps");

/* Records for which the ring had no room. */
struct {
	MAP_UINT(type, BPF_MAP_TYPE_ARRAY);
	MAP_UINT(max_entries, 1);
	MAP_TYPE(key, u32);
	MAP_TYPE(value, u64);
} lost SEC(".maps");

struct iterator {
	struct bpf_iter_meta *meta;
	struct cgroup *cgroup;
};

SEC("iter/cgroup")
int cgroups(struct iterator *it)
{
	struct cgroup *cgroup = it->cgroup;
	struct cgroup_subsys_state *css = NULL;
	u64 index = ENUM_VALUE(enum cgroup_subsys_id, memory_cgrp_id);
	struct cgroup_record record;

	if (!cgroup)
		return 0;
	bpf_probe_read_kernel(&css, sizeof(css), (void *)((u64)&cgroup->subsys + index * sizeof(css)));
	if (!css)
		return 0;
	struct mem_cgroup *memcg = (void *)css - OFFSET_OF(struct mem_cgroup, css);
	struct page_counter *memory = &memcg->memory;
	struct kernfs_node *node = cgroup->kn;

	record.id = node->id;
	record.usage_pages = READ(memory->usage.counter);
	record.limit_pages = READ(memory->max);
	record.peak_pages = READ(memory->watermark);
	if (bpf_ringbuf_output(&records, &record, sizeof(record), 0)) {
		u32 zero = 0;
		u64 *count = bpf_map_lookup_elem(&lost, &zero);

		if (count)
			__sync_fetch_and_add(count, 1);
	}
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
