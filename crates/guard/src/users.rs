//! Names and passwords, as the web-config file has them: bcrypt.
//!
//! For a name that is not known a password is tried against a hash of the same cost, so that the
//! time of the answer does not tell which names there are.

use crate::tokens::Digest;
use std::collections::{BTreeMap, VecDeque};
use std::fmt;

const USERS_MAX: usize = 64;
/// Longer ones cannot be told apart: bcrypt reads 72 bytes. Units: bytes.
const PASSWORD_BYTES_MAX: usize = 72;
/// Above it a try takes longer than a request may. Units: base-2 logarithm of rounds.
const COST_MAX: u32 = 14;
/// Of the right passwords that are remembered.
const VERIFIED_MAX: usize = 64;
/// What is tried for a name that is not known, at the cost that follows the first `$`.
const NOBODY: &str = "$abcdefghijklmnopqrstuuCVRSZ4RE4TEdZE3RlkbjJKdKSjFXjt2";

#[derive(Clone, Default)]
pub(crate) struct Users {
    hashes: BTreeMap<String, String>,
    /// The highest there is.
    cost: u32,
}

impl fmt::Debug for Users {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.hashes.keys()).finish()
    }
}

impl Users {
    pub(crate) fn is_empty(&self) -> bool {
        self.hashes.is_empty()
    }

    /// # Errors
    /// What is wrong with it; no message holds the hash.
    pub(crate) fn add(&mut self, name: &str, hash: &str) -> Result<(), String> {
        let odd = |c: char| c.is_control() || c == ':';
        if name.is_empty() || name.contains(odd) || name.len() > 128 {
            return Err("a user's name has 1 to 128 characters, none of them ':'".into());
        }
        if self.hashes.len() >= USERS_MAX {
            return Err(format!("there are more than {USERS_MAX} users"));
        }
        let cost = cost(hash).ok_or_else(|| {
            format!("the password of {name:?} is no bcrypt hash ($2a$, $2b$ or $2y$)")
        })?;
        if cost > COST_MAX {
            return Err(format!("the bcrypt cost of {name:?} is {cost}; at most {COST_MAX}"));
        }
        self.cost = self.cost.max(cost);
        self.hashes.insert(name.to_owned(), hash.to_owned());
        Ok(())
    }

    /// Takes tens of milliseconds.
    pub(crate) fn is_right(&self, name: &str, password: &str) -> bool {
        let nobody = || format!("$2b${:02}{NOBODY}", self.cost);
        let known = self.hashes.get(name);
        let hash = known.cloned().unwrap_or_else(nobody);
        let right = bcrypt::verify(password, &hash).unwrap_or(false);
        right && known.is_some() && password.len() <= PASSWORD_BYTES_MAX
    }
}

/// The cost of `$2b$12$` and 53 characters.
fn cost(hash: &str) -> Option<u32> {
    let rest = ["$2a$", "$2b$", "$2y$"].iter().find_map(|start| hash.strip_prefix(start))?;
    let (cost, digits) = rest.split_once('$')?;
    let good = digits.len() == 53
        && digits.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.' || b == b'/');
    cost.parse().ok().filter(|cost| good && (4..=31).contains(cost))
}

/// Name and password of Basic credentials. Source: RFC 7617.
pub(crate) fn credentials(encoded: &str) -> Option<(String, String)> {
    let text = String::from_utf8(base64(encoded)?).ok()?;
    let (name, password) = text.split_once(':')?;
    Some((name.to_owned(), password.to_owned()))
}

/// Source: RFC 4648, section 4.
fn base64(text: &str) -> Option<Vec<u8>> {
    let digits = text.trim_end_matches('=').as_bytes();
    let mut out = Vec::with_capacity(digits.len() * 3 / 4);
    let (mut bits, mut held) = (0_u32, 0_u32);
    for digit in digits {
        let value = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = (bits << 6 | u32::from(value)) & 0x00ff_ffff;
        held += 6;
        if held >= 8 {
            held -= 8;
            out.push(u8::try_from(bits >> held & 0xff).ok()?);
        }
    }
    Some(out)
}

/// Digests of credentials that were right; the oldest goes first.
#[derive(Debug, Default)]
pub(crate) struct Verified(VecDeque<Digest>);

impl Verified {
    pub(crate) fn holds(&self, digest: &Digest) -> bool {
        self.0.iter().any(|known| bool::from(known.is(digest)))
    }

    pub(crate) fn insert(&mut self, digest: Digest) {
        if self.0.len() >= VERIFIED_MAX {
            self.0.pop_front();
        }
        self.0.push_back(digest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_right_for_its_user_only() {
        let mut users = Users::default();
        users.add("ann", &bcrypt::hash("hunter2", 4).unwrap()).unwrap();
        assert!(users.is_right("ann", "hunter2"));
        assert!(!users.is_right("ann", "hunter3") && !users.is_right("bob", "hunter2"));
        assert!(!users.is_right("", ""));
    }

    #[test]
    fn what_is_tried_for_strangers_is_a_hash_that_costs_as_much() {
        assert!(cost(&format!("$2b$10{NOBODY}")).is_some_and(|cost| cost == 10));
        assert!(bcrypt::verify("x", &format!("$2b$04{NOBODY}")).is_ok());
    }

    #[test]
    fn what_is_no_hash_or_costs_too_much_is_refused_without_being_shown() {
        let mut users = Users::default();
        let dear = format!("$2b$31{NOBODY}");
        for hash in ["hunter2hunter2", "$2b$10$short", "$1$abc", &dear] {
            let what = users.add("ann", hash).unwrap_err();
            assert!(what.contains("bcrypt") && !what.contains(hash), "{what}");
        }
    }

    #[test]
    fn basic_credentials_are_read_as_their_rfc_says() {
        let read = |text: &str| credentials(text).map(|(a, b)| format!("{a}|{b}"));
        assert_eq!(read("QWxhZGRpbjpvcGVuIHNlc2FtZQ==").unwrap(), "Aladdin|open sesame");
        assert_eq!(read("YTpiOmM=").unwrap(), "a|b:c");
        assert_eq!((read("!"), read("YWJj")), (None, None));
    }

    proptest::proptest! {
        #[test]
        fn any_header_is_read_without_a_panic(text in ".{0,200}") {
            let _ = credentials(&text);
        }
    }
}
