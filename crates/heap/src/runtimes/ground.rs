//! What all readers of runtimes stand on: the scene, and of each module those symbols that tell
//! which allocator or runtime it holds. Every symbol table is gone through once.

use super::detect;
use crate::maps;
use crate::memory::Memory;
use crate::modules::{Module, Symbol};
use crate::scene::Scene;
use std::collections::BTreeMap;
use std::ops::Range;

/// Symbols that readers ask for, beside those that detection rests on.
const NAMES: [&str; 8] = [
    "Py_Version",
    "_rjem_mallctl",
    "mallctl",
    "runtime.MemProfileRate",
    "runtime.buildVersion",
    "runtime.class_to_size",
    "runtime.mbuckets",
    "runtime.memstats",
];

/// jemalloc's own names carry a prefix.
const ENDINGS: [&str; 2] = ["je_arenas", "je_mallctl"];

/// A module and what its symbols tell.
#[derive(Debug)]
pub struct Image<'a> {
    pub module: &'a Module,
    symbols: BTreeMap<String, Symbol>,
}

impl Image<'_> {
    #[must_use]
    pub fn at(&self, name: &str) -> Option<u64> {
        self.symbols.get(name).map(|symbol| symbol.address)
    }

    /// The first symbol of `names` that the module defines.
    #[must_use]
    pub fn any<'n>(&self, names: &[&'n str]) -> Option<&'n str> {
        names.iter().copied().find(|name| self.symbols.contains_key(*name))
    }

    #[must_use]
    pub fn ending(&self, ending: &str) -> Option<(&str, u64)> {
        let found = self.symbols.iter().find(|(name, _)| name.ends_with(ending));
        found.map(|(name, symbol)| (name.as_str(), symbol.address))
    }
}

/// See the module.
#[expect(missing_debug_implementations, reason = "the scene has none")]
pub struct Ground<'a> {
    pub scene: &'a Scene<'a>,
    pub images: Vec<Image<'a>>,
}

impl<'a> Ground<'a> {
    #[must_use]
    pub fn new(scene: &'a Scene<'a>) -> Self {
        let image = |module: &'a Module| {
            let mut symbols = BTreeMap::new();
            module.each_symbol(scene.target, &mut |name, symbol| {
                let is_wanted = NAMES.contains(&name) || detect::is_sign(name);
                if is_wanted || ENDINGS.iter().any(|ending| name.ends_with(ending)) {
                    symbols.entry(name.to_owned()).or_insert(symbol);
                }
            });
            Image { module, symbols }
        };
        Self { scene, images: scene.modules.list.iter().map(image).collect() }
    }

    #[must_use]
    pub fn memory(&self) -> &'a dyn Memory {
        self.scene.memory
    }

    /// The program itself.
    #[must_use]
    pub fn program(&self) -> Option<&Image<'a>> {
        let exe = self.scene.exe.map(|exe| exe.strip_suffix(" (deleted)").unwrap_or(exe));
        let path = &self.scene.modules.program(exe)?.path;
        self.images.iter().find(|image| image.module.path == *path)
    }

    #[must_use]
    pub fn is_program(&self, image: &Image<'_>) -> bool {
        self.program().is_some_and(|program| program.module.range == image.module.range)
    }

    /// The first module with a symbol of that name.
    #[must_use]
    pub fn with(&self, name: &str) -> Option<&Image<'a>> {
        self.images.iter().find(|image| image.at(name).is_some())
    }

    #[must_use]
    pub fn section(&self, image: &Image<'_>, name: &str) -> Option<Range<u64>> {
        image.module.section(self.scene.target, name)
    }

    /// Whether the target can write at `address`.
    #[must_use]
    pub fn is_writable(&self, address: u64) -> bool {
        maps::holding(self.scene.mappings, address).is_some_and(|mapping| mapping.writable)
    }
}

/// Offers each word of a module's writable memory with its address, up to `bytes_max`, until one is
/// taken.
pub fn find_word<T>(
    memory: &dyn Memory,
    image: &Image<'_>,
    bytes_max: u64,
    mut take: impl FnMut(u64, u64) -> Option<T>,
) -> Option<T> {
    let mut window = vec![0; 64 << 10];
    let mut left = bytes_max;
    for range in &image.module.writable {
        let mut at = range.start.next_multiple_of(8);
        while at < range.end && left > 0 {
            let want = (range.end - at).min(window.len() as u64) as usize;
            let count = memory.read(at, &mut window[..want]);
            for (index, word) in window[..count].as_chunks::<8>().0.iter().enumerate() {
                if let Some(taken) = take(at + index as u64 * 8, u64::from_le_bytes(*word)) {
                    return Some(taken);
                }
            }
            left = left.saturating_sub(want as u64);
            at += want as u64;
        }
    }
    None
}
