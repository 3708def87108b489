//! Made-up trees of files in place of the kernel's.

use super::text::keyed;
use super::*;
use proptest::prelude::*;

const MIB: Bytes = 1 << 20;

struct Tree(tempfile::TempDir);

impl Tree {
    fn new() -> Self {
        let tree = Self(tempfile::tempdir().unwrap());
        tree.write("proc/meminfo", "MemTotal:  2048000 kB\nMemAvailable: 1024000 kB\n");
        tree.write("proc/pressure/memory", "some avg10=0.00 avg60=0.00 avg300=0.00 total=1500\n");
        tree
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn mount(&self, lines: &[(&str, &str, &str)]) {
        let line = |(root, point, what): &(&str, &str, &str)| {
            format!("31 23 0:28 {root} {}/{point} rw - {what}\n", self.0.path().display())
        };
        self.write("proc/self/mountinfo", &lines.iter().map(line).collect::<String>());
    }

    fn own(&self) -> Own {
        Own::find_in(&self.0.path().join("proc"))
    }
}

fn v1_stat(anon: Bytes) -> String {
    format!("cache 5\ninactive_anon 7\ntotal_inactive_anon {anon}\ntotal_active_anon 4096\n")
}

#[test]
fn the_tightest_ancestor_of_version_1_counts_without_its_page_cache() {
    let tree = Tree::new();
    tree.mount(&[("/", "memory", "cgroup cgroup rw,memory"), ("/", "u", "cgroup2 cgroup2 rw")]);
    tree.write("proc/self/cgroup", "4:memory:/a/b\n0::/\n");
    tree.write("memory/memory.limit_in_bytes", "9223372036854771712\n");
    tree.write("memory/a/memory.limit_in_bytes", "104857600\n");
    tree.write("memory/a/memory.stat", &v1_stat(60 * MIB));
    tree.write("memory/a/memory.kmem.usage_in_bytes", "1048576\n");
    tree.write("memory/a/b/memory.limit_in_bytes", "209715200\n");
    tree.write("memory/a/b/memory.stat", &v1_stat(50 * MIB));
    let own = tree.own();
    assert_eq!(own.limit(), Some(100 * MIB));
    let room = Room { limit_bytes: 100 * MIB, held_bytes: 61 * MIB + 4096 };
    let reading = own.read();
    assert_eq!(reading.cgroup, Some(room));
    assert_eq!(reading.tightest(), Some(room));
    assert_eq!(reading.cgroup_stall, None);
    assert_eq!(reading.node_stall, Some(Duration::from_micros(1500)));
}

#[test]
fn version_2_counts_the_kernels_part_and_heeds_high() {
    let tree = Tree::new();
    tree.mount(&[("/", "cgroup", "cgroup2 cgroup2 rw")]);
    tree.write("proc/self/cgroup", "0::/s/x.service\n");
    tree.write("cgroup/s/x.service/memory.max", "max\n");
    tree.write("cgroup/s/x.service/memory.high", "52428800\n");
    let stat = "anon 3\ninactive_anon 1000\nactive_anon 24\nkernel 500\nslab_reclaimable 300\n\
                sock 40\nunevictable 6\n";
    tree.write("cgroup/s/x.service/memory.stat", stat);
    tree.write("cgroup/s/x.service/memory.pressure", "some avg10=1.00 total=7\nfull total=5\n");
    let reading = tree.own().read();
    let room = Room { limit_bytes: 50 * MIB, held_bytes: 1270 };
    assert_eq!(reading.cgroup, Some(room));
    assert_eq!(reading.cgroup_stall, Some(Duration::from_micros(7)));
}

#[test]
fn a_container_sees_its_own_cgroup_as_the_mounts_top() {
    let tree = Tree::new();
    tree.mount(&[("/docker/77", "cg", "cgroup cgroup rw,memory")]);
    tree.write("proc/self/cgroup", "4:memory:/docker/77\n");
    tree.write("cg/memory.limit_in_bytes", "1048576\n");
    tree.write("cg/memory.stat", &v1_stat(0));
    assert_eq!(tree.own().limit(), Some(MIB));
}

#[test]
fn without_any_limit_the_node_is_what_bounds() {
    let tree = Tree::new();
    let own = tree.own();
    assert_eq!(own.limit(), None);
    let node = Room { limit_bytes: 2_048_000 << 10, held_bytes: 1_024_000 << 10 };
    assert_eq!(own.read().tightest(), Some(node));
}

#[test]
fn the_real_kernel_is_understood() {
    let reading = Own::find().read();
    let node = reading.node.expect("every kernel tells its memory");
    assert!(node.headroom() > 0 && node.held_bytes > 0, "{reading:?}");
}

proptest! {
    #[test]
    fn no_text_makes_it_fall(text in "[a-z0-9:/ =\\n-]{0,200}") {
        let _ = (own_paths(&text), mounts(&text), keyed(&text, "a"), total_stall(&text));
        let _ = (text::held_v1(&text), text::held_v2(&text), meminfo(&text, "a"));
    }
}
