//! The ELF files that a process has mapped: where they were loaded, what in them can be written,
//! their build ids, and symbols.
//!
//! Headers are read from the target's memory, or from the file where their page is not in RAM;
//! symbols from the file as the
//! target sees it (`map_files` or its own root), and only if its build id is the one in memory, so
//! that a replaced or wrong file gives no symbols rather than wrong ones.

use std::fs::File;
use std::ops::Range;

use crate::maps::{Mapping, read};
use crate::memory::Memory;
use crate::target::Opened;

mod elf;
mod symbols;

pub use elf::Image;
pub use symbols::Symbol;

/// More than any real process has; the rest is left out and told.
pub const MODULES_MAX: usize = 8192;

/// One file, loaded once.
#[derive(Clone, Debug)]
pub struct Module {
    /// As the target sees it.
    pub path: String,
    /// From the first to the last byte of its mappings.
    pub range: Range<u64>,
    /// What is added to the addresses in the file.
    pub bias: u64,
    /// Lower-case hexadecimal.
    pub build_id: Option<String>,
    /// What it can write, with what has no bytes in the file (.data, .bss).
    pub writable: Vec<Range<u64>>,
    /// What it can execute.
    pub executable: Vec<Range<u64>>,
    /// What each thread has of its variables, with alignment.
    pub tls_bytes: u64,
    /// The mapping that holds its ELF header.
    first: Range<u64>,
    is_deleted: bool,
}

impl Module {
    /// The last part of the path.
    #[must_use]
    pub fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }

    /// Whether it is the C library by its name.
    #[must_use]
    pub fn is_libc(&self) -> bool {
        let name = self.name();
        name.starts_with("libc.so") || name.starts_with("libc-2.")
    }

    /// The symbols called `names`, in their order, at their addresses in the target.
    #[must_use]
    pub fn symbols(&self, opened: &Opened, names: &[&str]) -> Vec<Option<Symbol>> {
        let mut found = vec![None; names.len()];
        self.each_symbol(opened, &mut |name, symbol| {
            if let Some(at) = names.iter().position(|wanted| *wanted == name) {
                found[at].get_or_insert(symbol);
            }
        });
        found
    }

    /// Where the section called `name` is loaded, if the file still names its sections.
    #[must_use]
    pub fn section(&self, opened: &Opened, name: &str) -> Option<Range<u64>> {
        symbols::section(self, opened, name)
    }

    /// Its file, if it is the one that is mapped.
    #[must_use]
    pub fn file(&self, opened: &Opened) -> Option<File> {
        symbols::open(self, opened)
    }

    /// A section of its file, if it is the one that is mapped, and its addresses there. None also
    /// for one that is larger than `bytes_max`.
    #[must_use]
    pub fn section_contents(
        &self,
        opened: &Opened,
        name: &str,
        bytes_max: u64,
    ) -> Option<(Range<u64>, Vec<u8>)> {
        symbols::section_contents(self, opened, name, bytes_max)
    }

    /// The file whole, if it is the one that is mapped and not larger than `bytes_max`.
    #[must_use]
    pub fn contents(&self, opened: &Opened, bytes_max: u64) -> Option<Vec<u8>> {
        symbols::whole(self, opened, bytes_max)
    }

    /// Every symbol that has an address, of the full table where the file has one, then of the
    /// dynamic one. False if the file cannot be read or is another one.
    pub fn each_symbol(&self, opened: &Opened, visit: &mut dyn FnMut(&str, Symbol)) -> bool {
        symbols::each(self, opened, visit).is_some()
    }
}

/// All modules, by address, and what was left out.
#[derive(Clone, Debug, Default)]
pub struct Modules {
    pub list: Vec<Module>,
    pub notes: Vec<String>,
}

impl Modules {
    /// Finds the modules in `mappings`: each begins where a file is mapped from its first byte
    /// and that byte begins an ELF header.
    #[must_use]
    pub fn find<M: Memory + ?Sized>(opened: &Opened, memory: &M, mappings: &[Mapping]) -> Self {
        let mut modules = Self::default();
        let mut rest = mappings;
        while let Some((first, after)) = rest.split_first() {
            rest = after;
            let is_file = first.inode != 0 && first.name.starts_with('/');
            if !is_file || first.offset != 0 || first.shared {
                continue;
            }
            let header = first.start..first.start + 1;
            let is_there = read::residency(opened, &[header])
                .is_none_or(|known| known.resident_bytes(&first.range()) > 0);
            // A page that is not in RAM would be brought there, with its neighbours.
            let from_file = || symbols::image(opened, first);
            let image = if is_there { None } else { from_file() };
            let image = image.or_else(|| elf::Image::read(memory, first.start));
            let Some(image) = image else { continue };
            if modules.list.len() == MODULES_MAX {
                modules.notes.push(format!("only the first {MODULES_MAX} modules were looked at"));
                break;
            }
            modules.list.push(module(first, after, &image));
        }
        modules
    }

    /// Where the data of a C library can be: what can be written of the libraries called libc,
    /// then of the program, then of all others. Pages that are not in RAM are left out: nothing
    /// was ever written to them, and a reading would bring them there.
    #[must_use]
    pub fn data(&self, opened: &Opened, exe: Option<&str>) -> Vec<Range<u64>> {
        let rank = |module: &&Module| match () {
            () if module.is_libc() => 0,
            () if Some(module.path.as_str()) == exe => 1,
            () => 2,
        };
        let mut ordered: Vec<&Module> = self.list.iter().collect();
        ordered.sort_by_key(rank);
        let ranges = ordered.iter().flat_map(|module| &module.writable);
        ranges
            .flat_map(|range| match read::residency(opened, std::slice::from_ref(range)) {
                Some(residency) => residency.present(range),
                None => Vec::from([range.clone()]),
            })
            .collect()
    }

    /// The module that holds `address`.
    #[must_use]
    pub fn holding(&self, address: u64) -> Option<&Module> {
        self.list.get(self.index_of(address)?)
    }

    /// Which of the list holds `address`.
    #[must_use]
    pub fn index_of(&self, address: u64) -> Option<usize> {
        let after = self.list.partition_point(|module| module.range.end <= address);
        let holds = |module: &Module| module.range.contains(&address);
        self.list.get(after).is_some_and(holds).then_some(after)
    }

    /// The program itself, which is the one that is not a library: the first by address in all but
    /// odd layouts, so its path is compared with the target's `exe`.
    #[must_use]
    pub fn program(&self, exe: Option<&str>) -> Option<&Module> {
        self.list.iter().find(|module| Some(module.path.as_str()) == exe)
    }
}

fn module(first: &Mapping, after: &[Mapping], image: &elf::Image) -> Module {
    let bias = image.bias(first.start);
    let range = image.loaded(bias).unwrap_or(first.range());
    let own = after.iter().take_while(|mapping| mapping.start < range.end);
    let end = own
        .filter(|mapping| mapping.inode == first.inode && mapping.device == first.device)
        .map(|mapping| mapping.end)
        .fold(range.end.max(first.end), u64::max);
    const DELETED: &str = " (deleted)";
    Module {
        path: first.name.strip_suffix(DELETED).unwrap_or(&first.name).to_owned(),
        range: first.start..end,
        bias,
        build_id: image.build_id.clone(),
        writable: image.segments(bias, true),
        executable: image.segments(bias, false),
        tls_bytes: image.tls_bytes,
        first: first.range(),
        is_deleted: first.name.ends_with(DELETED),
    }
}

#[cfg(test)]
mod tests;
