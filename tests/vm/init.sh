#!/bin/busybox sh
# Init of the virtual machine that capture.sh boots: makes memory cgroups as kubelet makes them,
# lets the kernel kill in them and on the whole node, and prints the kernel's files between markers
# on the console. Only for a machine to throw away: it fills all memory. Needs busybox; brd.ko for
# swap.

P=/kubepods.slice/kubepods-burstable.slice
POD=$P/kubepods-burstable-pod2f1c3a54_9d0b_4c57_8a3e_6f0f4a8a1b22.slice
CTR=$POD/cri-containerd-5f3a9e0c7b1d2846af90c1b2d3e4f5061728394a5b6c7d8e9f0a1b2c3d4e5f60.scope
DB=/system.slice/postgresql@15,main.service
C=/sys/fs/cgroup

setup() {
    /bin/busybox mkdir -p /proc /sys /dev /tmp /etc /bin
    /bin/busybox --install -s /bin
    mount -t proc proc /proc && mount -t sysfs sysfs /sys && mount -t devtmpfs dev /dev
    mount -t cgroup2 -o nsdelegate,memory_recursiveprot cgroup2 $C
    # A tmpfs of its own, so that what is written into it is shmem charged to the writer.
    mount -t tmpfs tmpfs /tmp
    dmesg -n 1
    # Ordinary, hostile for a parser of "(comm)", and one whose uid is negative where the kernel
    # prints it with %d.
    printf '%s\n' root:x:0:0::/:/bin/sh app:x:1000:1000::/:/bin/sh \
        high:x:4294967294:65534::/:/bin/sh >/etc/passwd
    for comm in 'x (y), pid=1 :)' postgres stress; do ln -s busybox "/bin/$comm"; done
    # 16 MiB of swap, and as much again to read as a file.
    insmod /brd.ko rd_nr=2 rd_size=16384 && mkswap /dev/ram0 >/dev/null && swapon /dev/ram0
    for dir in / /kubepods.slice $P $POD /system.slice /job; do
        mkdir -p $C$dir && echo '+memory +cpuset' >$C$dir/cgroup.subtree_control
    done
    mkdir $C$CTR $C$DB $C/job/a
    echo 8M >$C/kubepods.slice/memory.min
    echo 4M | tee $C$POD/memory.low >$C$CTR/memory.low
    echo 1M >$C$CTR/memory.min
    echo 4M >$C$POD/memory.swap.max
    echo 32M >$C$POD/memory.max
    echo 24M >$C/job/memory.max && echo 1 >$C/job/memory.oom.group
    echo 0 >$C/job/memory.swap.max
}

# within CGROUP USER SCRIPT: runs the script there in the background.
within() {
    sh -c "echo 0 >'$C$1/cgroup.procs'; exec su -s /bin/sh $2 -c \"\$0\"" "$3" &
}

# filling MIB COMM: a script that holds so much memory and waits. Busybox goes by argv[0], the
# kernel's comm by the file.
filling() {
    echo "(head -c ${1}m /dev/zero; sleep 600) | exec -a tail '/bin/$2'"
}

# show NAME COMMAND…: the command's output between markers.
show() {
    echo "=====BEGIN $1"
    shift
    "$@" 2>&1
    echo "=====END"
}

# kmsg NAME: the records since the last call.
kmsg() {
    timeout 2 cat /dev/kmsg >/tmp/kmsg
    show "$1" tail -n +$((seen + 1)) /tmp/kmsg
    seen=$(wc -l </tmp/kmsg)
}

# cgroup_files NAME CGROUP
cgroup_files() {
    for file in $C$2/memory.* $C$2/cgroup.controllers $C$2/cgroup.procs; do
        # memory.reclaim can only be written, which does not show to root.
        [ "${file##*.}" != reclaim ] && show "$1.${file##*/}" cat "$file"
    done
}

kills() {
    awk '$1 == "oom_kill" { print $2 }' /proc/vmstat
}

# Waits until the kernel has killed and has told all about it.
await_kill() {
    while [ "$(kills)" = "$killed" ]; do sleep 1; done
    sleep 2
    killed=$(kills)
}

setup
killed=$(kills)
seen=$(timeout 2 cat /dev/kmsg | wc -l)

# 1. A pod's limit: one process of its container hits it, and the larger one, which has swapped, is
# killed.
within $CTR app 'exec sleep 600'
within $CTR app "$(filling 24 'x (y), pid=1 :)')"
sleep 5
within $CTR root "$(filling 14 tail)"
await_kill
kmsg memcg.kmsg

# 2. The survivors are throttled for a while, get some shmem and page cache, and are looked at.
echo 20M >$C$CTR/memory.high
within $CTR app "$(filling 10 'x (y), pid=1 :)')"
sleep 8
echo 29M >$C$CTR/memory.high
sleep 4
within $CTR app 'head -c 1m /dev/zero >/tmp/shmem'
# A block device's page cache goes when it is closed.
within $CTR root 'exec 3</dev/ram1; head -c 2m <&3 >/dev/null; exec sleep 600'
sleep 2
cgroup_files ctr $CTR
cgroup_files pod $POD
cgroup_files root ''
for pid in $(cat $C$CTR/cgroup.procs); do
    grep -q '^x (y)' /proc/$pid/comm && break
done
for file in status stat statm smaps_rollup cgroup; do show process.$file cat /proc/$pid/$file; done
show self.mountinfo cat /proc/self/mountinfo
show self.cgroup cat /proc/self/cgroup
for file in meminfo vmstat buddyinfo zoneinfo slabinfo pressure/memory; do
    show node.${file##*/} cat /proc/$file
done
show node.node0-meminfo cat /sys/devices/system/node/node0/meminfo

# 3. A cgroup that is killed as a whole.
within /job/a root 'exec sleep 600'
within /job/a app "$(filling 6 stress)"
sleep 2
within /job/a root "$(filling 40 stress)"
await_kill
kmsg group.kmsg
cgroup_files job-a /job/a
cgroup_files job /job

# 4. The node has no memory left.
within $DB high "$(filling 4096 postgres)"
await_kill
kmsg global.kmsg
show node.version uname -rvm
poweroff -f
