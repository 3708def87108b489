/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
 *
 * On `oom:mark_victim`: one event with the victim, who asked for the memory, the victim's memory cgroup
 * and the limit that was reached. The kernel comes by here right after it has sent the kill.
 *
 * The event also comes for a process that is ending by itself and is let through to do so: then the
 * kernel has killed nobody, and the reader must ask its counters. The memory cgroup is the victim's,
 * not that of the current task, which is the killer.
 */
#include "mark.h"

#define DEPTH_MAX 24
/* Bits of a node's index in an xarray, and of the tag in a pointer to one. */
#define XA_CHUNK_MASK 63
#define XA_TAG_MASK 3
#define XA_TAG_NODE 2
#define XA_DEPTH_MAX 6

/* Linux 6.12 gives the tracepoint the task, and this to its event; 6.1 has the pid alone. */
struct trace_event_raw_mark_victim {
	s16 oom_score_adj;
} RELOCATED;

/* The task of a pid of the first namespace: what find_task_by_pid_ns() does. */
INLINE struct task_struct *task_of(struct task_struct *any, u32 number)
{
	struct pid *own = READ(any->thread_pid);
	struct pid_namespace *ns = READ(own->numbers[0].ns);
	u64 entry = (u64)READ(ns->idr.idr_rt.xa_head);

	for (int depth = 0; depth < XA_DEPTH_MAX; depth++) {
		if ((entry & XA_TAG_MASK) != XA_TAG_NODE)
			break;
		struct xa_node *node = (void *)(entry - XA_TAG_NODE);
		u64 slot = (number >> READ(node->shift)) & XA_CHUNK_MASK;
		u64 at = (u64)&node->slots + slot * sizeof(void *);

		entry = 0;
		bpf_probe_read_kernel(&entry, sizeof(entry), (void *)at);
	}
	struct pid *pid = (void *)entry;
	struct hlist_node *link = pid ? READ(pid->tasks[0].first) : NULL;

	return link ? (void *)link - OFFSET_OF(struct task_struct, pid_links) : NULL;
}

INLINE void describe_memory(struct mark *mark, struct mm_struct *mm)
{
	if (!mm)
		return;
	mark->known |= KNOWN_MEMORY;
	mark->total_vm_pages = READ(mm->total_vm);
	mark->pgtables_bytes = READ(mm->pgtables_bytes.counter);
	if (HAS_TYPE(struct mm_rss_stat)) {
		struct mm_struct___atomic *older = (void *)mm;

		mark->rss_pages[0] = READ(older->rss_stat.count[0].counter);
		mark->rss_pages[1] = READ(older->rss_stat.count[1].counter);
		mark->rss_pages[2] = READ(older->rss_stat.count[2].counter);
		mark->rss_pages[3] = READ(older->rss_stat.count[3].counter);
	} else {
		mark->rss_pages[0] = READ(mm->rss_stat[0].count);
		mark->rss_pages[1] = READ(mm->rss_stat[1].count);
		mark->rss_pages[2] = READ(mm->rss_stat[2].count);
		mark->rss_pages[3] = READ(mm->rss_stat[3].count);
	}
}

/* Of the victim's cgroup and those above it the one with the least left below its limit. */
INLINE void describe_limit(struct mark *mark, struct cgroup_subsys_state *css)
{
	u64 least = ~0ULL;

	for (int depth = 0; depth < DEPTH_MAX && css; depth++) {
		struct mem_cgroup *memcg = (void *)css - OFFSET_OF(struct mem_cgroup, css);
		u64 usage = READ(memcg->memory.usage.counter);
		u64 max = READ(memcg->memory.max);
		u64 left = usage < max ? max - usage : 0;

		if (left < least) {
			struct cgroup *cgroup = READ(css->cgroup);
			struct kernfs_node *node = READ(cgroup->kn);

			least = left;
			mark->usage_pages = usage;
			mark->limit_pages = max;
			mark->limit_id = READ(node->id);
		}
		css = READ(css->parent);
	}
}

INLINE void describe_path(struct mark *mark, struct kernfs_node *node)
{
	u32 used = 0;

	for (int depth = 0; depth < DEPTH_MAX; depth++) {
		struct kernfs_node *parent;
		struct kernfs_node___rcu *newer = (void *)node;

		if (READ(node->id) == mark->limit_id)
			mark->limit_depth = depth;
		parent = HAS_MEMBER(struct kernfs_node___rcu, __parent) ? READ(newer->__parent) :
									  READ(node->parent);
		if (!parent)
			goto done;
		if (used >= PATH_MAX)
			break;
		long length = bpf_probe_read_kernel_str(&mark->path[used & (PATH_MAX - 1)], NAME_MAX,
							READ(node->name));
		if (length <= 0 || length > NAME_MAX)
			break;
		used += length;
		node = parent;
	}
	mark->cut = 1;
done:
	mark->path_bytes = used;
}

INLINE void describe_cgroup(struct mark *mark, struct task_struct *task)
{
	struct css_set *set = READ(task->cgroups);
	u64 at = (u64)&set->subsys + ENUM_VALUE(enum cgroup_subsys_id, memory_cgrp_id) * sizeof(void *);
	struct cgroup_subsys_state *css = NULL;

	bpf_probe_read_kernel(&css, sizeof(css), (void *)at);
	if (!css)
		return;
	struct cgroup *cgroup = READ(css->cgroup);
	struct kernfs_node *node = READ(cgroup->kn);

	mark->known |= KNOWN_CGROUP;
	mark->memcg_id = READ(node->id);
	describe_limit(mark, css);
	describe_path(mark, node);
}

INLINE void describe_task(struct mark *mark, struct task_struct *task)
{
	struct task_struct *leader = READ(task->group_leader);
	struct cred *cred = READ(task->real_cred);
	struct signal_struct *signal = READ(task->signal);

	mark->known |= KNOWN_TASK;
	mark->victim_pid = READ(task->pid);
	mark->victim_tgid = READ(task->tgid);
	mark->victim_uid = READ(cred->uid.val);
	mark->victim_start_ns = READ(leader->start_boottime);
	mark->oom_score_adj = READ(signal->oom_score_adj);
	bpf_probe_read_kernel(mark->victim_comm, sizeof(mark->victim_comm), &task->comm);
}

SEC("tp_btf/mark_victim")
int mark_victim(u64 *args)
{
	struct mark *mark = begin();
	struct task_struct *victim;

	if (!mark)
		return 0;
	if (HAS_MEMBER(struct trace_event_raw_mark_victim, oom_score_adj)) {
		victim = (void *)args[0];
	} else {
		mark->victim_pid = (u32)args[0];
		victim = task_of(bpf_get_current_task(), mark->victim_pid);
	}
	if (victim) {
		describe_task(mark, victim);
		describe_memory(mark, READ(victim->mm));
		describe_cgroup(mark, victim);
	}
	send(mark);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
