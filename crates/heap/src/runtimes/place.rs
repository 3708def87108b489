//! Where a process's modules lie and what their files say: the ground that the runtimes' readers
//! stand on.
//!
//! Mappings come from `/proc/PID/maps`, files through `/proc/PID/root` as the target sees them, so
//! that a container's own libraries are read and not the host's of the same name.

use super::elf::{Elf, Symbol};
use crate::memory::Memory;
use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

/// A process may map more; what comes after is not looked at, and that is told.
pub const MAPPINGS_MAX: usize = 200_000;

/// One line of `/proc/PID/maps`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Span {
    pub start: u64,
    pub end: u64,
    pub writable: bool,
    pub executable: bool,
    pub offset: u64,
    /// Empty for anonymous memory.
    pub path: String,
}

impl Span {
    #[must_use]
    pub fn len(&self) -> u64 {
        self.end.saturating_sub(self.start)
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Parses `/proc/PID/maps`. Lines that are not its form are left out.
#[must_use]
pub fn spans(maps: &str) -> Vec<Span> {
    maps.lines().take(MAPPINGS_MAX).filter_map(span).collect()
}

fn span(line: &str) -> Option<Span> {
    let mut words = line.splitn(6, ' ');
    let (start, end) = words.next()?.split_once('-')?;
    let access = words.next()?.as_bytes();
    let offset = words.next()?;
    let path = words.nth(2).unwrap_or_default().trim_start();
    let hex = |text| u64::from_str_radix(text, 16).ok();
    Some(Span {
        start: hex(start)?,
        end: hex(end)?,
        writable: access.get(1) == Some(&b'w'),
        executable: access.get(2) == Some(&b'x'),
        offset: hex(offset)?,
        path: path.strip_suffix(" (deleted)").unwrap_or(path).to_owned(),
    })
}

/// A module: an ELF file and where it is loaded.
#[derive(Debug)]
pub struct Image {
    /// As the target sees it.
    pub path: String,
    /// First and last address, its .bss included.
    pub start: u64,
    pub end: u64,
    /// Writable memory of the module: .data, .bss and what lies between.
    pub writable: Vec<(u64, u64)>,
    first_offset: u64,
    opened: OnceCell<Option<(File, Elf, u64)>>,
    file: PathBuf,
}

impl Image {
    #[must_use]
    pub fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }

    /// The file, its headers, and what is added to its addresses.
    pub fn opened(&self) -> Option<&(File, Elf, u64)> {
        let open = || {
            let file = File::open(&self.file).ok()?;
            // A device or a pipe of that name would block or never end.
            file.metadata().ok().filter(std::fs::Metadata::is_file)?;
            let elf = Elf::read(&file)?;
            let bias = elf.bias(self.start, self.first_offset)?;
            Some((file, elf, bias))
        };
        self.opened.get_or_init(open).as_ref()
    }

    /// Where the symbols are that `wanted` accepts, in the target's addresses.
    pub fn symbols(&self, wanted: impl FnMut(&str) -> bool) -> BTreeMap<String, Symbol> {
        let Some((file, elf, bias)) = self.opened() else { return BTreeMap::new() };
        let mut found = elf.symbols(file, wanted);
        for symbol in found.values_mut() {
            symbol.address = symbol.address.wrapping_add(*bias);
        }
        found
    }

    /// The symbols of those names.
    pub fn named(&self, names: &[&str]) -> BTreeMap<String, Symbol> {
        self.symbols(|name| names.contains(&name))
    }

    /// Address and length of a section that is loaded.
    pub fn section(&self, name: &str) -> Option<(u64, u64)> {
        let (_, elf, bias) = self.opened()?;
        let section = elf.section(name).filter(|section| section.address != 0)?;
        Some((section.address.wrapping_add(*bias), section.size))
    }
}

/// A process as the readers of runtimes are handed it.
#[derive(Debug)]
pub struct Place<'a, M: ?Sized> {
    pub memory: &'a M,
    pub pid: u32,
    /// `/proc/PID`.
    pub proc_dir: PathBuf,
    pub spans: Vec<Span>,
    pub images: Vec<Image>,
}

