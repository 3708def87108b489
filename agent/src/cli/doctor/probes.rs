//! The six probes that are the sources' own business.
//!
//! Each answers in words what it sees, or why it sees nothing.

use crate::sources::bpf::OomMarks;
use crate::sources::cgroup::Layout;
use crate::sources::connector::Connector;
use crate::sources::oom::OomLog;
use crate::sources::{Roots, psi as pressure};
use std::path::Path;

type Seen = Result<String, String>;

/// Which cgroup hierarchy holds the memory controller.
pub(super) fn cgroups(roots: &Roots) -> Seen {
    Layout::detect(roots).map(|layout| layout.describe()).map_err(|why| why.to_string())
}

/// Whether the kernel tells of forks, execs and exits.
pub(super) fn connector() -> Seen {
    Connector::open().map(|_| "every fork, exec and exit".into()).map_err(|why| why.to_string())
}

/// Where OOM kills can be read.
pub(super) fn oom_log(roots: &Roots) -> Seen {
    OomLog::open(roots).map(|log| log.how().into()).map_err(|why| why.to_string())
}

/// Whether programs may be loaded into the kernel, and what they would tell.
pub(super) fn bpf() -> Seen {
    OomMarks::open().map(|marks| marks.describe())
}

/// Whether the kernel says by itself when memory gets short.
pub(super) fn senses(roots: &Roots) -> Seen {
    let layout = Layout::detect(roots).map_err(|why| why.to_string())?;
    if !layout.may_ask() {
        return Err("cgroup.event_control cannot be written".into());
    }
    let node = pressure::Trigger::arm(&roots.proc.join("pressure/memory"));
    let node = node.map_err(|why| why.to_string())?.describe();
    let cgroups =
        if layout.has_thresholds() { "usage thresholds of cgroups" } else { "memory.events" };
    Ok(format!("the node's {node}; {cgroups}"))
}

/// Whether the kernel measures memory pressure.
pub(super) fn psi(memory: &Path) -> Seen {
    pressure::read(memory).map(|_| memory.display().to_string()).map_err(|why| why.to_string())
}
