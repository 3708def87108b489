//! A container of a pod's manifest, run by runc and asked from inside its network.

use crate::agent::{Answer, Lines, collect, exchange};
use crate::oci::{Image, config};
use crate::pod::Pod;
use crate::wait_for;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use serde_json::Value;
use std::fs::{self, File};
use std::os::fd::AsFd as _;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

#[derive(Debug)]
pub struct Container {
    name: String,
    /// The bundle, and runc's own notes.
    scratch: tempfile::TempDir,
    runc: Child,
    pid: u32,
    said: Arc<Lines>,
}

impl Container {
    /// Whether there is a runc, and a kernel that lets it do its work.
    #[must_use]
    pub fn can_run() -> bool {
        let version = Command::new("runc").arg("--version").stdout(Stdio::null()).status();
        version.is_ok_and(|status| status.success()) && rustix::process::geteuid().is_root()
    }

    /// Starts the pod's container and waits until there is a process in it.
    ///
    /// # Panics
    /// When runc refuses.
    #[must_use]
    pub fn start(pod: &Pod, image: &Image<'_>) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("plimsoll-test-{}-{n}", std::process::id());
        let scratch = tempfile::tempdir().expect("a directory");
        fs::create_dir(scratch.path().join("rootfs")).expect("a directory");
        let config = config(pod, image, &format!("/{name}.service/container"));
        fs::write(scratch.path().join("config.json"), config.to_string()).expect("it is written");
        let mut command = Command::new("runc");
        command.arg("--root").arg(scratch.path().join("runc")).args(["run", "--bundle"]);
        command.arg(scratch.path()).arg(&name).stdin(Stdio::null());
        let mut runc = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("runc");
        let said = collect(runc.stdout.take().expect("it is piped"));
        let errors = collect(runc.stderr.take().expect("it is piped"));
        let mut container = Self { name, scratch, runc, pid: 0, said: errors };
        container.pid = wait_for("the container runs", Duration::from_secs(30), || {
            if let Ok(Some(status)) = container.runc.try_wait() {
                return Err(format!("{status}: {}", container.log()));
            }
            let state = container.ask_runc(&["state"])?;
            let state: Value = serde_json::from_str(&state).map_err(|e| e.to_string())?;
            let pid = state["pid"].as_u64().filter(|pid| *pid > 0 && state["status"] == "running");
            pid.and_then(|pid| u32::try_from(pid).ok()).ok_or_else(|| state.to_string())
        });
        drop(said);
        container
    }

    /// Its first process, as the host numbers it.
    #[must_use]
    pub const fn pid(&self) -> u32 {
        self.pid
    }

    /// What it has written to stderr so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.said.lock().clone()
    }

    /// Sends `request` to `address` in the container's network.
    ///
    /// # Errors
    /// When no answer comes.
    pub fn request(&self, address: &str, request: &str) -> Result<Answer, String> {
        let network = format!("/proc/{}/ns/net", self.pid);
        let network = File::open(&network).map_err(|e| format!("{network}: {e}"))?;
        let ask = || {
            // Of this thread alone, which ends here.
            let kind = Some(LinkNameSpaceType::Network);
            move_into_link_name_space(network.as_fd(), kind).map_err(|e| e.to_string())?;
            exchange(address, request)
        };
        std::thread::scope(|scope| scope.spawn(ask).join().expect("it does not panic"))
    }

    fn ask_runc(&self, words: &[&str]) -> Result<String, String> {
        let mut command = Command::new("runc");
        command.arg("--root").arg(self.scratch.path().join("runc")).args(words).arg(&self.name);
        let output = command.stdin(Stdio::null()).output().map_err(|e| e.to_string())?;
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        // Kills what runs in it, and takes its cgroups away.
        if self.ask_runc(&["delete", "--force"]).is_err() {
            // It never got so far; then there is at most runc itself.
            let _ = self.runc.kill();
        }
        let _ = self.runc.wait();
        let own = format!("{}.service", self.name);
        let hierarchies = fs::read_dir("/sys/fs/cgroup").into_iter().flatten().flatten();
        for hierarchy in hierarchies {
            // Where runc made one it is empty by now.
            let _ = fs::remove_dir(hierarchy.path().join(&own));
        }
        let _ = fs::remove_dir(format!("/sys/fs/cgroup/{own}"));
    }
}
