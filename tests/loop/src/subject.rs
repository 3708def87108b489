//! What stands in the cache's place: ours, or a peer that knows nothing of any signal.

use crate::Fault;
use crate::arena::Arena;
use crate::client::{Client, Dialect};
use crate::process::{Process, Scratch};
use crate::wait::Interrupt;
use std::ffi::OsStr;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(30);
/// Sets whose answers are read together.
const BATCH: u64 = 64;
/// Length of values, if nothing else is asked for: long enough that it is memory they cost, and
/// not a slow processor.
pub const VALUE_LEN: usize = 4000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Ours,
    Memcached,
    Redis,
}

impl Kind {
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ours => "plimsoll-cache",
            Self::Memcached => "memcached",
            Self::Redis => "redis",
        }
    }

    const fn dialect(self) -> Dialect {
        match self {
            Self::Ours | Self::Memcached => Dialect::Memcached,
            Self::Redis => Dialect::Redis,
        }
    }
}

/// A program that can be started.
#[derive(Clone, Debug)]
pub struct Subject {
    pub kind: Kind,
    pub program: PathBuf,
    /// Length of the values that it is given.
    pub value_len: usize,
}

/// It runs. Dropped, it is killed.
#[derive(Debug)]
pub struct Server {
    pub process: Process,
    pub kind: Kind,
    pub address: SocketAddr,
    pub value_len: usize,
}

impl Subject {
    /// Starts it in the cgroup, to hold so many bytes, or as many as it thinks fit.
    ///
    /// # Errors
    /// When it does not answer, with what it said.
    pub fn start(
        &self,
        arena: &Arena,
        memory_mib: Option<u64>,
        socket: &Path,
        scratch: &Scratch,
        interrupt: &Interrupt,
    ) -> Result<Server, Fault> {
        // Somebody else may take it in between; then the server says so and ends.
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(|e| e.to_string())?;
        let address = listener.local_addr().map_err(|e| e.to_string())?;
        drop(listener);
        let args = self.arguments(memory_mib, address.port(), socket, scratch);
        let args: Vec<&OsStr> = args.iter().map(OsStr::new).collect();
        let log = scratch.file("cache.log");
        let mut process = Process::start(&self.program, &args, &[], Some(arena), &log)?;
        let dialect = self.kind.dialect();
        interrupt.wait("the cache listens", SOON, || {
            if let Some(status) = process.ended() {
                return Err(format!("it ended ({status}): {}", process.log()));
            }
            Client::connect(address, dialect)?.get(0, self.value_len)
        })?;
        Ok(Server { process, kind: self.kind, address, value_len: self.value_len })
    }

    fn arguments(
        &self,
        memory_mib: Option<u64>,
        port: u16,
        socket: &Path,
        scratch: &Scratch,
    ) -> Vec<String> {
        let mut words: Vec<String> = Vec::new();
        let mut say = |more: &[&str]| words.extend(more.iter().map(|word| (*word).to_owned()));
        let (port, mib) = (port.to_string(), memory_mib.map(|mib| mib.to_string()));
        match self.kind {
            Kind::Ours | Kind::Memcached => {
                say(&["-l", "127.0.0.1", "-p", &port, "-U", "0", "-u", "root", "-t", "2"]);
                if let Some(mib) = &mib {
                    say(&["-m", mib]);
                }
            }
            Kind::Redis => {
                say(&["--bind", "127.0.0.1", "--port", &port, "--save", "", "--appendonly", "no"]);
                say(&["--dir", &scratch.file("").to_string_lossy()]);
                say(&["--maxmemory-policy", "allkeys-lru"]);
                if let Some(mib) = &mib {
                    say(&["--maxmemory", &format!("{mib}mb")]);
                }
            }
        }
        if self.kind == Kind::Ours {
            say(&["--admin", "off", "--pressure-socket", &socket.to_string_lossy()]);
        }
        words
    }
}

impl Server {
    /// # Errors
    /// When it does not accept.
    pub fn client(&self) -> Result<Client, Fault> {
        Client::connect(self.address, self.kind.dialect())
    }

    /// Stores so many bytes of values, as fast as it takes them; what is refused is tried again for
    /// a while. Returns how many keys that were.
    ///
    /// # Errors
    /// When it stops answering, or goes on refusing.
    pub fn fill(&self, bytes: u64, interrupt: &Interrupt) -> Result<u64, Fault> {
        let keys = bytes / self.value_len as u64;
        let mut client = self.client()?;
        for from in (0..keys).step_by(BATCH as usize) {
            interrupt.wait("the cache takes what is to fill it", SOON, || {
                match client.set_many(from..keys.min(from + BATCH), self.value_len) {
                    Ok(0) => Ok(()),
                    Ok(refused) => Err(format!("{refused} of {BATCH} sets refused")),
                    Err(fault) => Err(fault),
                }
            })?;
            if interrupt.is_set() {
                return Err("interrupted".to_owned());
            }
        }
        Ok(keys)
    }
}
