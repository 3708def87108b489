//! Events taken apart.

use super::*;
use proptest::prelude::*;

/// An event as the program writes it, for a victim in `/pods/a/b` whose limit is that of `/pods/a`.
fn event() -> Vec<u8> {
    let names = b"b\0a\0pods\0";
    let mut event = vec![0; HEAD_BYTES];
    let mut put = |at: usize, bytes: &[u8]| event[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, &5_000_u64.to_ne_bytes());
    put(8, &4_000_u64.to_ne_bytes());
    put(16, &77_u64.to_ne_bytes());
    put(24, &66_u64.to_ne_bytes());
    put(32, &8_190_u64.to_ne_bytes());
    put(40, &8_192_u64.to_ne_bytes());
    put(48, &20_000_u64.to_ne_bytes());
    put(56, &65_536_u64.to_ne_bytes());
    put(64, &300_i64.to_ne_bytes());
    put(72, &7_000_i64.to_ne_bytes());
    put(80, &(-3_i64).to_ne_bytes());
    put(88, &9_i64.to_ne_bytes());
    put(96, &4_243_u32.to_ne_bytes());
    put(100, &4_242_u32.to_ne_bytes());
    put(104, &1_000_u32.to_ne_bytes());
    put(108, &17_u32.to_ne_bytes());
    put(112, &(-998_i16).to_ne_bytes());
    put(114, &7_u16.to_ne_bytes());
    put(116, &(names.len() as u16).to_ne_bytes());
    put(118, &1_u16.to_ne_bytes());
    put(128, b"victim\0");
    put(144, b"sixteen-letters!");
    event.extend_from_slice(names);
    event
}

#[test]
fn every_member_of_an_event_is_where_the_program_puts_it() {
    let mark = Mark::parse(&event()).unwrap();
    let memory = MarkMemory {
        file: 300,
        anon: 7_000,
        swap: 0,
        shmem: 9,
        total_vm: 20_000,
        pgtables_bytes: 65_536,
    };
    let cgroup = MarkCgroup {
        id: 77,
        path: Some("/pods/a/b".into()),
        limit_id: 66,
        limit_path: Some("/pods/a".into()),
        usage: 8_190,
        limit: Some(8_192),
    };
    let expected = Mark {
        at_ns: 5_000,
        victim_pid: 4_243,
        victim_tgid: Some(4_242),
        victim_comm: Some("victim".into()),
        victim_uid: Some(1_000),
        victim_start_ns: Some(4_000),
        oom_score_adj: Some(-998),
        killer_pid: 17,
        killer_comm: "sixteen-letters!".into(),
        memory: Some(memory),
        cgroup: Some(cgroup),
    };
    assert_eq!(mark, expected);
}

#[test]
fn what_the_plain_tracepoint_does_not_see_is_none() {
    let mut plain = event();
    plain[114..116].copy_from_slice(&0_u16.to_ne_bytes());
    let mark = Mark::parse(&plain).unwrap();
    assert_eq!((mark.victim_pid, mark.killer_pid), (4_243, 17));
    assert_eq!((mark.victim_tgid, mark.victim_uid, mark.victim_comm), (None, None, None));
    assert_eq!((mark.memory, mark.cgroup, mark.victim_start_ns), (None, None, None));
}

#[test]
fn a_path_that_was_cut_is_none_and_not_a_part_of_it() {
    let mut cut = event();
    cut[120] = 1;
    let cgroup = Mark::parse(&cut).unwrap().cgroup.unwrap();
    assert_eq!((cgroup.path, cgroup.limit_path, cgroup.id), (None, None, 77));
    assert_eq!(path_of(b"", 0), "/");
    assert_eq!(path_of(b"a\0", 7), "/");
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = Mark::parse(&bytes);
    }
}
