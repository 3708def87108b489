//! The counters that a HotSpot JVM publishes of itself, in `/tmp/hsperfdata_USER/PID`.
//!
//! Read as the target's own mount namespace shows it, under the pid that the target has in its own
//! pid namespace. The values are those of the last collection for the generations: "used" between
//! two collections is stale, and so the old generation's is the leak signal. A JVM started with
//! `-XX:-UsePerfData` publishes nothing.

use super::bytes::{text, u32_at, u64_at};
use crate::target::Opened;
use rustix::fs::{Mode, OFlags};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;

const MAGIC: u32 = 0xcafe_c0c0;
/// HotSpot's own is 32 KiB; `-XX:PerfDataMemorySize` can ask for more.
const FILE_BYTES_MAX: u64 = 4 << 20;
const ENTRIES_MAX: usize = 10_000;
const TEXT_BYTES_MAX: usize = 1024;
/// Folders of users in /tmp that are looked into.
const USERS_MAX: usize = 1000;
/// Generations, spaces of one, collectors: no collector has more than three.
const PARTS_MAX: usize = 8;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Counter {
    Number(i64),
    Text(String),
}

/// All counters by name. None where the bytes are no such file of version 2, little-endian.
///
/// Source: HotSpot's `perfMemory.hpp`, `PerfDataPrologue` and `PerfDataEntry`.
#[must_use]
pub fn parse(bytes: &[u8]) -> Option<BTreeMap<String, Counter>> {
    let magic = u32::from_be_bytes(*bytes.first_chunk()?);
    if magic != MAGIC || bytes.get(4) != Some(&1) || bytes.get(5) != Some(&2) {
        return None;
    }
    let count = u32_at(bytes, 28)? as usize;
    let mut at = u32_at(bytes, 24)? as usize;
    let mut counters = BTreeMap::new();
    for _ in 0..count.min(ENTRIES_MAX) {
        let Some(entry) = bytes.get(at..) else { break };
        let Some(len) = u32_at(entry, 0).map(|len| len as usize) else { break };
        let Some(entry) = entry.get(..len).filter(|entry| entry.len() >= 20) else { break };
        if let Some((name, counter)) = counter(entry) {
            counters.insert(name, counter);
        }
        at += len;
    }
    Some(counters)
}

fn counter(entry: &[u8]) -> Option<(String, Counter)> {
    let name = short(entry.get(u32_at(entry, 4)? as usize..)?)?;
    let data = entry.get(u32_at(entry, 16)? as usize..)?;
    match entry.get(12)? {
        b'J' => Some((name, Counter::Number(u64_at(data, 0)?.cast_signed()))),
        b'B' if u32_at(entry, 8)? > 0 => Some((name, Counter::Text(short(data)?))),
        _ => None,
    }
}

fn short(bytes: &[u8]) -> Option<String> {
    text(&bytes[..bytes.len().min(TEXT_BYTES_MAX)])
}

/// What the report says of the counters.
#[must_use]
pub fn stats(counters: &BTreeMap<String, Counter>) -> Value {
    let counters = Counters(counters);
    let generations = counters.generations();
    let of_old = |key: &str| generations.get(1).and_then(|old| old[key].as_i64());
    let space = |kind: &str| {
        let of = |part: &str| counters.number(&format!("sun.gc.{kind}.{part}"));
        json!({
            "used_bytes": of("used"), "capacity_bytes": of("capacity"),
            "max_bytes": of("maxCapacity"),
        })
    };
    let threads = |part: &str| counters.number(&format!("java.threads.{part}"));
    json!({
        "version": counters.text("java.property.java.vm.version"),
        "vm": counters.text("java.property.java.vm.name"),
        // As of the last collection: what is left of it is what leaks.
        "old_used_bytes": of_old("used_bytes"), "old_max_bytes": of_old("max_bytes"),
        "heap_used_bytes": sum(&generations, "used_bytes"),
        "heap_capacity_bytes": sum(&generations, "capacity_bytes"),
        "last_cause": counters.text("sun.gc.lastCause"),
        "current_cause": counters.text("sun.gc.cause"),
        "metaspace": space("metaspace"), "compressed_class": space("compressedclassspace"),
        "threads": {
            "live": threads("live"), "daemon": threads("daemon"), "peak": threads("livePeak"),
            "started": threads("started"),
        },
        "classes_loaded": counters.number("java.cls.loadedClasses"),
        "generations": generations, "collectors": counters.collectors(),
    })
}

