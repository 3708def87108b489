//! The servers beside each other: ours, memcached, and what speaks as Redis does. Each runs on a
//! free port of its own, ends with the bench, and is stopped by its own process id.

use super::super::cost;
use super::super::flock::mortal;
use super::super::subject::stop;
use super::wire::Dialect;
use crate::run::exists;
use plimsoll_tests::Cgroup;
use rustix::process::{Pid, Signal, kill_process};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

const READY_WITHIN: Duration = Duration::from_secs(20);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Ours,
    Memcached,
    Redis,
}

/// A server that can be started.
#[derive(Clone, Debug)]
pub struct Program {
    pub kind: Kind,
    pub path: PathBuf,
    /// With its version, as the table heads its column.
    pub name: String,
}

/// How one is started.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wish<'a> {
    /// None: the server's own choice.
    pub memory_mib: Option<u64>,
    pub threads: usize,
    pub cgroup: Option<&'a Cgroup>,
    /// With a file for snapshots.
    pub keeps: bool,
}

#[derive(Debug)]
pub struct Server {
    child: Child,
    pub kind: Kind,
    pub address: SocketAddr,
    scratch: tempfile::TempDir,
}

impl Program {
    pub fn new(kind: Kind, path: &Path) -> Result<Self, String> {
        let program = path.to_string_lossy();
        if !path.is_file() && !exists(&program) {
            return Err(format!("{program} is not there"));
        }
        let output = Command::new(path).arg("--version").stdin(Stdio::null()).output();
        let output = output.map_err(|e| format!("{program}: {e}"))?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let own_name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let version = match kind {
            Kind::Ours => None,
            Kind::Memcached => said.split_whitespace().nth(1),
            Kind::Redis => said.split_whitespace().find_map(|word| word.strip_prefix("v=")),
        };
        let own_name = own_name.trim_end_matches("-server");
        let name = version.map_or_else(|| own_name.to_owned(), |v| format!("{own_name} {v}"));
        Ok(Self { kind, path: path.to_owned(), name })
    }

    pub const fn dialect(&self) -> Dialect {
        match self.kind {
            Kind::Ours | Kind::Memcached => Dialect::Memcache,
            Kind::Redis => Dialect::Resp,
        }
    }

    pub fn start(&self, wish: &Wish<'_>) -> Result<Server, String> {
        let scratch = tempfile::tempdir().map_err(|e| e.to_string())?;
        // Somebody else may take it in between; then the server says so and ends.
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(|e| e.to_string())?;
        let address = listener.local_addr().map_err(|e| e.to_string())?;
        drop(listener);
        let mut command = match wish.cgroup {
            None => mortal(&self.path),
            Some(cgroup) => {
                let mut command = mortal("sh");
                let enter = "echo 0 > \"$0/cgroup.procs\" && exec \"$@\"";
                command.args(["-c", enter]).arg(cgroup.dir()).arg(&self.path);
                command
            }
        };
        self.arguments(&mut command, wish, address.port(), scratch.path());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().map_err(|e| format!("{}: {e}", self.name))?;
        let mut server = Server { child, kind: self.kind, address, scratch };
        let begun = Instant::now();
        while server.ask("PING-or-version").is_err() {
            if let Some(status) = server.ended() {
                return Err(format!("{} ended at once: {status}", self.name));
            }
            if begun.elapsed() > READY_WITHIN {
                return Err(format!("{} does not answer", self.name));
            }
            std::thread::park_timeout(Duration::from_millis(20));
        }
        Ok(server)
    }

    fn arguments(&self, command: &mut Command, wish: &Wish<'_>, port: u16, scratch: &Path) {
        let port = port.to_string();
        match self.kind {
            Kind::Ours | Kind::Memcached => {
                command.args(["-l", "127.0.0.1", "-p", &port, "-U", "0", "-u", "root"]);
                command.args(["-t", &wish.threads.to_string(), "-c", "1024"]);
                if let Some(mib) = wish.memory_mib {
                    command.args(["-m", &mib.to_string()]);
                }
                if self.kind == Kind::Ours {
                    command.args(["--admin", "127.0.0.1:0"]);
                    if wish.keeps {
                        command.arg("-e").arg(scratch.join("kept"));
                    }
                }
            }
            Kind::Redis => {
                command.args(["--port", &port, "--bind", "127.0.0.1", "--save", ""]);
                command.args(["--appendonly", "no", "--maxmemory-policy", "allkeys-lru"]);
                if let Some(mib) = wish.memory_mib {
                    command.args(["--maxmemory", &format!("{mib}mb")]);
                }
                command.arg("--dir").arg(scratch);
            }
        }
    }
}

impl Server {
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Units: bytes. Zero when it has ended.
    pub fn rss(&self) -> u64 {
        cost::rss(self.pid()).unwrap_or(0)
    }

    pub fn cpu(&self) -> Duration {
        cost::cpu(self.pid()).unwrap_or_default()
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// One command and the first piece of its answer. A server that is alive answers anything.
    pub fn ask(&self, line: &str) -> Result<String, String> {
        let text = |e: std::io::Error| e.to_string();
        let within = Duration::from_secs(5);
        let mut stream = TcpStream::connect_timeout(&self.address, within).map_err(text)?;
        stream.set_read_timeout(Some(within)).map_err(text)?;
        stream.write_all(format!("{line}\r\n").as_bytes()).map_err(text)?;
        let mut answer = vec![0; 64 << 10];
        let mut filled = 0;
        loop {
            let n = stream.read(&mut answer[filled..]).map_err(text)?;
            filled += n;
            let is_stats = line.starts_with("stats") && !answer[..filled].ends_with(b"END\r\n");
            if n == 0 || !is_stats || filled == answer.len() {
                return Ok(String::from_utf8_lossy(&answer[..filled]).into_owned());
            }
        }
    }

    /// A number that the server tells of itself.
    pub fn items(&self) -> Result<u64, String> {
        match self.kind {
            Kind::Ours | Kind::Memcached => {
                let stats = self.ask("stats")?;
                let line = stats.lines().find_map(|line| line.strip_prefix("STAT curr_items "));
                line.and_then(|n| n.trim().parse().ok()).ok_or(stats)
            }
            Kind::Redis => {
                let said = self.ask("DBSIZE")?;
                said.trim().trim_start_matches(':').parse().map_err(|_| said)
            }
        }
    }

    /// Asks for a new limit, each in its own words.
    pub fn set_limit(&self, mib: u64) -> Result<String, String> {
        match self.kind {
            Kind::Ours | Kind::Memcached => self.ask(&format!("cache_memlimit {mib}")),
            Kind::Redis => self.ask(&format!("CONFIG SET maxmemory {mib}mb")),
        }
    }

    /// Asks for a snapshot while it serves, each in its own way. memcached has none.
    pub fn snapshot(&self) {
        match self.kind {
            Kind::Ours => {
                let pid = i32::try_from(self.pid()).ok().and_then(Pid::from_raw);
                // It may have been killed: that is what is measured.
                let _ = pid.map(|pid| kill_process(pid, Signal::USR2));
            }
            Kind::Memcached => {}
            Kind::Redis => drop(self.ask("BGSAVE")),
        }
    }

    /// Whether a snapshot was written since the start.
    pub fn has_snapshot(&self) -> bool {
        let file = if self.kind == Kind::Ours { "kept" } else { "dump.rdb" };
        self.scratch.path().join(file).exists()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        stop(&mut self.child);
    }
}
