/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
 *
 * A share of one process's allocations: where each was made, and which of them still live.
 *
 * Of every allocation it is drawn whether it is taken. Of one that is, registers and the top of the
 * stack go to the ring at the call, and its address to the table of live blocks at the return; a free
 * takes it from there. Attached to malloc and its like in one process only, where rsp is still that
 * of the call. x86-64. Reads the target's stack, writes nothing of it.
 */
#include "kernel.h"

/* Of the stack, in pieces: a piece beyond its end costs only itself. */
#define PIECE_BYTES 512
#define PIECES 16
#define RING_BYTES (4 * 1024 * 1024)
#define LIVE_MAX 65536
#define PENDING_MAX 8192
#define NO_WAKEUP 1

/* Which function. Those after CALLOC may call malloc themselves. */
#define MALLOC 0
#define CALLOC 1
#define REALLOC 2
#define ALIGNED 3
#define POSIX 4

/* Registers at the call: arch/x86/include/asm/ptrace.h, whose order user programs rely on. */
struct registers {
	u64 r15, r14, r13, r12, bp, bx, r11, r10, r9, r8, ax, cx, dx, si, di, orig_ax, ip, cs, flags, sp, ss;
};

/* As src/allocations.rs reads it. */
struct sample {
	u64 id;
	u64 ip;
	u64 sp;
	u64 bp;
	u64 stack_bytes;
	u8 stack[PIECE_BYTES * PIECES];
};

/* An allocation that was made and not freed. `stands_for`: one in how many was drawn then. */
struct live {
	u64 id;
	u64 size;
	u64 stands_for;
};

/* Between the call and the return. */
struct pending {
	struct live block;
	u64 sp;
	u64 result;
	u64 function;
};

struct control {
	/* One allocation in so many is taken; 0: none. */
	u64 one_in;
	/* Every one from this size on is. */
	u64 each_from;
};

enum { ALLOCATED, FREED, TAKEN, NO_ROOM_IN_RING, NO_ROOM_LIVE, NO_ROOM_PENDING, COUNTS };

struct {
	MAP_UINT(type, BPF_MAP_TYPE_ARRAY);
	MAP_UINT(max_entries, 1);
	MAP_TYPE(key, u32);
	MAP_TYPE(value, struct control);
} control SEC(".maps");

