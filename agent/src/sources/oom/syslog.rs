//! The kernel log by syslog(2): the way that is left in a container whose device rules forbid
//! `/dev/kmsg`; CAP_SYSLOG is enough.
//!
//! The call gives out the whole log each time and has no position, so the last bytes seen are
//! remembered and looked for. Knows nothing of OOM; clears nothing.

use super::klogctl;
use crate::clock::Stamp;
use std::io;

/// The newest part of the log that is looked at. The default ring is 128 KiB to 1 MiB.
const LOG_BYTES_MAX: usize = 1024 * 1024;
/// How much of the end is remembered; with times in every line that is unique.
const TAIL_BYTES: usize = 512;

/// One line of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// None if the kernel prints no times (`printk.time=0`).
    pub at: Option<Stamp>,
    /// Printed by the kernel, not by a process.
    pub from_kernel: bool,
    pub text: String,
}

/// Parses one line, `<6>[   12.345678] text`, possibly with the printing task after the time,
/// `[    T12]`. None if the line has no priority.
#[must_use]
pub fn parse(line: &[u8]) -> Option<Line> {
    let line = String::from_utf8_lossy(line);
    let (priority, rest) = line.strip_prefix('<')?.split_once('>')?;
    let priority: u32 = priority.parse().ok()?;
    let (at, rest) = match time(rest) {
        Some((at, rest)) => (Some(at), without_caller(rest)),
        None => (None, rest),
    };
    let text = rest.strip_prefix(' ').filter(|_| at.is_some()).unwrap_or(rest).to_owned();
    Some(Line { at, from_kernel: priority >> 3 == 0, text })
}

/// `[   12.345678]` → 12,345 ms, and what follows the bracket.
fn time(text: &str) -> Option<(Stamp, &str)> {
    let (time, rest) = text.strip_prefix('[')?.split_once(']')?;
    let (seconds, micros) = time.trim_start().split_once('.')?;
    let seconds: i64 = seconds.parse().ok()?;
    let micros: i64 = micros.parse().ok()?;
    let digits_only = time.bytes().all(|b| b.is_ascii_digit() || b == b' ' || b == b'.');
    let ms = seconds.checked_mul(1000)?.checked_add(micros / 1000)?;
    digits_only.then_some((Stamp(ms), rest))
}

/// Drops `[    T12]` or `[    C3]`, which CONFIG_PRINTK_CALLER adds.
fn without_caller(text: &str) -> &str {
    let caller = text.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    match caller {
        Some((who, rest)) if who.trim_start().starts_with(['T', 'C']) => rest,
        _ => text,
    }
}

/// What has come since the last look.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct News {
    pub(super) bytes: Vec<u8>,
    /// The last look's end is no longer in the log: it was overwritten or cleared.
    pub(super) gap: bool,
}

/// The position in a log that has none.
#[derive(Debug, Default)]
pub(super) struct Syslog {
    tail: Vec<u8>,
}

impl Syslog {
    /// Makes sure that the log may be read.
    pub(super) fn probe() -> io::Result<Self> {
        klogctl::read_all(&mut [0; TAIL_BYTES])?;
        Ok(Self::default())
    }

    /// Everything new, oldest first; on the first call the whole log.
    ///
    /// Cost: 0.4 ms for a log of 38 KiB (two-core VM, Linux 6.18); it grows with the log.
    pub(super) fn news(&mut self) -> io::Result<News> {
        let mut log = vec![0; klogctl::size_buffer()?.min(LOG_BYTES_MAX)];
        let length = klogctl::read_all(&mut log)?;
        log.truncate(length);
        Ok(self.after_tail(log))
    }

    fn after_tail(&mut self, mut log: Vec<u8>) -> News {
        let seen = if self.tail.is_empty() {
            None
        } else {
            log.windows(self.tail.len()).rposition(|window| window == self.tail)
        };
        let gap = seen.is_none() && !self.tail.is_empty() && !log.is_empty();
        let start = seen.map_or(0, |at| at + self.tail.len());
        if !log.is_empty() {
            let keep_from = log.len().saturating_sub(TAIL_BYTES);
            self.tail = log[keep_from..].to_vec();
        }
        log.drain(..start);
        News { bytes: log, gap }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn priority_time_and_caller_are_taken_off() {
        let line = parse(b"<6>[ 1402.009333] oom-kill:constraint=X").unwrap();
        assert_eq!(line.at, Some(Stamp(1_402_009)));
        assert_eq!((line.text.as_str(), line.from_kernel), ("oom-kill:constraint=X", true));
        let called = parse(b"<4>[   37.115808][ T9185] [  15775]     0 15775").unwrap();
        assert_eq!(called.text, "[  15775]     0 15775");
        let row = parse(b"<6>[    0.000001] [  pid  ]   uid").unwrap();
        assert_eq!((row.at, row.text.as_str()), (Some(Stamp(0)), "[  pid  ]   uid"));
    }

    #[test]
    fn a_line_without_time_keeps_its_text_and_a_process_is_not_the_kernel() {
        let line = parse(b"<12>[not a time] Killed process 1").unwrap();
        assert_eq!((line.at, line.from_kernel), (None, false));
        assert_eq!(line.text, "[not a time] Killed process 1");
        assert_eq!(parse(b"no priority"), None);
        assert_eq!(parse(b"<x>y"), None);
    }

    #[test]
    fn only_what_follows_the_last_look_is_news() {
        let mut log = Syslog::default();
        assert_eq!(log.after_tail(b"<6>a\n".to_vec()).bytes, b"<6>a\n");
        assert_eq!(log.after_tail(b"<6>a\n".to_vec()).bytes, b"");
        let news = log.after_tail(b"<6>a\n<6>b\n".to_vec());
        assert_eq!(news, News { bytes: b"<6>b\n".to_vec(), gap: false });
        // The ring has dropped `a` but still holds `b`, which is known.
        let news = log.after_tail(b"<6>a\n<6>b\n<6>c\n".to_vec());
        assert_eq!(news.bytes, b"<6>c\n");
    }

    #[test]
    fn a_log_that_was_overwritten_or_cleared_is_news_with_a_gap() {
        let mut log = Syslog::default();
        log.after_tail(b"<6>a\n".to_vec());
        assert_eq!(log.after_tail(Vec::new()), News { bytes: Vec::new(), gap: false });
        let news = log.after_tail(b"<6>x\n".to_vec());
        assert_eq!(news, News { bytes: b"<6>x\n".to_vec(), gap: true });
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..256)) {
            let headed = [b"<6>[", bytes.as_slice()].concat();
            let _ = (parse(&bytes), parse(&headed));
        }

        /// A log that grows line by line through a window is delivered whole and once.
        #[test]
        fn a_growing_log_is_delivered_once(steps in proptest::collection::vec(0_usize..4, 1..20)) {
            let mut log = Syslog::default();
            let (mut whole, mut delivered) = (Vec::new(), Vec::new());
            for (at, &lines) in steps.iter().enumerate() {
                for line in 0..lines {
                    whole.extend(format!("<6>[{at:5}.{line:06}] line\n").into_bytes());
                }
                let window = whole[whole.len().saturating_sub(2048)..].to_vec();
                delivered.extend(log.after_tail(window).bytes);
            }
            prop_assert_eq!(delivered, whole);
        }
    }
}