/// The counters, asked by name.
struct Counters<'a>(&'a BTreeMap<String, Counter>);

impl Counters<'_> {
    fn number(&self, name: &str) -> Option<i64> {
        match self.0.get(name) {
            Some(Counter::Number(number)) => Some(*number),
            _ => None,
        }
    }

    fn text(&self, name: &str) -> Option<&str> {
        match self.0.get(name) {
            Some(Counter::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// The JVM counts in ticks of a clock of its own.
    fn seconds(&self, name: &str) -> Option<f64> {
        const NANOSECONDS: i64 = 1_000_000_000;
        let hertz = self.number("sun.os.hrt.frequency").filter(|&hertz| hertz > 0);
        Some(self.number(name)? as f64 / hertz.unwrap_or(NANOSECONDS) as f64)
    }

    /// Young and old, each with its spaces.
    fn generations(&self) -> Vec<Value> {
        let generation = |index: usize| {
            let of = |key: &str| format!("sun.gc.generation.{index}.{key}");
            let capacity = self.number(&of("capacity"))?;
            let space = |space: usize| {
                let of = |key: &str| of(&format!("space.{space}.{key}"));
                let used = self.number(&of("used"))?;
                Some(json!({
                    "name": self.text(&of("name")), "used_bytes": used,
                    "capacity_bytes": self.number(&of("capacity")),
                }))
            };
            let spaces: Vec<Value> = (0..PARTS_MAX).map_while(space).collect();
            Some(json!({
                "name": self.text(&of("name")), "used_bytes": sum(&spaces, "used_bytes"),
                "capacity_bytes": capacity, "max_bytes": self.number(&of("maxCapacity")),
                "spaces": spaces,
            }))
        };
        (0..PARTS_MAX).map_while(generation).collect()
    }

    fn collectors(&self) -> Vec<Value> {
        let collector = |index: usize| {
            let of = |key: &str| format!("sun.gc.collector.{index}.{key}");
            let invocations = self.number(&of("invocations"))?;
            Some(json!({
                "name": self.text(&of("name")), "invocations": invocations,
                "time_s": self.seconds(&of("time")),
            }))
        };
        (0..PARTS_MAX).map_while(collector).collect()
    }
}

fn sum(generations: &[Value], key: &str) -> i64 {
    let values = generations.iter().filter_map(|generation| generation[key].as_i64());
    values.fold(0, i64::saturating_add)
}

/// The counters of the target, or why there are none.
///
/// # Errors
/// One sentence for the report's notes.
pub fn read(target: &Opened) -> Result<BTreeMap<String, Counter>, String> {
    let own = own_pid(target).unwrap_or(target.pid());
    let file = find(target, own).ok_or_else(|| {
        format!("JVM: no hsperfdata file of pid {own} in the target's /tmp (-XX:-UsePerfData?)")
    })?;
    let mut bytes = Vec::new();
    let read = file.take(FILE_BYTES_MAX).read_to_end(&mut bytes);
    read.map_err(|error| format!("JVM: hsperfdata: {error}"))?;
    parse(&bytes).ok_or_else(|| "JVM: the hsperfdata file is of an unknown form".to_owned())
}

/// The pid in the innermost namespace: the last of `NSpid`.
pub(super) fn own_pid(target: &Opened) -> Option<u32> {
    let status = String::from_utf8(target.text("status").ok()?).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("NSpid:"))?;
    line.split_whitespace().last()?.parse().ok()
}

/// A regular file, and no link: /tmp belongs to everyone. `root` is a link that only the kernel can
/// resolve to the target's own.
fn find(target: &Opened, pid: u32) -> Option<File> {
    let users = std::fs::read_dir(target.path().join("root/tmp")).ok()?;
    let users = users.take(USERS_MAX).filter_map(Result::ok).filter(|entry| {
        entry.file_name().as_encoded_bytes().starts_with(b"hsperfdata_")
            && entry.file_type().is_ok_and(|kind| kind.is_dir())
    });
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let open = |user: std::fs::DirEntry| {
        let file = rustix::fs::open(user.path().join(pid.to_string()), flags, Mode::empty());
        file.ok().map(File::from)
    };
    let mut files = users.filter_map(open);
    files.find(|file| file.metadata().is_ok_and(|meta| meta.is_file()))
}

#[cfg(test)]
mod tests;
