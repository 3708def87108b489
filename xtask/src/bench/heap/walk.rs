//! Level 1: what is lost against what the programs know, the pause, our own memory, and what
//! LeakSanitizer counts in the same program.

use super::super::flock::mortal;
use super::table::{Row, Table};
use crate::run::top;
use plimsoll_heap::reach::{self, Limits, TABLE_BYTES_MAX, Walked};
use plimsoll_heap::target::Opened;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const LIMITS: Limits =
    Limits { pause_max: Duration::from_secs(20), table_bytes_max: TABLE_BYTES_MAX };
/// About one GiB of blocks.
const GIB_OF_BLOCKS: &str = "890000";
const RUNS: usize = 5;

/// What is compiled how and run with which arguments.
struct Subject {
    name: &'static str,
    source: &'static str,
    flags: &'static [&'static str],
    arguments: &'static [&'static str],
}

const SUBJECTS: [Subject; 6] = [
    Subject { name: "C", source: "lost.c", flags: &[], arguments: &["plain", "100000"] },
    Subject { name: "C, chains", source: "lost.c", flags: &[], arguments: &["chain", "100000"] },
    Subject { name: "C, graph", source: "lost.c", flags: &[], arguments: &["graph", "200000"] },
    Subject { name: "C++", source: "classes.cpp", flags: &[], arguments: &[] },
    Subject {
        name: "C, static, stripped",
        source: "lost.c",
        flags: &["-static", "-s"],
        arguments: &["plain", "100000"],
    },
    Subject {
        name: "C, 8 threads churning",
        source: "lost.c",
        flags: &[],
        arguments: &["churn", "100000"],
    },
];

pub fn measure(table: &mut Table) -> Result<(), String> {
    let dir = tempfile::tempdir().map_err(|e| e.to_string())?;
    for subject in &SUBJECTS {
        table.attempt(subject.name, |table| {
            table.push(against_truth(dir.path(), subject)?);
            Ok(())
        });
    }
    table.attempt("cost of a walk", |table| {
        let program = compile(dir.path(), "lost.c", &[])?;
        let running = Running::start(&program, &["graph", GIB_OF_BLOCKS])?;
        cost(&running)?.into_iter().for_each(|row| table.push(row));
        Ok(())
    });
    Ok(())
}

fn against_truth(dir: &Path, subject: &Subject) -> Result<Row, String> {
    let program = compile(dir, subject.source, subject.flags)?;
    let running = Running::start(&program, subject.arguments)?;
    let found = running.walked()?.leaks.ok_or("the pass was cut short")?.unreachable_count;
    let off = found.abs_diff(running.lost) as f64 / running.lost as f64 * 100.0;
    let sanitizer = sanitizer(dir, subject);
    let sanitizer = sanitizer.map_or_else(|why| why, |count| count.to_string());
    let truth = format!("{} lost, {found} found, LeakSanitizer {sanitizer}", running.lost);
    let row = Row::new(format!("unreachable, off: {}", subject.name), "%", off);
    Ok(row.at_most(0.1).against(truth))
}

fn cost(running: &Running) -> Result<[Row; 3], String> {
    let pid = running.child.id();
    let gib = resident(pid, "RssAnon:")? / f64::from(1 << 20);
    let own = std::env::current_exe().map_err(|e| e.to_string())?;
    let (mut pauses, mut processor, mut memory) = (Vec::new(), Vec::new(), Vec::new());
    let mut blocks = 0.0;
    // Each in a process of its own, of which nothing is warm and nothing is left.
    for _ in 0..RUNS {
        let mut command = mortal(&own);
        command.args(["bench-program", "heap", "--walk", &pid.to_string()]);
        let output = command.output().map_err(|e| e.to_string())?;
        let said = String::from_utf8_lossy(&output.stdout);
        let numbers: Vec<f64> = said.split_whitespace().filter_map(|n| n.parse().ok()).collect();
        let &[pause, cpu, kib, count] = numbers.as_slice() else {
            return Err(format!("'{said}' {}", String::from_utf8_lossy(&output.stderr)));
        };
        pauses.push(pause / gib);
        processor.push(cpu / gib);
        memory.push(kib / 1024.0 / gib);
        blocks = count;
    }
    for figures in [&mut pauses, &mut processor, &mut memory] {
        figures.sort_by(f64::total_cmp);
    }
    let of = |figures: &[f64]| {
        let [least, most] = [figures[0], figures[RUNS - 1]];
        format!("{gib:.2} GiB, {blocks} blocks; {RUNS} runs, {least:.3} to {most:.3}")
    };
    let middle = RUNS / 2;
    Ok([
        Row::new("pause, per GiB", "s", pauses[middle]).at_most(0.4).against(of(&pauses)),
        Row::new("processor time of the pause, per GiB", "s", processor[middle])
            .against(of(&processor)),
        Row::new("our memory, walk, per GiB", "MiB", memory[middle])
            .at_most(40.0)
            .against(of(&memory)),
    ])
}

