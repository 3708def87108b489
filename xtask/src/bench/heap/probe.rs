//! Level 2: whether the place that leaks is found among churn, what the window does to the program,
//! and what heaptrack and bcc's memleak say and do of the same program.

use super::super::flock::mortal;
use super::table::{Row, Table};
use crate::run::top;
use plimsoll_heap::Report;
use plimsoll_heap::take::{Options, Step, take};
use plimsoll_heap::target::Opened;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

const WINDOW: Duration = Duration::from_secs(10);
/// How long the program is looked at before and after.
const BESIDE: Duration = Duration::from_secs(8);
/// How long it is let alone before that.
const SETTLING: Duration = Duration::from_secs(6);
/// What a rate differs by at least on shared machines. Unit: percent.
const NOISE_LEAST: f64 = 5.0;
const SITE: &str = "the_place_that_leaks";
/// Operations a second, one in how many leaks, threads.
const SUBJECTS: [(&str, [&str; 3]); 2] = [
    ("200k operations/s, 1 in 200 leaks", ["200000", "200", "1"]),
    ("as many as go, 1 in 200 leaks", ["0", "200", "1"]),
];

pub fn measure(table: &mut Table) -> Result<(), String> {
    let dir = tempfile::tempdir().map_err(|e| e.to_string())?;
    let program = compile(dir.path())?;
    for (name, arguments) in SUBJECTS {
        table.attempt(name, |table| {
            let (ours, undisturbed) = ours(&program, name, arguments)?;
            ours.into_iter().for_each(|row| table.push(row));
            table.push(under_heaptrack(dir.path(), &program, name, arguments, undisturbed));
            table.push(under_memleak(&program, name, arguments));
            Ok(())
        });
    }
    Ok(())
}

/// Our rows, and how many operations a second the program makes undisturbed.
fn ours(program: &Path, name: &str, arguments: [&str; 3]) -> Result<(Vec<Row>, f64), String> {
    let mut running = Running::start(program, &arguments)?;
    // Its heap grows, and with it what an operation costs.
    running.rate(SETTLING)?;
    let (before, noise) = running.rate_and_noise(BESIDE)?;
    let opened = Opened::open(running.child.id()).map_err(|e| e.to_string())?;
    let options = Options { level: 2, max_pause_ms: 20_000, window: WINDOW, ..Options::default() };
    let (mut begun, mut ended) = (None, None);
    let report = take(&opened, &options, &mut |at| match at.step {
        Step::Window { .. } => _ = begun.get_or_insert_with(Instant::now),
        Step::Lost => ended = Some(Instant::now()),
        _ => {}
    });
    let report = report.map_err(|e| e.to_string())?;
    let (Some(begun), Some(ended)) = (begun, ended) else { return Err("no window".to_owned()) };
    let within = running.rate_between(begun, ended);
    let lost = running.lost_between(begun, ended);
    let after = running.rate(BESIDE)?;
    let slower = |rate: f64| (1.0 - rate / before) * 100.0;
    let rates = |rate: f64| format!("{:.0} a second, {:.0} before", rate, before);
    let mut rows = found(name, &report, lost);
    rows.push(
        Row::new(format!("slower in the window: {name}"), "%", slower(within)).against(format!(
            "{}; {}",
            rates(within),
            cost(&report)
        )),
    );
    rows.push(
        Row::new(format!("slower after it: {name}"), "%", slower(after))
            .at_most(noise.max(NOISE_LEAST))
            .against(format!("{}; between quarters of that {noise:.0} %", rates(after))),
    );
    Ok((rows, before))
}

fn found(name: &str, report: &Report, lost: u64) -> Vec<Row> {
    let stacks = report.leaks.as_ref().map(|leaks| &leaks.by_stack[..]).unwrap_or_default();
    let first = stacks.first().and_then(|stack| stack.frames.first()).cloned();
    let is_site = |frame: &String| frame.starts_with(SITE);
    let all: u64 = stacks.iter().map(|stack| stack.count).sum();
    let on_site = stacks.iter().filter(|stack| stack.frames.first().is_some_and(is_site));
    let on_site: u64 = on_site.map(|stack| stack.count).sum();
    let elsewhere = 100.0 - on_site as f64 / all.max(1) as f64 * 100.0;
    let off = on_site.abs_diff(lost) as f64 / lost.max(1) as f64 * 100.0;
    let is_first = first.as_ref().is_some_and(is_site);
    let first = first.unwrap_or_else(|| "none".to_owned());
    vec![
        Row::new(format!("wrong stack first: {name}"), "", f64::from(!is_first))
            .at_most(0.0)
            .against(format!("first is {first}, of {} stacks", stacks.len())),
        Row::new(format!("lost blocks blamed on others: {name}"), "%", elsewhere).at_most(5.0),
        Row::new(format!("count of that stack, off: {name}"), "%", off)
            .against(format!("{on_site} estimated, {lost} lost by the program's own count")),
    ]
}

