//! All entities of a trace, by name, and the histories they are kept in.

use super::columns::Row;
use super::entity::{Entity, FIRST_SEEN, Rules, Seen};
use crate::config::Config;
use crate::history::{History, HistoryParams};
use crate::sampler::Track;
use crate::target::{ProcessId, Target};
use crate::verdict::{Params, Scratch};
use rustc_hash::FxHashMap;

/// Entities that share a history. Each history has room for all of them in full, and takes it from
/// the heap only as they fill it.
const SHELF: usize = 64;

#[derive(Debug)]
pub struct Fleet {
    rules: Rules,
    by_name: FxHashMap<Box<str>, usize>,
    entities: Vec<Entity>,
    shelves: Vec<History>,
    scratch: Scratch,
    /// Where rows follow one another, the name is not looked up.
    last: (String, usize),
}

/// The judgement is that of an agent without a configuration file.
impl Default for Fleet {
    fn default() -> Self {
        let config = Config::default();
        let params = Params::from_config(&config.alerts);
        Self {
            rules: Rules { sampling: config.sampling, params },
            by_name: FxHashMap::default(),
            entities: Vec::new(),
            shelves: Vec::new(),
            scratch: Scratch::default(),
            last: (String::new(), 0),
        }
    }
}

impl Fleet {
    #[must_use]
    pub const fn len(&self) -> usize {
        self.entities.len()
    }

    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.entities.is_empty()
    }

    /// Takes in a row, of an entity that may be new.
    ///
    /// # Errors
    /// The row lies before the one of its entity before it.
    pub fn see(&mut self, row: &Row<'_>) -> Result<Seen, String> {
        if self.last.0 != row.entity || self.entities.is_empty() {
            self.turn_to(row);
        }
        let index = self.last.1;
        let (entity, shelf) = (&mut self.entities[index], &mut self.shelves[index / SHELF]);
        entity.see(row, &self.rules, shelf, &mut self.scratch)
    }

    fn turn_to(&mut self, row: &Row<'_>) {
        let found = self.by_name.get(row.entity).copied();
        let index = found.unwrap_or_else(|| self.enter(row));
        self.last.0.clear();
        self.last.0.push_str(row.entity);
        self.last.1 = index;
    }

    fn enter(&mut self, row: &Row<'_>) -> usize {
        let index = self.entities.len();
        if index.is_multiple_of(SHELF) {
            self.shelves.push(History::new(HistoryParams::in_full(SHELF)));
        }
        // Names stay here: in the history an entity is a number.
        let target = Target::Process(ProcessId { pid: 0, start_time: index as u64 });
        let series = self.shelves[index / SHELF].open(&target, FIRST_SEEN);
        self.entities.push(Entity::new(Track::new(series, FIRST_SEEN), row.time_s));
        self.by_name.insert(row.entity.into(), index);
        index
    }
}
