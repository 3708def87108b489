/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
 *
 * The same event for a kernel that has no type information (BTF): pid of the victim and who asked for
 * the memory, and no more. Needs tracefs.
 */
#include "mark.h"

/* /sys/kernel/tracing/events/oom/mark_victim/format: the first member, on every version. */
struct arguments {
	u64 common;
	s32 pid;
};

SEC("tracepoint/oom/mark_victim")
int mark_victim_plain(struct arguments *args)
{
	struct mark *mark = begin();

	if (!mark)
		return 0;
	mark->victim_pid = args->pid;
	send(mark);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
