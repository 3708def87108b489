//! A process that does something to memory, run as `plimsoll-load`.

use crate::{Cgroup, binary};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};

#[derive(Debug)]
pub struct Load {
    child: Child,
}

impl Load {
    /// Starts `plimsoll-load WORDS…`, in `cgroup` if one is given.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn start(words: &[&str], cgroup: Option<&Cgroup>) -> Self {
        Self::named(None, words, cgroup)
    }

    /// The same with another `argv[0]`; the program takes its comm from it.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn named(name: Option<&str>, words: &[&str], cgroup: Option<&Cgroup>) -> Self {
        let mut command = Command::new(binary("plimsoll-load"));
        if let Some(name) = name {
            command.arg0(name);
        }
        if let Some(cgroup) = cgroup {
            command.env("LOAD_CGROUP", cgroup.dir());
        }
        command.args(words).stdin(Stdio::null()).stdout(Stdio::null());
        Self { child: command.spawn().expect("plimsoll-load starts") }
    }

    /// Starts any command as a load: killed and reaped when dropped.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn of(command: &mut Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::null());
        Self { child: command.spawn().expect("the program starts") }
    }

    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    #[must_use]
    pub fn ended(&mut self) -> bool {
        self.status().is_some()
    }

    /// How it ended, if it has.
    #[must_use]
    pub fn status(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        // Fails only if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
