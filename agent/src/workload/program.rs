//! The name of a workload: its owner and the program that runs in it.

use super::{Owner, cut};
use std::path::Path;
use std::sync::Arc;

const PROGRAM_BYTES_MAX: usize = 64;

/// `OWNER/PROGRAM`, where `program` is the path of an executable or a `comm`.
///
/// All processes of one owner with one program are one workload, so that a restarted process
/// goes on with the history of its predecessor.
#[must_use]
pub fn workload_name(owner: &Owner, program: &str) -> Arc<str> {
    format!("{}/{}", owner.name, sanitised(program)).into()
}

/// The last component of a path, or the whole of a name such as `kworker/0:1`; at most 64 bytes,
/// without slashes and control characters. The kernel's ` (deleted)`, which an upgrade leaves on
/// a running program's path, is taken off.
fn sanitised(program: &str) -> String {
    let name = match program.strip_prefix('/') {
        Some(_) => {
            let path = program.strip_suffix(" (deleted)").unwrap_or(program);
            Path::new(path).file_name().and_then(|name| name.to_str()).unwrap_or_default()
        }
        None => program,
    };
    let clean = |c: char| if c == '/' || c.is_control() { '_' } else { c };
    match cut(name, PROGRAM_BYTES_MAX) {
        "" => "unknown".to_owned(),
        name => name.chars().map(clean).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::owner_of;
    use proptest::prelude::*;

    #[test]
    fn a_program_is_named_by_its_basename_or_comm() {
        let named = |program| workload_name(&owner_of("/system.slice/a.service"), program);
        assert_eq!(&*named("/usr/bin/postgres"), "unit/a.service/postgres");
        assert_eq!(&*named("/usr/bin/postgres (deleted)"), "unit/a.service/postgres");
        assert_eq!(&*named("java"), "unit/a.service/java");
        assert_eq!(&*named("kworker/0:1"), "unit/a.service/kworker_0:1");
        assert_eq!(&*named("a\nb\u{7f}c"), "unit/a.service/a_b_c");
        for nothing in ["", "/", "/.."] {
            assert_eq!(&*named(nothing), "unit/a.service/unknown", "{nothing:?}");
        }
    }

    #[test]
    fn a_long_program_is_cut_between_characters() {
        assert_eq!(sanitised(&"a".repeat(100)), "a".repeat(64));
        assert_eq!(sanitised(&format!("{}é", "a".repeat(63))), "a".repeat(63));
    }

    proptest! {
        #[test]
        fn a_program_is_always_one_bounded_component(program in ".{0,200}") {
            let name = sanitised(&program);
            prop_assert!((1..=64).contains(&name.len()));
            prop_assert!(!name.contains('/') && !name.chars().any(char::is_control));
        }
    }
}
