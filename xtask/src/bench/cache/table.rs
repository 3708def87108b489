//! One table of all figures: goal, ours, the peers, and how ours stands to the best of them.

use super::super::cost::median;
use std::fmt::Write as _;

/// What is to be reached.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Goal {
    /// Units: those of the figure.
    AtMost(f64),
    /// No more than the best peer's, and so much beside.
    AsPeers { beside: f64 },
    /// Shown for comparison.
    None,
}

/// One figure of all servers; None: not to be had.
#[derive(Clone, Debug)]
pub struct Row {
    pub what: String,
    pub unit: &'static str,
    pub goal: Goal,
    /// Whether the best peer is the one with the most.
    pub is_more_better: bool,
    /// In the order of the columns, each with all its runs.
    pub runs: Vec<Vec<f64>>,
    /// Said beside the median, such as how it ended.
    pub notes: Vec<String>,
}

impl Row {
    pub fn new(what: impl Into<String>, unit: &'static str, goal: Goal, columns: usize) -> Self {
        let (runs, notes) = (vec![Vec::new(); columns], vec![String::new(); columns]);
        Self { what: what.into(), unit, goal, is_more_better: false, runs, notes }
    }

    /// The same where more is better.
    pub fn more_is_better(mut self) -> Self {
        self.is_more_better = true;
        self
    }

    /// Adds a run's value to a column.
    pub fn add(&mut self, column: usize, value: f64) {
        self.runs[column].push(value);
    }

    fn value(&self, column: usize) -> Option<f64> {
        let runs = self.runs.get(column).filter(|runs| !runs.is_empty())?;
        Some(median(runs.clone()))
    }

    /// The least of the peers' values, or the most.
    fn best_peer(&self) -> Option<f64> {
        let values = (1..self.runs.len()).filter_map(|column| self.value(column));
        if self.is_more_better {
            values.max_by(f64::total_cmp)
        } else {
            values.min_by(f64::total_cmp)
        }
    }

    /// Whether ours reaches the goal; None: there is none, or nothing to hold it against.
    pub fn is_met(&self) -> Option<bool> {
        let ours = self.value(0)?;
        match self.goal {
            Goal::AtMost(most) => Some(ours <= most),
            Goal::AsPeers { beside } => self.best_peer().map(|best| ours <= best + beside),
            Goal::None => None,
        }
    }

    fn cell(&self, column: usize) -> String {
        let note = self.notes.get(column).map(String::as_str).unwrap_or_default();
        let value = self.value(column).map(|value| {
            let spread = self.runs[column]
                .iter()
                .fold((f64::MAX, f64::MIN), |(low, high), v| (low.min(*v), high.max(*v)));
            match self.runs[column].len() {
                1 => short(value),
                _ => format!("{} ({}–{})", short(value), short(spread.0), short(spread.1)),
            }
        });
        match (value, note) {
            (Some(value), "") => value,
            (Some(value), note) => format!("{value}, {note}"),
            (None, "") => "–".to_owned(),
            (None, note) => note.to_owned(),
        }
    }
}

/// Three or four digits that count.
fn short(value: f64) -> String {
    match value.abs() {
        v if v >= 100.0 => format!("{value:.0}"),
        v if v >= 10.0 => format!("{value:.2}"),
        0.0 => "0".to_owned(),
        v if v >= 0.1 => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    }
}

/// Markdown, the way it is copied into the documentation.
pub fn print(columns: &[String], rows: &[Row]) -> String {
    let mut text = String::from("| figure | unit | goal | ");
    text.push_str(&columns.join(" | "));
    text.push_str(" | to the best peer | met |\n");
    text.push_str(&"|---".repeat(columns.len() + 5));
    text.push_str("|\n");
    for row in rows {
        let goal = match row.goal {
            Goal::AtMost(most) => format!("≤ {}", short(most)),
            Goal::AsPeers { beside: 0.0 } => "≤ best peer".to_owned(),
            Goal::AsPeers { beside } => format!("≤ best peer + {}", short(beside)),
            Goal::None => String::new(),
        };
        let cells: Vec<String> = (0..columns.len()).map(|column| row.cell(column)).collect();
        let ratio = row.value(0).zip(row.best_peer()).filter(|(_, peer)| *peer > 0.0);
        let ratio = ratio.map(|(ours, peer)| format!("{:.2}×", ours / peer)).unwrap_or_default();
        let met = match row.is_met() {
            Some(true) => "yes",
            Some(false) => "**no**",
            None => "",
        };
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "| {} | {} | {goal} | {} | {ratio} | {met} |",
            row.what,
            row.unit,
            cells.join(" | ")
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_held_against_the_goal_and_the_best_peer() {
        let mut row = Row::new("CPU per operation", "µs", Goal::AtMost(0.75), 3);
        for value in [0.7, 0.9, 0.6] {
            row.add(0, value);
        }
        row.add(1, 1.4);
        row.notes[2] = "killed".to_owned();
        assert_eq!(row.is_met(), Some(true));
        let columns = ["ours", "a", "b"].map(str::to_owned);
        let text = print(&columns, &[row.clone()]);
        let line = text.lines().last().unwrap();
        let cells = "| ≤ 0.75 | 0.70 (0.60–0.90) | 1.40 | killed | 0.50× | yes |";
        assert!(line.ends_with(cells), "{line}");
        row.goal = Goal::AsPeers { beside: 0.0 };
        row.add(1, 0.2);
        row.add(1, 0.2);
        assert_eq!(row.is_met(), Some(false));
    }
}
