//! A directory in which a package or an image is laid out before it is packed.

use crate::Outcome;
use crate::run::command;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

#[derive(Debug)]
pub(super) struct Tree(PathBuf);

impl Tree {
    /// An empty one at `path`.
    pub(super) fn new(path: PathBuf) -> Result<Self, String> {
        if path.exists() {
            fs::remove_dir_all(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        }
        let tree = Self(path);
        tree.directory("")?;
        Ok(tree)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// `at` and what is above it, readable by all.
    fn directory(&self, at: &str) -> Outcome {
        let mut path = self.0.clone();
        for part in std::iter::once("").chain(at.split('/').filter(|part| !part.is_empty())) {
            path.push(part);
            if !path.exists() {
                fs::create_dir_all(&path)
                    .and_then(|()| fs::set_permissions(&path, fs::Permissions::from_mode(0o755)))
                    .map_err(|e| format!("{}: {e}", path.display()))?;
            }
        }
        Ok(())
    }

    pub(super) fn file(&self, at: &str, content: &[u8], mode: u32) -> Outcome {
        self.directory(at.rsplit_once('/').map_or("", |(above, _)| above))?;
        let path = self.0.join(at);
        fs::write(&path, content)
            .and_then(|()| fs::set_permissions(&path, fs::Permissions::from_mode(mode)))
            .map_err(|e| format!("{}: {e}", path.display()))
    }

    /// The same, compressed as Debian wants its documents.
    pub(super) fn gzipped(&self, at: &str, content: &[u8]) -> Outcome {
        self.file(at, content, 0o644)?;
        let mut gzip = command(&["gzip", "-9", "--no-name", "--force"]);
        gzip.arg(self.0.join(at));
        quiet(gzip).map(drop)
    }

    /// Its files, below its own path, in order.
    pub(super) fn files(&self) -> Result<Vec<String>, String> {
        let mut find = command(&["find", ".", "-type", "f", "-printf", "%P\\n"]);
        find.current_dir(&self.0);
        let listed = quiet(find)?;
        let mut files: Vec<String> = listed.lines().map(str::to_owned).collect();
        files.sort_unstable();
        Ok(files)
    }
}

/// Runs without a word, for what people need not see; returns what it wrote to stdout.
pub(super) fn quiet(mut command: Command) -> Result<String, String> {
    let output = command.stdin(Stdio::null()).output().map_err(|e| format!("{command:?}: {e}"))?;
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr);
        return Err(format!("failed ({}): {command:?}\n{why}", output.status));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// A digest by one of the programs `md5sum` and `sha256sum`, in hexadecimal.
pub(super) fn digest(program: &str, file: &Path) -> Result<String, String> {
    let mut sum = Command::new(program);
    sum.arg(file);
    let line = quiet(sum)?;
    let digest = line.split_whitespace().next().ok_or_else(|| format!("{program} said nothing"))?;
    Ok(digest.trim_start_matches('\\').to_owned())
}
