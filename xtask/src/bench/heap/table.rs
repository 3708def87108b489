//! The table: what was measured, what it has to be, whether it is.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

/// Nothing is begun after this time; what is begun takes a minute or so at most.
const TIME_MAX: Duration = Duration::from_secs(6 * 60);

/// One figure.
#[derive(Clone, Debug)]
pub struct Row {
    pub what: String,
    pub unit: &'static str,
    pub value: f64,
    /// The value may not be more than this.
    pub at_most: Option<f64>,
    /// What it was held against, in words.
    pub truth: String,
}

impl Row {
    pub fn new(what: impl Into<String>, unit: &'static str, value: f64) -> Self {
        Self { what: what.into(), unit, value, at_most: None, truth: String::new() }
    }

    pub fn at_most(mut self, most: f64) -> Self {
        self.at_most = Some(most);
        self
    }

    pub fn against(mut self, truth: impl Into<String>) -> Self {
        self.truth = truth.into();
        self
    }

    /// None where there is nothing to be reached.
    pub fn is_met(&self) -> Option<bool> {
        self.at_most.map(|most| self.value <= most)
    }

    pub fn shown(&self) -> String {
        number(self.value)
    }
}

/// The rows so far, and what could not be measured.
#[derive(Debug)]
pub struct Table {
    begun: Instant,
    pub rows: Vec<Row>,
    pub failed: Vec<String>,
}

impl Table {
    pub fn new() -> Self {
        Self { begun: Instant::now(), rows: Vec::new(), failed: Vec::new() }
    }

    /// Adds a row and says so at once: what comes later may fail.
    pub fn push(&mut self, row: Row) {
        self.say(&format!("{}: {} {}", row.what, row.shown(), row.unit));
        self.rows.push(row);
    }

    /// Measures one thing. If that fails the rows up to then stay, and the others are still tried;
    /// beyond the time that there is it is not tried.
    pub fn attempt(&mut self, what: &str, of: impl FnOnce(&mut Self) -> Result<(), String>) {
        if self.begun.elapsed() > TIME_MAX {
            self.failed.push(format!("{what}: not tried, {} s had passed", TIME_MAX.as_secs()));
            return;
        }
        self.say(what);
        if let Err(why) = of(self) {
            self.failed.push(format!("{what}: {why}"));
        }
    }

    fn say(&self, what: &str) {
        eprintln!("{:>4} s  {what}", self.begun.elapsed().as_secs());
    }
}

/// Markdown, the way it is copied into the documentation.
pub fn print(rows: &[Row]) -> String {
    let mut text = String::from("| figure | measured | unit | must be | held against | met |\n");
    text.push_str("|---|---|---|---|---|---|\n");
    for row in rows {
        let most =
            row.at_most.map_or_else(|| "reported".to_owned(), |most| format!("≤ {}", number(most)));
        let met = match row.is_met() {
            Some(true) => "yes",
            Some(false) => "**no**",
            None => "",
        };
        let (what, shown, unit, truth) = (&row.what, row.shown(), row.unit, &row.truth);
        // Writing to a string cannot fail.
        let _ = writeln!(text, "| {what} | {shown} | {unit} | {most} | {truth} | {met} |");
    }
    text
}

fn number(value: f64) -> String {
    match value.abs() {
        v if v >= 100.0 || v.fract() == 0.0 => format!("{value:.0}"),
        v if v >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_takes_no_row_of_others_with_it() {
        let mut table = Table::new();
        table.attempt("the first", |table| {
            table.push(Row::new("a", "%", 1.0));
            Err("broke".to_owned())
        });
        table.attempt("the second", |table| {
            table.push(Row::new("b", "%", 2.0));
            Ok(())
        });
        assert_eq!(
            (table.rows.len(), &table.failed[..]),
            (2, &["the first: broke".to_owned()][..])
        );
    }

    #[test]
    fn a_figure_is_held_against_its_goal() {
        let row = Row::new("error of trimmable", "%", 0.25).at_most(1.0).against("RSS");
        assert_eq!(row.is_met(), Some(true));
        let text = print(&[row]);
        let line = text.lines().last().unwrap();
        assert_eq!(line, "| error of trimmable | 0.250 | % | ≤ 1 | RSS | yes |");
    }
}
