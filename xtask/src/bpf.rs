//! `cargo xtask bpf [--check]`: compiles the BPF programs, or holds the checked-in objects to their
//! sources, byte for byte.
//!
//! One version of the compiler, so that the same source gives the same bytes; no path of this
//! machine goes into an object, and no header from outside the folder.

use crate::Outcome;
use crate::run::{run, top};
use crate::tools::{FOR_BPF, install};
use std::path::{Path, PathBuf};
use std::process::Command;

const PROGRAMS: &str = "crates/bpf/programs";
const CLANG: &str = "clang-14";
const STRIP: &str = "llvm-strip-14";
/// BTF and CO-RE need `-g`; instructions up to the third set, which Linux 5.1 knows.
const FLAGS: &[&str] = &[
    "-target",
    "bpf",
    "-mcpu=v3",
    "-O2",
    "-g",
    "-nostdinc",
    "-Wall",
    "-Wextra",
    "-Werror",
    "-fdebug-compilation-dir=.",
];

pub fn bpf(is_check: bool) -> Outcome {
    install(FOR_BPF)?;
    let programs = top().join(PROGRAMS);
    let built = top().join("target/bpf");
    std::fs::create_dir_all(&built).map_err(|e| format!("{}: {e}", built.display()))?;
    let sources = sources(&programs)?;
    let mut stale = Vec::new();
    for name in &sources {
        let object = built.join(format!("{name}.o"));
        compile(&programs, name, &object)?;
        let kept = programs.join(format!("{name}.o"));
        let (new, old) = (std::fs::read(&object), std::fs::read(&kept));
        if matches!((new, old), (Ok(new), Ok(old)) if new == old) {
            continue;
        }
        if is_check {
            stale.push(format!("{PROGRAMS}/{name}.o is not what {name}.c compiles to"));
        } else {
            std::fs::copy(&object, &kept).map_err(|e| format!("{}: {e}", kept.display()))?;
            println!("wrote {PROGRAMS}/{name}.o");
        }
    }
    println!("{} BPF objects, {} of them stale", sources.len(), stale.len());
    if stale.is_empty() {
        Ok(())
    } else {
        Err(format!("{}; run `cargo xtask bpf` and commit", stale.join("\n")))
    }
}

/// `NAME.bpf` of each `NAME.bpf.c`, in order.
fn sources(programs: &Path) -> Result<Vec<String>, String> {
    let entries = std::fs::read_dir(programs).map_err(|e| format!("{PROGRAMS}: {e}"))?;
    let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<String> =
        names.filter_map(|name| Some(name.strip_suffix(".bpf.c")?.to_owned() + ".bpf")).collect();
    names.sort();
    if names.is_empty() { Err(format!("{PROGRAMS} holds no program")) } else { Ok(names) }
}

/// Compiles in the programs' folder by a relative path, and keeps BTF but no DWARF.
fn compile(programs: &Path, name: &str, object: &PathBuf) -> Outcome {
    let mut clang = Command::new(CLANG);
    clang.args(FLAGS).args(["-c", &format!("{name}.c"), "-o"]).arg(object).current_dir(programs);
    // Neither a user's flags nor a build's date.
    clang.env_remove("CPATH").env_remove("C_INCLUDE_PATH").env_remove("CCC_OVERRIDE_OPTIONS");
    run(clang)?;
    let mut strip = Command::new(STRIP);
    strip.arg("-g").arg(object);
    run(strip)
}