impl<'a, M: Memory + ?Sized> Place<'a, M> {
    /// What `maps` of the process under `proc_root` tells.
    #[must_use]
    pub fn new(memory: &'a M, pid: u32, proc_root: &Path) -> Self {
        let proc_dir = proc_root.join(pid.to_string());
        let maps = std::fs::read(proc_dir.join("maps")).unwrap_or_default();
        let spans = spans(&String::from_utf8_lossy(&maps));
        let images = images(&spans, &proc_dir);
        Self { memory, pid, proc_dir, spans, images }
    }

    /// The program itself.
    #[must_use]
    pub fn program(&self) -> Option<&Image> {
        let exe = std::fs::read_link(self.proc_dir.join("exe")).ok()?;
        let exe = exe.to_string_lossy();
        let exe = exe.strip_suffix(" (deleted)").unwrap_or(&exe);
        self.images.iter().find(|image| image.path == exe).or_else(|| self.images.first())
    }

    /// The mapping that an address lies in.
    #[must_use]
    pub fn span_of(&self, address: u64) -> Option<&Span> {
        let at = self.spans.partition_point(|span| span.end <= address);
        self.spans.get(at).filter(|span| span.start <= address)
    }

    /// A text that ends with NUL and has no control characters, of at most `max` bytes.
    pub fn text(&self, address: u64, max: usize) -> Option<String> {
        let mut bytes = vec![0; max];
        let count = self.memory.read(address, &mut bytes);
        let end = memchr::memchr(0, &bytes[..count])?;
        let text = std::str::from_utf8(&bytes[..end]).ok()?;
        (!text.chars().any(char::is_control)).then(|| text.to_owned())
    }
}

/// The modules among the mappings: runs of one file, and the anonymous memory right behind it.
fn images(spans: &[Span], proc_dir: &Path) -> Vec<Image> {
    let mut images: Vec<Image> = Vec::new();
    for span in spans {
        let joins = images.last_mut().filter(|last| {
            last.path == span.path || (span.path.is_empty() && last.end == span.start)
        });
        if let Some(last) = joins {
            last.end = span.end;
            if span.writable {
                last.writable.push((span.start, span.end));
            }
        } else if span.path.starts_with('/') {
            images.push(Image {
                path: span.path.clone(),
                start: span.start,
                end: span.end,
                writable: span.writable.then_some((span.start, span.end)).into_iter().collect(),
                first_offset: span.offset,
                opened: OnceCell::new(),
                file: file_of(span, proc_dir),
            });
        }
    }
    images
}

/// The file behind a mapping: by `map_files`, which holds also for one that was deleted or
/// replaced, else by its name inside the target's root.
fn file_of(span: &Span, proc_dir: &Path) -> PathBuf {
    let mapped = proc_dir.join(format!("map_files/{:x}-{:x}", span.start, span.end));
    if File::open(&mapped).is_ok() {
        return mapped;
    }
    proc_dir.join("root").join(span.path.trim_start_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Live;
    use crate::target::Target;

    #[test]
    fn a_line_of_maps_is_read_and_others_are_left_out() {
        let maps = "7f00-7fff rw-p 00001000 08:01 77  /opt/a b.so (deleted)\nnonsense\n";
        let found = spans(maps);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].path, "/opt/a b.so");
        assert!(found[0].writable && !found[0].executable);
        assert_eq!((found[0].start, found[0].offset), (0x7f00, 0x1000));
    }

    #[test]
    fn the_program_of_this_test_is_found_with_its_writable_memory() {
        static MARK: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(7);
        let pid = std::process::id();
        let live = Live::new(Target { pid, start_time: 0 });
        let place = Place::new(&live, pid, Path::new("/proc"));
        let program = place.program().unwrap();
        let mark = std::ptr::from_ref(&MARK) as u64;
        assert!(program.writable.iter().any(|&(start, end)| (start..end).contains(&mark)));
        assert!(place.span_of(mark).is_some_and(|span| span.writable));
        let symbols = program.symbols(|name| name.contains("MARK"));
        assert!(symbols.values().any(|symbol| symbol.address == mark), "{symbols:x?}");
    }
}
