//! All entities of a trace, by name.

use super::columns::Row;
use super::entity::{Entity, Rules, Seen};
use crate::config::Config;
use crate::verdict::{Params, Scratch};
use rustc_hash::FxHashMap;

#[derive(Debug)]
pub struct Fleet {
    rules: Rules,
    by_name: FxHashMap<Box<str>, usize>,
    entities: Vec<Entity>,
    scratch: Scratch,
    /// Where rows follow one another, the name is not looked up.
    last: (String, usize),
}

impl Fleet {
    /// The judgement is that of an agent with nothing configured but its caution.
    #[must_use]
    pub fn judged_with(caution: f64) -> Self {
        let mut config = Config::default();
        config.alerts.caution = caution;
        let params = Params::from_config(&config.alerts);
        Self {
            rules: Rules { sampling: config.sampling, params },
            by_name: FxHashMap::default(),
            entities: Vec::new(),
            scratch: Scratch::default(),
            last: (String::new(), 0),
        }
    }

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
        self.entities[index].see(row, &self.rules, &mut self.scratch)
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
        self.entities.push(Entity::new(row.time_s));
        self.by_name.insert(row.entity.into(), index);
        index
    }
}
