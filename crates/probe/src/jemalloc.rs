//! What jemalloc says of itself, by `mallctl`. An application whose allocator is another one has no
//! statistics, which is told.

use crate::answer::{Arenas, Heap, Profile, Stats};
use std::fs::{DirBuilder, File};
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use tikv_jemalloc_ctl::{Access, AsName, arenas, epoch, stats};

/// A profile of a large program with deep stacks is a few MiB.
const PROFILE_BYTES_MAX: u64 = 16 << 20;

/// # Errors
/// What jemalloc said, in one sentence.
pub fn stats() -> Result<Stats, String> {
    let failed = |error: tikv_jemalloc_ctl::Error| format!("jemalloc: {error}");
    // Without a new epoch jemalloc reports the figures of the last one.
    epoch::advance().map_err(failed)?;
    let bytes = |read: tikv_jemalloc_ctl::Result<usize>| read.map(|n| n as u64).map_err(failed);
    let heap = Heap {
        allocated_bytes: bytes(stats::allocated::read())?,
        active_bytes: bytes(stats::active::read())?,
        metadata_bytes: bytes(stats::metadata::read())?,
        resident_bytes: bytes(stats::resident::read())?,
        mapped_bytes: bytes(stats::mapped::read())?,
        retained_bytes: bytes(stats::retained::read())?,
    };
    let said = tikv_jemalloc_ctl::version::read().map_err(failed)?;
    let version = said.trim_end_matches('\0').to_owned();
    let heap_profiling = match profiling() {
        Ok(()) => "on".to_owned(),
        Err(why) => why.to_owned(),
    };
    Ok(Stats { version, heap, arenas: together(), heap_profiling })
}

/// All arenas: 4096 is jemalloc's index for that.
fn together() -> Arenas {
    let bytes = |name: &'static [u8]| size(name).map(|n| n as u64);
    let page = bytes(b"arenas.page\0");
    let pages = |name: &'static [u8]| Some(bytes(name)?.saturating_mul(page?));
    Arenas {
        count: arenas::narenas::read().map_or(0, u64::from),
        small_bytes: bytes(b"stats.arenas.4096.small.allocated\0"),
        large_bytes: bytes(b"stats.arenas.4096.large.allocated\0"),
        dirty_bytes: pages(b"stats.arenas.4096.pdirty\0"),
        muzzy_bytes: pages(b"stats.arenas.4096.pmuzzy\0"),
    }
}

fn size(name: &'static [u8]) -> Option<usize> {
    name.name().read().ok()
}

fn flag(name: &'static [u8]) -> bool {
    name.name().read().unwrap_or(false)
}

/// Whether profiles can be had; if not, what would have to be otherwise.
fn profiling() -> Result<(), &'static str> {
    if !flag(b"config.prof\0") {
        return Err("off: this jemalloc is built without heap profiling (feature profiling)");
    }
    if !flag(b"opt.prof\0") {
        return Err("off: the program was started without prof:true in MALLOC_CONF");
    }
    Ok(())
}

/// The heap profile as of now. jemalloc writes it into a file, which is below `dir`, readable by
/// this user alone, and gone when this returns.
///
/// # Errors
/// Why there is none, in one sentence.
pub fn profile(dir: &Path) -> Result<Profile, String> {
    profiling()?;
    let (folder, path) = dump_path(dir);
    let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            return Err(failed(error));
        }
        _ => {}
    }
    let dumped = b"prof.dump\0".as_slice().name().write(path);
    let read = dumped.map_err(|error| format!("jemalloc: prof.dump: {error}")).and_then(|()| {
        let mut text = String::new();
        let file = File::open(folder.join(DUMP)).map_err(failed)?;
        file.take(PROFILE_BYTES_MAX + 1).read_to_string(&mut text).map_err(failed)?;
        if text.len() as u64 > PROFILE_BYTES_MAX {
            return Err(format!("the profile is larger than {PROFILE_BYTES_MAX} bytes"));
        }
        Ok(Profile { format: "heap_v2".to_owned(), text })
    });
    // What cannot be removed is written over by the next.
    let _ = std::fs::remove_file(folder.join(DUMP));
    let _ = std::fs::remove_dir(folder);
    read
}

const DUMP: &str = "heap";

/// The folder, and the path that jemalloc is handed: it wants one that lives as long as the program.
fn dump_path(dir: &Path) -> (&'static Path, &'static [u8]) {
    static PATH: OnceLock<(PathBuf, Vec<u8>)> = OnceLock::new();
    let (folder, path) = PATH.get_or_init(|| {
        let folder = dir.join(format!("{}.profile", std::process::id()));
        let mut path = folder.join(DUMP).as_os_str().as_bytes().to_vec();
        path.push(0);
        (folder, path)
    });
    (folder, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[global_allocator]
    static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

    #[test]
    fn what_is_allocated_is_counted_and_adds_up() {
        let kept = vec![1_u8; 8 << 20];
        let stats = stats().unwrap();
        assert!(stats.heap.allocated_bytes >= 8 << 20, "{stats:?}");
        assert!(stats.heap.active_bytes >= stats.heap.allocated_bytes);
        let parts = stats.arenas.small_bytes.unwrap() + stats.arenas.large_bytes.unwrap();
        assert_eq!(parts, stats.heap.allocated_bytes, "{stats:?}");
        assert!(stats.version.starts_with("5."), "{stats:?}");
        drop(kept);
    }

    #[test]
    fn without_profiling_it_says_what_is_missing() {
        let dir = tempfile::tempdir().unwrap();
        let why = profile(dir.path()).unwrap_err();
        assert!(why.starts_with("off: "), "{why}");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
