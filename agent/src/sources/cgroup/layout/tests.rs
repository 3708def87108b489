//! Captured and made-up mount tables, and where they lead.

use super::*;
use crate::sources::cgroup::testbed::{Tree, V2_CONTROLLERS};
use proptest::prelude::*;

/// Detects in a made-up root; `mountinfo` may say `SYS` for its `sys` directory.
fn detect(tree: &Tree, mountinfo: Option<&str>) -> Result<Layout, ReadError> {
    if let Some(text) = mountinfo {
        let sys = tree.roots().sys;
        tree.write("proc/self/mountinfo", &text.replace("SYS", sys.to_str().unwrap()));
    }
    Layout::detect(&tree.roots())
}

fn layout(base: Base, version: Version) -> Layout {
    Layout { version, mount: "/sys/fs/cgroup".into(), base }
}

fn below(root: &str) -> Layout {
    layout(Base::Below(root.into()), Version::V2)
}

#[test]
fn v2_is_found_without_mountinfo_by_its_files() {
    let tree = Tree::new();
    tree.write("sys/fs/cgroup/cgroup.controllers", V2_CONTROLLERS);
    let layout = detect(&tree, None).unwrap();
    assert_eq!(layout.version(), Version::V2);
    let at = tree.roots().sys.join("fs/cgroup");
    assert_eq!(layout.describe(), format!("cgroup v2 at {}", at.display()));
}

#[test]
fn v1_with_a_bare_unified_mount_is_hybrid_and_alone_is_v1() {
    let tree = Tree::new();
    tree.write("sys/fs/cgroup/memory/memory.usage_in_bytes", "0\n");
    assert_eq!(detect(&tree, None).unwrap().version(), Version::V1);
    tree.write("sys/fs/cgroup/unified/cgroup.controllers", "\n");
    let layout = detect(&tree, None).unwrap();
    assert_eq!(layout.version(), Version::Hybrid);
    assert!(layout.describe().starts_with("cgroup v1 memory controller at "));
}

#[test]
fn without_a_memory_controller_there_is_nothing_to_read() {
    let tree = Tree::new();
    tree.write("sys/fs/cgroup/cgroup.controllers", "cpuset cpu io pids\n");
    tree.write("proc/self/mountinfo", "24 1 0:9 / / rw - ext4 /dev/vda rw\n");
    assert!(matches!(detect(&tree, None), Err(ReadError::Absent(_))));
}

#[test]
fn an_odd_mount_point_under_the_sys_root_is_taken_from_mountinfo() {
    let tree = Tree::new();
    tree.write("sys/odd/memory.usage_in_bytes", "0\n");
    let layout = detect(&tree, Some("9 1 0:9 / SYS/odd rw - cgroup none rw,memory\n")).unwrap();
    assert_eq!(layout.dir("/a"), tree.roots().sys.join("odd/a"));
}

#[test]
fn mountinfo_that_is_none_is_an_error_with_its_path() {
    let tree = Tree::new();
    let error = detect(&tree, Some("what\n")).unwrap_err();
    assert!(error.to_string().ends_with("line 1: cannot read 'what' as a mount"), "{error}");
}

/// A pod with a private namespace and the host's hierarchy: paths climb, and are brought back.
#[test]
fn the_root_of_a_private_namespace_is_found_by_searching_for_ourselves() {
    let tree = Tree::new();
    let pod = "sys/fs/cgroup/kubepods.slice/pod1.slice";
    tree.write("sys/fs/cgroup/cgroup.controllers", V2_CONTROLLERS);
    tree.write(&format!("{pod}/other.scope/cgroup.procs"), &format!("1{}\n", std::process::id()));
    tree.write(&format!("{pod}/agent.scope/cgroup.procs"), &format!("0\n{}\n", std::process::id()));
    tree.write("proc/self/cgroup", "0::/\n");
    let mounts = "9 1 0:9 / /sys/fs/cgroup ro - cgroup2 x rw\n\
                  8 1 0:9 /../../.. SYS/fs/cgroup ro - cgroup2 x rw\n";
    let layout = detect(&tree, Some(mounts)).unwrap();
    let path_of = |path| layout.path_of(None, Some(path)).map(Cow::into_owned);
    assert_eq!(path_of("/").unwrap(), "/kubepods.slice/pod1.slice/agent.scope");
    assert_eq!(path_of("/../other.scope").unwrap(), "/kubepods.slice/pod1.slice/other.scope");
    assert_eq!(path_of("/../../../system.slice/a.service").unwrap(), "/system.slice/a.service");
    assert_eq!(path_of("/../../..").unwrap(), "/");
    assert_eq!(path_of("/../../../.."), None);
    assert!(layout.describe().ends_with("namespace of /kubepods.slice/pod1.slice/agent.scope"));
}

