//! The four probes that are the sources' own business, each as small as can be.
//!
//! Each answers in words what it sees, or why it sees nothing.

use crate::sources::Roots;
use std::path::Path;

type Seen = Result<String, String>;

/// Which cgroup hierarchy holds the memory controller.
pub(super) fn cgroups(roots: &Roots) -> Seen {
    let base = roots.sys.join("fs/cgroup");
    let holds = |path: &str| base.join(path).exists();
    let controllers = std::fs::read_to_string(base.join("cgroup.controllers")).unwrap_or_default();
    if controllers.split_whitespace().any(|c| c == "memory") {
        return Ok(format!("v2 at {}", base.display()));
    }
    if holds("memory/memory.usage_in_bytes") {
        return Ok(format!("v1 memory controller at {}", base.join("memory").display()));
    }
    Err(format!("no memory controller below {}", base.display()))
}

/// Whether the kernel tells of forks, execs and exits.
pub(super) fn connector() -> Seen {
    const CAP_NET_ADMIN: u64 = 12;
    match super::facts::capabilities() {
        Some(set) if set & (1 << CAP_NET_ADMIN) != 0 => Ok("permitted".into()),
        Some(_) => Err("not permitted: CAP_NET_ADMIN is missing".into()),
        None => Err("cannot tell: /proc/self/status names no capabilities".into()),
    }
}

/// Where OOM kills can be read.
pub(super) fn oom_log(_roots: &Roots) -> Seen {
    const CAP_SYSLOG: u64 = 34;
    if std::fs::File::open("/dev/kmsg").is_ok() {
        return Ok("/dev/kmsg".into());
    }
    match super::facts::capabilities() {
        Some(set) if set & (1 << CAP_SYSLOG) != 0 => Ok("syslog(2)".into()),
        _ => Err("neither /dev/kmsg nor syslog(2)".into()),
    }
}

/// Whether the kernel measures memory pressure.
pub(super) fn psi(memory: &Path) -> Seen {
    match crate::sources::read_bounded(memory, 4096) {
        Ok(_) => Ok(memory.display().to_string()),
        Err(why) => Err(why.to_string()),
    }
}
