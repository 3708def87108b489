//! Compiles `tests/programs` with the compilers that this machine has.

use crate::live::roster::Source;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where Debian puts the allocators that are preloaded, and the packages they come from.
pub const ALLOCATORS: [(&str, &str); 2] =
    [("libjemalloc.so.2", "libjemalloc2"), ("libtcmalloc_minimal.so.4", "libtcmalloc-minimal4")];

/// What was compiled, and where.
#[derive(Debug)]
pub struct Workshop {
    dir: tempfile::TempDir,
    /// The directory of the workspace's own binaries.
    binaries: PathBuf,
}

impl Workshop {
    /// Compiles everything in `sources`, each language once; Rust programs are taken as cargo built
    /// them, out of `binaries`.
    ///
    /// # Errors
    /// What is missing, or what a compiler said.
    pub fn build(sources: &[Source], binaries: &Path) -> Result<Self, String> {
        let dir = tempfile::tempdir().map_err(|e| e.to_string())?;
        let workshop = Self { dir, binaries: binaries.to_owned() };
        let mut sources = sources.to_vec();
        sources.sort_unstable();
        sources.dedup();
        for source in sources {
            workshop.compile(source)?;
        }
        Ok(workshop)
    }

    fn compile(&self, source: Source) -> Result<(), String> {
        let out = self.dir.path();
        match source {
            Source::C(name) => {
                // No builtin: a block whose address nobody keeps must be taken all the same.
                let mut cc = Command::new("cc");
                cc.args(["-O2", "-fno-builtin", "-Wall", "-Wextra", "-Werror", "-o"]);
                cc.arg(out.join(format!("{name}-c")));
                compiled(cc.arg(file(&format!("{name}.c"))).arg("-lm"))
            }
            Source::Java(name) => compiled(
                Command::new("javac").arg("-d").arg(out).arg(file(&format!("{name}.java"))),
            ),
            Source::Go(name) => {
                let mut go = Command::new("go");
                go.env("GO111MODULE", "off").env("GOCACHE", out.join("go-cache"));
                go.args(["build", "-o"]).arg(out.join(format!("{name}-go")));
                compiled(go.arg(file(&format!("{name}.go"))))
            }
            Source::Rust(name) if !self.binaries.join(name).exists() => {
                Err(format!("{name} is not built: run `cargo build --workspace`"))
            }
            Source::Python(_) if !Path::new(PYTHON).exists() => {
                Err(format!("{PYTHON} is not there: apt-get install python3"))
            }
            Source::Rust(_) | Source::Python(_) => Ok(()),
        }
    }

    /// The program and the words that start it, before its own arguments.
    #[must_use]
    pub fn start(&self, source: Source, flags: &[&str]) -> Vec<PathBuf> {
        let out = self.dir.path();
        let mut words: Vec<PathBuf> = Vec::new();
        match source {
            Source::C(name) => words.push(out.join(format!("{name}-c"))),
            Source::Go(name) => words.push(out.join(format!("{name}-go"))),
            Source::Rust(name) => words.push(self.binaries.join(name)),
            Source::Python(name) => words.extend([PYTHON.into(), file(&format!("{name}.py"))]),
            Source::Java(name) => {
                words.push("java".into());
                words.extend(flags.iter().map(PathBuf::from));
                words.extend(["-cp".into(), out.to_owned(), name.into()]);
            }
        }
        words
    }
}

/// Debian's own: what else is called `python3` may be a shell script that starts the real one.
const PYTHON: &str = "/usr/bin/python3";

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("programs").join(name)
}

fn compiled(command: &mut Command) -> Result<(), String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|e| format!("{name}: {e}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(()) } else { Err(format!("{name}: {said}")) }
}

/// The path of a preloaded allocator.
///
/// # Errors
/// Which package has it.
pub fn allocator(library: &str) -> Result<PathBuf, String> {
    let folders = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64"];
    let paths = folders.map(|folder| Path::new(folder).join(library));
    paths.into_iter().find(|path| path.exists()).ok_or_else(|| {
        let package = ALLOCATORS.iter().find(|(name, _)| *name == library);
        format!("{library} is not there: apt-get install {}", package.map_or("?", |(_, p)| p))
    })
}
