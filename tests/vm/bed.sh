#!/bin/busybox sh
# Init of the machine in which `cargo xtask vm` runs tests and scenarios on a real cgroup v2 with
# real kills. Does what /plan says, a line each: NAME, SECONDS, COMMAND, parted by tabs; tells what
# came of it on the second serial line (xtask/src/vm/console.rs reads it), then ends the machine.
# Only for a machine to throw away: it kills all processes after each command. Needs busybox.

/bin/busybox mkdir -p /proc /sys /dev /tmp /run /etc /root
/bin/busybox --install -s /bin
mount -t proc proc /proc && mount -t sysfs sysfs /sys && mount -t devtmpfs dev /dev
mount -t tracefs tracefs /sys/kernel/tracing
mkdir -p /dev/shm
for dir in /dev/shm /tmp /run; do mount -t tmpfs tmpfs $dir; done
# As systemd mounts it.
mount -t cgroup2 -o nsdelegate,memory_recursiveprot cgroup2 /sys/fs/cgroup
echo '+memory +cpu' >/sys/fs/cgroup/cgroup.subtree_control
# A file to read that is no memory of whoever reads it.
[ -e /brd.ko.xz ] && unxz /brd.ko.xz
insmod /brd.ko rd_nr=1 rd_size=131072
ip link set lo up
hostname bed
dmesg -n 1
# As Debian's systems have it: the log is for CAP_SYSLOG only.
echo 1 >/proc/sys/kernel/dmesg_restrict
printf '%s\n' root:x:0:0::/root:/bin/sh nobody:x:65534:65534::/:/bin/sh >/etc/passwd
export HOME=/root PATH=/bin:/plimsoll PLIMSOLL_TESTS_MUST_RUN=1 RUST_BACKTRACE=0
# A share of a processor that is some twenty times slower than a real one.
export PLIMSOLL_SAMPLING_CPU_BUDGET=0.4

# Nothing is to be changed about what is sent, and nobody talks back.
stty -F /dev/ttyS1 raw -echo
exec >/dev/ttyS1 2>&1

tab=$(printf '\t')
while IFS=$tab read -r name seconds command; do
    echo "=====BEGIN $name"
    began=$(cut -d ' ' -f 1 /proc/uptime)
    timeout -s KILL "$seconds" sh -c "$command" </dev/null
    exit=$?
    # What is left of it: all but this shell.
    kill -9 -1
    ended=$(cut -d ' ' -f 1 /proc/uptime)
    # One that failed in mid-line must not hide its end.
    echo
    echo "=====END $exit $(awk "BEGIN { print $ended - $began }")"
done </plan
echo =====DONE
poweroff -f
