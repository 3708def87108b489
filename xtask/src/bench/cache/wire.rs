//! The two protocols that the servers speak, as far as the bench needs them. Pure.

/// How a server wants to be spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// memcached's ASCII commands.
    Memcache,
    /// The serialization protocol of Redis and Valkey, version 2.
    Resp,
}

/// What one answer said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A value, or done.
    Yes,
    /// Nothing is held under that key.
    Miss,
    /// The server would not: out of memory, for one.
    Refused,
}

/// Length of every key. Units: bytes.
pub const KEY_LEN: usize = 32;

/// The key of a number: digits behind a prefix, always of the same length.
pub fn key(number: u64) -> [u8; KEY_LEN] {
    let mut key = *b"bench:key:0000000000000000000000";
    let (mut rest, mut at) = (number, KEY_LEN);
    while rest > 0 {
        at -= 1;
        key[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    key
}

impl Dialect {
    pub fn get(self, out: &mut Vec<u8>, key: &[u8]) {
        match self {
            Self::Memcache => {
                out.extend_from_slice(b"get ");
                out.extend_from_slice(key);
                out.extend_from_slice(b"\r\n");
            }
            Self::Resp => {
                out.extend_from_slice(b"*2\r\n$3\r\nGET\r\n");
                bulk(out, key);
            }
        }
    }

    pub fn set(self, out: &mut Vec<u8>, key: &[u8], value: &[u8]) {
        match self {
            Self::Memcache => {
                out.extend_from_slice(b"set ");
                out.extend_from_slice(key);
                out.extend_from_slice(b" 0 0 ");
                decimal(out, value.len());
                out.extend_from_slice(b"\r\n");
                out.extend_from_slice(value);
                out.extend_from_slice(b"\r\n");
            }
            Self::Resp => {
                out.extend_from_slice(b"*3\r\n$3\r\nSET\r\n");
                bulk(out, key);
                bulk(out, value);
            }
        }
    }

    /// The first whole answer in `bytes`, and its length. None: more is needed.
    ///
    /// # Errors
    /// It is none that the bench has asked for.
    pub fn answer(self, bytes: &[u8]) -> Result<Option<(usize, Answer)>, String> {
        let Some(end) = memchr::memchr(b'\n', bytes) else { return Ok(None) };
        let (line, len) = (&bytes[..end], end + 1);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let whole = |len: usize, answer| Ok((len <= bytes.len()).then_some((len, answer)));
        match self {
            Self::Memcache => match line {
                b"END" => Ok(Some((len, Answer::Miss))),
                b"STORED" | b"OK" => Ok(Some((len, Answer::Yes))),
                _ if line.starts_with(b"VALUE ") => {
                    // The value, its line end and END with its own.
                    whole(len + last_number(line)? + 7, Answer::Yes)
                }
                _ if line.starts_with(b"SERVER_ERROR") => Ok(Some((len, Answer::Refused))),
                _ => Err(format!("answered {:?}", String::from_utf8_lossy(line))),
            },
            Self::Resp => match line {
                b"+OK" => Ok(Some((len, Answer::Yes))),
                b"$-1" => Ok(Some((len, Answer::Miss))),
                _ if line.starts_with(b"$") => whole(len + last_number(line)? + 2, Answer::Yes),
                _ if line.starts_with(b"-OOM") || line.starts_with(b"-MISCONF") => {
                    Ok(Some((len, Answer::Refused)))
                }
                _ => Err(format!("answered {:?}", String::from_utf8_lossy(line))),
            },
        }
    }
}

fn bulk(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'$');
    decimal(out, bytes.len());
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(bytes);
    out.extend_from_slice(b"\r\n");
}

fn decimal(out: &mut Vec<u8>, number: usize) {
    out.extend_from_slice(number.to_string().as_bytes());
}

/// The digits at the end of a line.
fn last_number(line: &[u8]) -> Result<usize, String> {
    let digits = line.iter().rev().take_while(|b| b.is_ascii_digit()).count();
    let digits = &line[line.len() - digits..];
    let text = std::str::from_utf8(digits).unwrap_or_default();
    text.parse().map_err(|_| format!("answered {:?}", String::from_utf8_lossy(line)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_taken_off_one_by_one() {
        let answer = |dialect: Dialect, bytes: &[u8]| dialect.answer(bytes).unwrap();
        let hit = b"VALUE bench:key:1 0 3\r\nabc\r\nEND\r\nSTORED\r\n";
        let value_len = hit.len() - 8;
        assert_eq!(answer(Dialect::Memcache, hit), Some((value_len, Answer::Yes)));
        assert_eq!(answer(Dialect::Memcache, &hit[..value_len - 1]), None);
        assert_eq!(answer(Dialect::Memcache, b"END\r\n"), Some((5, Answer::Miss)));
        let refused = b"SERVER_ERROR out of memory storing object\r\n";
        assert_eq!(answer(Dialect::Memcache, refused), Some((refused.len(), Answer::Refused)));
        assert_eq!(answer(Dialect::Resp, b"$3\r\nabc\r\n+OK\r\n"), Some((9, Answer::Yes)));
        assert_eq!(answer(Dialect::Resp, b"$3\r\nabc\r"), None);
        assert_eq!(answer(Dialect::Resp, b"$-1\r\n"), Some((5, Answer::Miss)));
        assert!(Dialect::Memcache.answer(b"ERROR\r\n").is_err());
    }

    #[test]
    fn keys_are_of_one_length_and_differ() {
        assert_eq!(&key(0), b"bench:key:0000000000000000000000");
        assert_eq!(&key(907), b"bench:key:0000000000000000000907");
    }
}
