//! Miss ratios on generated mixes, beside LRU and S3-FIFO by the object with the same keys.
//!
//! The cache holds a tenth of the objects, all of one size. The reference policies hold as many
//! objects as the store does when it is full.

use super::{Random, get, key, put, store};
use std::collections::{HashMap, HashSet, VecDeque};
use std::io::Write;

const OBJECTS: u32 = 1_000_000;
const REQUESTS: u32 = 3_000_000;
/// Units: bytes; a tenth of the objects at 544 bytes each and 64 MiB of them.
const VALUE: [u8; 500] = [1; 500];
const LIMIT_BYTES: u64 = 64 << 20;

/// A cache of unit-size objects.
trait Policy {
    /// Whether it was held; it is afterwards.
    fn request(&mut self, object: u32) -> bool;
}

/// Least recently used, by a queue with lazy removal.
struct Lru {
    last: HashMap<u32, u64>,
    queue: VecDeque<(u32, u64)>,
    clock: u64,
    room: usize,
}

impl Policy for Lru {
    fn request(&mut self, object: u32) -> bool {
        self.clock += 1;
        self.queue.push_back((object, self.clock));
        let hit = self.last.insert(object, self.clock).is_some();
        while self.last.len() > self.room {
            if let Some((oldest, at)) = self.queue.pop_front()
                && self.last.get(&oldest) == Some(&at)
            {
                self.last.remove(&oldest);
            }
        }
        hit
    }
}

/// S3-FIFO as the paper has it: small a tenth, ghost as long as main.
struct S3Fifo {
    freq: HashMap<u32, u8>,
    small: VecDeque<u32>,
    main: VecDeque<u32>,
    ghost: VecDeque<u32>,
    ghosts: HashSet<u32>,
    room: usize,
}

impl S3Fifo {
    fn evict_small(&mut self) {
        while let Some(object) = self.small.pop_front() {
            if self.freq.get(&object).is_some_and(|freq| *freq > 1) {
                self.freq.insert(object, 0);
                self.main.push_back(object);
                continue;
            }
            self.freq.remove(&object);
            self.ghost.push_back(object);
            self.ghosts.insert(object);
            if self.ghost.len() > self.room * 9 / 10
                && let Some(oldest) = self.ghost.pop_front()
            {
                self.ghosts.remove(&oldest);
            }
            return;
        }
    }

    fn evict_main(&mut self) {
        while let Some(object) = self.main.pop_front() {
            match self.freq.get_mut(&object) {
                Some(freq) if *freq > 0 => {
                    *freq -= 1;
                    self.main.push_back(object);
                }
                _ => {
                    self.freq.remove(&object);
                    return;
                }
            }
        }
    }
}

impl Policy for S3Fifo {
    fn request(&mut self, object: u32) -> bool {
        if let Some(freq) = self.freq.get_mut(&object) {
            *freq = (*freq + 1).min(3);
            return true;
        }
        while self.freq.len() >= self.room {
            if self.small.len() >= self.room / 10 || self.main.is_empty() {
                self.evict_small();
            } else {
                self.evict_main();
            }
        }
        let queue = if self.ghosts.remove(&object) { &mut self.main } else { &mut self.small };
        queue.push_back(object);
        self.freq.insert(object, 0);
        false
    }
}

/// Zipf by rejection-inversion over ranks. Source: Hörmann and Derflinger, ACM TOMACS 1996.
struct Zipf {
    skew: f64,
    low: f64,
    high: f64,
}

impl Zipf {
    fn new(skew: f64) -> Self {
        let mut zipf = Self { skew, low: 0.0, high: 0.0 };
        zipf.low = zipf.area(1.5) - 1.0;
        zipf.high = zipf.area(f64::from(OBJECTS) + 0.5);
        zipf
    }

    fn area(&self, x: f64) -> f64 {
        if (self.skew - 1.0).abs() < 1e-9 {
            return x.ln();
        }
        (x.powf(1.0 - self.skew) - 1.0) / (1.0 - self.skew)
    }

    fn inverse(&self, area: f64) -> f64 {
        if (self.skew - 1.0).abs() < 1e-9 {
            return area.exp();
        }
        (1.0 + area * (1.0 - self.skew)).powf(1.0 / (1.0 - self.skew))
    }

    fn next(&self, random: &mut Random) -> u32 {
        loop {
            let area = self.low + random.unit() * (self.high - self.low);
            let rank = self.inverse(area).round().clamp(1.0, f64::from(OBJECTS));
            if area >= self.area(rank + 0.5) - rank.powf(-self.skew) {
                return rank as u32 - 1;
            }
        }
    }
}

/// Zipf, of which now and then a stretch is a scan over objects that never come again.
fn trace(skew: f64, scans: bool) -> Vec<u32> {
    let (zipf, mut random) = (Zipf::new(skew), Random(2_463_534_242));
    let mut scanned = OBJECTS;
    let mut trace = Vec::with_capacity(REQUESTS as usize);
    while trace.len() < REQUESTS as usize {
        if scans && random.below(40_000) == 0 {
            trace.extend(scanned..scanned + 20_000);
            scanned += 20_000;
        }
        trace.push(zipf.next(&mut random));
    }
    trace.truncate(REQUESTS as usize);
    trace
}

fn misses(trace: &[u32], mut hit: impl FnMut(u32) -> bool) -> f64 {
    trace.iter().filter(|object| !hit(**object)).count() as f64 / trace.len() as f64
}

pub fn report(out: &mut impl Write) -> std::io::Result<()> {
    writeln!(out, "miss ratio, 3 M requests of 1 M objects, 64 MiB of 544 B")?;
    for (name, skew, scans) in [
        ("Zipf 0.8", 0.8, false),
        ("Zipf 1.0", 1.0, false),
        ("Zipf 1.2", 1.2, false),
        ("Zipf 1.0 with scans", 1.0, true),
    ] {
        let trace = trace(skew, scans);
        let store = store(LIMIT_BYTES)?;
        let mut buffer = Vec::new();
        let ours = misses(&trace, |object| {
            let key = key(object);
            get(&store, &key, &mut buffer) || !put(&store, &key, &VALUE)
        });
        let room = (LIMIT_BYTES / 544) as usize;
        let mut lru = Lru { last: HashMap::new(), queue: VecDeque::new(), clock: 0, room };
        let by_lru = misses(&trace, |object| lru.request(object));
        let mut s3 = S3Fifo {
            freq: HashMap::new(),
            small: VecDeque::new(),
            main: VecDeque::new(),
            ghost: VecDeque::new(),
            ghosts: HashSet::new(),
            room,
        };
        let by_s3 = misses(&trace, |object| s3.request(object));
        let held = store.totals().items;
        writeln!(
            out,
            "{name:20} store {ours:.4}, S3-FIFO {by_s3:.4}, LRU {by_lru:.4}; {held} of {room} held"
        )?;
    }
    Ok(())
}
