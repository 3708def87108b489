//! `/proc/PID/maps` as [`Mapping`]s.
//!
//! Source: proc(5), show_map_vma in fs/proc/task_mmu.c. A name is whatever its owner chose: bytes
//! that are no UTF-8 are replaced. Only parses; `super::read` reads.

use super::{Malformed, Mapping};

/// Parses the whole text.
///
/// # Errors
/// [`Malformed`] at the first line that is no mapping.
pub fn maps(bytes: &[u8]) -> Result<Vec<Mapping>, Malformed> {
    let lines = (1..).zip(bytes.split(|&byte| byte == b'\n'));
    lines
        .filter(|(_, line)| !line.is_empty())
        .map(|(number, line)| {
            mapping(line).ok_or_else(|| Malformed {
                file: "maps",
                line: number,
                expected: "a mapping",
                text: String::from_utf8_lossy(&line[..line.len().min(120)]).into_owned(),
            })
        })
        .collect()
}

/// One line: `addresses perms offset device inode name`. None for any other.
#[must_use]
pub fn mapping(line: &[u8]) -> Option<Mapping> {
    let mut fields = line.splitn(6, |&byte| byte == b' ');
    let (start, end) = pair(fields.next()?, b'-')?;
    let perms = fields.next().filter(|perms| perms.len() == 4)?;
    let offset = hex(fields.next()?)?;
    let (major, minor) = pair(fields.next()?, b':')?;
    let inode = std::str::from_utf8(fields.next()?).ok()?.parse().ok()?;
    let name = fields.next().unwrap_or_default().trim_ascii_start();
    (start < end).then_some(())?;
    Some(Mapping {
        start,
        end,
        readable: perms[0] == b'r',
        writable: perms[1] == b'w',
        executable: perms[2] == b'x',
        shared: perms[3] == b's',
        offset,
        device: (u32::try_from(major).ok()?, u32::try_from(minor).ok()?),
        inode,
        name: String::from_utf8_lossy(name).into_owned(),
    })
}

fn pair(field: &[u8], between: u8) -> Option<(u64, u64)> {
    let at = field.iter().position(|&byte| byte == between)?;
    Some((hex(&field[..at])?, hex(&field[at + 1..])?))
}

fn hex(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAPS: &str = "\
55d0c0a00000-55d0c0a21000 r-xp 00001000 fe:00 1234                       /usr/bin/with space
55d0c2000000-55d0c2100000 rw-p 00000000 00:00 0                          [heap]
7f0000000000-7f0000021000 rw-p 00000000 00:00 0 
7f0000021000-7f0004000000 ---p 00000000 00:00 0 
7fff00000000-7fff00021000 rw-s 00000000 00:05 77                         /dev/zero (deleted)
ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]
";

    #[test]
    fn every_column_of_maps_is_read() {
        let mappings = maps(MAPS.as_bytes()).unwrap();
        assert_eq!(mappings.len(), 6);
        assert_eq!(mappings[0].name, "/usr/bin/with space");
        assert_eq!((mappings[0].device, mappings[0].inode), ((0xfe, 0), 1234));
        assert!(mappings[0].executable && !mappings[0].writable);
        assert!(mappings[1].is_anonymous() && mappings[2].is_anonymous());
        assert!(!mappings[3].readable && mappings[3].bytes() == 0x3fd_f000);
        assert!(mappings[4].shared && mappings[4].is_shmem());
        assert_eq!(mappings[5].start, 0xffff_ffff_ff60_0000);
        assert!(super::super::holding(&mappings, 0x7f00_0002_0fff).is_some());
        assert!(super::super::holding(&mappings, 0x7f00_0400_0000).is_none());
    }

    #[test]
    fn lines_that_are_no_mappings_are_refused() {
        for line in ["x", "10-8 r--p 0 0:0 0", "1-2 r-- 0 0:0 0", "1-2 r--p 0 0:0 x", "+1-2"] {
            assert!(mapping(line.as_bytes()).is_none(), "{line}");
        }
    }
}
