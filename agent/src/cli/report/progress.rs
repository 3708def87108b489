//! One line on a terminal that says what is being done, written over and wiped at the end.

use parking_lot::Mutex;
use plimsoll_heap::render::words::fit;
use std::io::Write;

const COLUMNS: usize = 78;

/// The line; nothing where nobody looks.
pub(super) struct Meter<'a>(Option<Mutex<&'a mut dyn Write>>);

impl<'a> Meter<'a> {
    pub(super) fn start(err: &'a mut dyn Write, on_terminal: bool) -> Self {
        Self(on_terminal.then(|| Mutex::new(err)))
    }

    pub(super) fn show(&self, what: &str) {
        self.write(&format!("\r\u{1b}[K{}", fit(what, COLUMNS)));
    }

    pub(super) fn wipe(self) {
        self.write("\r\u{1b}[K");
    }

    fn write(&self, text: &str) {
        let Some(err) = &self.0 else { return };
        let mut err = err.lock();
        // There is nowhere left to say that stderr is closed.
        let _ = err.write_all(text.as_bytes()).and_then(|()| err.flush());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_is_written_over_and_wiped_and_only_where_somebody_looks() {
        let mut seen = Vec::new();
        let meter = Meter::start(&mut seen, true);
        meter.show("walks\u{1b} the heap");
        meter.wipe();
        assert_eq!(seen, "\r\u{1b}[Kwalks\u{fffd} the heap\r\u{1b}[K".as_bytes());
        let mut silent = Vec::new();
        let meter = Meter::start(&mut silent, false);
        meter.show("walks the heap");
        meter.wipe();
        assert_eq!(silent, b"");
    }
}
