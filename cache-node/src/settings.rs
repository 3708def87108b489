//! What the server was started with, under memcached's own names where they mean the same.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

#[derive(Clone, Debug)]
pub struct Settings {
    /// `-l`; empty: loopback.
    pub listen: Vec<IpAddr>,
    /// `-p`; 0: no TCP, None: any free one (`-p -1`).
    pub port: u16,
    /// `-U`; 0: no UDP.
    pub udp_port: u16,
    /// `-s`
    pub unix_socket: Option<PathBuf>,
    /// `-a`
    pub unix_mode: u32,
    /// `-m`, or a share of the cgroup's limit. Units: bytes.
    pub memory_bytes: u64,
    /// `-I`. Units: bytes.
    pub item_bytes_max: u64,
    /// `-t`
    pub threads: usize,
    /// `-c`
    pub connections_max: usize,
    /// `-R`: commands of one connection before the others have their turn.
    pub commands_per_turn: usize,
    /// `-b`
    pub backlog: u32,
    /// `-M`: refuse instead of evicting.
    pub evicts: bool,
    /// `-C` disables it.
    pub cas: bool,
    /// `-D`
    pub prefix_delimiter: u8,
    /// Statistics by key prefix, from the start (`-D`) or by `stats detail on`.
    pub detail: bool,
    /// `-Y`
    pub auth_file: Option<PathBuf>,
    /// `-F` disables it.
    pub flush_all: bool,
    /// `-W` disables `watch`.
    pub watch: bool,
    /// `-o watcher_logbuf_size`. Units: bytes.
    pub watcher_queue_bytes: usize,
    /// `-X` disables metadump and cachedump.
    pub dumps: bool,
    /// `-A`: the `shutdown` command is obeyed.
    pub shutdown_command: bool,
    /// `-o idle_timeout`; None: never.
    pub idle_timeout: Option<Duration>,
    /// `-e`: what is held is written here on a graceful stop and read at the start.
    pub restart_file: Option<PathBuf>,
    /// `-v`, `-vv`
    pub verbosity: u8,
    /// The `debugtime` command is obeyed.
    pub debug_clock: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: Vec::new(),
            port: 11211,
            udp_port: 0,
            unix_socket: None,
            unix_mode: 0o700,
            memory_bytes: 64 << 20,
            item_bytes_max: 1 << 20,
            threads: 4,
            connections_max: 1024,
            commands_per_turn: 20,
            backlog: 1024,
            evicts: true,
            cas: true,
            prefix_delimiter: b':',
            detail: false,
            auth_file: None,
            flush_all: true,
            watch: true,
            watcher_queue_bytes: 256 << 10,
            dumps: true,
            shutdown_command: false,
            idle_timeout: None,
            restart_file: None,
            verbosity: 0,
            debug_clock: false,
        }
    }
}
