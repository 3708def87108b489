//! This test's own process: its modules, their headers, a symbol whose address is known.

use super::*;
use crate::maps::parse;
use crate::memory::Live;

#[inline(never)]
fn a_known_function() -> u32 {
    std::hint::black_box(7)
}

#[test]
fn own_modules_have_build_ids_segments_and_symbols() {
    let opened = Opened::open(std::process::id()).unwrap();
    let mappings = parse::maps(&opened.text("maps").unwrap()).unwrap();
    let live = Live::new(opened.target());
    let modules = Modules::find(&opened, &live, &mappings);
    let exe = opened.link("exe");
    let program = modules.program(exe.as_deref()).unwrap();
    let own = a_known_function as *const () as u64;
    assert!(program.range.contains(&own));
    assert!(program.executable.iter().any(|range| range.contains(&own)));
    assert_eq!(a_known_function(), 7);
    let mut names = Vec::new();
    let readable = program.each_symbol(&opened, &mut |name, symbol| {
        if symbol.address == own {
            names.push(name.to_owned());
        }
    });
    assert!(readable && names.iter().any(|name| name.contains("a_known_function")), "{names:?}");
    assert_eq!(program.symbols(&opened, &["no_such_symbol"]), [None]);
    let libc = modules.list.iter().find(|module| module.is_libc()).unwrap();
    assert!(libc.build_id.as_ref().is_some_and(|id| id.len() == 40));
    assert!(!libc.writable.is_empty());
    assert!(libc.symbols(&opened, &["malloc"])[0].is_some());
    assert!(modules.holding(libc.range.start).is_some_and(Module::is_libc));
}

#[test]
fn headers_that_lie_give_nothing() {
    assert!(Image::parse(b"\x7fELF").is_none());
    let mut head = vec![0_u8; 128];
    head[..6].copy_from_slice(b"\x7fELF\x02\x01");
    assert!(Image::parse(&head).is_none());
    head[18] = 62;
    head[32..40].fill(0xff);
    assert!(Image::parse(&head).is_none());
    assert_eq!(elf::build_id(&[0xff; 64]), None);
    assert_eq!(elf::build_id(b"\x04\0\0\0\x02\0\0\0\x03\0\0\0GNU\0\xab\xcd"), Some("abcd".into()));
}
