//! What a module's own file says of itself: its sections, and the addresses of named symbols.
//!
//! Takes positioned reads of a file (`Bytes`), 64-bit little-endian ELF only; anything else, and
//! whatever lies outside the file or above a bound, is not there. Nothing in a file is trusted: a
//! table may point anywhere.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt;

/// Tables of sections and symbols above these are not read; they are far above what linkers make.
const SECTIONS_MAX: u64 = 4096;
const TABLE_BYTES_MAX: u64 = 256 << 20;
const NAME_BYTES_MAX: usize = 256;

const SYMBOL_TABLE: u32 = 2;
const DYNAMIC_SYMBOLS: u32 = 11;
const LOAD: u32 = 1;

/// Positioned reads of a file, as few bytes as are there.
pub trait Bytes {
    fn at(&self, offset: u64, into: &mut [u8]) -> usize;
}

impl Bytes for File {
    fn at(&self, offset: u64, into: &mut [u8]) -> usize {
        let mut filled = 0;
        while filled < into.len() {
            match self.read_at(&mut into[filled..], offset + filled as u64) {
                Ok(0) | Err(_) => break,
                Ok(count) => filled += count,
            }
        }
        filled
    }
}

impl Bytes for [u8] {
    fn at(&self, offset: u64, into: &mut [u8]) -> usize {
        let rest = usize::try_from(offset).ok().and_then(|offset| self.get(offset..));
        let rest = rest.unwrap_or_default();
        let count = rest.len().min(into.len());
        into[..count].copy_from_slice(&rest[..count]);
        count
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    pub name: String,
    pub kind: u32,
    pub address: u64,
    pub offset: u64,
    pub size: u64,
    link: u32,
}

/// One symbol, its address before the module is moved to where it is loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Symbol {
    pub address: u64,
    pub size: u64,
}

/// The headers of one file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Elf {
    pub sections: Vec<Section>,
    /// Of the segments that are loaded: address and offset in the file, rounded as they are mapped.
    loads: Vec<(u64, u64)>,
}

impl Elf {
    /// None where this is no 64-bit little-endian ELF file.
    pub fn read(file: &(impl Bytes + ?Sized)) -> Option<Self> {
        let header = bytes(file, 0, 64)?;
        if !header.starts_with(b"\x7fELF\x02\x01") {
            return None;
        }
        let mut loads = Vec::new();
        let (offset, count) = (u64_at(&header, 32)?, u64::from(u16_at(&header, 56)?));
        for program in entries(file, offset, count, u64::from(u16_at(&header, 54)?), 56) {
            if u32_at(&program, 0)? == LOAD {
                loads.push((u64_at(&program, 16)?, u64_at(&program, 8)?));
            }
        }
        let (offset, count) = (u64_at(&header, 40)?, u64::from(u16_at(&header, 60)?));
        let raw: Vec<Vec<u8>> =
            entries(file, offset, count, u64::from(u16_at(&header, 58)?), 64).collect();
        let mut sections: Vec<Section> = raw.iter().filter_map(|raw| section(raw)).collect();
        let names = usize::from(u16_at(&header, 62)?);
        let names = sections.get(names).cloned();
        if let Some(names) = names.and_then(|names| bytes(file, names.offset, names.size)) {
            for (section, raw) in sections.iter_mut().zip(&raw) {
                section.name = name_at(&names, u32_at(raw, 0)?).unwrap_or_default();
            }
        }
        Some(Self { sections, loads })
    }

    #[must_use]
    pub fn section(&self, name: &str) -> Option<&Section> {
        self.sections.iter().find(|section| section.name == name)
    }

    /// How far the module was moved: what `mapped_at` of the file's `offset` adds to an address.
    #[must_use]
    pub fn bias(&self, mapped_at: u64, offset: u64) -> Option<u64> {
        const PAGE: u64 = !0xfff;
        let load = self.loads.iter().find(|(_, at)| at & PAGE == offset & PAGE)?;
        Some(mapped_at.wrapping_sub(load.0 & PAGE))
    }

