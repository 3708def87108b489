//! What `top` knows and what its user has chosen; keys and news change it. Pure.

use super::rows::{Row, rows};
use super::{Snapshot, Sort};
use crate::cli::ask::{AskError, Cost};
use crate::view::SeriesView;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use std::ops::ControlFlow;

/// A longer filter matches nothing.
const FILTER_CHARS_MAX: usize = 100;
const PAGE: usize = 10;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Tab {
    #[default]
    Processes,
    Workloads,
    Cgroups,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Model {
    pub(super) tab: Tab,
    pub(super) sort: Sort,
    pub(super) filter: String,
    /// Keys go into the filter.
    pub(super) typing: bool,
    pub(super) paused: bool,
    pub(super) help: bool,
    pub(super) details: bool,
    pub(super) colour: bool,
    pub(super) snapshot: Option<Snapshot>,
    /// Why there is no newer snapshot.
    pub(super) trouble: Option<String>,
    pub(super) series: Option<SeriesView>,
    /// Share of one core that the agent took between the last two snapshots.
    pub(super) agent_cpu: Option<f64>,
    rows: Vec<Row>,
    selected: usize,
}

impl Model {
    pub(super) fn new(sort: Sort, colour: bool) -> Self {
        Self { sort, colour, ..Self::default() }
    }

    pub(super) fn rows(&self) -> &[Row] {
        &self.rows
    }

    pub(super) const fn selected(&self) -> usize {
        self.selected
    }

    pub(super) fn selected_row(&self) -> Option<&Row> {
        self.rows.get(self.selected)
    }

    /// The target whose series the details pane shows.
    pub(super) fn wanted_series(&self) -> Option<&str> {
        self.selected_row().filter(|_| self.details).map(|row| row.id.as_str())
    }

    /// Takes a new snapshot, or why there is none. While paused, only the latter is shown.
    pub(super) fn news(&mut self, news: Result<Snapshot, AskError>) {
        match news {
            Err(why) => self.trouble = Some(why.to_string()),
            Ok(snapshot) => {
                self.trouble = None;
                if !self.paused || self.snapshot.is_none() {
                    let before = self.snapshot.as_ref().and_then(|old| old.cost);
                    self.agent_cpu = before.zip(snapshot.cost).and_then(|(a, b)| cpu(a, b));
                    self.snapshot = Some(snapshot);
                    self.refill();
                }
            }
        }
    }

    pub(super) fn news_of_series(&mut self, series: SeriesView) {
        if !self.paused {
            self.series = Some(series);
        }
    }

    /// Obeys a key; breaks if it says to quit.
    pub(super) fn key(&mut self, key: KeyEvent) -> ControlFlow<()> {
        match key.code {
            KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => {
                return ControlFlow::Break(());
            }
            _ if key.modifiers.contains(KeyModifiers::CONTROL) => {}
            code if self.typing => self.key_of_filter(code),
            _ if self.help => self.help = false,
            KeyCode::Char('q') => return ControlFlow::Break(()),
            KeyCode::Esc if self.details => self.details = false,
            KeyCode::Esc => self.set_filter(String::new()),
            KeyCode::Char('?' | 'h') => self.help = true,
            KeyCode::Char('/') => self.typing = true,
            KeyCode::Char('p' | ' ') => self.paused = !self.paused,
            KeyCode::Char('t') | KeyCode::Tab => self.next_tab(),
            KeyCode::Char('s') => self.next_sort(),
            KeyCode::Enter => self.details = !self.details,
            code => self.key_of_cursor(code),
        }
        ControlFlow::Continue(())
    }

    fn key_of_cursor(&mut self, code: KeyCode) {
        let last = self.rows.len().saturating_sub(1);
        let moved = match code {
            KeyCode::Down | KeyCode::Char('j') => self.selected + 1,
            KeyCode::Up | KeyCode::Char('k') => self.selected.saturating_sub(1),
            KeyCode::PageDown => self.selected + PAGE,
            KeyCode::PageUp => self.selected.saturating_sub(PAGE),
            KeyCode::Home | KeyCode::Char('g') => 0,
            KeyCode::End | KeyCode::Char('G') => last,
            _ => self.selected,
        };
        self.selected = moved.min(last);
    }

    fn key_of_filter(&mut self, code: KeyCode) {
        let mut filter = self.filter.clone();
        match code {
            KeyCode::Enter => self.typing = false,
            KeyCode::Esc => {
                self.typing = false;
                filter.clear();
            }
            KeyCode::Backspace => {
                filter.pop();
            }
            KeyCode::Char(c) if filter.chars().count() < FILTER_CHARS_MAX => filter.push(c),
            _ => {}
        }
        self.set_filter(filter);
    }

    fn set_filter(&mut self, filter: String) {
        self.filter = filter;
        self.refill();
    }

    fn next_tab(&mut self) {
        self.tab = match self.tab {
            Tab::Processes => Tab::Workloads,
            Tab::Workloads => Tab::Cgroups,
            Tab::Cgroups => Tab::Processes,
        };
        self.selected = 0;
        self.refill();
    }

    fn next_sort(&mut self) {
        self.sort = match self.sort {
            Sort::Urgency => Sort::Used,
            Sort::Used => Sort::Anon,
            Sort::Anon => Sort::Rate,
            Sort::Rate => Sort::TimeLeft,
            Sort::TimeLeft => Sort::Name,
            Sort::Name => Sort::Urgency,
        };
        self.refill();
    }

    /// Makes the rows anew; the cursor stays on its target if that is still there.
    fn refill(&mut self) {
        let Some(snapshot) = &self.snapshot else { return };
        let target = self.selected_row().map(|row| row.id.clone());
        self.rows = rows(snapshot, self.tab, self.sort, &self.filter);
        let found = target.and_then(|id| self.rows.iter().position(|row| row.id == id));
        // At the top one watches the order, not a target.
        let stays = found.filter(|_| self.selected > 0 || self.details);
        let last = self.rows.len().saturating_sub(1);
        self.selected = stays.unwrap_or(self.selected).min(last);
    }
}

fn cpu(before: Cost, after: Cost) -> Option<f64> {
    let spent = after.cpu_seconds_total? - before.cpu_seconds_total?;
    let passed = after.uptime_s? - before.uptime_s?;
    (passed > 0.0 && spent >= 0.0).then(|| spent / passed)
}
