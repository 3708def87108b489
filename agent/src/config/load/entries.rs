//! Reads the entries of the lists of a file, with the same care as its keys.

use super::{File, Loading, distance, raw_of};
use crate::config::lists::{self, EntryPlaces, List, Refused};
use crate::config::{Fault, Place};
use std::collections::BTreeMap;
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

impl Loading {
    pub(super) fn read_list(&mut self, file: &File<'_>, path: &str, items: &DeArray<'_>) {
        let Some(list) = lists::find(path) else { return };
        for (at, item) in items.iter().enumerate() {
            let start = file.place(item.span().start);
            list.begin(&mut self.effective.config);
            let places = EntryPlaces { start: start.clone(), keys: BTreeMap::new() };
            self.effective.entries.insert((list.path(), at), places);
            match item.get_ref() {
                DeValue::Table(table) => self.read_entry(file, list, at, table),
                _ => {
                    let what = format!("is no table: begin each entry by [[{path}]]");
                    self.problem(start, path, what, String::new());
                }
            }
        }
    }

    fn read_entry(&mut self, file: &File<'_>, list: &dyn List, at: usize, table: &DeTable<'_>) {
        for (name, value) in table {
            let name: (&Spanned<_>, &str) = (name, name.get_ref());
            let place = file.place(value.span().start);
            let raw = raw_of(value.get_ref());
            match list.set(&mut self.effective.config, name.1, &raw) {
                Ok(key) => {
                    if let Some(places) = self.effective.entries.get_mut(&(list.path(), at)) {
                        places.keys.insert(key, place);
                    }
                }
                Err(Refused::Value { key, what, accepted }) => {
                    let path = format!("{}[{}].{key}", list.path(), at + 1);
                    self.problem(place, &path, what, accepted);
                }
                Err(Refused::Unknown(known)) => {
                    let path = format!("{}[{}].{}", list.path(), at + 1, name.1);
                    let place = file.place(name.0.span().start);
                    self.problem(place, &path, unknown(name.1, &known), String::new());
                }
            }
        }
    }

    /// Tells a fault where its key was written, or else where its entry begins.
    pub(super) fn fault(&mut self, fault: Fault) {
        let Some(places) = self.effective.entries.get(&(fault.list, fault.at)) else { return };
        let own = format!("{}[{}].", fault.list, fault.at + 1);
        let told = self.problems.iter().any(|problem| problem.key.starts_with(&own));
        if told && !places.keys.contains_key(fault.key) {
            // What seems to be missing may be what was refused.
            return;
        }
        let place: Place = places.keys.get(fault.key).unwrap_or(&places.start).clone();
        let dot = if fault.key.is_empty() { "" } else { "." };
        let path = format!("{}[{}]{dot}{}", fault.list, fault.at + 1, fault.key);
        self.problem(place, &path, fault.what, String::new());
    }
}

fn unknown(name: &str, known: &[&'static str]) -> String {
    let near = known.iter().map(|known| (distance(known, name), *known)).min();
    match near.filter(|(far, known)| *far <= known.len() / 2) {
        Some((_, known)) => format!("unknown key, did you mean {known}?"),
        None => format!("unknown key; there are {}", known.join(", ")),
    }
}
