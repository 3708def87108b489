//! What a machine said on its second serial line, told apart into its parts. Pure.
//!
//! Input: the text that `tests/vm/bed.sh` writes there: `=====BEGIN NAME`, lines of the command,
//! `=====END EXIT SECONDS`; at the very end `=====DONE`. A command's line is a result if it is a
//! JSON object with `scenario`, or one of libtest's (`test NAME ... ok`); else it is log.

use serde_json::Value;

const BEGIN: &str = "=====BEGIN ";
const END: &str = "=====END ";
const DONE: &str = "=====DONE";

/// One command of the plan.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    pub name: String,
    /// Exit code; None: it had not ended.
    pub exit: Option<i32>,
    /// By the guest's clock.
    pub seconds: f64,
    pub results: Vec<Verdict>,
    pub log: Vec<String>,
}

/// What came of one scenario or test.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    pub name: String,
    pub good: bool,
    /// For people: each promise, with what was measured.
    pub why: Vec<String>,
}

impl Part {
    pub fn is_good(&self) -> bool {
        self.exit == Some(0) && !self.results.is_empty() && self.results.iter().all(|r| r.good)
    }
}

pub fn parts(text: &str) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    for line in text.lines().map(str::trim_end) {
        if let Some(name) = line.strip_prefix(BEGIN) {
            let name = name.to_owned();
            let (results, log) = (Vec::new(), Vec::new());
            parts.push(Part { name, exit: None, seconds: 0.0, results, log });
            continue;
        }
        let Some(part) = parts.last_mut().filter(|part| part.exit.is_none()) else { continue };
        if let Some(end) = line.strip_prefix(END) {
            let mut words = end.split(' ');
            part.exit = words.next().and_then(|word| word.parse().ok());
            part.seconds = words.next().and_then(|word| word.parse().ok()).unwrap_or(0.0);
        } else if let Some(verdict) = of_scenario(line).or_else(|| of_test(line)) {
            part.results.push(verdict);
        } else {
            part.log.push(line.to_owned());
        }
    }
    parts
}

pub fn is_done(text: &str) -> bool {
    text.lines().any(|line| line.trim_end() == DONE)
}

/// A line of `plimsoll-loop run --json`.
fn of_scenario(line: &str) -> Option<Verdict> {
    let value: Value = serde_json::from_str(line).ok()?;
    let name = value["scenario"].as_str()?.to_owned();
    let good = value["passed"].as_bool()?;
    let musts = value["musts"].as_array().map(Vec::as_slice).unwrap_or_default();
    let told = |must: &Value| {
        let word = |key: &str| must[key].as_str().unwrap_or("?").to_owned();
        let sign = if must["passed"] == true { "kept" } else { "BROKEN" };
        format!("{sign}: {}: {} (wanted: {})", word("what"), word("measured"), word("wanted"))
    };
    let notes = value["notes"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let why = musts.iter().map(told).chain(notes.map(|note| format!("note: {note}"))).collect();
    Some(Verdict { name, good, why })
}

/// A line of libtest.
fn of_test(line: &str) -> Option<Verdict> {
    let (name, outcome) = line.strip_prefix("test ")?.split_once(" ... ")?;
    let good = outcome.starts_with("ok");
    Some(Verdict { name: name.to_owned(), good, why: Vec::new() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_told_from_log_and_a_part_without_an_end_has_no_exit() {
        let text = "noise\n=====BEGIN tests\nrunning 2 tests\ntest a::b ... ok\r\n\
            test c ... FAILED\n=====END 101 12.5\n=====BEGIN loop\n\
            {\"scenario\":\"burst\",\"passed\":false,\"musts\":[{\"what\":\"kills\",\
            \"wanted\":\"0\",\"measured\":\"1\",\"passed\":false}],\"notes\":[]}\n";
        let parts = parts(text);
        assert_eq!((parts[0].exit, parts[0].seconds), (Some(101), 12.5));
        assert_eq!(parts[0].log, ["running 2 tests"]);
        let names: Vec<(&str, bool)> =
            parts[0].results.iter().map(|r| (r.name.as_str(), r.good)).collect();
        assert_eq!(names, [("a::b", true), ("c", false)]);
        assert_eq!(parts[1].exit, None);
        assert_eq!(parts[1].results[0].why, ["BROKEN: kills: 1 (wanted: 0)"]);
        assert!(!parts[0].is_good() && !parts[1].is_good());
        assert!(!is_done(text) && is_done("=====DONE\r\n"));
    }

    #[test]
    fn a_command_that_says_nothing_has_proved_nothing() {
        let said = "=====BEGIN a\n=====END 0 1.0\n=====BEGIN b\ntest x ... ok\n=====END 0 2.0\n";
        let good: Vec<bool> = parts(said).iter().map(Part::is_good).collect();
        assert_eq!(good, [false, true]);
    }
}
