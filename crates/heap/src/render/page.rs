//! Lines of limited width below headings, with bars: the paper that the texts are written on.

use super::words::{bytes, fit, harmless, percent};

/// Columns of a text.
const WIDTH: usize = 96;
/// Columns of a name beside a bar.
const NAME: usize = 18;
/// Columns of a bar.
const BAR: usize = 40;
/// Eighths of a column. Source: Unicode, Block Elements.
const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];

/// A text in the making. Whatever is written on it is harmless to a terminal.
#[derive(Debug, Default)]
pub struct Page(String);

impl Page {
    #[must_use]
    pub fn into_text(self) -> String {
        self.0
    }

    pub fn line(&mut self, text: &str) {
        self.0.push_str(harmless(text).trim_end());
        self.0.push('\n');
    }

    /// A heading after an empty line, with what belongs beside it.
    pub fn section(&mut self, title: &str, beside: &str) {
        self.0.push('\n');
        self.line(&format!("{}  {beside}", title.to_uppercase()));
    }

    /// A sentence, broken at blanks; a word longer than the line stays whole.
    pub fn prose(&mut self, text: &str) {
        let mut line = " ".to_owned();
        for word in text.split_whitespace() {
            if line.chars().count() + 1 + word.chars().count() > WIDTH && line.len() > 1 {
                self.line(&line);
                line = " ".to_owned();
            }
            line.push(' ');
            line.push_str(word);
        }
        self.line(&line);
    }

    /// A name, an amount, its share of `whole` as a bar, and a remark.
    pub fn bar(&mut self, name: &str, n: u64, whole: u64, remark: &str) {
        let share = percent(n, whole);
        self.line(&format!(
            "  {:<NAME$} {:>9} {share:>4.0} %  {:<BAR$} {remark}",
            fit(name, NAME),
            bytes(n),
            blocks_of(share / 100.0),
        ));
    }
}

fn blocks_of(share: f64) -> String {
    let eighths = (share.clamp(0.0, 1.0) * (BAR * 8) as f64).round() as usize;
    "█".repeat(eighths / 8) + EIGHTHS[eighths % 8]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_keep_their_columns_whatever_they_are_told() {
        let widths = [0.0, 0.013, 0.5, 1.0, 7.0].map(|share| blocks_of(share).chars().count());
        assert_eq!(widths, [0, 1, 20, 40, 40]);
        let mut page = Page::default();
        page.bar("a\u{1b}name that is far too long", 3, 0, "");
        let text = page.into_text();
        assert!(text.starts_with("  a\u{fffd}name that is fa…"), "{text}");
    }

    #[test]
    fn sentences_break_at_blanks() {
        let mut page = Page::default();
        page.prose(&"word ".repeat(40));
        assert!(page.into_text().lines().all(|line| line.chars().count() <= WIDTH));
    }
}
