//! Names of variables and functions as their language writes them.
//!
//! `cpp_demangle` and `rustc-demangle` need no symbolizer, no file and no unsafe code of ours: what
//! they are given here are bare names, half of them out of the target's memory.

use std::collections::BTreeMap;

use crate::modules::Module;
use crate::target::Opened;

/// Longer names are cut.
const CHARS_MAX: usize = 240;
/// How deep a mangled name may nest.
const NESTING_MAX: u32 = 96;

/// One name and what it covers in the target's memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    pub start: u64,
    pub end: u64,
    pub name: String,
}

/// The symbols of `module` that cover any of `addresses`, which are sorted. By address, one for
/// each start. Cost: one pass over the symbol table of the module's file.
pub fn covering(opened: &Opened, module: &Module, addresses: &[u64]) -> Vec<Named> {
    let mut found: BTreeMap<u64, Named> = BTreeMap::new();
    module.each_symbol(opened, &mut |name, symbol| {
        let start = symbol.address;
        // Marks such as `_edata` have no size: they cover nothing.
        let end = start.saturating_add(symbol.bytes);
        let first = addresses.partition_point(|&address| address < start);
        let covers = addresses.get(first).is_some_and(|&address| address < end);
        if symbol.is_thread_local || !covers {
            return;
        }
        let wider = found.get(&start).is_none_or(|known| known.end < end);
        if wider {
            found.insert(start, Named { start, end, name: demangled(name) });
        }
    });
    found.into_values().collect()
}

/// A name as its language writes it.
pub fn demangled(name: &str) -> String {
    // Of `name@@VERSION` the version does not say what it is.
    let name = name.split('@').next().unwrap_or(name);
    let plain = match rustc_demangle::try_demangle(name) {
        Ok(rust) => format!("{rust:#}"),
        Err(_) => cpp(name).unwrap_or_else(|| name.to_owned()),
    };
    shown(&plain)
}

/// Demangles a name of the Itanium C++ ABI; None for any other.
pub fn cpp(mangled: &str) -> Option<String> {
    if !mangled.starts_with("_Z") {
        return None;
    }
    let options = cpp_demangle::ParseOptions::default().recursion_limit(NESTING_MAX);
    let symbol = cpp_demangle::Symbol::new_with_options(mangled, &options).ok()?;
    let options = cpp_demangle::DemangleOptions::default().recursion_limit(NESTING_MAX);
    symbol.demangle_with_options(&options).ok()
}

/// No longer than a report can show, and without control characters: a program is free to call
/// things what it likes.
pub fn shown(name: &str) -> String {
    let clean = |c: char| if c.is_control() { '?' } else { c };
    let mut short: String = name.chars().map(clean).take(CHARS_MAX).collect();
    if name.chars().nth(CHARS_MAX).is_some() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::maps::parse;
    use crate::memory::Live;
    use crate::modules::Modules;

    #[inline(never)]
    fn a_function_of_these_tests() {}
    static A_VARIABLE_OF_THESE_TESTS: [u64; 4] = [1, 2, 3, 4];

    #[test]
    fn own_variables_and_functions_are_named() {
        let opened = Opened::open(std::process::id()).unwrap();
        let mappings = parse::maps(&std::fs::read("/proc/self/maps").unwrap()).unwrap();
        let modules = Modules::find(&opened, &Live::new(opened.target()), &mappings);
        let variable = std::ptr::from_ref(&A_VARIABLE_OF_THESE_TESTS[2]) as u64;
        let function = a_function_of_these_tests as fn() as usize as u64;
        let mut addresses = [variable, function];
        addresses.sort_unstable();
        let module = modules.holding(variable).unwrap();
        let mut names = covering(&opened, module, &addresses);
        names.sort_by_key(|named| named.start != function);
        assert!(names[0].name.ends_with("a_function_of_these_tests"), "{names:?}");
        assert!(names[1].name.ends_with("A_VARIABLE_OF_THESE_TESTS"), "{names:?}");
        assert_eq!((names[1].start, names[1].end), (variable - 16, variable + 16));
    }

    #[test]
    fn names_are_shown_as_their_language_writes_them() {
        assert_eq!(demangled("_ZN3app5cacheE"), "app::cache");
        assert_eq!(demangled("_ZN3app5CACHE17h0123456789abcdefE"), "app::CACHE");
        assert_eq!(demangled("stdout@@GLIBC_2.2.5"), "stdout");
        assert_eq!(demangled("_Zx"), "_Zx");
        assert_eq!(demangled("a\nb"), "a?b");
        assert_eq!(demangled(&"n".repeat(500)).chars().count(), CHARS_MAX + 1);
    }
}
