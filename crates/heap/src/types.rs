//! What kind of object a block holds, told by its virtual table.
//!
//! A C++ object with virtual functions begins with the address of its class's table; the word
//! before the table leads to the class's name (Itanium C++ ABI §2.9), in stripped and static
//! programs too. A Rust object has no such word: the reference `dyn Trait` to it does, beside its
//! address, and the table begins with the function that drops it, whose name in the symbol table
//! says the type. So of Rust only what lies behind such a reference in another block is named,
//! where symbols are left.

use std::cell::RefCell;

use rustc_hash::FxHashMap;

use crate::maps::{self, Mapping};
use crate::memory::Memory;
use crate::names;

/// Longer names of classes are not looked at.
const NAME_BYTES_MAX: usize = 1024;
/// No class's virtual base lies further from its beginning.
const OFFSET_TO_TOP_MAX: i64 = 1 << 20;
/// Alignments above this are no type's.
const ALIGN_MAX: u64 = 1 << 16;

/// Tells types, remembering each table.
#[derive(Debug)]
pub struct Types<'a, M: Memory + ?Sized> {
    memory: &'a M,
    mappings: &'a [Mapping],
    classes: RefCell<FxHashMap<u64, Option<String>>>,
}

/// A Rust table that fits: where the function that drops the type is, and its size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DynTable {
    pub drop_in_place: u64,
    pub bytes: u64,
}

impl<'a, M: Memory + ?Sized> Types<'a, M> {
    pub fn new(memory: &'a M, mappings: &'a [Mapping]) -> Self {
        Self { memory, mappings, classes: RefCell::default() }
    }

    /// The class whose objects begin with `first_word`.
    pub fn class(&self, first_word: u64) -> Option<String> {
        if let Some(known) = self.classes.borrow().get(&first_word) {
            return known.clone();
        }
        if !self.is_constant(first_word) {
            return None;
        }
        let class = self.read_class(first_word);
        self.classes.borrow_mut().insert(first_word, class.clone());
        class
    }

    fn read_class(&self, table: u64) -> Option<String> {
        let offset_to_top = self.memory.word(table.checked_sub(16)?)?.cast_signed();
        if offset_to_top.abs() > OFFSET_TO_TOP_MAX {
            return None;
        }
        let info = self.memory.word(table.checked_sub(8)?)?;
        if !self.is_constant(info) {
            return None;
        }
        // Its own table, of the class that describes classes, and its name.
        let own_table = self.memory.word(info)?;
        let name = self.memory.word(info.checked_add(8)?)?;
        if !self.is_constant(own_table) || !self.is_file(name) {
            return None;
        }
        let name = self.text(name)?;
        // A name that must not be compared by address begins with a star.
        let name = name.strip_prefix('*').unwrap_or(&name);
        let plain = names::cpp(&format!("_ZTS{name}"))?;
        let plain = plain.strip_prefix("typeinfo name for ").unwrap_or(&plain);
        Some(names::shown(plain))
    }

    /// Reads a name of letters, digits, `_` and what compilers add.
    fn text(&self, address: u64) -> Option<String> {
        let mut bytes = [0; NAME_BYTES_MAX];
        let count = self.memory.read(address, &mut bytes);
        let end = bytes[..count].iter().position(|&byte| byte == 0)?;
        let text = std::str::from_utf8(&bytes[..end]).ok()?;
        let is_name = |c: char| c.is_ascii_alphanumeric() || "_.$*".contains(c);
        (!text.is_empty() && text.chars().all(is_name)).then(|| text.to_owned())
    }

    /// Whether `table` can be that of a Rust type in a block of `usable_bytes`.
    pub fn dyn_table(&self, table: u64, usable_bytes: u64) -> Option<DynTable> {
        if !self.is_constant(table) {
            return None;
        }
        let [drop_in_place, bytes, align] =
            [0, 8, 16].map(|at| self.memory.word(table.wrapping_add(at)));
        let (drop_in_place, bytes, align) = (drop_in_place?, bytes?, align?);
        let fits = align.is_power_of_two()
            && align <= ALIGN_MAX
            && bytes.is_multiple_of(align)
            && bytes != 0
            && bytes <= usable_bytes
            && self.is_code(drop_in_place);
        fits.then_some(DynTable { drop_in_place, bytes })
    }

