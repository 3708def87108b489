//! Where the socket of a process is.

use std::path::{Path, PathBuf};

/// The directories a probe may be in, the first that can be used is: the system's, then the user's
/// own. `runtime_dir` is what `XDG_RUNTIME_DIR` says, where it is known.
#[must_use]
pub fn runtime_dirs(uid: u32, runtime_dir: Option<&Path>) -> Vec<PathBuf> {
    let users =
        runtime_dir.map_or_else(|| PathBuf::from(format!("/run/user/{uid}")), PathBuf::from);
    vec![PathBuf::from("/run/plimsoll/probe"), users.join("plimsoll/probe")]
}

/// Where the socket of `pid` would be, as the process itself sees paths and pids.
#[must_use]
pub fn paths(pid: u32, uid: u32, runtime_dir: Option<&Path>) -> Vec<PathBuf> {
    let name = format!("{pid}.sock");
    runtime_dirs(uid, runtime_dir).into_iter().map(|dir| dir.join(&name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_systems_directory_comes_before_the_users() {
        let found = paths(7, 1000, None);
        assert_eq!(found[0], Path::new("/run/plimsoll/probe/7.sock"));
        assert_eq!(found[1], Path::new("/run/user/1000/plimsoll/probe/7.sock"));
        let own = paths(7, 1000, Some(Path::new("/tmp/run")));
        assert_eq!(own[1], Path::new("/tmp/run/plimsoll/probe/7.sock"));
    }
}
