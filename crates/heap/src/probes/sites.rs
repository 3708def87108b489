//! Where the functions of malloc are, in the file that the target has mapped.

use std::fs::File;
use std::os::unix::fs::FileExt as _;

use plimsoll_bpf::{Function, Site};

use super::entry;
use crate::maps::Mapping;
use crate::modules::{Module, Modules};
use crate::target::Opened;

/// Of a function's code, so much is looked at.
const CODE_BYTES: usize = 48;
const FUNCTIONS: [(&str, Function); 7] = [
    ("malloc", Function::Malloc),
    ("free", Function::Free),
    ("calloc", Function::Calloc),
    ("realloc", Function::Realloc),
    ("aligned_alloc", Function::Aligned),
    ("memalign", Function::Aligned),
    ("posix_memalign", Function::PosixMemalign),
];

/// A file and where in it traps are set.
#[derive(Debug)]
pub struct Sites {
    pub file: File,
    pub list: Vec<Site>,
    /// Some are at instructions that the kernel has to step over, which is slow.
    pub are_slow: bool,
}

/// Finds malloc and its like in the target's own C library; in the program itself where that has
/// none. The error says what is missing.
pub fn find(opened: &Opened, mappings: &[Mapping], modules: &Modules) -> Result<Sites, String> {
    let libc = modules.list.iter().find(|module| module.is_libc());
    let program = || modules.program(opened.link("exe").as_deref());
    let module = libc.or_else(program).ok_or("neither its C library nor its program was found")?;
    let file = module.file(opened).ok_or_else(|| format!("{} cannot be read", module.path))?;
    let (list, are_slow) = in_file(opened, mappings, module, &file);
    let has = |wanted| list.iter().any(|site| site.function == wanted);
    if has(Function::Malloc) && has(Function::Free) {
        return Ok(Sites { file, list, are_slow });
    }
    let name = module.name();
    Err(format!("{name} has no symbols for malloc and free (a stripped static program has none)"))
}

fn in_file(
    opened: &Opened,
    mappings: &[Mapping],
    module: &Module,
    file: &File,
) -> (Vec<Site>, bool) {
    let names = FUNCTIONS.map(|(name, _)| name);
    let (mut list, mut are_slow): (Vec<Site>, _) = (Vec::new(), false);
    for ((_, function), symbol) in FUNCTIONS.iter().zip(module.symbols(opened, &names)) {
        let start = symbol.and_then(|symbol| offset(mappings, symbol.address));
        let Some(start) = start else { continue };
        let mut code = [0; CODE_BYTES];
        let read = file.read_at(&mut code, start).unwrap_or(0);
        let into = entry::cheap_offset(&code[..read]);
        are_slow |= into == 0 && !entry::is_cheap(&code[..read]);
        let site = Site { function: *function, offset: start + into as u64 };
        // Two names of one function are one.
        if !list.iter().any(|known| known.offset == site.offset) {
            list.push(site);
        }
    }
    (list, are_slow)
}

/// Where in its file the code at `address` is.
fn offset(mappings: &[Mapping], address: u64) -> Option<u64> {
    let holding = mappings.iter().find(|mapping| mapping.range().contains(&address))?;
    let is_code = holding.executable && holding.inode != 0;
    is_code.then(|| address - holding.start + holding.offset)
}
