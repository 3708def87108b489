//! Who plays: each leak with its language, allocator and shape, each healthy program with its cap,
//! all drawn to one pace.
//!
//! The limits of all together stay below 3 GiB, so that the node itself is in no need.

use std::time::Duration;

/// The file in `tests/programs` without its ending; of Rust, the binary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    C(&'static str),
    Rust(&'static str),
    Python(&'static str),
    Java(&'static str),
    Go(&'static str),
}

/// One program as it is started.
#[derive(Clone, Debug)]
pub struct Role {
    pub name: &'static str,
    pub source: Source,
    /// Allocator and size of blocks, for people.
    pub allocator: &'static str,
    /// An allocator's library that is preloaded.
    pub preload: Option<&'static str>,
    pub settings: &'static [(&'static str, &'static str)],
    /// For the Java machine.
    pub flags: &'static [&'static str],
    pub words: Vec<String>,
    /// Units: MiB.
    pub limit_mib: u64,
    pub shape: &'static str,
    pub part: Part,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// It leaks once `quiet` is over.
    Leaks {
        quiet: Duration,
    },
    Healthy,
}

/// A leak before it is drawn to a pace.
#[derive(Clone, Copy)]
struct Leak {
    name: &'static str,
    source: Source,
    allocator: &'static str,
    preload: Option<&'static str>,
    settings: &'static [(&'static str, &'static str)],
    flags: &'static [&'static str],
    shape: &'static str,
    /// After the four words that all leaks take.
    last: Option<&'static str>,
    /// Units: MiB. What it takes before it leaks, of its limit.
    base_mib: f64,
    limit_mib: u64,
    /// What a byte that it counts costs in resident memory.
    weight: f64,
    /// The share of the pace for which it does nothing first.
    quiet: f64,
}

const C: Leak = Leak {
    name: "",
    source: Source::C("leak"),
    allocator: "",
    preload: None,
    settings: &[],
    flags: &[],
    shape: "linear",
    last: None,
    base_mib: 2.0,
    limit_mib: 96,
    weight: 1.1,
    quiet: 0.0,
};
const RUST: Leak = Leak {
    source: Source::Rust("plimsoll-leak"),
    allocator: "system (glibc), 1 KiB",
    weight: 1.03,
    ..C
};
const PYTHON: Leak =
    Leak { source: Source::Python("leak"), allocator: "CPython", base_mib: 10.0, weight: 1.0, ..C };
const JAVA: Leak = Leak {
    source: Source::Java("Leak"),
    allocator: "HotSpot, -Xmx over the limit",
    flags: &["-Xmx512m"],
    base_mib: 30.0,
    limit_mib: 192,
    weight: 1.4,
    ..C
};
const GO: Leak = Leak {
    source: Source::Go("leak"),
    allocator: "Go, collected",
    base_mib: 4.0,
    limit_mib: 128,
    weight: 1.65,
    ..C
};

const JEMALLOC: Option<&str> = Some("libjemalloc.so.2");
const TCMALLOC: Option<&str> = Some("libtcmalloc_minimal.so.4");
/// Keeps glibc from taking large blocks out of the heap once one was freed.
const MAPPED: &[(&str, &str)] = &[("MALLOC_MMAP_THRESHOLD_", "131072")];
/// A sawtooth stands with its last tooth before the limit: an eighth of the way.
const TOOTH: f64 = 1.125;

const LEAKS: &[Leak] = &[
    Leak { name: "c-small", allocator: "glibc, 200 B", last: Some("200"), ..C },
    Leak {
        name: "c-mapped",
        allocator: "glibc, 256 KiB mapped",
        last: Some("262144"),
        weight: 1.02,
        quiet: 0.25,
        ..C
    },
    Leak { name: "c-stair", allocator: "glibc, 4 KiB", shape: "stair", last: Some("4096"), ..C },
    Leak {
        name: "c-sawtooth",
        allocator: "glibc, 256 KiB mapped",
        settings: MAPPED,
        shape: "sawtooth",
        last: Some("262144"),
        weight: 1.02 * TOOTH,
        ..C
    },
    Leak {
        name: "c-pinned",
        allocator: "glibc, 1 KiB: teeth pinned",
        shape: "sawtooth",
        last: Some("1024"),
        weight: TOOTH,
        ..C
    },
    Leak {
        name: "c-jemalloc",
        allocator: "jemalloc, 200 B",
        preload: JEMALLOC,
        last: Some("200"),
        weight: 1.12,
        ..C
    },
    Leak {
        name: "c-jemalloc-saw",
        allocator: "jemalloc, 64 KiB",
        preload: JEMALLOC,
        shape: "sawtooth",
        last: Some("65536"),
        weight: TOOTH,
        ..C
    },
    Leak {
        name: "c-tcmalloc",
        allocator: "tcmalloc, 200 B",
        preload: TCMALLOC,
        last: Some("200"),
        base_mib: 7.0,
        ..C
    },
    Leak {
        name: "c-tcmalloc-stair",
        allocator: "tcmalloc, 4 KiB",
        preload: TCMALLOC,
        shape: "stair",
        last: Some("4096"),
        base_mib: 7.0,
        weight: 1.0,
        ..C
    },
    Leak { name: "rust", ..RUST },
    Leak { name: "rust-stair", shape: "stair", quiet: 0.25, ..RUST },
    Leak { name: "python-list", last: Some("list"), ..PYTHON },
    Leak { name: "python-dict", last: Some("dict"), weight: 0.9, quiet: 0.25, ..PYTHON },
    Leak { name: "python-saw", last: Some("list"), shape: "sawtooth", weight: TOOTH, ..PYTHON },
    Leak { name: "java", ..JAVA },
    Leak { name: "java-stair", shape: "stair", ..JAVA },
    Leak {
        name: "java-full",
        allocator: "HotSpot, -Xmx half the limit",
        flags: &["-Xmx96m", "-XX:+ExitOnOutOfMemoryError"],
        base_mib: 96.0,
        weight: 1.0,
        ..JAVA
    },
    Leak { name: "go", ..GO },
    Leak { name: "go-stair", shape: "stair", ..GO },
];

/// Teeth and stairs in one pace.
const PERIODS: f64 = 24.0;

impl Leak {
    fn role(&self, pace: Duration) -> Role {
        let pace_s = pace.as_secs_f64();
        let quiet = pace.mul_f64(self.quiet);
        let room_mib = (self.limit_mib as f64 - self.base_mib) / self.weight;
        let kib_per_s = room_mib * 1024.0 / pace_s;
        let mut words = vec![self.shape.to_owned()];
        let numbers = [kib_per_s, quiet.as_secs_f64(), pace_s / PERIODS];
        words.extend(numbers.map(|number| format!("{number:.3}")));
        words.extend(self.last.map(str::to_owned));
        Role {
            name: self.name,
            source: self.source,
            allocator: self.allocator,
            preload: self.preload,
            settings: self.settings,
            flags: self.flags,
            words,
            limit_mib: self.limit_mib,
            shape: self.shape,
            part: Part::Leaks { quiet },
        }
    }
}

/// All that leak, at rates that bring each to its limit in about `pace` after its quiet time.
#[must_use]
pub fn leaks(pace: Duration) -> Vec<Role> {
    LEAKS.iter().map(|leak| leak.role(pace)).collect()
}

/// Those that must be left alone, none of which ever comes to its limit. They swing, fill and turn
/// over at the same pace.
#[must_use]
pub fn siblings(pace: Duration) -> Vec<Role> {
    let pace_s = pace.as_secs_f64();
    let lifetime_s = pace_s / 8.0;
    let role = |name, source, allocator, shape, limit_mib, words: Vec<String>| Role {
        name,
        source,
        allocator,
        preload: None,
        settings: &[],
        flags: &[],
        words,
        limit_mib,
        shape,
        part: Part::Healthy,
    };
    let words = |numbers: &[f64]| numbers.iter().map(|n| format!("{n:.3}")).collect::<Vec<_>>();
    let steady = role("steady-java", Source::Java("Steady"), "HotSpot", "collected heap", 192, {
        words(&[24.0, 10.0])
    });
    vec![
        role("churn", Source::C("churn"), "glibc", "sawtooth", 96, {
            vec!["16".to_owned(), "40".to_owned(), format!("{:.3}", pace_s / 18.0)]
        }),
        // Full after a third of the pace.
        role("cache", Source::Rust("plimsoll-filling-cache"), "system (glibc)", "fills", 96, {
            words(&[48.0, 60_700.0 / pace_s])
        }),
        role("server", Source::Python("server"), "CPython", "requests", 64, words(&[50.0])),
        role("sessions", Source::Python("sessions"), "CPython", "turnover", 96, {
            words(&[4_000.0 / lifetime_s, lifetime_s])
        }),
        Role { flags: &["-Xmx96m"], ..steady },
    ]
}
