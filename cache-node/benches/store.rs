//! The store's costs: time per operation beside a locked map, bytes per item, giving back, misses.
//!
//! `cargo bench -p plimsoll-cache --bench store [-- time|bytes|give|miss]`. Memory is that of the
//! process (`VmRSS`), so each part runs in a process of its own unless only one is asked for.

use plimsoll_cache::store::{Data, Expires, New, Params, Store};
use std::collections::HashMap;
use std::hint::black_box;
use std::io::Write;
use std::time::Instant;

#[path = "store/misses.rs"]
mod misses;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const GIB: u64 = 1 << 30;
const ITEMS: u32 = 1_000_000;
const PARTS: [&str; 4] = ["time", "bytes", "give", "miss"];

fn main() -> std::io::Result<()> {
    let asked = std::env::args().nth(1).filter(|arg| PARTS.contains(&arg.as_str()));
    let mut out = std::io::stdout().lock();
    match asked.as_deref() {
        Some("time") => time(&mut out),
        Some("bytes") => bytes(&mut out),
        Some("give") => give(&mut out),
        Some("miss") => misses::report(&mut out),
        _ => {
            drop(out);
            for part in PARTS {
                std::process::Command::new(std::env::current_exe()?).arg(part).status()?;
            }
            Ok(())
        }
    }
}

fn store(limit_bytes: u64) -> std::io::Result<Store> {
    Store::new(Params {
        limit_bytes,
        reserve_bytes: limit_bytes,
        item_bytes_max: 1 << 20,
        partitions: 16,
        evicts: true,
    })
}

/// 32 bytes.
fn key(number: u32) -> [u8; 32] {
    let mut key = *b"key:0000000000000000000000000000";
    let mut left = number;
    for digit in key.iter_mut().rev().take(10) {
        *digit = b'0' + (left % 10) as u8;
        left /= 10;
    }
    key
}

fn put(store: &Store, key: &[u8], value: &[u8]) -> bool {
    let new = New { flags: 0, expires: Expires::Never, data: Data::Bytes(value), cas: None };
    store.lock(key).put(new, 10).is_ok()
}

/// Stores so many items; what does not fit evicts others.
fn fill(store: &Store, count: u32, value: &[u8]) {
    for n in 0..count {
        assert!(put(store, &key(n), value), "there is room, or something to evict");
    }
}

fn get(store: &Store, key: &[u8], out: &mut Vec<u8>) -> bool {
    let mut slot = store.lock(key);
    let Some(item) = slot.find(10) else { return false };
    out.clear();
    item.parts().for_each(|part| out.extend_from_slice(part));
    slot.hit(10);
    true
}

/// Numbers below `below`, spread evenly.
struct Random(u64);

impl Random {
    fn below(&mut self, below: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (((self.0 >> 32) * u64::from(below)) >> 32) as u32
    }

    fn unit(&mut self) -> f64 {
        f64::from(self.below(1 << 31)) / f64::from(1_u32 << 31)
    }
}

/// CPU time of this thread, which others on the machine do not lengthen. Units: nanoseconds.
fn cpu_ns() -> f64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    now.tv_sec as f64 * 1e9 + now.tv_nsec as f64
}

/// CPU nanoseconds of each of `count` calls, the best of three runs.
fn per_call<T>(count: u32, mut call: impl FnMut(u32) -> T) -> f64 {
    let runs = (0..3).map(|_| {
        let start = cpu_ns();
        for n in 0..count {
            black_box(call(n));
        }
        (cpu_ns() - start) / f64::from(count)
    });
    runs.fold(f64::MAX, f64::min)
}

