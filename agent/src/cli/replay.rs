//! `replay`: the detector over a recorded trace. Events go to stdout or a file; how far it is and
//! how it went go to stderr.

use super::{Exit, Failure};
use crate::config::keys::CAUTION;
use crate::replay::{Progress, ReplayError, Source, Summary, replay};
use std::fs::File;
use std::io::{self, BufWriter, IsTerminal as _, Write};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const SHOWN_EVERY: Duration = Duration::from_secs(1);

const FORMAT: &str = "\
The trace is CSV with a header: time_s, entity, used_bytes and, where known, limit_bytes (empty:
none), anon_bytes, file_bytes, shmem_bytes, heap_in_use_bytes. The events are leak_suspected,
leak_cleared, oom_predicted and oom_cleared. A malformed line ends it with exit code 1.";

/// Reads recorded memory usage and writes what the agent would have said, one JSON object a line.
/// Time is the trace's own; no kernel is asked.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = FORMAT)]
pub struct ReplayArgs {
    /// The trace, gzipped or not; - is stdin
    #[arg(value_name = "TRACE.csv[.gz]")]
    pub trace: PathBuf,
    /// Where the events go; - is stdout
    #[arg(long, value_name = "EVENTS.jsonl", default_value = "-")]
    pub out: PathBuf,
    /// How much stronger than by default evidence must be, as alerts.caution; log-odds, -2 to 6
    #[arg(long, value_name = "N", default_value_t = 0.0, allow_negative_numbers = true)]
    #[arg(value_parser = caution)]
    pub caution: f64,
}

fn caution(word: &str) -> Result<f64, String> {
    let number = word.parse::<f64>().ok().filter(|n| CAUTION.contains(n));
    number.ok_or_else(|| format!("a number from {} to {}", CAUTION.start(), CAUTION.end()))
}

pub(super) fn run(
    args: &ReplayArgs,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<Exit, Failure> {
    let name = name_of(&args.trace);
    let failed = |why: String| Failure::Replay(why);
    let from_stdin = args.trace == Path::new("-");
    let source = if from_stdin { Source::stdin() } else { Source::file(&args.trace) };
    let source = source.map_err(|e| failed(format!("cannot read {name}: {e}")))?;
    let mut file;
    let to_stdout = args.out == Path::new("-");
    let out = if to_stdout {
        out
    } else {
        let made = refuse_own_trace(&source, &args.out).and_then(|()| File::create(&args.out));
        file = made.map_err(|e| failed(format!("cannot write {}: {e}", args.out.display())))?;
        &mut file
    };
    let mut out = BufWriter::new(out);
    // Where the events show, a line that is written over does not.
    let on_terminal = io::stderr().is_terminal() && !(to_stdout && io::stdout().is_terminal());
    let mut meter = Meter::start(source.progress(), on_terminal);
    let replayed = replay(source, args.caution, &mut out, |rows| meter.show(rows, err));
    meter.wipe(err);
    // What was found before an error is told all the same.
    out.flush()?;
    drop(out);
    match replayed {
        Ok(summary) => {
            meter.conclude(&summary, err);
            Ok(Exit::Good)
        }
        Err(ReplayError::Output(e)) => Err(e.into()),
        Err(what) => Err(failed(format!("{name}:{what}"))),
    }
}

fn name_of(trace: &Path) -> String {
    if trace == Path::new("-") { "stdin".to_owned() } else { trace.display().to_string() }
}

/// Writing the events would empty the trace before it is read.
fn refuse_own_trace(source: &Source, out: &Path) -> io::Result<()> {
    let (Some(read), Ok(written)) = (source.metadata(), out.metadata()) else { return Ok(()) };
    if (read.dev(), read.ino()) == (written.dev(), written.ino()) && written.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is the trace itself"));
    }
    Ok(())
}

/// Shows on a terminal how far the replay is, and at the end what it took.
struct Meter {
    started: Instant,
    shown: Instant,
    progress: Progress,
    on_terminal: bool,
    width: usize,
}

impl Meter {
    fn start(progress: Progress, on_terminal: bool) -> Self {
        let started = Instant::now();
        Self { started, shown: started, progress, on_terminal, width: 0 }
    }

    // A closed stderr is no reason to stop, here and below.
    fn show(&mut self, rows: u64, err: &mut dyn Write) {
        if !self.on_terminal || self.shown.elapsed() < SHOWN_EVERY {
            return;
        }
        self.shown = Instant::now();
        let share =
            self.progress.share().map_or(String::new(), |s| format!(", {:.0} %", s * 100.0));
        let line = format!("{rows} rows{share}");
        let _ = write!(err, "\r{line:<width$}", width = self.width).and_then(|()| err.flush());
        self.width = line.len();
    }

    fn wipe(&self, err: &mut dyn Write) {
        if self.width > 0 {
            let _ = write!(err, "\r{:width$}\r", "", width = self.width);
        }
    }

    fn conclude(&self, summary: &Summary, err: &mut dyn Write) {
        let Summary { rows, readings, entities, events } = summary;
        let took = self.started.elapsed().as_secs_f64();
        let pace = *rows as f64 / took.max(1e-9);
        let _ = writeln!(
            err,
            "{rows} rows of {entities} entities, {readings} of them read and {events} events in \
             {took:.2} s: {pace:.0} rows/s"
        );
    }
}
