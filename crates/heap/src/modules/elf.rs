//! ELF headers out of memory: program headers and the build id.
//!
//! Source: elf(5); build ids are notes of type NT_GNU_BUILD_ID named "GNU". Reads only headers, a
//! bounded number of them, and believes no length in them.

use std::ops::Range;

use object::LittleEndian as Le;
use object::elf::{
    EM_AARCH64, EM_X86_64, ET_EXEC, FileHeader64, NT_GNU_BUILD_ID, PF_W, PF_X, PT_LOAD, PT_NOTE,
    PT_TLS, ProgramHeader64,
};
use object::pod;

use crate::memory::Memory;

const HEADER_BYTES: usize = size_of::<FileHeader64<Le>>();
const PROGRAM_HEADERS_MAX: usize = 64;
const NOTES_BYTES_MAX: u64 = 4096;
const PAGE: u64 = 4096;

/// What the loader knew of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    pub is_at_fixed_address: bool,
    pub loads: Vec<Load>,
    /// Of thread-local variables, with alignment.
    pub tls_bytes: u64,
    /// Lower-case hexadecimal.
    pub build_id: Option<String>,
}

/// A segment that is loaded, at addresses of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    pub address: u64,
    pub bytes: u64,
    pub file_offset: u64,
    pub file_bytes: u64,
    pub writable: bool,
    pub executable: bool,
}

impl Image {
    /// Reads what is loaded at `base`. None for what is no 64-bit little-endian ELF file of a known
    /// machine.
    #[must_use]
    pub fn read<M: Memory + ?Sized>(memory: &M, base: u64) -> Option<Self> {
        let mut bytes = vec![0; PAGE as usize];
        let count = memory.read(base, &mut bytes);
        bytes.truncate(count);
        let (mut image, notes) = Self::parse(&bytes)?;
        let bias = image.bias(base);
        image.build_id = notes.iter().find_map(|note| {
            let mut bytes = vec![0; usize::try_from(note.bytes.min(NOTES_BYTES_MAX)).ok()?];
            let count = memory.read(bias.wrapping_add(note.address), &mut bytes);
            build_id(&bytes[..count])
        });
        Some(image)
    }

    /// Parses the beginning of a file; also returns where its notes are.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<(Self, Vec<Load>)> {
        let (header, _) = pod::from_bytes::<FileHeader64<Le>>(bytes).ok()?;
        let ident = &header.e_ident;
        let known = matches!(header.e_machine.get(Le), EM_X86_64 | EM_AARCH64);
        if &ident.magic != b"\x7fELF" || ident.class != 2 || ident.data != 1 || !known {
            return None;
        }
        let offset = usize::try_from(header.e_phoff.get(Le)).ok()?;
        let count = usize::from(header.e_phnum.get(Le)).min(PROGRAM_HEADERS_MAX);
        let entries = bytes.get(offset.max(HEADER_BYTES)..)?;
        let whole = entries.len() / size_of::<ProgramHeader64<Le>>();
        let (headers, _) =
            pod::slice_from_bytes::<ProgramHeader64<Le>>(entries, count.min(whole)).ok()?;
        let of_kind = |kind| {
            headers
                .iter()
                .filter(move |header| header.p_type.get(Le) == kind)
                .map(Load::of)
                .collect()
        };
        let tls = headers.iter().filter(|header| header.p_type.get(Le) == PT_TLS);
        let tls = tls.map(|header| header.p_memsz.get(Le).saturating_add(header.p_align.get(Le)));
        let image = Self {
            tls_bytes: tls.fold(0, u64::saturating_add),
            is_at_fixed_address: header.e_type.get(Le) == ET_EXEC,
            loads: of_kind(PT_LOAD),
            build_id: None,
        };
        Some((image, of_kind(PT_NOTE)))
    }

    /// What is added to its addresses when its first byte is at `base`.
    #[must_use]
    pub fn bias(&self, base: u64) -> u64 {
        let first = self.loads.iter().find(|load| load.file_offset == 0);
        match first.or(self.loads.first()) {
            Some(_) if self.is_at_fixed_address => 0,
            Some(load) => base.wrapping_sub(load.address.wrapping_sub(load.file_offset)),
            None => base,
        }
    }

    /// From the first to the last byte that is loaded.
    #[must_use]
    pub fn loaded(&self, bias: u64) -> Option<Range<u64>> {
        let ranges = || self.loads.iter().filter_map(|load| load.at(bias));
        let start = ranges().map(|range| range.start).min()?;
        Some(start..ranges().map(|range| range.end).max()?)
    }

    /// The segments that can be written, or else those that can be executed.
    #[must_use]
    pub fn segments(&self, bias: u64, writable: bool) -> Vec<Range<u64>> {
        let wanted = |load: &&Load| if writable { load.writable } else { load.executable };
        self.loads.iter().filter(wanted).filter_map(|load| load.at(bias)).collect()
    }
}

impl Load {
    fn of(header: &ProgramHeader64<Le>) -> Self {
        let flags = header.p_flags.get(Le);
        Self {
            address: header.p_vaddr.get(Le),
            bytes: header.p_memsz.get(Le),
            file_offset: header.p_offset.get(Le),
            file_bytes: header.p_filesz.get(Le),
            writable: flags & PF_W != 0,
            executable: flags & PF_X != 0,
        }
    }

    fn at(&self, bias: u64) -> Option<Range<u64>> {
        let start = bias.wrapping_add(self.address);
        let end = start.checked_add(self.bytes)?;
        (start < end).then_some(start..end)
    }
}

/// The build id among the notes in `bytes`.
#[must_use]
pub fn build_id(mut bytes: &[u8]) -> Option<String> {
    let word =
        |bytes: &[u8], at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    let padded = |length: u32| Some(usize::try_from(length).ok()?.checked_add(3)? & !3);
    loop {
        let (name, value) = (word(bytes, 0)?, word(bytes, 4)?);
        let after_name = 12_usize.checked_add(padded(name)?)?;
        if word(bytes, 8)? == NT_GNU_BUILD_ID && bytes.get(12..after_name)? == b"GNU\0" {
            let id =
                bytes.get(after_name..after_name.checked_add(usize::try_from(value).ok()?)?)?;
            return Some(id.iter().map(|byte| format!("{byte:02x}")).collect());
        }
        bytes = bytes.get(after_name.checked_add(padded(value)?)?..)?;
    }
}
