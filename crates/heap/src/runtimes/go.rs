//! A Go program's heap profile and memory statistics, read from outside.
//!
//! The profile is the runtime's own: one allocation in 512 KiB, kept by stack, with what was freed
//! since taken off. A program that links nothing which reads the profile (`net/http/pprof`,
//! `runtime/pprof`) has it switched off by the linker; then there is none, and that is said. The
//! statistics are those of `runtime.ReadMemStats`, but that running threads keep a few spans that
//! count as all in use.
//!
//! Symbols are used where they are; a stripped program still has the table of functions that its
//! runtime needs, and the head of the profile is found by its form.

use super::ground::{Ground, Image};
use crate::maps::Mapping;
use crate::memory::Memory;
use crate::report::ByStack;
use crate::scene::{Claim, Part};
use buckets::Bucket;
use memstats::MemStats;
use pclntab::Functions;
use serde_json::{Map, Value, json};

pub mod buckets;
pub mod memstats;
pub mod pclntab;

/// Sites that a report names, the largest first.
const SITES_MAX: usize = 50;
const FRAMES_MAX: usize = 32;
/// What the runtime samples unless told otherwise.
const RATE_DEFAULT: u64 = 512 << 10;
const VERSION_BYTES_MAX: u64 = 128;

/// What was read of one program.
#[derive(Clone, Debug, Default)]
pub struct Go {
    pub version: Option<String>,
    pub memstats: Option<MemStats>,
    /// Bytes between two samples; 0 where the profile is off, None where it is not known.
    pub rate: Option<u64>,
    /// By site, estimated from the samples; the largest first.
    pub sites: Vec<ByStack>,
    pub sites_left_out: usize,
    pub notes: Vec<String>,
}

impl Go {
    #[must_use]
    pub fn json(&self) -> Value {
        let mut stats = Map::new();
        stats.insert("version".to_owned(), json!(self.version));
        stats.insert("memstats".to_owned(), json!(self.memstats.as_ref().map(MemStats::json)));
        let profile = match self.rate {
            Some(0) => json!({"enabled": false, "rate_bytes": 0}),
            rate => json!({
                "enabled": rate.is_some() || !self.sites.is_empty(), "rate_bytes": rate,
                "sites": self.sites, "sites_left_out": self.sites_left_out,
            }),
        };
        stats.insert("heap_profile".to_owned(), profile);
        Value::Object(stats)
    }
}

/// What shows that the image is a Go program: it carries the runtime's table of functions.
#[must_use]
pub fn mark(ground: &Ground<'_>, image: &Image<'_>) -> Option<String> {
    let name = pclntab::SECTIONS.iter().find(|name| ground.section(image, name).is_some())?;
    Some(format!("section {name}"))
}

/// What the Go program in `image` says of itself.
pub fn read(ground: &Ground<'_>, image: &Image<'_>) -> Go {
    let memory = ground.memory();
    let mut go = Go::default();
    let at = |name: &str| image.at(name);
    go.version = at("runtime.buildVersion").and_then(|at| string(ground, at));
    go.version = go.version.take().or_else(|| build_info(ground, image));
    let functions = Functions::of(ground, image);
    match (at("runtime.memstats"), at("runtime.class_to_size")) {
        (Some(at), Some(sizes)) => {
            go.memstats = memstats::read(memory, at, sizes);
            if go.memstats.is_none() {
                let version = go.version.as_deref().unwrap_or("unknown");
                go.notes
                    .push(format!("Go: the statistics of version {version} are not understood"));
            }
        }
        _ => go.notes.push("Go: stripped, so memory statistics cannot be located".to_owned()),
    }
    go.rate = at("runtime.MemProfileRate").and_then(|at| memory.word(at));
    if go.rate == Some(0) {
        go.notes.push(
            "Go: the heap profile is off (nothing linked reads it, or MemProfileRate = 0); \
             import net/http/pprof to have allocation sites"
                .to_owned(),
        );
        return go;
    }
    let Some(functions) = functions else {
        go.notes.push("Go: the table of functions cannot be read".to_owned());
        return go;
    };
    let head = at("runtime.mbuckets").and_then(|at| memory.word(at));
    let head = head.or_else(|| buckets::search(ground, image, &functions));
    let Some(head) = head.filter(|&head| head != 0) else {
        go.notes.push("Go: the heap profile holds no sample".to_owned());
        return go;
    };
    let (found, whole) = buckets::walk(memory, head, &functions);
    if !whole {
        go.notes.push("Go: the heap profile was cut short".to_owned());
    }
    if go.rate.is_none() {
        go.notes.push("Go: stripped; the sampling rate is taken to be 512 KiB".to_owned());
    }
    name_sites(&mut go, &found, &functions);
    go
}

