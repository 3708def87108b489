//! `/dev/kmsg`: the kernel log record by record, without taking anything from other readers.
//!
//! Source: kernel document ABI/testing/dev-kmsg. Knows nothing of OOM; does not block.

use crate::clock::Stamp;
use crate::sources::Malformed;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// CONSOLE_EXT_LOG_MAX, the longest record that any kernel gives out.
const RECORD_BYTES_MAX: usize = 8192;

/// One record of the kernel log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Grows by one with each record.
    pub sequence: u64,
    pub at: Stamp,
    /// Printed by the kernel (facility 0); what processes write to `/dev/kmsg` never is.
    pub from_kernel: bool,
    /// Without the `KEY=value` lines that may follow it.
    pub text: String,
}

/// Parses what one read of `/dev/kmsg` returns: `6,1234,5678901,-;text`, where 6 is
/// facility × 8 + level, and bytes that do not print are written as `\x1f`.
///
/// Shape: further fields may stand before the semicolon, and lines ` KEY=value` may follow.
///
/// # Errors
/// [`Malformed`] if the three numbers or the semicolon are missing.
pub fn parse(record: &[u8]) -> Result<Record, Malformed> {
    let line = record.split(|&b| b == b'\n').next().unwrap_or_default();
    parse_line(line).ok_or_else(|| Malformed::new(1, line, "priority,sequence,time,flags;text"))
}

fn parse_line(line: &[u8]) -> Option<Record> {
    let semicolon = line.iter().position(|&b| b == b';')?;
    let mut fields = std::str::from_utf8(&line[..semicolon]).ok()?.split(',');
    let priority: u32 = fields.next()?.parse().ok()?;
    let sequence = fields.next()?.parse().ok()?;
    let micros: u64 = fields.next()?.parse().ok()?;
    Some(Record {
        sequence,
        at: Stamp(i64::try_from(micros / 1000).ok()?),
        from_kernel: priority >> 3 == 0,
        text: String::from_utf8_lossy(&unescape(&line[semicolon + 1..])).into_owned(),
    })
}

/// Turns `\x41` back into its byte; the kernel writes a backslash itself as `\x5c`.
fn unescape(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, tail @ ..] = rest {
        let escaped = match tail {
            [b'x', high, low, after @ ..] if *first == b'\\' => {
                hex(*high).zip(hex(*low)).map(|(high, low)| (high << 4 | low, after))
            }
            _ => None,
        };
        let (byte, after) = escaped.unwrap_or((*first, tail));
        plain.push(byte);
        rest = after;
    }
    plain
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

/// Where in the log to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Begin {
    /// At the oldest record that the ring still holds.
    Oldest,
    /// After the newest.
    End,
}

/// An open `/dev/kmsg`.
#[derive(Debug)]
pub(super) struct Kmsg {
    file: File,
    buffer: Vec<u8>,
    /// The sequence number that comes next if nothing is lost.
    expected: Option<u64>,
    overwritten: bool,
}

/// A record, and how many were lost right before it.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) record: Record,
    pub(super) lost: u64,
}

impl Kmsg {
    pub(super) fn open(path: &Path, begin: Begin) -> io::Result<Self> {
        let nonblocking = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or(0);
        let mut file = OpenOptions::new().read(true).custom_flags(nonblocking).open(path)?;
        if begin == Begin::End {
            file.seek(SeekFrom::End(0))?;
        }
        Ok(Self { file, buffer: vec![0; RECORD_BYTES_MAX], expected: None, overwritten: false })
    }

    /// The next record, or None if there is none yet. Cost: one read; 0.2 µs if there is none, else
    /// some 6 µs, most of it the kernel's escaping.
    pub(super) fn next(&mut self) -> io::Result<Option<Entry>> {
        loop {
            let record = match self.file.read(&mut self.buffer) {
                Ok(0) => return Ok(None),
                Ok(length) => parse(&self.buffer[..length]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                // The ring has overwritten what came next; the following read goes on after that.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                    self.overwritten = true;
                    continue;
                }
                Err(error) => return Err(error),
            };
            // A record that cannot be read shows as lost, by the gap before the next one.
            let Ok(record) = record else { continue };
            let lost = self.lost_before(&record);
            self.expected = Some(record.sequence.saturating_add(1));
            self.overwritten = false;
            return Ok(Some(Entry { record, lost }));
        }
    }

    fn lost_before(&self, record: &Record) -> u64 {
        match self.expected {
            Some(expected) => record.sequence.saturating_sub(expected),
            None => u64::from(self.overwritten),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_record_gives_its_number_time_origin_and_text() {
        let record = parse(b"3,421,1402009354,-;Killed process 7 (a;b)\n SUBSYSTEM=x\n").unwrap();
        assert_eq!(record.sequence, 421);
        assert_eq!(record.at, Stamp(1_402_009));
        assert!(record.from_kernel);
        assert_eq!(record.text, "Killed process 7 (a;b)");
    }

    #[test]
    fn what_a_process_wrote_is_told_from_what_the_kernel_printed() {
        assert!(!parse(b"12,9,5,-;Out of memory: Killed process 1 (init)\n").unwrap().from_kernel);
        assert!(parse(b"4,9,5,c,caller=T12;text\n").unwrap().from_kernel);
    }

    #[test]
    fn escapes_become_bytes_and_broken_ones_stay() {
        let text = |raw: &str| parse(format!("6,1,1,-;{raw}\n").as_bytes()).unwrap().text;
        assert_eq!(text(r"a\x5cb\x0ac"), "a\\b\nc");
        assert_eq!(text(r"\xc3\xa9"), "é");
        assert_eq!(text(r"\x4"), r"\x4");
        assert_eq!(text(r"\xzz\"), r"\xzz\");
    }

    #[test]
    fn what_is_no_record_is_refused() {
        for bad in ["", "6,1,1,-", "6,1;x", "x,1,1,-;t", "6,-1,1,-;t", ";"] {
            assert!(parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_end_of_this_machines_log_is_empty_and_its_beginning_is_not() {
        let path = Path::new("/dev/kmsg");
        let (Ok(mut end), Ok(mut oldest)) =
            (Kmsg::open(path, Begin::End), Kmsg::open(path, Begin::Oldest))
        else {
            eprintln!("skipped: /dev/kmsg cannot be opened here");
            return;
        };
        let first = oldest.next().unwrap().unwrap();
        let second = oldest.next().unwrap().unwrap();
        assert_eq!(second.lost, 0);
        assert_eq!(second.record.sequence, first.record.sequence + 1);
        if let Some(entry) = end.next().unwrap() {
            assert!(entry.record.sequence > second.record.sequence);
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..256)) {
            let headed = [b"6,1,1,-;", bytes.as_slice()].concat();
            let _ = (parse(&bytes), parse(&headed));
        }

        #[test]
        fn escaping_as_the_kernel_does_is_undone(
            bytes in proptest::collection::vec(any::<u8>(), 0..64),
        ) {
            let mut escaped = Vec::new();
            for &byte in &bytes {
                if (b' '..127).contains(&byte) && byte != b'\\' {
                    escaped.push(byte);
                } else {
                    escaped.extend(format!("\\x{byte:02x}").into_bytes());
                }
            }
            prop_assert_eq!(unescape(&escaped), bytes);
        }
    }
}
