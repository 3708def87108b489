//! The arrays of tables of a configuration: `[[rules]]`, `[[routes]]`, `[[destinations]]` and
//! `[[silences]]`, each with a table of its keys as [`super::keys`] has one of all others.
//!
//! Lists are set by the file alone: neither the environment nor a flag can tell one entry from
//! another.

mod tables;

use super::field::Raw;
use super::keys::Key;
use super::{Config, Place};
use std::collections::BTreeMap;
use std::fmt::Write as _;
pub use tables::LISTS;

/// A kind of list with the keys of its entries.
#[derive(Debug)]
pub struct Table<C: 'static> {
    pub path: &'static str,
    pub doc: &'static str,
    pub keys: &'static [Key<C>],
    pub entries: fn(&mut Config) -> &mut Vec<C>,
    /// Entries as a file could have them, for the reference.
    pub example: &'static str,
}

/// Where an entry and what is set in it stand.
#[derive(Clone, Debug)]
pub struct EntryPlaces {
    pub start: Place,
    pub keys: BTreeMap<&'static str, Place>,
}

/// A list of any kind.
pub trait List: Sync {
    fn path(&self) -> &'static str;
    fn differs(&self, old: &Config, new: &Config) -> bool;
    /// Appends an entry at its defaults.
    fn begin(&self, config: &mut Config);
    /// Sets a key of the newest entry.
    ///
    /// # Errors
    /// What is wrong and what is accepted.
    fn set(&self, config: &mut Config, name: &str, raw: &Raw) -> Result<&'static str, Refused>;
    /// The entries as TOML, each value with its origin by `origin(entry, key)`.
    fn print(&self, config: &Config, origin: &dyn Fn(usize, &str) -> String) -> String;
    /// The list for people: each key explained, then an example, commented out.
    fn reference(&self) -> String;
    /// The same as a section of the page.
    fn page(&self) -> String;
}

/// Why a key of an entry was not set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// There is no such key; the ones there are.
    Unknown(Vec<&'static str>),
    Value {
        key: &'static str,
        what: String,
        accepted: String,
    },
}

#[must_use]
pub fn find(path: &str) -> Option<&'static dyn List> {
    LISTS.iter().copied().find(|list| list.path() == path)
}

impl<C: Clone + Default + PartialEq> List for Table<C> {
    fn path(&self) -> &'static str {
        self.path
    }

    fn differs(&self, old: &Config, new: &Config) -> bool {
        (self.entries)(&mut old.clone()) != (self.entries)(&mut new.clone())
    }

    fn begin(&self, config: &mut Config) {
        (self.entries)(config).push(C::default());
    }

    fn set(&self, config: &mut Config, name: &str, raw: &Raw) -> Result<&'static str, Refused> {
        let Some(key) = self.keys.iter().find(|key| key.path == name) else {
            return Err(Refused::Unknown(self.keys.iter().map(|key| key.path).collect()));
        };
        let entry = (self.entries)(config).last_mut().expect("an entry was begun before its keys");
        let set = key.field.set(entry, raw);
        set.map(|()| key.path).map_err(|what| {
            let accepted = key.field.accepted();
            Refused::Value { key: key.path, what, accepted }
        })
    }

    fn print(&self, config: &Config, origin: &dyn Fn(usize, &str) -> String) -> String {
        let mut out = String::new();
        for (at, entry) in (self.entries)(&mut config.clone()).iter().enumerate() {
            let _ = writeln!(out, "\n[[{}]]", self.path);
            for key in self.keys {
                let from = origin(at, key.path);
                let _ = match key.field.toml(entry) {
                    Some(value) => writeln!(out, "{} = {value} # {from}", key.path),
                    None if key.field.hides(entry) => {
                        writeln!(out, "#{} is set and not shown # {from}", key.path)
                    }
                    None => continue,
                };
            }
        }
        out
    }

    fn reference(&self) -> String {
        let mut out = format!("\n# {}\n", self.doc);
        let defaults = C::default();
        for key in self.keys {
            let default = key.field.toml(&defaults).filter(|text| text != "\"\"");
            let default = default.unwrap_or_else(|| "unset".into());
            let _ = write!(
                out,
                "#\n# {}: {} {}\n#   Accepted: {}. Default: {default}.\n",
                key.path,
                key.doc,
                key.edges,
                key.field.accepted(),
            );
        }
        for line in self.example.lines() {
            let _ = writeln!(out, "#{line}");
        }
        out
    }

    fn page(&self) -> String {
        super::page::list(self.path, self.doc, self.keys)
    }
}
