//! Symbols of a module out of its file.
//!
//! Only the two tables and their strings are read. Refuses a file whose build id (or, without one,
//! whose inode) is not the module's, and tables above a bound.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::{FileExt, MetadataExt};

use object::LittleEndian as Le;
use object::elf::{
    FileHeader64, SHN_UNDEF, SHT_DYNSYM, SHT_SYMTAB, STT_TLS, SectionHeader64, Sym64,
};
use object::pod;

use super::{Image, Module, elf};
use crate::maps::Mapping;
use crate::target::Opened;

/// A symbol table of a browser has 60 MiB, its names 200 MiB.
const TABLE_BYTES_MAX: u64 = 512 << 20;
const SECTIONS_MAX: usize = 4096;
const HEAD_BYTES: usize = 4096;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Symbol {
    /// In the target; of a thread-local symbol the offset in its block.
    pub address: u64,
    pub bytes: u64,
    pub is_thread_local: bool,
}

/// None if the file cannot be read or is another one.
pub(super) fn each(
    module: &Module,
    opened: &Opened,
    visit: &mut dyn FnMut(&str, Symbol),
) -> Option<()> {
    let file = open(module, opened)?;
    let sections = sections(&file)?;
    for kind in [SHT_SYMTAB, SHT_DYNSYM] {
        let Some(table) = sections.iter().find(|section| section.sh_type.get(Le) == kind) else {
            continue;
        };
        let Some(strings) = sections.get(table.sh_link.get(Le) as usize) else { continue };
        let (Some(table), Some(strings)) = (contents(&file, table), contents(&file, strings))
        else {
            continue;
        };
        let count = table.len() / size_of::<Sym64<Le>>();
        let Ok((symbols, _)) = pod::slice_from_bytes::<Sym64<Le>>(&table, count) else { continue };
        for symbol in symbols {
            show(module, symbol, &strings, visit);
        }
    }
    Some(())
}

fn show(module: &Module, symbol: &Sym64<Le>, strings: &[u8], visit: &mut dyn FnMut(&str, Symbol)) {
    if symbol.st_shndx.get(Le) == SHN_UNDEF {
        return;
    }
    let name = strings.get(symbol.st_name.get(Le) as usize..).unwrap_or_default();
    let name = name.split(|&byte| byte == 0).next().unwrap_or_default();
    let Ok(name) = std::str::from_utf8(name) else { return };
    if name.is_empty() {
        return;
    }
    let is_thread_local = symbol.st_info & 0xf == STT_TLS;
    let bias = if is_thread_local { 0 } else { module.bias };
    let address = bias.wrapping_add(symbol.st_value.get(Le));
    visit(name, Symbol { address, bytes: symbol.st_size.get(Le), is_thread_local });
}

/// Where the section of that name is loaded.
pub(super) fn section(module: &Module, opened: &Opened, name: &str) -> Option<Range<u64>> {
    let section = named(&open(module, opened)?, name)?;
    let start = section.sh_addr.get(Le);
    let start = module.bias.wrapping_add(Some(start).filter(|&start| start != 0)?);
    Some(start..start.checked_add(section.sh_size.get(Le))?)
}

/// A section and its addresses in the file.
pub(super) fn section_contents(
    module: &Module,
    opened: &Opened,
    name: &str,
    bytes_max: u64,
) -> Option<(Range<u64>, Vec<u8>)> {
    let file = open(module, opened)?;
    let section = named(&file, name)?;
    let start = section.sh_addr.get(Le);
    let bytes = Some(section.sh_size.get(Le)).filter(|&bytes| bytes <= bytes_max)?;
    Some((start..start.checked_add(bytes)?, contents(&file, &section)?))
}

fn named(file: &File, name: &str) -> Option<SectionHeader64<Le>> {
    let mut head = [0; size_of::<FileHeader64<Le>>()];
    file.read_exact_at(&mut head, 0).ok()?;
    let (header, _) = pod::from_bytes::<FileHeader64<Le>>(&head).ok()?;
    let sections = sections(file)?;
    let names = contents(file, sections.get(usize::from(header.e_shstrndx.get(Le)))?)?;
    let is_named = |section: &&SectionHeader64<Le>| {
        let rest = names.get(section.sh_name.get(Le) as usize..).unwrap_or_default();
        rest.split(|&byte| byte == 0).next() == Some(name.as_bytes())
    };
    sections.iter().find(is_named).copied()
}