/// What the report says of it.
fn cost(report: &Report) -> String {
    let notes = report.method.notes.iter().filter(|note| note.contains("CPUs"));
    notes.cloned().collect::<Vec<_>>().join("; ")
}

fn under_heaptrack(
    dir: &Path,
    program: &Path,
    name: &str,
    arguments: [&str; 3],
    undisturbed: f64,
) -> Row {
    let row = Row::new(format!("heaptrack, slower from its start on: {name}"), "%", f64::NAN);
    let record = dir.join("record");
    let mut command = bounded("heaptrack");
    command.arg("-o").arg(&record).arg(program).args(arguments);
    let output = command.arg("6").stderr(Stdio::null()).output();
    let output = match output {
        Ok(output) if output.status.success() => output,
        Ok(output) => return row.against(format!("does not run here: {}", output.status)),
        Err(error) => return row.against(format!("does not run here: {error}")),
    };
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let points: Vec<[f64; 3]> = said.lines().filter_map(point).collect();
    let (Some(first), Some(last)) = (points.first(), points.last()) else {
        return row.against("the program said nothing");
    };
    let rate = (last[1] - first[1]) / (last[0] - first[0]).max(1e-9);
    let first = heaptrack_first(&record).unwrap_or_else(|| "not told".to_owned());
    let value = (1.0 - rate / undisturbed) * 100.0;
    Row { value, ..row }.against(format!("{rate:.0} a second; first of what leaked: {first}"))
}

/// The function that heaptrack names first among what was not freed.
fn heaptrack_first(record: &Path) -> Option<String> {
    let parent = record.parent()?;
    let entries = std::fs::read_dir(parent).ok()?.flatten();
    let is_record = |path: &PathBuf| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("record"))
    };
    let file = entries.map(|entry| entry.path()).find(is_record)?;
    let mut print = bounded("heaptrack_print");
    print.args(["-a", "0", "-T", "0", "-p", "0", "-l", "1", "-n", "1", "-s", "1"]).arg(&file);
    let output = print.stderr(Stdio::null()).output().ok()?;
    // The next one is of the next program.
    let _ = std::fs::remove_file(&file);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut lines = said.lines().skip_while(|line| !line.contains("MEMORY LEAKS"));
    let frame = lines.find(|line| line.starts_with("  ") && !line.contains("alloc in"))?;
    Some(frame.trim().to_owned())
}

fn under_memleak(program: &Path, name: &str, arguments: [&str; 3]) -> Row {
    let row = Row::new(format!("memleak-bpfcc, slower meanwhile: {name}"), "%", f64::NAN);
    let mut running = match Running::start(program, &arguments) {
        Ok(running) => running,
        Err(why) => return row.against(why),
    };
    let Ok(before) = running.rate(Duration::from_secs(2)) else { return row };
    let mut memleak = bounded("memleak-bpfcc");
    memleak.args(["-p", &running.child.id().to_string(), "-o", "1000", "-T", "3"]);
    let begun = Instant::now();
    let output = match memleak.args([&WINDOW.as_secs().to_string(), "1"]).output() {
        Ok(output) => output,
        Err(error) => return row.against(format!("does not run here: {error}")),
    };
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    // The largest comes last, its innermost frame behind its sum.
    let lines: Vec<&str> = said.lines().collect();
    let largest = lines.iter().rposition(|line| line.contains("allocations from stack"));
    let first = largest.and_then(|at| lines.get(at + 1));
    let Some(first) = first else {
        // It complains of the kernel's headers on stdout, of the rest on stderr.
        let all = format!("{}\n{said}", String::from_utf8_lossy(&output.stderr));
        let of_headers = all.lines().find(|line| line.contains("kernel headers"));
        let why = of_headers.or_else(|| all.lines().rfind(|line| !line.trim().is_empty()));
        return row.against(format!("does not run here: {}", why.unwrap_or("it told nothing")));
    };
    // It compiles for a while before it begins.
    let middle = begun + begun.elapsed().saturating_sub(WINDOW / 2);
    let rate = running.rate_between(middle, Instant::now());
    let value = (1.0 - rate / before) * 100.0;
    Row { value, ..row }.against(format!("{rate:.0} a second; first: {}", first.trim()))
}

