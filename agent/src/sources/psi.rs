//! Pressure stall information: the share of time in which tasks waited for memory.
//!
//! Reads one PSI file, of the node (`/proc/pressure/memory`) or of a cgroup (`memory.pressure`);
//! both have one form. Keeps no history; [`trigger`] lets the kernel say when there is some.

mod trigger;

pub use trigger::Trigger;

use super::{Malformed, ReadError, read_bounded};
use std::path::Path;
use std::time::Duration;

/// Far more than two lines need; future kernels may add some.
const FILE_BYTES_MAX: usize = 4096;

/// Time lost to a shortage of memory.
///
/// Source: kernel document accounting/psi. `full` is None where the kernel has no such line (the
/// CPU resource before 5.13; memory has always had it).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Psi {
    /// At least one task waited.
    pub some: PsiLine,
    /// Every task that was not idle waited.
    pub full: Option<PsiLine>,
}

/// One line of a PSI file. Units: averages are percent of wall time over 10, 60 and 300 seconds;
/// `total` is the time stalled since boot (or since the cgroup was made) and never falls.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PsiLine {
    pub avg10: f64,
    pub avg60: f64,
    pub avg300: f64,
    pub total: Duration,
}

/// Parses a PSI file. Lines and keys that are unknown are skipped.
///
/// # Errors
/// [`Malformed`] if a known value is not a number or the `some` line is missing.
pub fn parse(bytes: &[u8]) -> Result<Psi, Malformed> {
    let mut some = None;
    let mut full = None;
    let mut lines = 0;
    for (number, line) in (1..).zip(bytes.split(|&b| b == b'\n')) {
        lines = number;
        match line.split(|&b| b == b' ').next() {
            Some(b"some") => some = Some(parse_line(number, line)?),
            Some(b"full") => full = Some(parse_line(number, line)?),
            _ => {}
        }
    }
    let some = some.ok_or_else(|| Malformed::new(lines, b"", "a 'some' line"))?;
    Ok(Psi { some, full })
}

fn parse_line(number: usize, line: &[u8]) -> Result<PsiLine, Malformed> {
    let malformed = || Malformed::new(number, line, "a line of pressure averages and a total");
    let text = std::str::from_utf8(line).map_err(|_| malformed())?;
    let mut parsed = PsiLine::default();
    let mut seen = 0;
    for (key, value) in text.split_ascii_whitespace().filter_map(|field| field.split_once('=')) {
        let slot = match key {
            "avg10" => &mut parsed.avg10,
            "avg60" => &mut parsed.avg60,
            "avg300" => &mut parsed.avg300,
            "total" => {
                parsed.total = Duration::from_micros(value.parse().map_err(|_| malformed())?);
                seen += 1;
                continue;
            }
            _ => continue,
        };
        *slot = percent(value).ok_or_else(malformed)?;
        seen += 1;
    }
    if seen == 4 { Ok(parsed) } else { Err(malformed()) }
}

fn percent(text: &str) -> Option<f64> {
    text.parse().ok().filter(|value: &f64| value.is_finite() && *value >= 0.0)
}

/// Reads and parses the PSI file at `path`.
///
/// Cost: 7 µs (two-core VM, Linux 6.18).
///
/// # Errors
/// As [`read_bounded`]; a kernel booted with `psi=0` answers EOPNOTSUPP, which is
/// [`ReadError::Absent`].
pub fn read(path: &Path) -> Result<Psi, ReadError> {
    let bytes = read_bounded(path, FILE_BYTES_MAX).map_err(|error| match error {
        ReadError::Io { path, what }
            if what.raw_os_error() == Some(rustix::io::Errno::OPNOTSUPP.raw_os_error()) =>
        {
            ReadError::Absent(path)
        }
        other => other,
    })?;
    parse(&bytes).map_err(|what| ReadError::Malformed { path: path.to_owned(), what })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BUSY: &str = "some avg10=12.50 avg60=3.07 avg300=0.99 total=123456789\n\
                        full avg10=8.00 avg60=1.50 avg300=0.25 total=98765432\n";

    #[test]
    fn both_lines_are_read_with_their_units() {
        let psi = parse(BUSY.as_bytes()).unwrap();
        assert_eq!(
            psi.some,
            PsiLine {
                avg10: 12.5,
                avg60: 3.07,
                avg300: 0.99,
                total: Duration::from_micros(123_456_789),
            }
        );
        let full = psi.full.unwrap();
        assert_eq!((full.avg10, full.total.as_secs()), (8.0, 98));
    }

    #[test]
    fn a_kernel_without_full_and_one_with_more_keys_are_both_read() {
        let psi =
            parse(b"some avg10=1.00 avg60=0.00 avg300=0.00 avg900=7.00 total=5\nirq avg10=x\n");
        let psi = psi.unwrap();
        assert_eq!((psi.some.avg10, psi.full), (1.0, None));
    }

    #[test]
    fn what_is_not_pressure_is_refused_with_its_line() {
        assert_eq!(parse(b"").unwrap_err().expected, "a 'some' line");
        for bad in ["avg10=NaN", "avg10=-1", "avg10=inf", "avg10=", "avg11=0.00"] {
            let text = format!("\nsome {bad} avg60=0.00 avg300=0.00 total=0\n");
            assert_eq!(parse(text.as_bytes()).unwrap_err().line, 2, "{bad}");
        }
    }

    #[test]
    fn a_missing_file_is_absent() {
        let error = read(Path::new("/proc/pressure/no-such-resource")).unwrap_err();
        assert!(matches!(error, ReadError::Absent(_)), "{error}");
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..256)) {
            let _ = parse(&bytes);
        }

        #[test]
        fn a_damaged_file_never_panics(at in 0..BUSY.len(), byte in any::<u8>()) {
            let mut bytes = BUSY.as_bytes().to_vec();
            bytes[at] = byte;
            let _ = parse(&bytes);
        }
    }
}
