//! The table of flags, and the texts of `-h` and `-V` that are made from it.

use super::EX_USAGE;
use std::fmt::Write as _;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Takes {
    Nothing,
    Value,
    /// `-v`, `-vv`, `--verbose=N`.
    Perhaps,
}

#[derive(Debug)]
pub(super) struct Flag {
    pub short: Option<char>,
    pub long: &'static str,
    pub takes: Takes,
    /// What the value is, in `-h`; empty if there is none.
    value: &'static str,
    help: &'static str,
}

const fn flag(short: char, long: &'static str, help: &'static str) -> Flag {
    Flag { short: Some(short), long, takes: Takes::Nothing, value: "", help }
}

const fn with(short: char, long: &'static str, value: &'static str, help: &'static str) -> Flag {
    Flag { short: Some(short), long, takes: Takes::Value, value, help }
}

const fn ours(long: &'static str, value: &'static str, help: &'static str) -> Flag {
    Flag { short: None, long, takes: Takes::Value, value, help }
}

/// Flags that are known and refused, or that nobody should begin to use, have no help text.
const HIDDEN: &str = "";

static FLAGS: &[Flag] = &[
    with('p', "port", "num", "TCP port (default 11211; 0: none, -1: any that is free)"),
    with('U', "udp-port", "num", "UDP port (default 0: none)"),
    with('s', "unix-socket", "file", "listen on a unix socket, and on no network"),
    with('a', "unix-mask", "mask", "who may use the unix socket, in octal (default 700)"),
    flag('A', "enable-shutdown", "obey the \"shutdown\" command"),
    with('l', "listen", "addr", "addresses, perhaps with ports: a,b:port (default 127.0.0.1)"),
    flag('d', "daemon", "run in the background; returns once it listens"),
    flag('r', "enable-coredumps", "leave a core file if it crashes"),
    with('u', "user", "user", "become this user, if started as root"),
    with('m', "memory-limit", "MB", "memory for items, index and buffers (default: by the cgroup)"),
    flag('M', "disable-evictions", "refuse when memory is full, instead of evicting"),
    with('c', "conn-limit", "num", "connections at the same time (default 1024)"),
    flag('k', "lock-memory", "accepted; memory that is locked could not be given back"),
    Flag {
        short: Some('v'),
        long: "verbose",
        takes: Takes::Perhaps,
        value: "",
        help: "log more; -vv logs still more",
    },
    flag('h', "help", "print this and exit"),
    flag('i', "license", "print the licence and exit"),
    flag('V', "version", "print the version and exit"),
    with('P', "pidfile", "file", "write the process id to a file"),
    with('f', "slab-growth-factor", "num", "accepted; there are no slab classes"),
    with('n', "slab-min-size", "bytes", "accepted; there are no slab classes"),
    flag('L', "enable-largepages", "accepted; the kernel decides by itself"),
    with(
        'D',
        "prefix-delimiter",
        "char",
        "count by key prefix, which ends at this (default \":\")",
    ),
    with('t', "threads", "num", "worker threads (default 4)"),
    with('R', "max-reqs-per-event", "num", "commands before others have their turn (default 20)"),
    flag('C', "disable-cas", "no CAS values"),
    with('b', "listen-backlog", "num", "connections that wait to be accepted (default 1024)"),
    with('B', "protocol", "name", "ascii or auto (default auto); only ascii is spoken"),
    with('I', "max-item-size", "size", "largest item, with k or m (default 1m)"),
    flag('S', "enable-sasl", HIDDEN),
    flag('Z', "enable-ssl", HIDDEN),
    flag('F', "disable-flush-all", "refuse flush_all"),
    flag('X', "disable-dumping", "refuse stats cachedump and lru_crawler metadump"),
    flag('W', "disable-watch", "refuse watch"),
    with('Y', "auth-file", "file", "let in only users of this file: a user:password on each line"),
    with('e', "memory-file", "file", "items are saved here by SIGUSR1, which stops, and SIGUSR2"),
    with('N', "napi-ids", "num", HIDDEN),
    with('o', "extended", "list", "further options, separated by commas; see below"),
    ours("config", "file", "a TOML file of these flags by their long names"),
    ours("admin", "addr", "metrics and health by HTTP (127.0.0.1:11212), or off"),
    ours("admin-tokens", "file", "who may ask the admin side: SCOPE NAME TOKEN on each line"),
    ours("admin-web-config", "file", "its TLS and users, as Prometheus' exporters have them"),
    ours("admin-host", "names", "further names that it answers to, with commas between them"),
    Flag {
        short: None,
        long: "admin-insecure",
        takes: Takes::Nothing,
        value: "",
        help: "it may be reached from elsewhere without any of these",
    },
    ours(
        "pressure-socket",
        "file",
        "the node agent's signal (/run/plimsoll/pressure.sock), or off",
    ),
    ours("probe", "on|off", "tell heap reports the allocator's own figures (default on)"),
    ours("memory-share", "ratio", "as -m: of the tightest cgroup limit, or of the machine"),
    ours("snapshot-file", "file", "what SIGUSR2 writes while serving, if not -e's file"),
    Flag {
        short: None,
        long: "load-live",
        takes: Takes::Nothing,
        value: "",
        help: "load -e's file also if it was written while serving",
    },
    ours("log-format", "name", "text or json (default text)"),
];

