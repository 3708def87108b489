//! The program whose heap is read: it knows what its own malloc counts, and trims when it is told.

use super::super::flock::mortal;
use crate::run::top;
use std::io::{BufRead, BufReader, Lines, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};

#[derive(Debug)]
pub struct Blocks {
    child: Child,
    answers: Lines<BufReader<ChildStdout>>,
}

/// Units: bytes.
#[derive(Clone, Copy, Debug)]
pub struct Counts {
    /// `uordblks` of mallinfo2(3).
    pub in_use: u64,
    /// `fordblks`.
    pub free: u64,
    /// Anonymous memory of smaps_rollup.
    pub anonymous: u64,
}

impl Blocks {
    /// Starts it and waits until it has taken its blocks.
    pub fn start(program: &PathBuf, args: &[&str]) -> Result<(Self, Counts), String> {
        let mut command = mortal(program);
        command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(|e| e.to_string())?;
        let stdout = child.stdout.take().ok_or("no stdout")?;
        let mut blocks = Self { child, answers: BufReader::new(stdout).lines() };
        let counts = blocks.answer()?;
        Ok((blocks, counts))
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn ask(&mut self, what: &str) -> Result<Counts, String> {
        let stdin = self.child.stdin.as_mut().ok_or("no stdin")?;
        // In one piece: the program takes each read for a line.
        stdin.write_all(format!("{what}\n").as_bytes()).map_err(|e| e.to_string())?;
        self.answer()
    }

    fn answer(&mut self) -> Result<Counts, String> {
        let line = self.answers.next().ok_or("the program ended")?.map_err(|e| e.to_string())?;
        let numbers: Vec<u64> = line.split(' ').filter_map(|n| n.parse().ok()).collect();
        match numbers.as_slice() {
            &[in_use, free, _, _, _, anonymous] => {
                Ok(Counts { in_use, free, anonymous: anonymous * 1024 })
            }
            _ => Err(format!("the program said '{line}'")),
        }
    }
}

impl Drop for Blocks {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Compiles it into `dir`.
pub fn compile(dir: &std::path::Path, flags: &[&str]) -> Result<PathBuf, String> {
    let out = dir.join(format!("blocks{}", flags.concat()));
    let mut cc = Command::new("cc");
    cc.args(["-O2", "-fno-builtin", "-Wno-deprecated-declarations"]).args(flags);
    cc.arg("-o").arg(&out).arg(top().join("crates/heap/tests/programs/blocks.c")).arg("-lpthread");
    let output = cc.output().map_err(|e| format!("cc: {e}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(out) } else { Err(format!("cc: {said}")) }
}
