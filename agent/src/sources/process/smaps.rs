//! `/proc/PID/smaps`: resident memory by kind of mapping, and the sums that `smaps_rollup` has.
//!
//! The kernel walks the page tables of one mapping after the other and holds the target's mmap_lock
//! for as many as fit into one read: the same walk as for `smaps_rollup`, with pauses. Ask
//! [`super::predicted_stall`] first. Only parses; [`super::deep`] reads.

use super::smaps_rollup::{self, SmapsRollup};
use super::text::kilobytes;
use crate::sources::Malformed;
use crate::units::Bytes;

/// Resident memory by kind of mapping. They sum to the process's RSS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mappings {
    /// `[heap]`: what brk(2) gave.
    pub heap: Bytes,
    /// `[stack]` of the main thread; those of other threads are anonymous mappings.
    pub stack: Bytes,
    /// Mappings without a file: most allocators' arenas and large blocks, threads' stacks.
    pub anon: Bytes,
    pub file: Bytes,
    /// tmpfs files, memfds, System V shared memory.
    pub shmem: Bytes,
    /// `[vdso]` and the like.
    pub other: Bytes,
    /// How many mappings there are.
    pub count: u64,
}

/// Parses `smaps` into the kinds and the sums.
///
/// Source: proc(5), show_map_vma in fs/proc/task_mmu.c. A line that begins with an address opens a
/// mapping; the keys below it are its own. Unknown keys are passed over.
///
/// # Errors
/// [`Malformed`] with the line of a known key whose value is not an amount in kB.
pub fn parse(bytes: &[u8]) -> Result<(Mappings, SmapsRollup), Malformed> {
    let mut mappings = Mappings::default();
    let mut sums = SmapsRollup::default();
    let mut kind = Kind::Other;
    for (number, line) in (1..).zip(bytes.split(|&byte| byte == b'\n')) {
        if let Some(opened) = header(line) {
            kind = opened;
            mappings.count += 1;
            continue;
        }
        let Some(value) = line.strip_prefix(b"Rss:") else { continue };
        let rss = kilobytes(value.trim_ascii())
            .ok_or_else(|| Malformed::new(number, line, "an amount in kB"))?;
        *mappings.of(kind) += rss;
    }
    smaps_rollup::add(bytes, &mut sums)?;
    Ok((mappings, sums))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Heap,
    Stack,
    Anon,
    File,
    Shmem,
    Other,
}

impl Mappings {
    const fn of(&mut self, kind: Kind) -> &mut Bytes {
        match kind {
            Kind::Heap => &mut self.heap,
            Kind::Stack => &mut self.stack,
            Kind::Anon => &mut self.anon,
            Kind::File => &mut self.file,
            Kind::Shmem => &mut self.shmem,
            Kind::Other => &mut self.other,
        }
    }
}

/// The kind of the mapping that `line` opens: `addresses perms offset device inode name`.
fn header(line: &[u8]) -> Option<Kind> {
    let dash = line.iter().position(|&b| b == b'-')?;
    let is_hex = |part: &[u8]| !part.is_empty() && part.iter().all(u8::is_ascii_hexdigit);
    let rest = &line[dash + 1..];
    let space = rest.iter().position(|&b| b == b' ')?;
    if !is_hex(&line[..dash]) || !is_hex(&rest[..space]) {
        return None;
    }
    let mut fields = rest.splitn(6, |&b| b == b' ');
    let name = fields.nth(5).unwrap_or_default().trim_ascii();
    Some(match name {
        b"" => Kind::Anon,
        b"[heap]" => Kind::Heap,
        _ if name.starts_with(b"[stack") => Kind::Stack,
        _ if name.starts_with(b"[anon") => Kind::Anon,
        _ if name.starts_with(b"[") => Kind::Other,
        _ if is_shmem(name) => Kind::Shmem,
        _ => Kind::File,
    })
}

fn is_shmem(name: &[u8]) -> bool {
    const PREFIXES: [&[u8]; 4] = [b"/dev/shm/", b"/memfd:", b"/SYSV", b"/dev/zero"];
    PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SMAPS: &str = "\
55d0c0a00000-55d0c0a21000 r-xp 00001000 fe:00 1234                       /usr/bin/with space
Size:                132 kB
Rss:                 100 kB
Pss:                  50 kB
Private_Dirty:         0 kB
Private_Clean:       100 kB
VmFlags: rd ex mr mw me
55d0c2000000-55d0c2100000 rw-p 00000000 00:00 0                          [heap]
Rss:                1000 kB
Pss:                1000 kB
Private_Dirty:      1000 kB
7f0000000000-7f0000100000 rw-p 00000000 00:00 0 
Rss:                 400 kB
Pss:                 400 kB
7f0000200000-7f0000300000 rw-s 00000000 00:01 99                         /memfd:x (deleted)
Rss:                  64 kB
7ffc00000000-7ffc00021000 rw-p 00000000 00:00 0                          [stack]
Rss:                  12 kB
ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]
Rss:                   0 kB
";

    #[test]
    fn resident_memory_is_told_by_kind_and_summed() {
        let (mappings, sums) = parse(SMAPS.as_bytes()).unwrap();
        assert_eq!(
            mappings,
            Mappings {
                heap: Bytes::kib(1000),
                stack: Bytes::kib(12),
                anon: Bytes::kib(400),
                file: Bytes::kib(100),
                shmem: Bytes::kib(64),
                other: Bytes::ZERO,
                count: 6,
            }
        );
        assert_eq!((sums.rss, sums.pss), (Some(Bytes::kib(1576)), Some(Bytes::kib(1450))));
        assert_eq!(sums.uss(), Some(Bytes::kib(1100)));
        assert_eq!(sums.swap, None);
        assert_eq!(parse(b"10-20 r\nRss: 5 MB\n").unwrap_err().line, 2);
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
            let _ = parse(&bytes);
        }

        #[test]
        fn arbitrary_lines_of_real_forms_never_panic(
            lines in prop::collection::vec(
                "([0-9a-f]{0,4}-[0-9a-f]{0,4} ?[rwx]{0,3}( [^\n]{0,9}){0,6}|Rss: [0-9a-z ]{0,8})\n",
                0..9,
            )
        ) {
            let _ = parse(lines.concat().as_bytes());
        }
    }
}
