//! What was promised, what was measured, and whether the one is the other.

use serde_json::{Value, json};

/// One promise of a scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Must {
    pub what: String,
    pub wanted: String,
    pub measured: String,
    pub passed: bool,
}

/// What came of a scenario with one subject in the cache's place.
#[derive(Clone, Debug, Default)]
pub struct Report {
    pub scenario: String,
    pub subject: String,
    pub cgroup: &'static str,
    pub musts: Vec<Must>,
    pub notes: Vec<String>,
}

impl Report {
    pub fn must(
        &mut self,
        what: &str,
        wanted: impl Into<String>,
        measured: impl Into<String>,
        passed: bool,
    ) {
        let (what, wanted, measured) = (what.to_owned(), wanted.into(), measured.into());
        self.musts.push(Must { what, wanted, measured, passed });
    }

    pub fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    /// Whether all was kept. Nothing promised is nothing kept.
    #[must_use]
    pub fn passed(&self) -> bool {
        !self.musts.is_empty() && self.musts.iter().all(|must| must.passed)
    }

    #[must_use]
    pub fn to_json(&self) -> Value {
        let musts = self.musts.iter().map(|must| {
            json!({"what": must.what, "wanted": must.wanted, "measured": must.measured,
                   "passed": must.passed})
        });
        json!({"scenario": self.scenario, "subject": self.subject, "cgroup": self.cgroup,
               "passed": self.passed(), "musts": musts.collect::<Vec<_>>(), "notes": self.notes})
    }

    /// For people: a line for each promise.
    #[must_use]
    pub fn to_text(&self) -> String {
        let sign = |passed: bool| if passed { "kept  " } else { "BROKEN" };
        let mut text = format!("{} ({}, cgroup {})\n", self.scenario, self.subject, self.cgroup);
        for must in &self.musts {
            let Must { what, wanted, measured, passed } = must;
            text += &format!("  {} {what}: {measured} (wanted: {wanted})\n", sign(*passed));
        }
        for note in &self.notes {
            text += &format!("         {note}\n");
        }
        text
    }
}
