//! What a CPython process holds, by type: the objects that its collector knows, and those that
//! lists, tuples, sets and dicts lead to.
//!
//! Starts at `_PyRuntime`, which every build exports. The interpreter and the collector's
//! generations are recognised by their form, so the patch level does not matter: 3.9 to 3.13, not
//! the free-threaded builds. The walk is unfrozen: an object that comes or goes meanwhile may be
//! missed or counted, and a list that changes under the walk ends it early, which is told.
//! Attributes that 3.11 and newer keep beside an instance instead of in a dict, and what extension
//! types hold, count only where something else leads to them.

use super::bytes::u64_at;
use super::cached::Cached;
use super::ground::{Ground, Image};
use crate::memory::Memory;
use crate::report::ByType;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Instant;
use types::Types;
use walk::Walk;

mod types;
mod walk;

/// Where in `_PyRuntime` the list of interpreters begins, at most.
const RUNTIME_BYTES: usize = 0x800;
/// How far into an interpreter the collector's state lies, at most.
const INTERPRETER_BYTES: usize = 0x4000;
const GENERATION_BYTES: u64 = 24;
const GENERATIONS: u64 = 3;
/// Types that a report names, the largest first.
const TYPES_MAX: usize = 100;

#[derive(Clone, Debug, Default)]
pub struct Python {
    pub version: Option<String>,
    /// Objects in each generation, the youngest first.
    pub generations: Vec<u64>,
    /// The largest first.
    pub types: Vec<ByType>,
    pub types_left_out: usize,
    pub objects: u64,
    pub bytes: u64,
    pub notes: Vec<String>,
}

impl Python {
    #[must_use]
    pub fn json(&self) -> Value {
        json!({
            "version": self.version, "gc_generations": self.generations,
            "objects": self.objects, "bytes": self.bytes, "types": self.types,
            "types_left_out": self.types_left_out,
        })
    }
}

/// What the interpreters in `image` hold, as far as it is found before `deadline`.
pub fn read(ground: &Ground<'_>, image: &Image<'_>, deadline: Instant) -> Python {
    let mut python = Python::default();
    let version = image.at("Py_Version").and_then(|at| ground.memory().word(at));
    let version = version.map(|hex| (hex >> 24 & 0xff, hex >> 16 & 0xff, hex >> 8 & 0xff));
    python.version = match version.filter(|&(major, ..)| major == 3) {
        Some((major, minor, micro)) => Some(format!("{major}.{minor}.{micro}")),
        None => version_of(image.module.name()),
    };
    let Some(runtime) = image.at("_PyRuntime") else {
        python.notes.push("CPython: _PyRuntime is not exported".to_owned());
        return python;
    };
    let memory = Cached::new(ground.memory());
    let Some(generations) = generations(ground, &memory, runtime) else {
        let version = python.version.as_deref().unwrap_or("of unknown version");
        python.notes.push(format!("CPython {version}: the collector's lists are not understood"));
        return python;
    };
    let minor = python.version.as_deref().and_then(minor_of);
    let mut walk = Walk::new(&memory, Types::new(&memory, minor), deadline);
    for generation in 0..=GENERATIONS {
        // The permanent generation comes behind a pointer to the first.
        let behind = if generation == GENERATIONS { 8 } else { 0 };
        let head = generations + generation * GENERATION_BYTES + behind;
        python.generations.push(walk.generation(head));
    }
    walk.follow();
    python.notes.append(&mut walk.notes);
    let mut types: Vec<ByType> = walk.types.totals().into_iter().collect();
    types.sort_by(|a, b| (b.bytes, &a.name).cmp(&(a.bytes, &b.name)));
    python.objects = types.iter().map(|kind| kind.count).sum();
    python.bytes = types.iter().map(|kind| kind.bytes).sum();
    python.types_left_out = types.len().saturating_sub(TYPES_MAX);
    types.truncate(TYPES_MAX);
    python.types = types;
    python
}

/// `3.11` out of `python3.11` or `libpython3.11.so.1.0`.
fn version_of(name: &str) -> Option<String> {
    let digits = &name[name.find("python3.")? + "python".len()..];
    let minor: String = digits[2..].chars().take_while(char::is_ascii_digit).collect();
    (!minor.is_empty()).then(|| format!("3.{minor}"))
}

fn minor_of(version: &str) -> Option<u32> {
    version.split('.').nth(1)?.parse().ok()
}

/// Where the main interpreter's generations are: three heads of lists, then a pointer back to the
/// first.
fn generations(ground: &Ground<'_>, memory: &(impl Memory + ?Sized), runtime: u64) -> Option<u64> {
    let mut words = vec![0; RUNTIME_BYTES];
    let count = ground.memory().read(runtime, &mut words);
    let mut seen = BTreeSet::new();
    for word in words[..count].as_chunks::<8>().0 {
        let word = u64::from_le_bytes(*word);
        let is_pointer = word.is_multiple_of(8) && ground.is_writable(word);
        if is_pointer
            && seen.insert(word)
            && let Some(found) = generations_in(ground.memory(), memory, word)
        {
            return Some(found);
        }
    }
    None
}

fn generations_in(
    whole: &(impl Memory + ?Sized),
    memory: &(impl Memory + ?Sized),
    interpreter: u64,
) -> Option<u64> {
    let mut bytes = vec![0; INTERPRETER_BYTES];
    let count = whole.read(interpreter, &mut bytes);
    let bytes = &bytes[..count];
    (0..bytes.len() / 8).find_map(|index| {
        let at = interpreter + index as u64 * 8;
        let back = index * 8 + (GENERATIONS * GENERATION_BYTES) as usize;
        let points_back = u64_at(bytes, back)? == at;
        let is_list = |generation: u64| walk::is_list(memory, at + generation * GENERATION_BYTES);
        (points_back && (0..GENERATIONS).all(is_list)).then_some(at)
    })
}

#[cfg(test)]
mod tests;
