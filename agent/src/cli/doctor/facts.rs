//! Looks at the machine, without changing anything on it, and judges nothing.

use super::probes;
use crate::cli::ask::{Agent, AgentArgs, AskError};
use crate::sources::{ReadError, Roots, read_bounded};
use crate::units::Bytes;
use rustix::fs::Access;
use rustix::process::Resource;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

/// Processes whose smaps_rollup is tried.
const TRIED_MAX: usize = 32;
/// 256 MiB of 4 KiB pages: a stall of some 0.7 ms.
const RESIDENT_PAGES_MAX: u64 = 65_536;

/// What was seen. What could not be had is None or the reason in words.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    pub(super) release: String,
    pub(super) cgroups: Result<String, String>,
    pub(super) psi: Result<String, String>,
    pub(super) senses: Result<String, String>,
    /// Processes that can be listed.
    pub(super) processes: Result<usize, String>,
    pub(super) meminfo: Result<String, String>,
    pub(super) others_memory: Others,
    pub(super) connector: Result<String, String>,
    pub(super) oom_log: Result<String, String>,
    pub(super) bpf: Result<String, String>,
    pub(super) nofile_soft: Option<u64>,
    pub(super) nofile_hard: Option<u64>,
    pub(super) state_dir: Option<StateDir>,
    pub(super) listen: SocketAddr,
    pub(super) port: Port,
    pub(super) overcommit: Option<u64>,
    pub(super) capabilities: Option<u64>,
}

/// In how many processes of other users smaps_rollup could be read, and in how many not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Others {
    pub(super) readable: usize,
    pub(super) denied: usize,
    /// This kernel has no such file.
    pub(super) absent: usize,
}

#[derive(Clone, Debug)]
pub(super) struct StateDir {
    pub(super) path: PathBuf,
    /// The directory or, before it is made, the nearest one that exists.
    pub(super) exists: bool,
    pub(super) writable: Result<(), String>,
    pub(super) free: Option<Bytes>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Port {
    Free,
    /// An agent of ours answers there.
    Agent,
    Taken,
    Unusable(String),
}

impl Facts {
    pub(super) fn gather(roots: &Roots, state_dir: Option<PathBuf>, listen: SocketAddr) -> Self {
        let nofile = rustix::process::getrlimit(Resource::Nofile);
        let text = |path: &str| {
            let bytes = read_bounded(&roots.proc.join(path), 1 << 20).map_err(|e| e.to_string())?;
            Ok::<_, String>(String::from_utf8_lossy(&bytes).into_owned())
        };
        Self {
            release: rustix::system::uname().release().to_string_lossy().into_owned(),
            cgroups: probes::cgroups(roots),
            psi: probes::psi(&roots.proc.join("pressure/memory")),
            senses: probes::senses(roots),
            processes: processes(&roots.proc).map(|pids| pids.len()),
            meminfo: text("meminfo"),
            others_memory: others_memory(&roots.proc),
            connector: probes::connector(),
            oom_log: probes::oom_log(roots),
            bpf: probes::bpf(),
            nofile_soft: nofile.current,
            nofile_hard: nofile.maximum,
            state_dir: state_dir.map(look_at),
            listen,
            port: port(listen),
            overcommit: text("sys/vm/overcommit_memory").ok().and_then(|t| t.trim().parse().ok()),
            capabilities: capabilities(),
        }
    }
}

/// The effective capabilities of this process, a bit each.
pub(super) fn capabilities() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    u64::from_str_radix(line.trim(), 16).ok()
}

fn processes(proc: &Path) -> Result<Vec<u32>, String> {
    let entries = std::fs::read_dir(proc).map_err(|e| format!("{}: {e}", proc.display()))?;
    let pid = |entry: std::io::Result<std::fs::DirEntry>| {
        entry.ok()?.file_name().to_str()?.parse::<u32>().ok()
    };
    let pids: Vec<u32> = entries.filter_map(pid).collect();
    if pids.is_empty() { Err(format!("{} lists no process", proc.display())) } else { Ok(pids) }
}

/// Tries processes of other users (of any, for root), the smaller ones: the reading of a large one
/// would stall it.
fn others_memory(proc: &Path) -> Others {
    use std::os::unix::fs::MetadataExt as _;
    let me = rustix::process::geteuid().as_raw();
    let mut others = Others::default();
    for pid in processes(proc).unwrap_or_default() {
        let dir = proc.join(pid.to_string());
        let foreign = std::fs::metadata(&dir).is_ok_and(|meta| meta.uid() != me || me == 0);
        if !foreign || !is_small(&dir) {
            continue;
        }
        match read_bounded(&dir.join("smaps_rollup"), 1 << 16) {
            Ok(bytes) if !bytes.is_empty() => others.readable += 1,
            Err(ReadError::Denied { .. }) => others.denied += 1,
            Err(ReadError::Absent(_)) if dir.exists() => others.absent += 1,
            // Gone meanwhile.
            _ => {}
        }
        if others.readable + others.denied + others.absent == TRIED_MAX {
            break;
        }
    }
    others
}

/// Has memory of its own (kernel threads have none), and little enough to be read unnoticed.
fn is_small(dir: &Path) -> bool {
    let statm = read_bounded(&dir.join("statm"), 4096).unwrap_or_default();
    let resident = String::from_utf8_lossy(&statm);
    let resident = resident.split_whitespace().nth(1).and_then(|pages| pages.parse::<u64>().ok());
    resident.is_some_and(|pages| (1..=RESIDENT_PAGES_MAX).contains(&pages))
}

fn look_at(path: PathBuf) -> StateDir {
    let near = path.ancestors().find(|dir| dir.exists()).unwrap_or(Path::new("/"));
    let writable = if near.is_dir() {
        let access = rustix::fs::access(near, Access::WRITE_OK | Access::EXEC_OK);
        access.map_err(|e| format!("{}: {e}", near.display()))
    } else {
        Err(format!("{} is no directory", near.display()))
    };
    let free = rustix::fs::statvfs(near).ok();
    let free = free.map(|fs| Bytes(fs.f_bavail.saturating_mul(fs.f_frsize)));
    StateDir { exists: near == path, writable, free, path }
}

/// Binds the port for a moment; if it is taken, asks whether by an agent.
fn port(listen: SocketAddr) -> Port {
    match TcpListener::bind(listen) {
        Ok(_) => Port::Free,
        Err(e) if e.kind() == std::io::ErrorKind::AddrInUse => {
            let agent = Agent::at(&AgentArgs::bare(format!("http://{listen}")));
            // One that asks for a credential answers with a problem, which is an answer too.
            let answers = |agent: Agent| match agent.health() {
                Err(AskError::Problem { status, .. }) => status == 401,
                other => other.is_ok(),
            };
            if agent.is_ok_and(answers) { Port::Agent } else { Port::Taken }
        }
        Err(e) => Port::Unusable(e.to_string()),
    }
}
