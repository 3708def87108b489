//! A pod and its container, as cgroups are named for them: resources and metrics of their own.

use super::{SOON, agent, assert_strict, until_metrics};
use opentelemetry_proto::tonic::metrics::v1::ResourceMetrics;
use plimsoll_tests::otlp::{Receiver, strict};
use plimsoll_tests::{Cgroup, Load, Version, cgroup_version, skipped, wait_for};
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

const UID: &str = "0badcafe-1111-2222-3333-444455556666";

/// The cgroups of a pod with one container, which go when dropped.
struct Pod {
    id: String,
    container: PathBuf,
    // Dropped last: the one around.
    around: Cgroup,
}

impl Pod {
    fn make() -> Result<Self, String> {
        let around = Cgroup::named("exported-pod", 128)?;
        let id = format!("{:064x}", std::process::id());
        let pod = around.dir().join(format!("pod{UID}"));
        let container = pod.join(&id);
        let own = Self { id, container, around };
        let (version, _) = cgroup_version().ok_or("no memory cgroups")?;
        let write = |path: PathBuf, text: &str| {
            fs::write(&path, text).map_err(|e| format!("{}: {e}", path.display()))
        };
        for dir in [&pod, &own.container] {
            fs::create_dir(dir).map_err(|e| format!("{}: {e}", dir.display()))?;
            if version == Version::V2 {
                let parent = dir.parent().ok_or("it has a parent")?;
                write(parent.join("cgroup.subtree_control"), "+memory")?;
            }
        }
        let limit = match version {
            Version::V1 => "memory.limit_in_bytes",
            Version::V2 => "memory.max",
        };
        write(own.container.join(limit), "67108864")?;
        Ok(own)
    }
}

impl Drop for Pod {
    fn drop(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(5);
        let pod = self.around.dir().join(format!("pod{UID}"));
        for dir in [&self.container, &pod] {
            // Busy until the kernel has buried what was in it.
            while dir.exists() && fs::remove_dir(dir).is_err() && Instant::now() < deadline {
                std::thread::park_timeout(Duration::from_millis(20));
            }
        }
    }
}

fn names(of: &ResourceMetrics) -> Vec<&str> {
    let metrics = of.scope_metrics.iter().flat_map(|scope| &scope.metrics);
    metrics.map(|metric| metric.name.as_str()).collect()
}

#[test]
fn a_pod_and_its_container_are_resources_with_metrics_by_their_conventions() {
    let pod = match Pod::make() {
        Ok(pod) => pod,
        Err(why) => {
            assert!(skipped(&why));
            return;
        }
    };
    let enters = format!("echo $$ > {}/cgroup.procs && exec sleep 600", pod.container.display());
    let _sleeper = Load::of(Command::new("sh").args(["-c", &enters]));
    let procs = pod.container.join("cgroup.procs");
    wait_for("it is in the container", SOON, || {
        let inside = fs::read_to_string(&procs).unwrap_or_default();
        if inside.trim().is_empty() { Err(inside) } else { Ok(()) }
    });
    let receiver = Receiver::start("127.0.0.1:0");
    let dir = tempfile::tempdir().expect("a directory");
    let agent = agent(dir.path(), &receiver.address, "grpc", "");
    until_metrics(&receiver, &agent, 1);
    let found = |part: &str, but: &str| {
        wait_for(part, SOON, || {
            let all = receiver.metrics().into_iter().flat_map(|one| one.resource_metrics);
            let is_it = |one: &ResourceMetrics| {
                let shown = one.resource.as_ref().map(|r| strict::shown(&r.attributes));
                shown.is_some_and(|shown| shown.contains(part) && !shown.contains(but))
            };
            all.into_iter().find(is_it).ok_or_else(|| agent.log())
        })
    };
    let uid = format!("k8s.pod.uid={UID}");
    let container = found(&format!("container.id={},", pod.id), "process.pid=");
    let own = container.resource.as_ref().map(|r| strict::shown(&r.attributes));
    assert!(own.is_some_and(|own| own.contains(&uid)));
    for name in ["usage", "available", "rss", "working_set"] {
        assert!(names(&container).contains(&format!("container.memory.{name}").as_str()), "{name}");
    }
    assert!(names(&container).contains(&"k8s.container.memory.limit.current"));
    let whole = found(&uid, "container.id=");
    for name in ["usage", "rss", "working_set"] {
        assert!(names(&whole).contains(&format!("k8s.pod.memory.{name}").as_str()), "{name}");
    }
    assert_strict(&receiver, false);
}
