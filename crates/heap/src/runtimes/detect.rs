//! Who is there: by libraries that are mapped, by symbols, by the name of the program.
//!
//! Each claim says what it rests on and how sure it is. A library that is mapped under an
//! allocator's name replaces malloc, and so does one that is linked into the program.

use super::go;
use super::ground::{Ground, Image};

/// Something whose presence was recognised.
#[derive(Clone, Debug, PartialEq)]
pub struct Known {
    pub name: &'static str,
    pub by: String,
    pub confidence: f64,
}

/// Why a module is looked at more closely, and whether that alone is enough to name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hint {
    pub what: String,
    pub is_sure: bool,
}

/// How something is recognised: its library, its symbols, its program.
struct Sign {
    name: &'static str,
    libraries: &'static [&'static str],
    symbols: &'static [&'static str],
    programs: &'static [&'static str],
}

const RUNTIMES: [Sign; 6] = [
    Sign { name: "jvm", libraries: &["libjvm.so"], symbols: &["JNI_CreateJavaVM"], programs: &[] },
    Sign { name: "cpython", libraries: &[], symbols: &["_PyRuntime"], programs: &[] },
    Sign {
        name: "dotnet",
        libraries: &["libcoreclr.so"],
        symbols: &["coreclr_initialize", "DotNetRuntimeDebugHeader"],
        programs: &[],
    },
    Sign {
        name: "node",
        libraries: &["libnode.so"],
        symbols: &["node_module_register"],
        programs: &["node", "nodejs"],
    },
    Sign { name: "ruby", libraries: &["libruby"], symbols: &["ruby_init"], programs: &["ruby"] },
    Sign {
        name: "beam",
        libraries: &[],
        symbols: &["erts_sys_misc_mem_sz"],
        programs: &["beam.smp"],
    },
];

const ALLOCATORS: [Sign; 6] = [
    Sign {
        name: "tcmalloc",
        libraries: &["libtcmalloc"],
        symbols: &["tc_malloc", "MallocExtension_GetNumericProperty", "TCMallocInternalMalloc"],
        programs: &[],
    },
    Sign { name: "mimalloc", libraries: &["libmimalloc"], symbols: &["mi_malloc"], programs: &[] },
    Sign {
        name: "scudo",
        libraries: &["libscudo", "libclang_rt.scudo"],
        symbols: &["__scudo_print_stats", "scudo_malloc"],
        programs: &[],
    },
    Sign {
        name: "musl",
        libraries: &["ld-musl-", "libc.musl-"],
        // The second is of the library under whatever name, the third of static programs, the
        // last of those from before 1.2.1.
        symbols: &["__malloc_donate", "__dls3", "__malloc_alloc_meta", "__bin_chunk"],
        programs: &[],
    },
    Sign {
        name: "snmalloc",
        libraries: &["libsnmalloc"],
        symbols: &["snmalloc_malloc"],
        programs: &[],
    },
    Sign {
        name: "hardened_malloc",
        libraries: &["libhardened_malloc"],
        symbols: &[],
        programs: &[],
    },
];

/// Names of symbols that some sign rests on.
pub(super) fn is_sign(symbol: &str) -> bool {
    let mut all = RUNTIMES.iter().chain(&ALLOCATORS);
    all.any(|sign| sign.symbols.contains(&symbol))
}

/// The runtimes of a process. More than one is possible: a JVM may load CPython.
#[must_use]
pub fn runtimes(ground: &Ground<'_>) -> Vec<Known> {
    let mut found: Vec<Known> =
        RUNTIMES.iter().filter_map(|sign| recognised(ground, sign)).collect();
    if let Some(by) = ground.program().and_then(|program| go::mark(ground, program)) {
        found.insert(0, Known { name: "go", by, confidence: 1.0 });
    }
    found
}

/// The allocators that are there but cannot be read from outside.
#[must_use]
pub fn allocators(ground: &Ground<'_>) -> Vec<Known> {
    let found = ALLOCATORS.iter().filter_map(|sign| recognised(ground, sign));
    // CPython from 3.13 on has a mimalloc of its own inside, off unless built without the GIL.
    let inside = |known: &Known| known.name == "mimalloc" && ground.with("_PyRuntime").is_some();
    found.filter(|known| !inside(known) || known.by.starts_with("library")).collect()
}

fn recognised(ground: &Ground<'_>, sign: &Sign) -> Option<Known> {
    let known = |by: String, confidence| Some(Known { name: sign.name, by, confidence });
    for image in &ground.images {
        let name = image.module.name();
        if sign.libraries.iter().any(|library| name.starts_with(library)) {
            return known(format!("library {name} is mapped"), 1.0);
        }
        if let Some(symbol) = image.any(sign.symbols) {
            // A library may have one inside for itself.
            let confidence = if ground.is_program(image) { 1.0 } else { 0.9 };
            return known(format!("symbol {symbol} in {name}"), confidence);
        }
    }
    let name = ground.program()?.module.name();
    if sign.programs.contains(&name) {
        return known(format!("the program is called {name}"), 0.6);
    }
    None
}

/// Why there may be a jemalloc in the module; None for those not worth the search.
#[must_use]
pub fn may_hold_jemalloc(ground: &Ground<'_>, image: &Image<'_>) -> Option<Hint> {
    let name = image.module.name();
    if name.starts_with("libjemalloc") {
        return Some(Hint { what: format!("library {name} is mapped"), is_sure: true });
    }
    let symbol = image.ending("je_arenas").or_else(|| image.ending("je_mallctl"));
    let symbol = symbol.map(|(symbol, _)| symbol);
    if let Some(symbol) = symbol.or_else(|| image.any(&["mallctl", "_rjem_mallctl"])) {
        return Some(Hint { what: format!("symbol {symbol} in {name}"), is_sure: true });
    }
    // A stripped program may have one linked all the same.
    let what = || format!("no symbol, but the form of {name}'s data");
    ground.is_program(image).then(|| Hint { what: what(), is_sure: false })
}