#[test]
fn a_namespace_whose_root_is_not_found_still_resolves_what_climbs_to_the_mount() {
    let host = below("/../..");
    assert_eq!(host.path_of(None, Some("/../../a/b")).as_deref(), Some("/a/b"));
    assert_eq!(host.path_of(None, Some("/../..")).as_deref(), Some("/"));
    assert_eq!(host.path_of(None, Some("/../b")), None, "the name between is not known");
    assert_eq!(host.path_of(None, Some("/")), None);
}

#[test]
fn a_container_that_has_only_its_own_cgroups_sees_them_from_its_root() {
    let own = below("/docker/abc");
    assert_eq!(own.path_of(None, Some("/docker/abc")).as_deref(), Some("/"));
    assert_eq!(own.path_of(None, Some("/docker/abc/x")).as_deref(), Some("/x"));
    assert_eq!(own.path_of(None, Some("/docker/abcd")), None);
    assert_eq!(own.path_of(None, Some("/system.slice")), None);
}

#[test]
fn each_version_takes_its_own_line() {
    let lines = (Some("/v1"), Some("/v2"));
    let path_of = |version| {
        layout(Base::Below(String::new()), version).path_of(lines.0, lines.1).map(Cow::into_owned)
    };
    assert_eq!(path_of(Version::V1).unwrap(), "/v1");
    assert_eq!(path_of(Version::Hybrid).unwrap(), "/v1");
    assert_eq!(path_of(Version::V2).unwrap(), "/v2");
    assert_eq!(below("").path_of(Some("/v1"), None), None);
}

#[test]
fn paths_that_lead_out_of_the_mount_or_are_deleted_are_none() {
    for path in ["/..", "/../a", "/a/../../b", "/a.scope (deleted)", "", "a"] {
        assert_eq!(below("").path_of(None, Some(path)), None, "{path}");
    }
    let plain = below("").path_of(None, Some("/a..b"));
    assert!(matches!(plain, Some(Cow::Borrowed("/a..b"))));
}

#[test]
fn this_machine_has_a_memory_hierarchy_that_holds_this_process() {
    let layout = Layout::detect(&Roots::default()).expect("no memory cgroups here");
    let lines = std::fs::read("/proc/self/cgroup").unwrap();
    let (memory, unified) = (own_path(&lines, false), own_path(&lines, true));
    let own = layout.path_of(memory, unified).expect("our own cgroup");
    let procs = std::fs::read_to_string(layout.dir(&own).join("cgroup.procs")).unwrap();
    assert!(procs.lines().any(|pid| pid == std::process::id().to_string()));
}

proptest! {
    #[test]
    fn no_path_leads_out_of_the_mount(
        path in "(/?(\\.\\.|[a-z. ]{0,3})){0,8}",
        root in 0..3_usize,
    ) {
        let root = ["", "/docker/x", "/../.."][root];
        for layout in [below(root), layout(Base::Namespace("/a/b".into()), Version::V2)] {
            if let Some(path) = layout.path_of(None, Some(&path)) {
                prop_assert!(path.starts_with('/') && !climbs(&path), "{}", path);
            }
        }
    }

    #[test]
    fn arbitrary_lines_of_our_own_never_panic(bytes: Vec<u8>) {
        let _ = (own_path(&bytes, true), own_path(&bytes, false));
    }
}
