//! `cargo xtask vm`: the product on a real cgroup v2, with real kills, under two kernels.
//!
//! Fetches the kernels, builds everything statically, packs what a machine needs into an initramfs,
//! boots it in QEMU without KVM, and holds what it says over its serial line against what must be.
//! Installs QEMU and busybox if they are missing and nothing else; leaves nothing running.

mod archive;
mod console;
mod image;
mod kernel;
mod machine;
mod plan;

pub use image::{Programs, needs_loader};

use crate::Outcome;
use crate::interrupt::{self, Flag};
use crate::run::top;
use crate::tools::{Tool, install};
use console::Part;
use kernel::{Files, KERNELS, Kernel};
use machine::{Ended, Machine, QEMU};
use parking_lot::Mutex;
use plan::{Batch, CASES, batches};
use std::fs;
use std::time::Instant;

const USAGE: &str = "cargo xtask vm [--kernel 6.1|6.12|all] [--scenario NAME|all|tests] [--keep]";

const TOOLS: &[Tool] = &[
    Tool { program: QEMU, package: "qemu-system-x86", why: "boots kernels with cgroup v2" },
    Tool { program: "busybox", package: "busybox-static", why: "the machine's only userland" },
];

/// Machines at a time. Each has one processor.
const AT_ONCE: usize = 2;
/// Lines of log that are shown of a part that failed.
const LOG_LINES_MAX: usize = 200;

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Wish {
    kernels: Vec<Kernel>,
    scenario: String,
    keep: bool,
}

impl Wish {
    /// What `cargo xtask test` asks for.
    pub fn tests() -> Self {
        Self { kernels: KERNELS.to_vec(), scenario: "tests".to_owned(), keep: false }
    }

    pub fn read(args: &[&str]) -> Result<Self, String> {
        let mut wish = Self { kernels: KERNELS.to_vec(), scenario: "all".to_owned(), keep: false };
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            match *arg {
                "--keep" => wish.keep = true,
                "--kernel" => {
                    let line = *args.next().ok_or(USAGE)?;
                    wish.kernels.retain(|kernel| line == "all" || kernel.line == line);
                }
                "--scenario" => wish.scenario = (*args.next().ok_or(USAGE)?).to_owned(),
                _ => return Err(USAGE.to_owned()),
            }
        }
        Ok(wish)
    }

    fn batches(&self) -> Result<Vec<Batch>, String> {
        let batches = batches(&self.kernels, |case, kernel| match self.scenario.as_str() {
            "all" => true,
            "tests" => case.is_for_tests(kernel),
            name => case.name == name,
        });
        if batches.is_empty() {
            let names: Vec<&str> = CASES.iter().map(|case| case.name).collect();
            return Err(format!("{USAGE}\nscenarios: {}", names.join(" ")));
        }
        Ok(batches)
    }
}

/// Runs what is wished; an error if anything of it failed.
pub fn vm(wish: &Wish) -> Outcome {
    let batches = wish.batches()?;
    install(TOOLS)?;
    let kernels: Vec<Files> =
        batches.iter().map(|batch| batch.kernel.files()).collect::<Result<_, _>>()?;
    let begun = Instant::now();
    let programs = Programs::build()?;
    println!("built in {:.0} s", begun.elapsed().as_secs_f64());
    let interrupt = interrupt::watched()?;
    let next = Mutex::new(batches.iter().zip(kernels));
    let failures = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE.min(batches.len()) {
            scope.spawn(|| {
                loop {
                    let Some((batch, kernel)) = next.lock().next() else { break };
                    let failed = run(batch, &kernel, &programs, wish.keep, &interrupt);
                    failures.lock().extend(failed.unwrap_or_else(|why| vec![why]));
                }
            });
        }
    });
    let failures = failures.into_inner();
    println!("all machines: {:.0} s", begun.elapsed().as_secs_f64());
    if failures.is_empty() { Ok(()) } else { Err(failures.join("\n")) }
}

/// Boots one machine and shows what came of it. Returns what failed.
fn run(
    batch: &Batch,
    kernel: &Files,
    programs: &Programs,
    keep: bool,
    interrupt: &Flag,
) -> Result<Vec<String>, String> {
    let dir = top().join("target/vm/runs").join(batch.name());
    let initramfs = dir.join("initramfs");
    let archive = programs.pack(&batch.file(), kernel, |program| batch.needs(program))?;
    // What an earlier run kept is no result of this one.
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(&dir)
        .and_then(|()| fs::write(&initramfs, archive))
        .map_err(|e| format!("{}: {e}", dir.display()))?;
    let machine = Machine {
        kernel: &kernel.image,
        initramfs: &initramfs,
        ram_mib: batch.ram_mib,
        cpus: 1,
        within: batch.within(),
        silent_within: batch.silent_within(),
        dir: &dir,
    };
    println!("boots {}: {} MiB, results in {}", batch.name(), batch.ram_mib, dir.display());
    let ended = machine.run(interrupt)?;
    let failures = judge(batch, &ended, &machine);
    if failures.is_empty() && !keep {
        // Failing would only leave files below target/.
        let _ = fs::remove_dir_all(&dir);
    }
    Ok(failures)
}

/// Prints the machine's table; returns what failed.
fn judge(batch: &Batch, ended: &Ended, machine: &Machine<'_>) -> Vec<String> {
    let parts = console::parts(&ended.results);
    let (name, took) = (batch.name(), ended.took.as_secs_f64());
    let mut failures = Vec::new();
    let mut table = format!("machine {name}: {took:.0} s\n");
    for case in &batch.cases {
        let part = parts.iter().find(|part| part.name == case.name);
        table += &shown(case.name, part);
        if !part.is_some_and(Part::is_good) {
            failures.push(format!("failed on {}: {}", batch.kernel.line, case.name));
        }
        for name in part.map_or(Vec::new(), |part| case.unheard_of(&part.results)) {
            failures
                .push(format!("{}: there is no test {name} in {}", batch.kernel.line, case.name));
        }
    }
    if let Some(fault) = &ended.fault {
        let console = fs::read_to_string(machine.console()).unwrap_or_default();
        let from = console.len().saturating_sub(4000);
        let tail = console.get(from..).unwrap_or_default();
        table += &format!("machine {name} was {fault}; its console:\n{tail}\n");
        failures.push(format!("machine {name}: {fault}"));
    }
    print!("{table}");
    failures
}

fn shown(name: &str, part: Option<&Part>) -> String {
    let Some(part) = part else { return format!("  BROKEN {name}: it was not reached\n") };
    let exit = part.exit.map_or("it did not end".to_owned(), |exit| format!("exit {exit}"));
    let mut text = String::new();
    for result in &part.results {
        let sign = if result.good { "kept  " } else { "BROKEN" };
        text += &format!("  {sign} {name} {}\n", result.name);
        for why in &result.why {
            text += &format!("           {why}\n");
        }
    }
    let sign = if part.is_good() { "kept  " } else { "BROKEN" };
    text += &format!("  {sign} {name}: {:.1} s by its own clock, {exit}\n", part.seconds);
    if !part.is_good() {
        let from = part.log.len().saturating_sub(LOG_LINES_MAX);
        for line in &part.log[from..] {
            text += &format!("    | {line}\n");
        }
    }
    text
}
