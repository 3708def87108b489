//! A real containerd of the test's own, asked for pods over CRI as a kubelet asks.
//!
//! Root, state and socket are below a temporary directory, its cgroups below one of their own. The
//! image of all containers is made here: busybox and nothing else. When it is dropped its pods end,
//! then itself and what it left: shims by pid, mounts, cgroups.

mod image;
mod proto;

use crate::{cgroup_version, wait_for};
use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper::body::Bytes;
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use proto::*;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tokio::net::UnixStream;

const IMAGE: &str = "plimsoll.test/busybox:1";
/// Starting a container takes a second here, and longer on a busy machine.
const SOON: Duration = Duration::from_secs(60);

/// It runs until it is dropped.
#[derive(Debug)]
pub struct Containerd {
    dir: tempfile::TempDir,
    child: Child,
    cgroups: String,
    runtime: tokio::runtime::Runtime,
    sandboxes: Vec<String>,
}

/// A pod that was begun.
#[derive(Clone, Debug)]
pub struct PodOnNode {
    pub uid: String,
    pub name: String,
    pub sandbox: String,
    config: SandboxConfig,
}

impl Containerd {
    /// Starts one and gives it the image.
    ///
    /// # Errors
    /// What this machine lacks.
    ///
    /// # Panics
    /// When it does not start although nothing is lacking.
    pub fn start(name: &str) -> Result<Self, String> {
        for program in ["containerd", "runc", "ctr", "busybox"] {
            let found = Command::new("sh").args(["-c", &format!("command -v {program}")]).output();
            if !found.is_ok_and(|output| output.status.success()) {
                return Err(format!("{program} is not there"));
            }
        }
        if !rustix::process::geteuid().is_root() {
            return Err("containers need root".to_owned());
        }
        cgroup_version().ok_or("no memory cgroup hierarchy is mounted")?;
        let dir = tempfile::tempdir().map_err(|e| e.to_string())?;
        let config = dir.path().join("config.toml");
        std::fs::write(&config, settings(dir.path())).map_err(|e| e.to_string())?;
        let log = std::fs::File::create(dir.path().join("log")).map_err(|e| e.to_string())?;
        let child = Command::new("containerd")
            .arg("--config")
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .map_err(|e| e.to_string())?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let own = Self {
            dir,
            child,
            cgroups: format!("/plimsoll-test-{}-{name}", std::process::id()),
            runtime: runtime.map_err(|e| e.to_string())?,
            sandboxes: Vec::new(),
        };
        wait_for("containerd answers", SOON, || {
            own.try_call::<Empty>("Version", &Empty {}).map_err(|why| own.log(&why))
        });
        image::import(own.dir.path(), &own.socket(), IMAGE);
        Ok(own)
    }

    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.dir.path().join("containerd.sock")
    }

    /// Runs a pod without containers, in the cgroup that a kubelet would give it.
    ///
    /// # Panics
    /// When containerd refuses.
    pub fn run_pod(&mut self, name: &str, uid: &str, labels: &[(&str, &str)]) -> PodOnNode {
        let mut labels = map(labels);
        labels.extend(map(&[
            ("io.kubernetes.pod.name", name),
            ("io.kubernetes.pod.namespace", "shop"),
            ("io.kubernetes.pod.uid", uid),
        ]));
        let config = SandboxConfig {
            metadata: Some(SandboxMetadata {
                name: name.into(),
                uid: uid.into(),
                namespace: "shop".into(),
            }),
            labels,
            linux: Some(LinuxSandbox {
                cgroup_parent: format!("{}/kubepods/burstable/pod{uid}", self.cgroups),
                security: Some(SandboxSecurity { namespaces: Some(Namespaces { network: 2 }) }),
            }),
        };
        let request = RunPodSandbox { config: Some(config.clone()) };
        let sandbox = self.call::<Id>("RunPodSandbox", &request).id;
        self.sandboxes.push(sandbox.clone());
        PodOnNode { uid: uid.into(), name: name.into(), sandbox, config }
    }

    /// Starts a container in a pod and returns its id.
    ///
    /// # Panics
    /// When containerd refuses.
    #[must_use]
    pub fn run(&self, pod: &PodOnNode, name: &str, limit_mib: i64, script: &str) -> String {
        let config = ContainerConfig {
            metadata: Some(ContainerMetadata { name: name.into() }),
            image: Some(Image { image: IMAGE.into() }),
            command: ["/bin/busybox", "sh", "-c", script].map(str::to_owned).to_vec(),
            labels: map(&[
                ("io.kubernetes.container.name", name),
                ("io.kubernetes.pod.name", &pod.name),
                ("io.kubernetes.pod.namespace", "shop"),
                ("io.kubernetes.pod.uid", &pod.uid),
            ]),
            linux: Some(LinuxContainer {
                resources: Some(Resources {
                    memory_limit_in_bytes: limit_mib << 20,
                    oom_score_adj: 500,
                }),
            }),
        };
        let request = CreateContainer {
            pod_sandbox_id: pod.sandbox.clone(),
            config: Some(config),
            sandbox_config: Some(pod.config.clone()),
        };
        let id = self.call::<Id>("CreateContainer", &request).id;
        self.call::<Empty>("StartContainer", &Id { id: id.clone() });
        id
    }

    /// Makes an empty file in the container's root.
    ///
    /// # Panics
    /// When it cannot be made.
    pub fn touch(&self, container_id: &str, name: &str) {
        let tasks = self.dir.path().join("state/io.containerd.runtime.v2.task/k8s.io");
        let path = tasks.join(container_id).join("rootfs").join(name);
        std::fs::write(&path, "").unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    }

    /// Exit code and reason, as containerd has them.
    ///
    /// # Panics
    /// When containerd refuses.
    #[must_use]
    pub fn end_of(&self, container_id: &str) -> (i32, String) {
        let request = StatusRequest { container_id: container_id.into() };
        let status = self.call::<StatusAnswer>("ContainerStatus", &request).status;
        let status = status.expect("there is a status");
        (status.exit_code, status.reason)
    }

    #[track_caller]
    fn call<A: Message + Default>(&self, method: &str, message: &impl Message) -> A {
        self.try_call(method, message).unwrap_or_else(|why| panic!("{method}: {}", self.log(&why)))
    }

    fn try_call<A: Message + Default>(
        &self,
        method: &str,
        message: &impl Message,
    ) -> Result<A, String> {
        let asked = asked(self.socket(), method, message.encode_to_vec());
        let bytes = self.runtime.block_on(async {
            tokio::time::timeout(SOON, asked).await.map_err(|_| "no answer".to_owned())?
        })?;
        A::decode(bytes.get(5..).unwrap_or_default()).map_err(|e| e.to_string())
    }

    fn log(&self, why: &str) -> String {
        let log = std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default();
        let from = log.len().saturating_sub(4000);
        format!("{why}\n{}", log.get(from..).unwrap_or_default())
    }
}

