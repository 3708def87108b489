//! Users and passwords of the auth file (`-Y`): one `user:password` a line, at most eight.
//!
//! The server reads the file, at the start and again when it is told to; a text that cannot be
//! understood leaves those who are let in unchanged. Nothing here is ever logged.

use parking_lot::RwLock;

/// Entries beyond this are not read, as memcached does.
const USERS_MAX: usize = 8;

/// Longest line. Units: bytes.
const LINE_BYTES_MAX: usize = 255;

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    #[error("line {0} is not user:password")]
    NoColon(usize),
    #[error("line {0} is longer than 255 bytes")]
    TooLong(usize),
}

type Entry = (Box<[u8]>, Box<[u8]>);

/// Who is let in.
#[derive(Default)]
pub struct Users {
    entries: RwLock<Vec<Entry>>,
}

impl std::fmt::Debug for Users {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Users").field("count", &self.entries.read().len()).finish()
    }
}

impl Users {
    /// # Errors
    /// A line that is not `user:password`.
    pub fn parse(text: &[u8]) -> Result<Self, Malformed> {
        let entries = RwLock::new(entries(text)?);
        Ok(Self { entries })
    }

    /// Takes the place of what was read before.
    ///
    /// # Errors
    /// A line that is not `user:password`; nothing changed.
    pub fn replace(&self, text: &[u8]) -> Result<(), Malformed> {
        let new = entries(text)?;
        *self.entries.write() = new;
        Ok(())
    }

    /// Compares in a time that depends on the lengths only.
    #[must_use]
    pub fn admits(&self, user: &[u8], password: &[u8]) -> bool {
        let entries = self.entries.read();
        entries.iter().fold(false, |found, (u, p)| found | (same(u, user) & same(p, password)))
    }
}

fn entries(text: &[u8]) -> Result<Vec<Entry>, Malformed> {
    let lines = text.split(|&byte| byte == b'\n').enumerate();
    let filled = lines.filter(|(_, line)| !line.is_empty());
    let entry = |(at, line): (usize, &[u8])| {
        if line.len() > LINE_BYTES_MAX {
            return Err(Malformed::TooLong(at + 1));
        }
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let colon = memchr::memchr(b':', line).ok_or(Malformed::NoColon(at + 1))?;
        Ok((line[..colon].into(), line[colon + 1..].into()))
    };
    filled.map(entry).take(USERS_MAX).collect()
}

fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |differs, (x, y)| differs | (x ^ y)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_right_password_of_a_user_lets_in() {
        let users = Users::parse(b"foo:bar\nbaz:with:colon\r\n").unwrap();
        assert!(users.admits(b"foo", b"bar"));
        assert!(users.admits(b"baz", b"with:colon"));
        assert!(!users.admits(b"foo", b"with:colon"));
        assert!(!users.admits(b"", b""));
    }

    #[test]
    fn a_line_without_a_colon_changes_nothing() {
        let users = Users::parse(b"foo:bar").unwrap();
        assert_eq!(users.replace(b"x:y\nnonsense"), Err(Malformed::NoColon(2)));
        assert!(users.admits(b"foo", b"bar"));
    }

    #[test]
    fn a_ninth_user_is_not_read() {
        let text: String = (0..9).map(|n| format!("user{n}:p\n")).collect();
        let users = Users::parse(text.as_bytes()).unwrap();
        assert!(users.admits(b"user7", b"p"));
        assert!(!users.admits(b"user8", b"p"));
    }
}