/// A tool of others, ended after a time, with what it runs: it may hang, or read for very long.
fn bounded(program: &str) -> Command {
    let mut command = mortal("timeout");
    command.args(["--kill-after=5", "40", "setpriv", "--pdeathsig", "KILL", "--", program]);
    command
}

fn compile(dir: &Path) -> Result<PathBuf, String> {
    let program = dir.join("leaky");
    let source = top().join("crates/heap/tests/programs/leaky.c");
    let mut gcc = Command::new("gcc");
    gcc.args(["-O2", "-fomit-frame-pointer", "-g", "-pthread"]).arg(source).arg("-o").arg(&program);
    let output = gcc.output().map_err(|e| format!("gcc: {e}"))?;
    if output.status.success() {
        return Ok(program);
    }
    Err(String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Seconds, operations, lost blocks.
fn point(line: &str) -> Option<[f64; 3]> {
    let numbers: Vec<f64> = line.split(' ').filter_map(|word| word.parse().ok()).collect();
    numbers.try_into().ok()
}

/// The program, and what it said when.
struct Running {
    child: Child,
    told: Receiver<(Instant, [f64; 3])>,
    known: Vec<(Instant, [f64; 3])>,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Running {
    fn start(program: &Path, arguments: &[&str]) -> Result<Self, String> {
        let mut command = mortal(program);
        let child = command.args(arguments).stdout(Stdio::piped()).spawn();
        let mut child = child.map_err(|e| e.to_string())?;
        let output = child.stdout.take().ok_or("no stdout")?;
        let (tell, told) = channel();
        // Ends with the program.
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if let Some(numbers) = point(&line)
                    && tell.send((Instant::now(), numbers)).is_err()
                {
                    return;
                }
            }
        });
        Ok(Self { child, told, known: Vec::new() })
    }

    /// Operations a second from now on, for so long.
    fn rate(&mut self, time: Duration) -> Result<f64, String> {
        let begun = Instant::now();
        while begun.elapsed() < time {
            let told = self.told.recv_timeout(Duration::from_secs(5));
            self.known.push(told.map_err(|_| "the program ended".to_owned())?);
        }
        Ok(self.rate_between(begun, Instant::now()))
    }

    /// The rate, and by how many percent of it the quarters of that time differ.
    fn rate_and_noise(&mut self, time: Duration) -> Result<(f64, f64), String> {
        let begun = Instant::now();
        let whole = self.rate(time)?;
        let quarter = |n: u32| begun + time * n / 4;
        let rates: Vec<f64> =
            (0..4).map(|n| self.rate_between(quarter(n), quarter(n + 1))).collect();
        let most = rates.iter().copied().fold(f64::MIN, f64::max);
        let least = rates.iter().copied().fold(f64::MAX, f64::min);
        Ok((whole, (most - least) / whole * 100.0))
    }

    fn rate_between(&mut self, from: Instant, to: Instant) -> f64 {
        let Some((first, last)) = self.between(from, to) else { return f64::NAN };
        (last[1] - first[1]) / (last[0] - first[0]).max(1e-9)
    }

    /// Blocks lost, as if those at the edges were lost as the others were.
    fn lost_between(&mut self, from: Instant, to: Instant) -> u64 {
        let Some((first, last)) = self.between(from, to) else { return 0 };
        let rate = (last[2] - first[2]) / (last[0] - first[0]).max(1e-9);
        (rate * (to - from).as_secs_f64()) as u64
    }

    fn between(&mut self, from: Instant, to: Instant) -> Option<([f64; 3], [f64; 3])> {
        self.known.extend(self.told.try_iter());
        let mut within = self.known.iter().filter(|(at, _)| (from..=to).contains(at));
        let first = within.next()?.1;
        Some((first, within.next_back()?.1))
    }
}