const EXTENDED: &str = "\
-o takes:
   maxconns_fast, no_maxconns_fast   tell connections beyond -c so (default), or let them wait
   idle_timeout=<s>                  close connections that are silent for so long
   read_buf_mem_limit=<MB>           room for buffers of connections
   watcher_logbuf_size=<KB>          lines kept for one watcher (default 256)
   worker_logbuf_size=<KB>           lines kept for one thread (default 64)
   track_sizes                       gather what \"stats sizes\" shows
   no_lru_crawler, lru_crawler_sleep=<us>, lru_crawler_tocrawl=<n>
   accepted and shown by \"stats settings\", without other effect: hashpower, no_hashexpand,
   hash_algorithm, tail_repair_time, slab_reassign, slab_automove, slab_automove_ratio,
   slab_automove_window, slab_automove_freeratio, slab_sizes, slab_chunk_max, lru_maintainer,
   hot_lru_pct, warm_lru_pct, hot_max_factor, warm_max_factor, temporary_ttl, modern, no_modern,
   inline_ascii_resp, no_chunked_items, relaxed_privileges
";

/// The version of memcached whose protocol is spoken.
pub const MEMCACHED_VERSION: &str = "1.6.38";

pub(super) fn by_short(short: char) -> Option<&'static Flag> {
    FLAGS.iter().find(|flag| flag.short == Some(short))
}

/// By its whole name or by a beginning that fits no other, as getopt_long(3) has it.
pub(super) fn by_long(long: &str) -> Option<&'static Flag> {
    let exact = FLAGS.iter().find(|flag| flag.long == long);
    exact.or_else(|| {
        let mut fit = FLAGS.iter().filter(|flag| flag.long.starts_with(long));
        fit.next().filter(|_| fit.next().is_none())
    })
}

/// What `-V` prints: the first line is for scripts that know memcached.
#[must_use]
pub fn version() -> String {
    format!("memcached {MEMCACHED_VERSION}\nplimsoll-cache {}\n", env!("CARGO_PKG_VERSION"))
}

/// What `-h` prints.
#[must_use]
pub fn usage() -> String {
    let mut text = version();
    for flag in FLAGS.iter().filter(|flag| flag.help != HIDDEN) {
        let short = flag.short.map_or_else(|| "   ".to_owned(), |short| format!("-{short},"));
        let value = if flag.value.is_empty() { "" } else { &format!("=<{}>", flag.value) };
        let left = format!("{short} --{}{value}", flag.long);
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{left:<34} {}", flag.help);
    }
    text += EXTENDED;
    let _ = writeln!(
        text,
        "Exit codes: 0 good, 1 failed or a value out of range, {EX_USAGE} wrong usage, \
         67 no such user,\n71 refused by the system, 78 bad configuration file."
    );
    text
}
