//! `-d`, and the files that tell others of the server: its process id, its ports.
//!
//! Forking is not safe once there are threads, so the program starts itself again, in a session of
//! its own. The first process stays until the second listens: a script that goes on then finds the
//! server there, and an error at the start is seen.

use crate::serve::Addresses;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// Set for the second process.
pub const MARK: &str = "PLIMSOLL_CACHE_DAEMON";

/// Where memcached's own tests want the ports to be written.
const PORTS_FILE: &str = "MEMCACHED_PORT_FILENAME";

const READY: &[u8] = b"ready\n";

/// Starts the program again in the background and waits until it listens. Returns the exit code of
/// this first process.
///
/// # Errors
/// It cannot be started again.
pub fn begin(args: impl Iterator<Item = impl AsRef<OsStr>>) -> io::Result<u8> {
    let mut args = args;
    let name = args.next();
    let mut again = Command::new("/proc/self/exe");
    if let Some(name) = name {
        again.arg0(name);
    }
    again.args(args).env(MARK, "1").stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = again.spawn()?;
    let mut said = Vec::new();
    if let Some(stdout) = child.stdout.take() {
        // It ends when the other is ready, or has ended.
        stdout.take(READY.len() as u64).read_to_end(&mut said)?;
    }
    if said == READY {
        return Ok(0);
    }
    let code = child.wait()?.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.unwrap_or(1))
}

/// What the second process does first: a session of its own, and no hold on a directory.
///
/// # Errors
/// The kernel refuses.
pub fn detach(keeps_directory: bool) -> io::Result<()> {
    rustix::process::setsid()?;
    if !keeps_directory {
        rustix::process::chdir("/")?;
    }
    Ok(())
}

/// Tells the first process that it listens, and lets go of its terminal; `talks`: but for the log.
pub fn ready(talks: bool) {
    let mut stdout = io::stdout();
    // The first process may have been killed; the server is there all the same.
    let _ = stdout.write_all(READY).and_then(|()| stdout.flush());
    if let Ok(null) = File::options().read(true).write(true).open("/dev/null") {
        // Fails only for a descriptor that is none.
        let _ = rustix::stdio::dup2_stdout(&null);
        if !talks {
            let _ = rustix::stdio::dup2_stderr(&null);
        }
    }
}

pub(super) fn write_pid_file(path: &Path) {
    if let Err(error) = std::fs::write(path, format!("{}\n", std::process::id())) {
        tracing::warn!(%error, path = %path.display(), "cannot write the pid file");
    }
}

/// Writes the ports where the environment says: whole, then renamed.
pub(super) fn tell_ports(addresses: &Addresses) {
    let Some(path) = std::env::var_os(PORTS_FILE) else { return };
    let mut text = String::new();
    let mut add = |kind: &str, address: &SocketAddr| {
        let family = if address.is_ipv4() { "INET" } else { "INET6" };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{kind} {family}: {}", address.port());
    };
    addresses.tcp.iter().for_each(|address| add("TCP", address));
    addresses.udp.iter().for_each(|address| add("UDP", address));
    let mut temporary = path.clone();
    temporary.push(".lck");
    let written = std::fs::write(&temporary, text).and_then(|()| std::fs::rename(&temporary, path));
    if let Err(error) = written {
        tracing::warn!(%error, "cannot write {PORTS_FILE}");
    }
}
