#!/bin/sh
# Boots a Linux kernel in an emulated machine, makes it run out of memory in several ways (init.sh),
# and writes the kernel's files that it printed meanwhile into a directory, one file each. From
# these the captured fixtures under agent/fixtures/ are taken.
#
#   capture.sh VMLINUZ MODULES OUT
#
# VMLINUZ: a kernel with cgroup v2 and PSI. MODULES: its module tree, for brd.ko (plain or .xz).
# Needs qemu-system-x86_64, a static busybox and cpio. Uses no KVM and no network; about a minute.
set -eu
kernel=$1 modules=$2 out=$3
here=$(dirname "$(readlink -f "$0")")
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT

chmod 755 "$root" && mkdir -p "$root/bin" "$out"
cp "$(command -v busybox)" "$root/bin/busybox"
install -m 755 "$here/init.sh" "$root/init"
brd=$(find "$modules" -name 'brd.ko*' | head -n 1)
case $brd in
*.xz) xz -dc "$brd" >"$root/brd.ko" ;;
*) cp "$brd" "$root/brd.ko" ;;
esac
(cd "$root" && find . | cpio --quiet -o -H newc | gzip -1) >"$out/initrd.gz"

timeout 300 nice qemu-system-x86_64 -M pc -cpu max -accel tcg -m 256 -smp 1 \
    -nodefaults -no-user-config -no-reboot -display none -serial stdio \
    -kernel "$kernel" -initrd "$out/initrd.gz" \
    -append 'console=ttyS0 quiet panic=-1 psi=1 mitigations=off' </dev/null |
    tr -d '\r' >"$out/console.log"

awk -v out="$out" '
    /^=====BEGIN / { file = out "/" $2; printf "" >file; next }
    /^=====END$/ { close(file); file = ""; next }
    file { print >file }
' "$out/console.log"