/// One walk of `pid` and nothing else: seconds of pause, of processor, KiB of our own memory at
/// most, blocks.
pub fn one(pid: &str) -> Result<(), String> {
    let opened = Opened::open(pid.parse().map_err(|_| pid.to_owned())?);
    let opened = opened.map_err(|e| e.to_string())?;
    let before = resident(std::process::id(), "VmRSS:")?;
    let walked = reach::walk(&opened, LIMITS).map_err(|e| e.to_string())?;
    let kib = (resident(std::process::id(), "VmHWM:")? - before).max(0.0);
    let (pause, cpu) = (walked.pause.as_secs_f64(), walked.pass_cpu.as_secs_f64());
    println!("{pause} {cpu} {kib} {}", walked.blocks);
    Ok(())
}

/// A figure of `status`. Units: KiB.
fn resident(pid: u32, key: &str) -> Result<f64, String> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"));
    let status = status.map_err(|e| e.to_string())?;
    let line = status.lines().find_map(|line| line.strip_prefix(key)).ok_or("no such figure")?;
    line.trim().trim_end_matches(" kB").parse().map_err(|_| format!("{key}{line}"))
}

fn compile(dir: &Path, source: &str, flags: &[&str]) -> Result<PathBuf, String> {
    let compiler = if source.ends_with(".cpp") { "g++" } else { "gcc" };
    let program = dir.join(format!("{source}{}", flags.concat()));
    let path = top().join("crates/heap/tests/programs").join(source);
    let mut command = Command::new(compiler);
    command.args(["-O1", "-g0", "-pthread"]).args(flags).arg(path).arg("-o").arg(&program);
    let output = command.output().map_err(|e| format!("{compiler}: {e}"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    Ok(program)
}

/// How many blocks LeakSanitizer calls leaked in the same program, which is linked with it.
fn sanitizer(dir: &Path, subject: &Subject) -> Result<u64, String> {
    if subject.flags.contains(&"-static") {
        return Err("cannot be linked statically".to_owned());
    }
    let program = compile(dir, subject.source, &["-fsanitize=leak"])?;
    // A shape and a count stand before the word that ends the program.
    let arguments =
        if subject.arguments.is_empty() { &["all", "0"][..] } else { subject.arguments };
    let mut command = mortal(&program);
    let output = command.args(arguments).arg("end").output().map_err(|e| e.to_string())?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let count = said.lines().find_map(|line| {
        let rest = line.strip_prefix("SUMMARY: LeakSanitizer: ")?;
        rest.split(" leaked in ").nth(1)?.split(' ').next()?.parse().ok()
    });
    count.ok_or_else(|| said.lines().last().unwrap_or("said nothing").to_owned())
}

struct Running {
    child: Child,
    lost: u64,
}

impl Running {
    fn start(program: &Path, arguments: &[&str]) -> Result<Self, String> {
        let mut command = mortal(program);
        let child = command.args(arguments).stdout(Stdio::piped()).spawn();
        let mut running = Self { child: child.map_err(|e| e.to_string())?, lost: 0 };
        let mut line = String::new();
        let output = running.child.stdout.take().ok_or("no stdout")?;
        BufReader::new(output).read_line(&mut line).map_err(|e| e.to_string())?;
        let lost =
            line.strip_prefix("ready ").and_then(|rest| rest.split(' ').next()?.parse().ok());
        running.lost = lost.ok_or_else(|| format!("the program said '{line}'"))?;
        Ok(running)
    }

    fn walked(&self) -> Result<Walked, String> {
        let opened = Opened::open(self.child.id()).map_err(|e| e.to_string())?;
        reach::walk(&opened, LIMITS).map_err(|e| e.to_string())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