fn time(out: &mut impl Write) -> std::io::Result<()> {
    let store = store(GIB)?;
    let map = parking_lot::Mutex::new(HashMap::<Vec<u8>, Vec<u8>>::new());
    let value = [7; 100];
    let start = cpu_ns();
    fill(&store, ITEMS, &value);
    let first = (cpu_ns() - start) / f64::from(ITEMS);
    let start = cpu_ns();
    (0..ITEMS).for_each(|n| drop(map.lock().insert(key(n).to_vec(), value.to_vec())));
    let first_map = (cpu_ns() - start) / f64::from(ITEMS);
    let mut random = Random(88_172_645_463_325_252);
    let mut buffer = Vec::with_capacity(4096);
    let mut rows = vec![("first set", first, first_map)];
    let ours = per_call(ITEMS, |_| get(&store, &key(random.below(ITEMS)), &mut buffer));
    let theirs = per_call(ITEMS, |_| {
        let map = map.lock();
        let value = map.get(&key(random.below(ITEMS))[..]).map_or(&[][..], |value| value);
        buffer.clear();
        buffer.extend_from_slice(black_box(value));
    });
    rows.push(("get", ours, theirs));
    let ours = per_call(ITEMS, |n| get(&store, &key(ITEMS + n), &mut buffer));
    let theirs = per_call(ITEMS, |n| map.lock().contains_key(&key(ITEMS + n)[..]));
    rows.push(("get, missed", ours, theirs));
    let ours = per_call(ITEMS, |_| put(&store, &key(random.below(ITEMS)), &value));
    let theirs =
        per_call(ITEMS, |_| map.lock().insert(key(random.below(ITEMS)).to_vec(), value.to_vec()));
    rows.push(("set, same length", ours, theirs));
    let long = [9; 130];
    let ours = per_call(ITEMS, |_| {
        let len = 70 + random.below(60) as usize;
        put(&store, &key(random.below(ITEMS)), &long[..len])
    });
    let theirs = per_call(ITEMS, |_| {
        let len = 70 + random.below(60) as usize;
        map.lock().insert(key(random.below(ITEMS)).to_vec(), long[..len].to_vec())
    });
    rows.push(("set, other length", ours, theirs));
    writeln!(out, "1 M items of 32 + 100 B, one thread: CPU ns per call, beside a locked HashMap")?;
    for (name, ours, theirs) in rows {
        writeln!(out, "{name:20} {ours:6.0} {theirs:6.0}  {:.2}x", ours / theirs)?;
    }
    let small = self::store(64 << 20)?;
    let ns = per_call(2 * ITEMS, |n| put(&small, &key(n), &value));
    writeln!(out, "{:20} {ns:6.0}", "set that evicts")
}

/// Resident memory of this process. Units: bytes.
fn rss() -> std::io::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kib.map(|kib| kib << 10).ok_or_else(|| std::io::Error::other("no VmRSS"))
}

fn bytes(out: &mut impl Write) -> std::io::Result<()> {
    writeln!(out, "bytes per item of 1 M, 32 B keys, all in (RSS)")?;
    for len in [100, 1024] {
        let before = rss()?;
        let store = store(2 * GIB)?;
        fill(&store, ITEMS, &vec![7; len]);
        let each = (rss()? - before) as f64 / f64::from(ITEMS);
        let totals = store.totals();
        let index = totals.index_bytes as f64 / f64::from(ITEMS);
        let held = totals.items;
        writeln!(out, "values of {len:4} B: {each:7.1}, of that {index:.1} index; {held} held")?;
    }
    Ok(())
}

fn give(out: &mut impl Write) -> std::io::Result<()> {
    for len in [1024, 100] {
        let store = store(2 * GIB)?;
        let count = (2 * GIB / (len as u64 + 44)) as u32 + 200_000;
        fill(&store, count, &vec![7; len]);
        let (before, mut given, mut worst) = (rss()?, 0, 0.0_f64);
        store.set_limit(GIB);
        let start = Instant::now();
        while store.used_bytes() > GIB {
            let one = Instant::now();
            let Some(bytes) = store.give_back() else { break };
            given += bytes;
            worst = worst.max(one.elapsed().as_secs_f64() * 1e3);
        }
        let took = start.elapsed().as_secs_f64() * 1e3;
        let (after, mib) = (rss()?, 1 << 20);
        writeln!(
            out,
            "{} MiB of 2 GiB given back in {took:.0} ms, worst segment {worst:.2} ms, \
             values of {len} B: RSS {} to {} MiB",
            given / mib,
            before / mib,
            after / mib
        )?;
    }
    Ok(())
}
