//! Names for the roots that hold something, and a number for each name.
//!
//! A variable goes by its symbol; where there is none, by its module and where it lies in it: words
//! that follow each other without a gap are taken for one variable. Threads of one name share a
//! root. Roots are numbered in the order in which they are asked: variables, threads' own storage,
//! stacks, registers, other mappings; of two that are as near to a block the first is named.

use rustc_hash::FxHashMap;

use crate::modules::Modules;
use crate::names::{self, Named};
use crate::target::Opened;

use super::mark::{ROOTS_MAX, RootId};
use super::pass::{Pass, RootPointer};
use super::roots::Kind;
use super::space::Place;

/// Roots by number, from 1 on.
#[derive(Debug, Default)]
pub struct Roots {
    names: Vec<String>,
    ids: FxHashMap<String, RootId>,
    /// Pointers whose root has no number of its own because there are too many.
    pub unnamed: u64,
}

impl Roots {
    pub fn names(&self) -> &[String] {
        &self.names
    }

    fn id(&mut self, name: String) -> RootId {
        if let Some(&id) = self.ids.get(&name) {
            return id;
        }
        // The last number is for all that found none.
        let full = self.names.len() + 1 >= ROOTS_MAX;
        let name = if full { "other roots".to_owned() } else { name };
        if full {
            self.unnamed += 1;
        }
        if let Some(&id) = self.ids.get(&name) {
            return id;
        }
        self.names.push(name.clone());
        // At most ROOTS_MAX, which fits.
        let id = self.names.len() as RootId;
        self.ids.insert(name, id);
        id
    }
}

/// Takes the pointers and names every one's root: pairs of a root's number and a place, in the
/// order of the roots.
pub fn named(opened: &Opened, modules: &Modules, pass: &mut Pass) -> (Roots, Vec<(RootId, Place)>) {
    let mut pointers = std::mem::take(&mut pass.pointers);
    let pass = &*pass;
    pointers
        .sort_unstable_by_key(|pointer| (rank(pass.kind(pointer)), pointer.region, pointer.word));
    let variables = pointers.partition_point(|pointer| rank(pass.kind(pointer)) == 0);
    let (variables, others) = pointers.split_at(variables);
    let mut roots = Roots::default();
    let mut reached = Vec::with_capacity(pointers.len());
    name_variables(opened, modules, pass, variables, &mut roots, &mut reached);
    let mut before: Option<(Kind, RootId)> = None;
    for pointer in others {
        let kind = pass.kind(pointer);
        let id = match before {
            Some((same, id)) if same == kind => id,
            _ => roots.id(name_of(kind, pass)),
        };
        before = Some((kind, id));
        reached.push((id, pointer.place));
    }
    (roots, reached)
}

fn rank(kind: Kind) -> u8 {
    match kind {
        Kind::Module(_) => 0,
        Kind::Tls => 1,
        Kind::Stack(_) => 2,
        Kind::Registers(_) => 3,
        Kind::Mapping(_) => 4,
    }
}

fn name_of(kind: Kind, pass: &Pass) -> String {
    let thread =
        |index: usize| names::shown(pass.thread_names.get(index).map_or("?", String::as_str));
    match kind {
        Kind::Tls => "tls".to_owned(),
        Kind::Stack(index) => format!("thread {} stack", thread(index)),
        Kind::Registers(index) => format!("thread {} registers", thread(index)),
        Kind::Module(index) | Kind::Mapping(index) => match pass.mappings.get(index) {
            Some(mapping) if mapping.name.is_empty() => format!("mapping {:#x}", mapping.start),
            Some(mapping) => format!("mapping {}", names::shown(&mapping.name)),
            None => "mapping".to_owned(),
        },
    }
}

fn name_variables(
    opened: &Opened,
    modules: &Modules,
    pass: &Pass,
    pointers: &[RootPointer],
    roots: &mut Roots,
    reached: &mut Vec<(RootId, Place)>,
) {
    let mut rest = pointers;
    while let Some(first) = rest.first() {
        let address = pass.address(first).unwrap_or(0);
        let Some(module) = modules.holding(address) else {
            reached.push((roots.id(name_of(pass.kind(first), pass)), first.place));
            rest = &rest[1..];
            continue;
        };
        let within = |pointer: &RootPointer| {
            pass.address(pointer).is_some_and(|address| module.range.contains(&address))
        };
        let (own, others) =
            rest.split_at(rest.iter().take_while(|pointer| within(pointer)).count());
        rest = others;
        let addresses: Vec<u64> = own.iter().filter_map(|pointer| pass.address(pointer)).collect();
        let symbols = names::covering(opened, module, &addresses);
        let offset = |address: u64| address - module.range.start;
        let names = variables(&addresses, &symbols, module.name(), offset);
        let own = own.iter().zip(names);
        let mut before: Option<(usize, RootId)> = None;
        for (pointer, (variable, name)) in own {
            let id = match before {
                Some((same, id)) if same == variable => id,
                _ => roots.id(name),
            };
            before = Some((variable, id));
            reached.push((id, pointer.place));
        }
    }
}

/// For each address the number of the variable it lies in and, of the first in each, its name.
fn variables(
    addresses: &[u64],
    symbols: &[Named],
    module: &str,
    offset: impl Fn(u64) -> u64,
) -> Vec<(usize, String)> {
    let mut named = Vec::with_capacity(addresses.len());
    let mut variable = 0;
    let mut before: Option<(u64, Option<u64>)> = None;
    for &address in addresses {
        let after = symbols.partition_point(|symbol| symbol.start <= address);
        let symbol = after.checked_sub(1).map(|at| &symbols[at]);
        let symbol = symbol.filter(|symbol| address < symbol.end);
        let start = symbol.map(|symbol| symbol.start);
        let same = match (before, start) {
            (Some((_, Some(one))), Some(other)) => one == other,
            (Some((last, None)), None) => address - last <= 8,
            _ => false,
        };
        before = Some((address, start));
        if same {
            named.push((variable, String::new()));
            continue;
        }
        variable += 1;
        let name = match symbol {
            Some(symbol) => format!("{module} {}", symbol.name),
            None => format!("{module}+{:#x}", offset(address)),
        };
        named.push((variable, name));
    }
    named
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_named_by_the_variable_they_lie_in_and_runs_without_one_by_their_place() {
        let symbols = [
            Named { start: 0x1010, end: 0x1030, name: "cache".into() },
            Named { start: 0x1040, end: 0x1048, name: "list".into() },
        ];
        let addresses = [0x1000, 0x1008, 0x1010, 0x1028, 0x1030, 0x1040, 0x1050, 0x1060];
        let named = variables(&addresses, &symbols, "p", |address| address - 0x1000);
        let numbers: Vec<_> = named.iter().map(|(number, _)| *number).collect();
        assert_eq!(numbers, [1, 1, 2, 2, 3, 4, 5, 6]);
        let names: Vec<_> = named.iter().map(|(_, name)| name.as_str()).collect();
        assert_eq!(names, ["p+0x0", "", "p cache", "", "p+0x30", "p list", "p+0x50", "p+0x60"]);
    }

    #[test]
    fn roots_above_the_bound_share_the_last_number_and_are_counted() {
        let mut roots = Roots::default();
        for number in 0..ROOTS_MAX + 10 {
            roots.id(number.to_string());
        }
        assert_eq!(roots.names().len(), ROOTS_MAX);
        assert_eq!(roots.unnamed, 11);
        assert_eq!(usize::from(roots.id("new".into())), ROOTS_MAX);
        assert_eq!(roots.id("0".into()), 1);
    }
}
