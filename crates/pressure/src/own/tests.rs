//! Trees of files as the kernel makes them, and this machine.

use super::*;
use std::fs;

const MIB: u64 = 1 << 20;

/// A `/proc` with a cgroup mount beside it. The files of `dir` are given as (path, text).
fn tree(cgroup: &str, mount: &str, files: &[(&str, &str)]) -> (tempfile::TempDir, Own) {
    let dir = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write("proc/self/cgroup", cgroup);
    let point = dir.path().join("mount").display().to_string();
    write("proc/self/mountinfo", &mount.replace("POINT", &point));
    for (path, text) in files {
        write(path, text);
    }
    let own = Own::find_in(&dir.path().join("proc"));
    (dir, own)
}

const V2: &str = "30 20 0:26 / POINT rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";
const MEMINFO: &str = "MemTotal:       4194304 kB\nMemFree: 1 kB\nMemAvailable:   2097152 kB\n";

#[test]
fn on_v2_the_tightest_ancestor_counts_without_what_the_kernel_can_drop() {
    let stat = format!(
        "anon 1\nactive_file {MIB}\nactive_anon {}\ninactive_anon {MIB}\nkernel {}\n\
         slab_reclaimable {MIB}\nsock {MIB}\nunevictable {MIB}\n",
        80 * MIB,
        5 * MIB
    );
    let max = format!("{}\n", 100 * MIB);
    let psi = "some avg10=31.00 avg60=0.00 avg300=0.00 total=1\nfull avg10=0.50 total=1\n";
    let (_dir, own) = tree(
        "0::/pod/app\n",
        V2,
        &[
            ("mount/pod/app/memory.max", "max\n"),
            ("mount/pod/app/memory.high", "1073741824\n"),
            ("mount/pod/app/memory.stat", "active_anon 1000\ninactive_anon 0\n"),
            ("mount/pod/app/memory.pressure", psi),
            ("mount/pod/app/cgroup.events", "populated 1\n"),
            ("mount/pod/memory.max", &max),
            ("mount/pod/memory.stat", &stat),
            ("proc/meminfo", MEMINFO),
        ],
    );
    let reading = own.read();
    let room = Room { limit_bytes: Bytes::mib(100), held_bytes: Bytes::mib(87) };
    assert_eq!(reading.cgroup, Some(room));
    assert_eq!(reading.node.unwrap().headroom(), Bytes::mib(2048));
    let some_total = Some(Duration::from_micros(1));
    let psi = Psi { some_avg10: 31.0, full_avg10: Some(0.5), some_total };
    assert_eq!((reading.cgroup_psi, reading.node_psi), (Some(psi), None));
    let judged = reading.judge(&own.thresholds);
    assert_eq!((judged.level, judged.cause.as_str()), (Level::Medium, "own_psi"));
    assert_eq!(judged.headroom_bytes, Some(Bytes::mib(13)));
}

#[test]
fn on_v1_no_limit_is_none_and_a_container_sees_its_own_at_the_top_of_the_mount() {
    let mount = "36 31 0:32 /docker/1f POINT ro shared:9 - cgroup cgroup rw,memory\n\
                 41 31 0:38 / POINT/unified rw - cgroup2 cgroup2 rw\n";
    let files = |limit| {
        let kernel = ("mount/memory.kmem.usage_in_bytes", "1048576\n");
        let stat = "inactive_anon 7\ntotal_active_anon 102760448\ntotal_inactive_anon 0\n";
        let stat = ("mount/memory.stat", stat);
        // The root's waiting is that of the node.
        let root = ("mount/unified/memory.pressure", "some avg10=99.00 total=1\n");
        [("mount/memory.limit_in_bytes", limit), kernel, stat, root]
    };
    let cgroup = "4:cpu,memory:/docker/1f\n0::/\n";
    let (_dir, own) = tree(cgroup, mount, &files("106954752\n"));
    let room = own.read().cgroup.unwrap();
    assert_eq!((room.limit_bytes, room.headroom()), (Bytes::mib(102), Bytes::mib(3)));
    assert_eq!((own.limit(), own.read().tightest()), (Some(Bytes::mib(102)), Some(room)));
    let judged = own.read().judge(&own.thresholds);
    assert_eq!((judged.level, judged.cause.as_str()), (Level::Critical, "own_cgroup"));
    // A tenth of the limit and a quarter of that, less what is left.
    assert_eq!(judged.reclaim_bytes, Some(Bytes(106_954_752 / 10 + 106_954_752 / 40 - 3 * MIB)));

    let (_dir, own) = tree(cgroup, mount, &files("9223372036854771712\n"));
    assert_eq!(own.read(), Reading::default());
    assert_eq!(own.read().judge(&own.thresholds).level, Level::None);
}

#[test]
fn a_kernel_that_shows_nothing_is_no_pressure() {
    let own = Own::find_in(Path::new("/nonexistent"));
    let judged = own.read().judge(&own.thresholds);
    assert_eq!((judged.level, judged.headroom_bytes), (Level::None, None));
}

#[test]
fn others_waiting_counts_only_while_the_node_is_short() {
    let psi = Some(Psi { some_avg10: 90.0, full_avg10: Some(80.0), some_total: None });
    let node = |held| Some(Room { limit_bytes: Bytes::mib(1000), held_bytes: Bytes::mib(held) });
    let judge = |held| {
        let reading = Reading { node: node(held), node_psi: psi, ..Reading::default() };
        reading.judge(&Thresholds::default()).level
    };
    assert_eq!((judge(500), judge(910)), (Level::None, Level::Critical));
}

#[test]
fn the_level_of_a_room_follows_from_its_share_within_bounds() {
    let level = |limit, left| {
        let limit_bytes = Bytes::mib(limit);
        let held_bytes = limit_bytes.saturating_sub(Bytes::mib(left));
        let room = Some(Room { limit_bytes, held_bytes });
        Reading { cgroup: room, ..Reading::default() }.judge(&Thresholds::default()).level
    };
    assert_eq!([33, 31, 19, 9].map(|left| level(320, left)), LEVELS);
    assert_eq!([1025, 1023, 511, 255].map(|left| level(1 << 20, left)), LEVELS);
}

const LEVELS: [Level; 4] = [Level::None, Level::Low, Level::Medium, Level::Critical];

#[test]
fn this_machine_is_read() {
    let own = Own::find();
    let node = own.read().node.expect("every Linux has a meminfo");
    assert!(node.headroom() > Bytes::mib(1) && node.headroom() < node.limit_bytes, "{node:?}");
    if own.bounds.is_empty() {
        println!("skipped in part: no memory cgroup bounds this process");
        assert!(std::env::var_os("PLIMSOLL_TESTS_MUST_RUN").is_none());
    }
    assert!(own.bounds.iter().all(|bound| bound.stat.read().is_some()), "{own:?}");
}

#[test]
fn damaged_texts_are_passed_over() {
    assert_eq!(own_paths("nonsense\n4:memory\n"), (None, None));
    assert_eq!(own_paths("1:name=memory:/x\n0::/a:b\n"), (None, Some("/a:b".to_owned())));
    assert_eq!(mounts("1 2 3\n - \n1 2 3 / /x rw - cgroup x rw,cpu\n"), []);
    assert_eq!(psi("some avg10=NaN\n"), None);
    assert_eq!(psi("full avg10=1.00\n"), None);
    assert_eq!(meminfo("MemTotal: x kB\n", "MemTotal:"), None);
}