    /// Where compilers put tables: aligned, in what of a file is read only (or made so late).
    pub fn is_constant(&self, address: u64) -> bool {
        address.is_multiple_of(8) && self.is_file(address)
    }

    fn is_file(&self, address: u64) -> bool {
        self.holding(address).is_some_and(|at| at.readable && !at.shared && at.inode != 0)
    }

    fn is_code(&self, address: u64) -> bool {
        self.holding(address).is_some_and(|at| at.executable)
    }

    fn holding(&self, address: u64) -> Option<&Mapping> {
        maps::holding(self.mappings, address)
    }
}

/// The type in the name of the function that drops it.
pub fn dropped_type(function: &str) -> Option<&str> {
    function.strip_prefix("core::ptr::drop_in_place<")?.strip_suffix('>')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::maps::parse;

    const MAPS: &str = "\
1000-2000 r--p 0 fe:00 7 /bin/p
2000-3000 r-xp 0 fe:00 7 /bin/p
9000-a000 rw-p 0 00:00 0 [heap]
";

    /// Words at addresses, and one text.
    struct Made<'a>(&'a [(u64, u64)], (u64, &'a [u8]));

    impl Memory for Made<'_> {
        fn read(&self, address: u64, into: &mut [u8]) -> usize {
            let (at, text) = self.1;
            if address == at {
                let count = text.len().min(into.len());
                into[..count].copy_from_slice(&text[..count]);
                return count;
            }
            let Some((_, word)) = self.0.iter().find(|(at, _)| *at == address) else { return 0 };
            into[..8].copy_from_slice(&word.to_le_bytes());
            8
        }
    }

    const CLASS: [(u64, u64); 4] =
        [(0x1000, 0), (0x1008, 0x1100), (0x1100, 0x1200), (0x1108, 0x1300)];

    fn class(words: &[(u64, u64)], text: &[u8], first_word: u64) -> Option<String> {
        let mappings = parse::maps(MAPS.as_bytes()).unwrap();
        let made = Made(words, (0x1300, text));
        Types::new(&made, &mappings).class(first_word)
    }

    #[test]
    fn a_class_is_named_as_its_source_names_it() {
        assert_eq!(class(&CLASS, b"N3app4NodeE\0", 0x1010).as_deref(), Some("app::Node"));
        assert_eq!(class(&CLASS, b"*3Foo\0", 0x1010).as_deref(), Some("Foo"));
        let template = class(&CLASS, b"3BoxIiE\0", 0x1010);
        assert_eq!(template.as_deref(), Some("Box<int>"));
    }

    #[test]
    fn what_only_looks_like_a_table_names_nothing() {
        assert_eq!(class(&CLASS, b"no name\0", 0x1010), None);
        assert_eq!(class(&CLASS, b"N3appE", 0x1010), None);
        assert_eq!(class(&CLASS, b"3Foo\0", 0x1012), None);
        assert_eq!(class(&CLASS, b"3Foo\0", 0x9010), None);
        let far = [&[(0x1000, 1 << 40)][..], &CLASS[1..]].concat();
        assert_eq!(class(&far, b"3Foo\0", 0x1010), None);
        assert_eq!(class(&CLASS[..3], b"3Foo\0", 0x1010), None);
    }

    #[test]
    fn a_rust_table_must_fit_the_block_behind_its_reference() {
        let mappings = parse::maps(MAPS.as_bytes()).unwrap();
        let words = [(0x1010, 0x2000), (0x1018, 24), (0x1020, 8)];
        let made = Made(&words, (0, b""));
        let types = Types::new(&made, &mappings);
        let table = DynTable { drop_in_place: 0x2000, bytes: 24 };
        assert_eq!(types.dyn_table(0x1010, 24), Some(table));
        assert_eq!(types.dyn_table(0x1010, 16), None);
        assert_eq!(types.dyn_table(0x1018, 24), None);
    }

    #[test]
    fn the_type_is_read_out_of_the_function_that_drops_it() {
        assert_eq!(dropped_type("core::ptr::drop_in_place<app::Node>"), Some("app::Node"));
        assert_eq!(dropped_type("core::ptr::drop_in_place"), None);
    }
}