struct {
	MAP_UINT(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	MAP_UINT(max_entries, COUNTS);
	MAP_TYPE(key, u32);
	MAP_TYPE(value, u64);
} counts SEC(".maps");

struct {
	MAP_UINT(type, BPF_MAP_TYPE_HASH);
	MAP_UINT(max_entries, PENDING_MAX);
	MAP_TYPE(key, u32);
	MAP_TYPE(value, struct pending);
} pending SEC(".maps");

struct {
	MAP_UINT(type, BPF_MAP_TYPE_HASH);
	MAP_UINT(max_entries, LIVE_MAX);
	MAP_TYPE(key, u64);
	MAP_TYPE(value, struct live);
} live SEC(".maps");

struct {
	MAP_UINT(type, BPF_MAP_TYPE_RINGBUF);
	MAP_UINT(max_entries, RING_BYTES);
} samples SEC(".maps");

/* Of this processor; returns the new count. */
INLINE u64 count(u32 what)
{
	u64 *number = bpf_map_lookup_elem(&counts, &what);

	return number ? *number += 1 : 0;
}

/* The stack goes to the ring; 0 if there was no room. */
INLINE u64 sampled(struct registers *at)
{
	struct sample *sample = bpf_ringbuf_reserve(&samples, sizeof(*sample), 0);

	if (!sample) {
		count(NO_ROOM_IN_RING);
		return 0;
	}
	u64 id = ((u64)bpf_get_smp_processor_id() << 40) + count(TAKEN);

	sample->id = id;
	sample->ip = at->ip;
	sample->sp = at->sp;
	sample->bp = at->bp;
	sample->stack_bytes = 0;
#pragma clang loop unroll(full)
	for (int piece = 0; piece < PIECES; piece++) {
		const void *from = (const void *)(at->sp + piece * PIECE_BYTES);

		if (bpf_probe_read_user(sample->stack + piece * PIECE_BYTES, PIECE_BYTES, from))
			break;
		sample->stack_bytes += PIECE_BYTES;
	}
	/* Nobody is woken: the reader looks by itself. */
	bpf_ringbuf_submit(sample, NO_WAKEUP);
	return id;
}

INLINE int call(struct registers *at, u64 function, u64 size, u64 result)
{
	u32 first = 0;
	u32 thread = (u32)bpf_get_current_pid_tgid();
	struct control *rule = bpf_map_lookup_elem(&control, &first);

	count(ALLOCATED);
	if (!rule || !rule->one_in)
		return 0;
	if (function == MALLOC) {
		struct pending *outer = bpf_map_lookup_elem(&pending, &thread);

		/* Called by another of these functions, for which it was drawn already. */
		if (outer && outer->function > CALLOC && outer->sp > at->sp)
			return 0;
	}
	struct pending next = {};

	next.sp = at->sp;
	next.result = result;
	next.function = function;
	next.block.size = size;
	if (size >= rule->each_from)
		next.block.stands_for = 1;
	else if (bpf_get_prandom_u32() % (u32)rule->one_in == 0)
		next.block.stands_for = rule->one_in;
	if (next.block.stands_for)
		next.block.id = sampled(at);
	/* What was not drawn is noted only where a malloc within would be drawn again. */
	if (!next.block.id && function <= CALLOC)
		return 0;
	if (bpf_map_update_elem(&pending, &thread, &next, 0))
		count(NO_ROOM_PENDING);
	return 0;
}

INLINE int returned(struct registers *at, u64 function)
{
	u32 thread = (u32)bpf_get_current_pid_tgid();
	struct pending *begun = bpf_map_lookup_elem(&pending, &thread);

	if (!begun || begun->function != function)
		return 0;
	struct live block = begun->block;
	u64 result = begun->result;
	u64 address = at->ax;

	bpf_map_delete_elem(&pending, &thread);
	if (function == POSIX) {
		address = 0;
		if (!at->ax)
			bpf_probe_read_user(&address, sizeof(address), (const void *)result);
	}
	if (block.id && address && bpf_map_update_elem(&live, &address, &block, 0))
		count(NO_ROOM_LIVE);
	return 0;
}

INLINE void freed(u64 address)
{
	/* To look takes no lock, and nearly all are not there. */
	if (address && bpf_map_lookup_elem(&live, &address))
		bpf_map_delete_elem(&live, &address);
}

SEC("uprobe")
int on_malloc(struct registers *at)
{
	return call(at, MALLOC, at->di, 0);
}

SEC("uretprobe")
int after_malloc(struct registers *at)
{
	return returned(at, MALLOC);
}

SEC("uprobe")
int on_calloc(struct registers *at)
{
	return call(at, CALLOC, at->di * at->si, 0);
}

SEC("uretprobe")
int after_calloc(struct registers *at)
{
	return returned(at, CALLOC);
}

SEC("uprobe")
int on_realloc(struct registers *at)
{
	freed(at->di);
	return call(at, REALLOC, at->si, 0);
}

SEC("uretprobe")
int after_realloc(struct registers *at)
{
	return returned(at, REALLOC);
}

SEC("uprobe")
int on_aligned(struct registers *at)
{
	return call(at, ALIGNED, at->si, 0);
}

SEC("uretprobe")
int after_aligned(struct registers *at)
{
	return returned(at, ALIGNED);
}

SEC("uprobe")
int on_posix(struct registers *at)
{
	return call(at, POSIX, at->dx, at->di);
}

SEC("uretprobe")
int after_posix(struct registers *at)
{
	return returned(at, POSIX);
}

SEC("uprobe")
int on_free(struct registers *at)
{
	count(FREED);
	freed(at->di);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