/// The module's file, as the target sees it.
pub(super) fn open(module: &Module, opened: &Opened) -> Option<File> {
    let mapped = format!("map_files/{:x}-{:x}", module.first.start, module.first.end);
    let by_path = format!("root{}", module.path);
    let candidates = [Some(mapped), (!module.is_deleted).then_some(by_path)];
    candidates.into_iter().flatten().find_map(|name| {
        let file = opened.file(&name).ok()?;
        // A path may lead to a pipe or a device by now.
        let is_file = file.metadata().is_ok_and(|metadata| metadata.is_file());
        (is_file && is_same(module, &file)).then_some(file)
    })
}

/// All bytes of the module's file.
pub(super) fn whole(module: &Module, opened: &Opened, bytes_max: u64) -> Option<Vec<u8>> {
    let file = open(module, opened)?;
    let bytes = file.metadata().ok()?.len();
    let mut contents = vec![0; usize::try_from(bytes).ok().filter(|_| bytes <= bytes_max)?];
    file.read_exact_at(&mut contents, 0).ok()?;
    Some(contents)
}

/// The headers of the file behind `mapping`, which must be the one that is mapped: by `map_files`
/// it is, by its path if the inode agrees.
pub(super) fn image(opened: &Opened, mapping: &Mapping) -> Option<Image> {
    let mapped = format!("map_files/{:x}-{:x}", mapping.start, mapping.end);
    let by_path = || {
        let file = opened.file(&format!("root{}", mapping.name)).ok()?;
        let metadata = file.metadata().ok()?;
        let is_same = metadata.is_file() && metadata.ino() == mapping.inode;
        is_same.then_some(file)
    };
    headers(&opened.file(&mapped).ok().or_else(by_path)?)
}

fn headers(file: &File) -> Option<Image> {
    let mut head = vec![0; HEAD_BYTES];
    let count = file.read_at(&mut head, 0).ok()?;
    let (mut image, notes) = Image::parse(&head[..count])?;
    image.build_id = notes.iter().find_map(|note| {
        let mut bytes = vec![0; usize::try_from(note.file_bytes.min(HEAD_BYTES as u64)).ok()?];
        let count = file.read_at(&mut bytes, note.file_offset).ok()?;
        elf::build_id(&bytes[..count])
    });
    Some(image)
}

fn is_same(module: &Module, file: &File) -> bool {
    headers(file).is_some_and(|image| image.build_id == module.build_id)
}

fn sections(file: &File) -> Option<Vec<SectionHeader64<Le>>> {
    let mut head = [0; size_of::<FileHeader64<Le>>()];
    file.read_exact_at(&mut head, 0).ok()?;
    let (header, _) = pod::from_bytes::<FileHeader64<Le>>(&head).ok()?;
    let count = usize::from(header.e_shnum.get(Le)).min(SECTIONS_MAX);
    let mut bytes = vec![0; count * size_of::<SectionHeader64<Le>>()];
    file.read_exact_at(&mut bytes, header.e_shoff.get(Le)).ok()?;
    let (sections, _) = pod::slice_from_bytes::<SectionHeader64<Le>>(&bytes, count).ok()?;
    Some(sections.to_vec())
}

fn contents(file: &File, section: &SectionHeader64<Le>) -> Option<Vec<u8>> {
    let (offset, bytes) = (section.sh_offset.get(Le), section.sh_size.get(Le));
    let end = offset.checked_add(bytes)?;
    if bytes > TABLE_BYTES_MAX || end > file.metadata().ok()?.len() {
        return None;
    }
    let mut contents = vec![0; usize::try_from(bytes).ok()?];
    file.read_exact_at(&mut contents, offset).ok()?;
    Some(contents)
}