fn name_sites(go: &mut Go, found: &[Bucket], functions: &Functions) {
    let rate = go.rate.unwrap_or(RATE_DEFAULT);
    let scaled = |bucket: &Bucket| buckets::estimate(bucket.count, bucket.bytes, rate);
    let mut by_site: std::collections::BTreeMap<&[u64], (f64, f64)> =
        std::collections::BTreeMap::new();
    for bucket in found.iter().filter(|bucket| bucket.count > 0) {
        let (count, bytes) = scaled(bucket);
        let site = by_site.entry(bucket.stack.as_slice()).or_default();
        site.0 += count;
        site.1 += bytes;
    }
    let mut sites: Vec<(&[u64], (f64, f64))> = by_site.into_iter().collect();
    sites.sort_by(|a, b| b.1.1.total_cmp(&a.1.1));
    go.sites_left_out = sites.len().saturating_sub(SITES_MAX);
    let named = sites.iter().take(SITES_MAX).map(|(stack, (count, bytes))| ByStack {
        frames: stack.iter().take(FRAMES_MAX).map(|&pc| functions.name(pc)).collect(),
        bytes: bytes.round() as u64,
        count: count.round() as u64,
    });
    go.sites = named.collect();
}

/// The mappings that are the Go heap: 64-bit programs have it at a fixed place.
///
/// Source: Go's `runtime/malloc.go`, `mallocinit`.
#[must_use]
pub fn heap_mappings(mappings: &[Mapping]) -> Vec<Claim> {
    const START: u64 = if cfg!(target_arch = "aarch64") { 0x40_0000_0000 } else { 0xc0_0000_0000 };
    /// The next hint that the runtime would try.
    const END: u64 = START + (1 << 40);
    let of_heap =
        |mapping: &&Mapping| mapping.is_anonymous() && (START..END).contains(&mapping.start);
    let own = mappings.iter().filter(of_heap);
    own.map(|mapping| Claim { range: mapping.range(), part: Part::Heap }).collect()
}

/// The text of a Go string variable.
fn string(ground: &Ground<'_>, at: u64) -> Option<String> {
    let (data, len) = (ground.memory().word(at)?, ground.memory().word(at.checked_add(8)?)?);
    text(ground.memory(), data, len)
}

fn text(memory: &(impl Memory + ?Sized), data: u64, len: u64) -> Option<String> {
    let len = usize::try_from(len.min(VERSION_BYTES_MAX)).ok()?;
    let mut bytes = vec![0; len];
    let count = memory.read(data, &mut bytes);
    let text = String::from_utf8(bytes).ok().filter(|_| count == len && len > 0)?;
    (!text.chars().any(char::is_control)).then_some(text)
}

/// The version that the linker wrote down; stripping leaves it.
///
/// Source: Go's `debug/buildinfo`: 14 bytes of magic, pointer size, flags; from 1.18 on the text
/// follows at 32, its length as a varint before it.
fn build_info(ground: &Ground<'_>, image: &Image<'_>) -> Option<String> {
    let start = ground.section(image, ".go.buildinfo")?.start;
    let mut head = [0; 33];
    let whole = ground.memory().read(start, &mut head) == head.len();
    let inline = whole && head.starts_with(b"\xff Go buildinf:") && head[15] & 2 != 0;
    // A version is shorter than 128 bytes: its length is one byte.
    (inline && head[32] < 128).then(|| text(ground.memory(), start + 33, u64::from(head[32])))?
}