    /// The symbols that `wanted` accepts, of the full table where there is one and of the dynamic
    /// one. Only names without a NUL and of at most 256 bytes are offered.
    pub fn symbols(
        &self,
        file: &(impl Bytes + ?Sized),
        mut wanted: impl FnMut(&str) -> bool,
    ) -> BTreeMap<String, Symbol> {
        let mut found = BTreeMap::new();
        let is_table = |kind| kind == SYMBOL_TABLE || kind == DYNAMIC_SYMBOLS;
        for table in self.sections.iter().filter(|section| is_table(section.kind)) {
            let names = self.sections.get(table.link as usize);
            let Some(names) = names.and_then(|names| bytes(file, names.offset, names.size)) else {
                continue;
            };
            let Some(table) = bytes(file, table.offset, table.size) else { continue };
            for entry in table.as_chunks::<24>().0 {
                let (Some(name), Some(address)) = (u32_at(entry, 0), u64_at(entry, 8)) else {
                    continue;
                };
                let Some(name) = name_of(&names, name).filter(|_| address != 0) else { continue };
                if wanted(name) {
                    let size = u64_at(entry, 16).unwrap_or_default();
                    found.entry(name.to_owned()).or_insert(Symbol { address, size });
                }
            }
        }
        found
    }
}

fn section(raw: &[u8]) -> Option<Section> {
    Some(Section {
        name: String::new(),
        kind: u32_at(raw, 4)?,
        address: u64_at(raw, 16)?,
        offset: u64_at(raw, 24)?,
        size: u64_at(raw, 32)?,
        link: u32_at(raw, 40)?,
    })
}

/// `count` entries of a table, as long as they can be read.
fn entries<'a>(
    file: &'a (impl Bytes + ?Sized),
    offset: u64,
    count: u64,
    step: u64,
    len: u64,
) -> impl Iterator<Item = Vec<u8>> + 'a {
    let count = if step < len { 0 } else { count.min(SECTIONS_MAX) };
    (0..count).map_while(move |at| bytes(file, offset.checked_add(at * step)?, len))
}

fn bytes(file: &(impl Bytes + ?Sized), offset: u64, len: u64) -> Option<Vec<u8>> {
    /// What is asked for at a time: a length that the file only claims takes no memory.
    const PIECE: usize = 1 << 20;
    if len > TABLE_BYTES_MAX {
        return None;
    }
    let len = usize::try_from(len).ok()?;
    let mut whole = Vec::new();
    while whole.len() < len {
        let had = whole.len();
        whole.resize(len.min(had + PIECE), 0);
        let count = file.at(offset.checked_add(had as u64)?, &mut whole[had..]);
        if count < whole.len() - had {
            return None;
        }
    }
    Some(whole)
}

fn name_of(names: &[u8], at: u32) -> Option<&str> {
    let rest = names.get(at as usize..)?;
    let rest = &rest[..rest.len().min(NAME_BYTES_MAX)];
    let end = memchr::memchr(0, rest)?;
    std::str::from_utf8(&rest[..end]).ok()
}

fn name_at(names: &[u8], at: u32) -> Option<String> {
    name_of(names, at).map(str::to_owned)
}

/// The little-endian number at `at`.
pub(super) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_test_finds_a_symbol_of_its_own_and_where_it_is_loaded() {
        let file = File::open("/proc/self/exe").unwrap();
        let elf = Elf::read(&file).unwrap();
        assert!(elf.section(".text").is_some_and(|text| text.size > 1000));
        let found = elf.symbols(&file, |name| name == "main");
        assert!(found["main"].address > 0);
    }

    #[test]
    fn garbage_and_torn_files_have_no_sections() {
        assert_eq!(Elf::read(&b"\x7fELF\x02\x01"[..]), None);
        assert_eq!(Elf::read(&[0_u8; 4096][..]), None);
        let mut torn = std::fs::read("/proc/self/exe").unwrap();
        torn.truncate(5000);
        assert!(Elf::read(&torn[..]).is_some_and(|elf| elf.sections.is_empty()));
    }
}
