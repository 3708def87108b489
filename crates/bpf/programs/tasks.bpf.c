/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
 *
 * One record of each process with memory of its own, written to the iterator's file.
 *
 * The counters are read without what each CPU has not yet added to them (from 6.2 on up to a batch of
 * pages for each CPU): good to see that something changed, not to say how much there is.
 */
#include "kernel.h"

/* As src/tasks.rs reads it. */
struct task_record {
	u32 pid;
	u32 file_pages;
	u32 anon_pages;
	u32 shmem_pages;
	u64 start_ns;
	u64 memcg_id;
};

struct iterator {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
};

INLINE u32 pages(s64 count)
{
	return count < 0 ? 0 : count > 0xffffffffLL ? 0xffffffffU : (u32)count;
}

SEC("iter/task")
int tasks(struct iterator *it)
{
	struct task_struct *task = it->task;
	struct task_record record = {};

	if (!task || task->pid != task->tgid)
		return 0;
	struct mm_struct *mm = task->mm;

	if (!mm)
		return 0;
	record.pid = task->tgid;
	record.start_ns = task->start_boottime;
	if (HAS_TYPE(struct mm_rss_stat)) {
		/* Its verifier does not follow the typedef in which these counters lie. */
		struct mm_struct___atomic *older = (void *)mm;

		record.file_pages = pages(READ(older->rss_stat.count[FILE_PAGES].counter));
		record.anon_pages = pages(READ(older->rss_stat.count[ANON_PAGES].counter));
		record.shmem_pages = pages(READ(older->rss_stat.count[SHMEM_PAGES].counter));
	} else {
		record.file_pages = pages(mm->rss_stat[FILE_PAGES].count);
		record.anon_pages = pages(mm->rss_stat[ANON_PAGES].count);
		record.shmem_pages = pages(mm->rss_stat[SHMEM_PAGES].count);
	}
	u64 index = ENUM_VALUE(enum cgroup_subsys_id, memory_cgrp_id);
	struct css_set *set = task->cgroups;
	struct cgroup_subsys_state *css = NULL;

	bpf_probe_read_kernel(&css, sizeof(css), (void *)((u64)&set->subsys + index * sizeof(css)));
	if (css) {
		struct cgroup *cgroup = READ(css->cgroup);
		struct kernfs_node *node = READ(cgroup->kn);

		record.memcg_id = READ(node->id);
	}
	bpf_seq_write(it->meta->seq, &record, sizeof(record));
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
