//! Names of addresses: function, file and line, with the functions inlined there.
//!
//! By blazesym, from the symbols and the debug information of the target's own files. They are
//! copied first, within a bound: a file that is cut short while it is mapped would end this
//! process. Of larger ones the symbol table is read, without lines.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::os::fd::AsRawFd as _;

use blazesym::symbolize::source::{Elf, Source};
use blazesym::symbolize::{CodeInfo, Input, Symbolized, Symbolizer};
use rustix::fs::MemfdFlags;

use crate::modules::{Module, Modules};
use crate::names;
use crate::target::Opened;

/// A larger file is not copied.
const FILE_BYTES_MAX: u64 = 96 << 20;

/// The frames of each address, the innermost first; an address without a name is `module+0xoffset`.
pub fn named(opened: &Opened, modules: &Modules, addresses: &[u64]) -> BTreeMap<u64, Vec<String>> {
    let mut by_module: BTreeMap<Option<usize>, Vec<u64>> = BTreeMap::new();
    for &address in addresses {
        by_module.entry(modules.index_of(address)).or_default().push(address);
    }
    let mut names = BTreeMap::new();
    for (index, mut addresses) in by_module {
        addresses.sort_unstable();
        addresses.dedup();
        let Some(module) = index.and_then(|index| modules.list.get(index)) else {
            names.extend(addresses.iter().map(|&at| (at, vec![format!("{at:#x}")])));
            continue;
        };
        let known = by_debug_info(opened, module, &addresses)
            .unwrap_or_else(|| by_symbols(opened, module, &addresses));
        for (address, frames) in addresses.iter().zip(known) {
            let bare = || vec![format!("{}+{:#x}", module.name(), address - module.range.start)];
            names.insert(*address, if frames.is_empty() { bare() } else { frames });
        }
    }
    names
}

fn by_debug_info(opened: &Opened, module: &Module, addresses: &[u64]) -> Option<Vec<Vec<String>>> {
    let copy = copied(opened, module)?;
    let mut elf = Elf::new(format!("/proc/self/fd/{}", copy.as_raw_fd()));
    elf.debug_syms = true;
    let source = Source::Elf(elf);
    let symbolizer = Symbolizer::builder().enable_code_info(true).enable_inlined_fns(true).build();
    let in_file: Vec<u64> = addresses.iter().map(|at| at.wrapping_sub(module.bias)).collect();
    let symbols = symbolizer.symbolize(&source, Input::VirtOffset(&in_file)).ok()?;
    Some(symbols.iter().map(frames).collect())
}

fn frames(symbol: &Symbolized<'_>) -> Vec<String> {
    let Symbolized::Sym(symbol) = symbol else { return Vec::new() };
    let outer = frame(&symbol.name, symbol.code_info.as_deref());
    let inlined = symbol.inlined.iter().map(|it| frame(&it.name, it.code_info.as_ref()));
    let mut frames: Vec<String> = std::iter::once(outer).chain(inlined).collect();
    frames.reverse();
    frames
}

fn frame(name: &str, place: Option<&CodeInfo<'_>>) -> String {
    let name = names::demangled(name);
    let Some(place) = place else { return name };
    let file = place.file.to_string_lossy();
    match place.line {
        Some(line) => format!("{name} ({}:{line})", names::shown(&file)),
        None => format!("{name} ({})", names::shown(&file)),
    }
}

fn by_symbols(opened: &Opened, module: &Module, addresses: &[u64]) -> Vec<Vec<String>> {
    let covering = names::covering(opened, module, addresses);
    let of = |address: &u64| {
        let after = covering.partition_point(|named| named.start <= *address);
        let known = covering.get(after.checked_sub(1)?).filter(|named| *address < named.end)?;
        Some(known.name.clone())
    };
    addresses.iter().map(|address| of(address).into_iter().collect()).collect()
}

/// A copy that nobody else can change.
fn copied(opened: &Opened, module: &Module) -> Option<File> {
    let contents = module.contents(opened, FILE_BYTES_MAX)?;
    let copy = rustix::fs::memfd_create("symbols", MemfdFlags::CLOEXEC).ok()?;
    let mut copy = File::from(copy);
    copy.write_all(&contents).ok()?;
    Some(copy)
}
