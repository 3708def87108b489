/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
 *
 * What the programs beside this file know of the kernel: the few members that they read, by name.
 *
 * No header of any kernel is included. Each struct lists only what is read; the loader looks up where
 * the running kernel keeps it (CO-RE) and patches the offsets in. A member that was renamed between
 * versions stands in a flavour of its own, NAME___flavour, and is asked for before it is read.
 */
#ifndef PLIMSOLL_KERNEL_H
#define PLIMSOLL_KERNEL_H

typedef unsigned char u8;
typedef unsigned short u16;
typedef short s16;
typedef unsigned int u32;
typedef int s32;
typedef unsigned long long u64;
typedef long long s64;

#define SEC(name) __attribute__((section(name), used))
#define INLINE static inline __attribute__((always_inline))
#define RELOCATED __attribute__((preserve_access_index))
#define NULL ((void *)0)

/* enum bpf_map_type in include/uapi/linux/bpf.h */
#define BPF_MAP_TYPE_HASH 1
#define BPF_MAP_TYPE_ARRAY 2
#define BPF_MAP_TYPE_PERCPU_ARRAY 6
#define BPF_MAP_TYPE_RINGBUF 27

/* How a map is told to the loader: through the types of a struct's members. */
#define MAP_UINT(name, value) int(*name)[value]
#define MAP_TYPE(name, value) typeof(value) *name

/* Helpers, by their numbers in include/uapi/linux/bpf.h. All of them are in 5.8. */
static void *(*bpf_map_lookup_elem)(void *map, const void *key) = (void *)1;
static long (*bpf_map_update_elem)(void *map, const void *key, const void *value, u64 flags) = (void *)2;
static long (*bpf_map_delete_elem)(void *map, const void *key) = (void *)3;
static u32 (*bpf_get_prandom_u32)(void) = (void *)7;
static u32 (*bpf_get_smp_processor_id)(void) = (void *)8;
static u64 (*bpf_get_current_pid_tgid)(void) = (void *)14;
static long (*bpf_get_current_comm)(void *to, u32 size) = (void *)16;
static void *(*bpf_get_current_task)(void) = (void *)35;
static long (*bpf_probe_read_user)(void *to, u32 size, const void *from) = (void *)112;
static long (*bpf_probe_read_kernel)(void *to, u32 size, const void *from) = (void *)113;
static long (*bpf_probe_read_kernel_str)(void *to, u32 size, const void *from) = (void *)115;
static u64 (*bpf_ktime_get_boot_ns)(void) = (void *)125;
static long (*bpf_seq_write)(void *seq, const void *data, u32 size) = (void *)127;
static long (*bpf_ringbuf_output)(void *ring, void *data, u64 size, u64 flags) = (void *)130;
static void *(*bpf_ringbuf_reserve)(void *ring, u64 size, u64 flags) = (void *)131;
static void (*bpf_ringbuf_submit)(void *record, u64 flags) = (void *)132;

/* Copies a member whose place the loader has looked up; zero where it cannot be read. */
#define READ(member)                                                   \
	({                                                             \
		typeof(member) it;                                     \
		bpf_probe_read_kernel(&it, sizeof(it), &(member));     \
		it;                                                    \
	})

/* Questions that the loader answers: the second argument is the kind of question. */
#define OFFSET_OF(type, member) __builtin_preserve_field_info(((type *)0)->member, 0)
#define HAS_MEMBER(type, member) __builtin_preserve_field_info(((type *)0)->member, 2)
#define HAS_TYPE(type) __builtin_preserve_type_info(*(type *)0, 0)
#define ENUM_VALUE(type, value) __builtin_preserve_enum_value(*(typeof(type) *)value, 1)

struct atomic_long {
	long counter;
};

struct kernfs_node {
	const char *name;
	struct kernfs_node *parent;
	u64 id;
} RELOCATED;

/* Linux 6.15 renamed `parent`. */
struct kernfs_node___rcu {
	struct kernfs_node *__parent;
} RELOCATED;

struct cgroup_subsys_state;

struct cgroup {
	struct kernfs_node *kn;
	struct cgroup_subsys_state *subsys[1];
} RELOCATED;

struct cgroup_subsys_state {
	struct cgroup *cgroup;
	struct cgroup_subsys_state *parent;
} RELOCATED;

struct css_set {
	struct cgroup_subsys_state *subsys[1];
} RELOCATED;

enum cgroup_subsys_id {
	memory_cgrp_id = 4,
};

/* Units: pages. */
struct page_counter {
	struct atomic_long usage;
	unsigned long watermark;
	unsigned long max;
} RELOCATED;

struct mem_cgroup {
	struct cgroup_subsys_state css;
	struct page_counter memory;
} RELOCATED;

/* Up to 6.1 the counters of a process's pages are in one struct, from 6.2 on per-CPU counters. */
struct mm_rss_stat {
	struct atomic_long count[4];
} RELOCATED;

struct percpu_counter {
	s64 count;
} RELOCATED;

struct mm_struct {
	unsigned long total_vm;
	struct atomic_long pgtables_bytes;
	struct percpu_counter rss_stat[4];
} RELOCATED;

struct mm_struct___atomic {
	struct mm_rss_stat rss_stat;
} RELOCATED;

/* Their order in both: include/linux/mm_types_task.h. */
#define FILE_PAGES 0
#define ANON_PAGES 1
#define SWAP_ENTRIES 2
#define SHMEM_PAGES 3

struct kuid {
	u32 val;
};

struct cred {
	struct kuid uid;
} RELOCATED;

struct signal_struct {
	s16 oom_score_adj;
} RELOCATED;

struct hlist_node {
	struct hlist_node *next;
} RELOCATED;

struct hlist_head {
	struct hlist_node *first;
} RELOCATED;

struct pid_namespace;

struct upid {
	int nr;
	struct pid_namespace *ns;
} RELOCATED;

struct pid {
	struct hlist_head tasks[4];
	struct upid numbers[1];
} RELOCATED;

struct xa_node {
	u8 shift;
	void *slots[64];
} RELOCATED;

struct xarray {
	void *xa_head;
} RELOCATED;

struct idr {
	struct xarray idr_rt;
} RELOCATED;

struct pid_namespace {
	struct idr idr;
} RELOCATED;

struct task_struct {
	struct mm_struct *mm;
	s32 pid;
	s32 tgid;
	struct task_struct *group_leader;
	struct pid *thread_pid;
	struct hlist_node pid_links[4];
	u64 start_boottime;
	struct cred *real_cred;
	char comm[16];
	struct signal_struct *signal;
	struct css_set *cgroups;
} RELOCATED;

struct bpf_iter_meta {
	void *seq;
	u64 session_id;
	u64 seq_num;
};

#endif
