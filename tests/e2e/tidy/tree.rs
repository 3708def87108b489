//! The files of this repository: those git tracks or would add, else those of the directory.

use std::path::{Path, PathBuf};
use std::process::Command;

/// What the walk passes over where there is no git: what is built or fetched.
const NOT_OURS: [&str; 6] = [".git", "artifacts", "corpus", "coverage", "node_modules", "target"];

/// One file.
#[derive(Clone, Debug)]
pub(super) struct File {
    /// From the repository's top, with `/`.
    pub path: String,
    /// Bytes that are not UTF-8 are replaced.
    pub text: String,
}

impl File {
    /// The lines, counted from 1.
    pub(super) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        (1..).zip(self.text.lines())
    }

    pub(super) fn is(&self, extension: &str) -> bool {
        Path::new(&self.path).extension().is_some_and(|own| own == extension)
    }

    pub(super) fn is_any(&self, extensions: &[&str]) -> bool {
        extensions.iter().any(|extension| self.is(extension))
    }

    /// Written here, not captured from a kernel or taken over from others.
    pub(super) fn is_ours(&self) -> bool {
        !self.path.split('/').any(|dir| matches!(dir, "fixtures" | "vendor"))
    }

    /// The module path below its crate: `["sources", "psi"]` for `agent/src/sources/psi.rs`.
    pub(super) fn module(&self) -> Vec<String> {
        let below = self.path.split_once("/src/").map_or(self.path.as_str(), |(_, below)| below);
        let below = below.strip_suffix(".rs").unwrap_or(below);
        below
            .split('/')
            .filter(|name| !matches!(*name, "lib" | "main"))
            .map(str::to_owned)
            .collect()
    }

    /// `file:line: what`, as compilers write it.
    pub(super) fn at(&self, line: usize, what: &str) -> String {
        format!("{}:{line}: {what}", self.path)
    }
}

/// All files, by path.
pub(super) fn files() -> Vec<File> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut paths = listed_by_git(&top).unwrap_or_else(|| walked(&top));
    paths.sort();
    let read = |path: String| {
        // A file may be gone from the directory and still be in git's index.
        let bytes = std::fs::read(top.join(&path)).ok()?;
        Some(File { path, text: String::from_utf8_lossy(&bytes).into_owned() })
    };
    paths.into_iter().filter_map(read).collect()
}

fn listed_by_git(top: &Path) -> Option<Vec<String>> {
    let list = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
    let listed = Command::new("git").current_dir(top).args(list).output().ok()?;
    let names = String::from_utf8(listed.stdout).ok()?;
    let paths: Vec<String> =
        names.split('\0').filter(|name| !name.is_empty()).map(str::to_owned).collect();
    (listed.status.success() && !paths.is_empty()).then_some(paths)
}

fn walked(top: &Path) -> Vec<String> {
    let mut paths = Vec::new();
    let mut dirs = vec![PathBuf::new()];
    while let Some(dir) = dirs.pop() {
        let entries = std::fs::read_dir(top.join(&dir)).expect("the directory can be read");
        for entry in entries.flatten() {
            let path = dir.join(entry.file_name());
            let is_dir = entry.file_type().is_ok_and(|kind| kind.is_dir());
            if !is_dir {
                paths.push(path.to_string_lossy().into_owned());
            } else if is_source(&path) || !NOT_OURS.iter().any(|name| path.ends_with(name)) {
                dirs.push(path);
            }
        }
    }
    paths
}

/// A module may have any name, `target` for instance.
fn is_source(path: &Path) -> bool {
    path.components().any(|part| part.as_os_str() == "src")
}

#[test]
fn a_directory_without_git_has_the_same_rust_files() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let Some(listed) = listed_by_git(&top) else {
        println!("skipped: there is no git to compare with");
        return;
    };
    let rust = |paths: Vec<String>| -> std::collections::BTreeSet<String> {
        let is_rust = |path: &String| path.ends_with(".rs") && top.join(path).exists();
        paths.into_iter().filter(is_rust).collect()
    };
    assert_eq!(rust(walked(&top)), rust(listed));
}
