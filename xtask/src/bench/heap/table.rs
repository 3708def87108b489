//! The table: what was measured, what it has to be, whether it is.

use std::fmt::Write as _;

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

/// Markdown, the way it is copied into the documentation.
pub fn print(rows: &[Row]) -> String {
    let mut text = String::from("| figure | measured | unit | must be | held against | met |\n");
    text.push_str("|---|---|---|---|---|---|\n");
    for row in rows {
        let most = row.at_most.map(|most| format!("≤ {}", number(most))).unwrap_or_default();
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
    fn a_figure_is_held_against_its_goal() {
        let row = Row::new("error of trimmable", "%", 0.25).at_most(1.0).against("RSS");
        assert_eq!(row.is_met(), Some(true));
        let text = print(&[row]);
        let line = text.lines().last().unwrap();
        assert_eq!(line, "| error of trimmable | 0.250 | % | ≤ 1 | RSS | yes |");
    }
}
