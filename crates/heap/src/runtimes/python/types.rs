//! Types of CPython objects: what they are called, how large their objects are, what each adds up
//! to.
//!
//! Source: `Include/cpython/object.h`, `PyTypeObject`; the fields used have kept their places from
//! 3.9 to 3.13.

use crate::memory::Memory;
use crate::report::ByType;
use crate::runtimes::bytes::{u32_at, u64_at};
use std::collections::HashMap;

/// A program has some thousands; what comes after is put together under one name.
const TYPES_MAX: usize = 100_000;
const NAME_BYTES_MAX: usize = 200;
/// What an object may claim of its length: anything above is garbage.
const OBJECT_BYTES_MAX: u64 = 1 << 40;

/// What the walk does with objects of a type beyond counting them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    List,
    Tuple,
    Dict,
    Set,
    Text,
    Int,
    Other,
}

#[derive(Clone, Debug)]
pub struct Type {
    pub name: String,
    pub shape: Shape,
    /// Whether its objects have a collector's header before them.
    pub collected: bool,
    /// Where an object keeps the pointer to its own dict, 0 if nowhere.
    pub dict_at: u64,
    basic: u64,
    item: u64,
    count: u64,
    bytes: u64,
}

/// All types met so far.
#[derive(Debug)]
pub struct Types<'a, M: ?Sized> {
    memory: &'a M,
    minor: Option<u32>,
    known: HashMap<u64, Option<Type>>,
}

impl<'a, M: Memory + ?Sized> Types<'a, M> {
    pub fn new(memory: &'a M, minor: Option<u32>) -> Self {
        Self { memory, minor, known: HashMap::new() }
    }

    /// The minor version, the newest known where it is not told.
    pub fn minor(&self) -> u32 {
        self.minor.unwrap_or(13)
    }

    /// The type whose object lies at `address`, None where there is none.
    pub fn get(&mut self, address: u64) -> Option<&mut Type> {
        if self.known.len() >= TYPES_MAX && !self.known.contains_key(&address) {
            return None;
        }
        let memory = self.memory;
        self.known.entry(address).or_insert_with(|| read(memory, address)).as_mut()
    }

    /// Counts the object of which `head` are the first words, `bytes` beside what its type says.
    pub fn count(&mut self, kind: u64, head: &[u8], beside: u64) {
        let minor = self.minor();
        let Some(kind) = self.get(kind) else { return };
        let bytes = size(kind, head, minor).saturating_add(beside);
        if bytes <= OBJECT_BYTES_MAX {
            kind.count += 1;
            kind.bytes = kind.bytes.saturating_add(bytes);
        }
    }

    /// What was counted, types of one name together.
    pub fn totals(&self) -> Vec<ByType> {
        let mut by_name: HashMap<&str, (u64, u64)> = HashMap::new();
        for kind in self.known.values().flatten().filter(|kind| kind.count > 0) {
            let total = by_name.entry(&kind.name).or_default();
            total.0 += kind.count;
            total.1 = total.1.saturating_add(kind.bytes);
        }
        let totals = by_name.into_iter();
        totals
            .map(|(name, (count, bytes))| ByType { name: name.to_owned(), bytes, count })
            .collect()
    }
}

fn read(memory: &(impl Memory + ?Sized), address: u64) -> Option<Type> {
    let mut bytes = [0; 304];
    if !address.is_multiple_of(8) || memory.read(address, &mut bytes) < bytes.len() {
        return None;
    }
    let name = u64_at(&bytes, 24)?;
    let (basic, item) = (u64_at(&bytes, 32)?, u64_at(&bytes, 40)?);
    if !(16..1 << 20).contains(&basic) || item >= 1 << 20 {
        return None;
    }
    let mut text = [0; NAME_BYTES_MAX];
    let count = memory.read(name, &mut text);
    let end = memchr::memchr(0, &text[..count]).filter(|&end| end > 0)?;
    let name = std::str::from_utf8(&text[..end]).ok()?;
    if name.chars().any(|c| c.is_control() || c == ' ') {
        return None;
    }
    let flags = u64_at(&bytes, 168)?;
    let dict_at = u64_at(&bytes, 288)?;
    let shape = match name {
        "list" => Shape::List,
        "tuple" => Shape::Tuple,
        "dict" => Shape::Dict,
        "set" | "frozenset" => Shape::Set,
        "str" => Shape::Text,
        "int" | "bool" => Shape::Int,
        _ => Shape::Other,
    };
    Some(Type {
        name: name.to_owned(),
        shape,
        collected: flags & 1 << 14 != 0,
        dict_at: if dict_at < basic { dict_at } else { 0 },
        basic,
        item,
        count: 0,
        bytes: 0,
    })
}

/// Bytes of one object without what it points to, its collector's header included.
fn size(kind: &Type, head: &[u8], minor: u32) -> u64 {
    let header = if kind.collected { 16 } else { 0 };
    let length = u64_at(head, 16).unwrap_or_default();
    let own = match kind.shape {
        Shape::Text => text_size(length, u32_at(head, 32).unwrap_or_default(), minor),
        Shape::Int if minor >= 12 => 24 + (length >> 3).max(1).saturating_mul(4),
        Shape::List | Shape::Dict | Shape::Set => kind.basic,
        // The sign of an int, and of others, is that of its length.
        _ if kind.item > 0 => {
            let items = length.cast_signed().unsigned_abs();
            kind.basic.saturating_add(items.saturating_mul(kind.item))
        }
        _ => kind.basic,
    };
    own.saturating_add(header)
}

/// Source: `Include/cpython/unicodeobject.h`: one, two or four bytes a character, ASCII with a
/// shorter head; 3.12 dropped a pointer from both.
fn text_size(length: u64, state: u32, minor: u32) -> u64 {
    let (short, long) = if minor >= 12 { (40, 56) } else { (48, 72) };
    let width = u64::from(state >> 2 & 7);
    let is_ascii = state & 1 << 6 != 0;
    let head = if is_ascii { short } else { long };
    length.saturating_add(1).saturating_mul(width.max(1)).saturating_add(head)
}
