//! Who is at the other end of a connection, and whether it may be there.
//!
//! The kernel says it: `SO_PEERCRED` as of when the peer connected, and `/proc/PID/cgroup`. What a
//! hello says of itself decides nothing.

use crate::frame::CgroupPath;
use std::path::Path;

/// More than a line per hierarchy, each with a path, never has.
const CGROUP_FILE_BYTES_MAX: u64 = 64 << 10;

/// What the kernel says of a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// None: it lives in a pid namespace that cannot be seen from here.
    pub pid: Option<u32>,
    pub uid: u32,
    /// The primary group only.
    pub gid: u32,
}

type Admits = dyn Fn(&Credentials) -> bool + Send + Sync;
type Locates = dyn Fn(u32) -> Option<String> + Send + Sync;

/// Who may subscribe, and how the cgroup of a process is found.
pub struct Policy {
    admits: Box<Admits>,
    locates: Box<Locates>,
}

impl std::fmt::Debug for Policy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Policy")
    }
}

impl Policy {
    /// Whom `admits` admits.
    pub fn new(admits: impl Fn(&Credentials) -> bool + Send + Sync + 'static) -> Self {
        let locates = |pid| cgroup_of(Path::new("/proc"), pid);
        Self { admits: Box::new(admits), locates: Box::new(locates) }
    }

    /// Root, the user of this process, the users in `uids`, and who has a primary group in `gids`.
    #[must_use]
    pub fn allow(uids: Vec<u32>, gids: Vec<u32>) -> Self {
        let own = rustix::process::geteuid().as_raw();
        Self::new(move |peer| {
            peer.uid == 0 || peer.uid == own || uids.contains(&peer.uid) || gids.contains(&peer.gid)
        })
    }

    /// Finds the cgroup of a pid in another way: where paths are named otherwise than in
    /// `/proc/PID/cgroup`, or `/proc` lies elsewhere.
    #[must_use]
    pub fn locating(self, locates: impl Fn(u32) -> Option<String> + Send + Sync + 'static) -> Self {
        Self { locates: Box::new(locates), ..self }
    }

    #[must_use]
    pub fn admits(&self, peer: &Credentials) -> bool {
        (self.admits)(peer)
    }

    #[must_use]
    pub fn cgroup(&self, peer: &Credentials) -> Option<CgroupPath> {
        CgroupPath::new(&(self.locates)(peer.pid?)?).ok()
    }
}

/// Where the memory of a process is counted: in v1's memory hierarchy if there is one, else in the
/// unified one. None: it is gone.
#[must_use]
pub fn cgroup_of(proc: &Path, pid: u32) -> Option<String> {
    let file = proc.join(pid.to_string()).join("cgroup");
    let text = crate::own::read_bounded(&file, CGROUP_FILE_BYTES_MAX)?;
    let (v1, v2) = crate::own::text::own_paths(&text);
    v1.or(v2).map(|path| path.trim_end_matches(" (deleted)").to_owned())
}
