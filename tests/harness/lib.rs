//! What the end-to-end tests are written with: a running agent, programs that load the node, memory
//! cgroups. Everything that is started is stopped by its pid when dropped, also when a test fails.

#![expect(clippy::panic, reason = "a test that cannot go on fails")]

mod agent;
mod alertmanager;
mod cache;
mod cgroup;
mod container;
mod containerd;
mod hook;
mod kubelet;
pub mod live;
mod load;
pub mod oci;
pub mod otlp;
pub mod pod;
mod prometheus;

pub use agent::{Agent, Answer, exchange};
pub use alertmanager::Alertmanager;
pub use cache::{Cache, Client};
pub use cgroup::{Cgroup, Version, cgroup_version};
pub use container::Container;
pub use containerd::{Containerd, PodOnNode};
pub use hook::{Hook, Posted};
pub use kubelet::{Kubelet, Says};
pub use load::Load;
pub use prometheus::Prometheus;

use std::process::{Command, Output, Stdio};

use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Where cargo put the binaries: beside the test's own.
#[must_use]
pub fn binary(name: &str) -> PathBuf {
    let mut dir = std::env::current_exe().expect("a test runs from a file");
    dir.pop();
    if dir.ends_with("deps") {
        dir.pop();
    }
    let path = dir.join(name);
    assert!(path.exists(), "{} is not built: run `cargo build --workspace`", path.display());
    path
}

/// `plimsoll` with arguments, and with an environment that sets nothing of it.
#[must_use]
pub fn plimsoll(args: &[&str]) -> Command {
    let mut command = Command::new(binary("plimsoll"));
    let ours = std::env::vars_os().map(|(name, _)| name);
    for name in ours.filter(|name| name.to_string_lossy().starts_with("PLIMSOLL_")) {
        command.env_remove(name);
    }
    command.args(args).stdin(Stdio::null());
    command
}

/// Runs it to its end.
///
/// # Panics
/// When it cannot be started.
#[must_use]
pub fn ran(args: &[&str]) -> Output {
    plimsoll(args).output().expect("plimsoll starts")
}

/// Polls until `look` finds something.
///
/// # Panics
/// When `within` is over, with `what` and what was seen last.
#[track_caller]
pub fn wait_for<T>(what: &str, within: Duration, mut look: impl FnMut() -> Result<T, String>) -> T {
    let deadline = Instant::now() + within;
    loop {
        match look() {
            Ok(found) => return found,
            Err(seen) if Instant::now() > deadline => panic!("{what}: {seen}"),
            Err(_) => std::thread::park_timeout(Duration::from_millis(50)),
        }
    }
}

/// A part that this machine cannot have: says so and returns true; where every test must run (as in
/// continuous integration) it fails instead.
#[must_use]
pub fn skipped(why: &str) -> bool {
    assert!(
        std::env::var_os("PLIMSOLL_TESTS_MUST_RUN").is_none(),
        "this test must run here: {why}"
    );
    #[expect(clippy::print_stderr, reason = "a skipped test says so")]
    {
        eprintln!("skipped: {why}");
    }
    true
}