impl Drop for Containerd {
    fn drop(&mut self) {
        for sandbox in std::mem::take(&mut self.sandboxes) {
            let id = Id { id: sandbox };
            // What fails is done by hand below.
            let _ = self.try_call::<Empty>("StopPodSandbox", &id);
            let _ = self.try_call::<Empty>("RemovePodSandbox", &id);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        end_those_of(self.dir.path());
        unmount_below(self.dir.path());
        remove_cgroups(&self.cgroups);
    }
}

/// Ends shims that outlived their containerd: those that were started with its socket.
fn end_those_of(dir: &Path) {
    let dir = dir.display().to_string();
    let Ok(processes) = std::fs::read_dir("/proc") else { return };
    for entry in processes.flatten() {
        let pid = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok());
        let Some(pid) = pid.and_then(rustix::process::Pid::from_raw) else { continue };
        let words = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let words = String::from_utf8_lossy(&words).into_owned();
        if words.contains("containerd-shim") && words.contains(&dir) {
            // Fails only if it has ended already.
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
    }
}

fn unmount_below(dir: &Path) {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let points = mounts.lines().filter_map(|line| line.split(' ').nth(4));
    let mut points: Vec<&str> = points.filter(|point| Path::new(point).starts_with(dir)).collect();
    points.reverse();
    for point in points {
        let _ = Command::new("umount").args(["-l", point]).output();
    }
}

/// What is left in any hierarchy: the cgroups of pods, which a kubelet would remove.
fn remove_cgroups(path: &str) {
    let top = Path::new("/sys/fs/cgroup");
    let hierarchies = std::fs::read_dir(top).into_iter().flatten().flatten();
    let roots = hierarchies.map(|entry| entry.path()).chain([top.to_owned()]);
    for root in roots {
        remove_tree(&root.join(path.trim_start_matches('/')));
    }
}

fn remove_tree(dir: &Path) {
    let below = std::fs::read_dir(dir).into_iter().flatten().flatten();
    for entry in below.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
        remove_tree(&entry.path());
    }
    let deadline = std::time::Instant::now() + Duration::from_secs(2);
    while dir.exists() && std::fs::remove_dir(dir).is_err() {
        if std::time::Instant::now() > deadline {
            return;
        }
        // Whoever is left in it was a container's: its shim is gone.
        let left = std::fs::read_to_string(dir.join("cgroup.procs")).unwrap_or_default();
        for pid in left.lines().filter_map(|pid| pid.parse().ok()) {
            if let Some(pid) = rustix::process::Pid::from_raw(pid) {
                // Fails only if it has ended already.
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            }
        }
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect()
}

async fn asked(socket: PathBuf, method: &str, message: Vec<u8>) -> Result<Bytes, String> {
    let stream = UnixStream::connect(socket).await.map_err(|e| e.to_string())?;
    let io = TokioIo::new(stream);
    let (mut sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), io)
        .await
        .map_err(|e| e.to_string())?;
    let connection = tokio::spawn(connection);
    let mut framed = vec![0];
    framed.extend_from_slice(&(message.len() as u32).to_be_bytes());
    framed.extend_from_slice(&message);
    let request = Request::post(format!("http://localhost/runtime.v1.RuntimeService/{method}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(Full::<Bytes>::from(framed))
        .map_err(|e| e.to_string())?;
    let response = sender.send_request(request).await.map_err(|e| e.to_string())?;
    let (head, body) = response.into_parts();
    let body = body.collect().await.map_err(|e| e.to_string())?;
    connection.abort();
    let trailers = body.trailers().cloned().unwrap_or_default();
    let text = |name: &str| {
        let value = trailers.get(name).or_else(|| head.headers.get(name));
        value.and_then(|value| value.to_str().ok()).unwrap_or("none").to_owned()
    };
    if text("grpc-status") == "0" {
        return Ok(body.to_bytes());
    }
    Err(format!("{} {}", text("grpc-status"), text("grpc-message")))
}

/// Everything in `dir`; nothing that needs a network, overlayfs or a security module.
fn settings(dir: &Path) -> String {
    let dir = dir.display();
    format!(
        r#"version = 2
root = "{dir}/root"
state = "{dir}/state"
disabled_plugins = ["io.containerd.internal.v1.opt", "io.containerd.internal.v1.tracing"]
[grpc]
address = "{dir}/containerd.sock"
[ttrpc]
address = "{dir}/ttrpc.sock"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{IMAGE}"
restrict_oom_score_adj = true
disable_apparmor = true
disable_tcp_service = true
stream_server_address = "127.0.0.1"
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "{dir}/cni"
conf_dir = "{dir}/cni"
[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "native"
default_runtime_name = "runc"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
"#
    )
}
