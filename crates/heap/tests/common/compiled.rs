//! Compiles a program of `tests/programs` for the tests that look into it.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Compiles `source` into a folder of its own, with `flags` and, where it is C or C++, `c_flags`.
/// None, and said, where there is no compiler; in CI there must be one.
#[expect(clippy::print_stdout, reason = "a test that cannot run says why")]
pub fn compiled(
    source: &str,
    flags: &[&str],
    c_flags: &[&str],
) -> Option<(tempfile::TempDir, PathBuf)> {
    let (compiler, more) = match source.rsplit('.').next() {
        Some("c") => ("gcc", c_flags),
        Some("cpp") => ("g++", c_flags),
        _ => ("rustc", &[][..]),
    };
    let dir = tempfile::tempdir().expect("a folder");
    let program = dir.path().join("program");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/programs").join(source);
    let mut command = Command::new(compiler);
    command.arg(path).arg("-o").arg(&program).args(flags).args(more);
    let output = match command.output() {
        Ok(output) => output,
        Err(error) => {
            assert!(std::env::var_os("CI").is_none(), "{compiler}: {error}");
            println!("skipped: {compiler}: {error}");
            return None;
        }
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some((dir, program))
}
