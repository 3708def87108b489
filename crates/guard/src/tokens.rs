//! Bearer tokens: a file of them, and a file of one for heap reports.
//!
//! A line is `SCOPE NAME TOKEN`; the token stands there in clear or as `sha256:` and its digest in
//! hexadecimal. Only digests are kept and compared, all of them, each in constant time: neither
//! the length of a token nor how many agree in their beginning shows. Refuses a short token, one
//! that is there twice, and a file that others may read or the group may write.

use crate::scope::{Caller, Scope};
use std::fmt;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use subtle::{Choice, ConditionallySelectable as _, ConstantTimeEq as _};

/// A shorter one can be guessed. Units: characters.
pub(crate) const TOKEN_CHARS_MIN: usize = 16;
const TOKENS_MAX: usize = 256;
const NAME_CHARS_MAX: usize = 64;
pub(crate) const FILE_BYTES_MAX: u64 = 64 * 1024;
/// The group may read, as a mounted Kubernetes Secret has it; nobody else may do anything.
const MODE_REFUSED: u32 = 0o037;

/// SHA-256 of a secret.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Digest([u8; 32]);

impl Digest {
    pub(crate) fn of(secret: &str) -> Self {
        let digest = ring::digest::digest(&ring::digest::SHA256, secret.as_bytes());
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest.as_ref());
        Self(bytes)
    }

    fn of_hex(text: &str) -> Option<Self> {
        let digits = text.as_bytes();
        let mut bytes = [0; 32];
        if digits.len() != 64 {
            return None;
        }
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let high = char::from(pair[0]).to_digit(16)?;
            let low = char::from(pair[1]).to_digit(16)?;
            *byte = u8::try_from(high << 4 | low).ok()?;
        }
        Some(Self(bytes))
    }

    pub(crate) fn is(&self, other: &Self) -> Choice {
        self.0.ct_eq(&other.0)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digest(…)")
    }
}

#[derive(Clone, Debug)]
struct Token {
    name: String,
    scope: Scope,
    digest: Digest,
}

/// All tokens that are known.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tokens(Vec<Token>);

impl Tokens {
    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whose token has this digest. Looks at all of them, whatever it finds.
    pub(crate) fn find(&self, given: &Digest) -> Option<Caller> {
        let mut found = u32::MAX;
        for (at, token) in (0..).zip(&self.0) {
            found.conditional_assign(&at, token.digest.is(given));
        }
        let token = self.0.get(usize::try_from(found).ok()?)?;
        Some(Caller { name: format!("token:{}", token.name), scope: Some(token.scope) })
    }

    /// Adds those of a file of tokens.
    ///
    /// # Errors
    /// What is wrong with it, with its line. No message holds what may be a token.
    pub(crate) fn read(&mut self, path: &Path) -> Result<(), String> {
        let text = private_text(path)?;
        for (at, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let token = token(line).and_then(|token| self.add(token));
            token.map_err(|what| format!("{}:{at}: {what}", path.display()))?;
        }
        Ok(())
    }

    /// Adds the first line of a file as a token of the scope heap.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn read_heap_token(&mut self, path: &Path) -> Result<(), String> {
        let text = bounded_text(path)?;
        let secret = text.lines().next().unwrap_or_default().trim();
        if secret.chars().count() < TOKEN_CHARS_MIN {
            let why = format!("the token has less than {TOKEN_CHARS_MIN} characters");
            return Err(format!("{}: {why}", path.display()));
        }
        let digest = Digest::of(secret);
        self.add(Token { name: "reports.token_file".into(), scope: Scope::Heap, digest })
            .map_err(|what| format!("{}: {what}", path.display()))
    }

    fn add(&mut self, token: Token) -> Result<(), String> {
        if self.0.iter().any(|known| known.digest == token.digest) {
            return Err("this token is there already".into());
        }
        if self.0.iter().any(|known| known.name == token.name) {
            return Err(format!("there is a token named {} already", token.name));
        }
        if self.0.len() >= TOKENS_MAX {
            return Err(format!("there are more than {TOKENS_MAX} tokens"));
        }
        self.0.push(token);
        Ok(())
    }
}

/// Reads `SCOPE NAME TOKEN`.
fn token(line: &str) -> Result<Token, String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [scope, name, secret] = words[..] else {
        return Err("a line is SCOPE NAME TOKEN, with blanks between them".into());
    };
    let scope = Scope::of_name(scope)
        .ok_or_else(|| format!("the scope is none of {}", Scope::NAMES.join(", ")))?;
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '@');
    if name.len() > NAME_CHARS_MAX || !name.chars().all(is_plain) {
        let what = format!("a name has at most {NAME_CHARS_MAX} letters, digits and . - _ @");
        return Err(what);
    }
    let digest = match secret.strip_prefix("sha256:") {
        Some(hex) => Digest::of_hex(hex).ok_or("after sha256: there must be 64 hexadecimal digits"),
        None if secret.chars().count() < TOKEN_CHARS_MIN => {
            Err("the token has less than 16 characters: `openssl rand -hex 32` makes a good one")
        }
        None => Ok(Digest::of(secret)),
    };
    Ok(Token { name: name.to_owned(), scope, digest: digest? })
}

/// The text of a file that nobody else may read.
fn private_text(path: &Path) -> Result<String, String> {
    let shown = path.display();
    let mode = std::fs::metadata(path).map_err(|e| format!("{shown}: {e}"))?.permissions().mode();
    if mode & MODE_REFUSED != 0 {
        return Err(format!(
            "{shown}: its mode is {:04o}, so others can read or change the tokens: chmod 0600 it",
            mode & 0o7777
        ));
    }
    bounded_text(path)
}

/// The text of a small file.
pub(crate) fn bounded_text(path: &Path) -> Result<String, String> {
    let shown = path.display();
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(|e| format!("{shown}: {e}"))?;
    let read = file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text);
    read.map_err(|e| format!("{shown}: {e}"))?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(format!("{shown}: it has more than {FILE_BYTES_MAX} bytes"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    const PLAIN: &str = "0123456789abcdef-plain";

    fn read(text: &str, mode: u32) -> Result<Tokens, String> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file.as_file().set_permissions(std::fs::Permissions::from_mode(mode)).unwrap();
        let mut tokens = Tokens::default();
        tokens.read(file.path()).map(|()| tokens)
    }

    #[test]
    fn a_token_is_found_in_clear_and_by_its_digest_and_nothing_near_it_is() {
        // What `printf %s abcdefghijklmnop | sha256sum` prints.
        let hashed = "f39dac6cbaba535e2c207cd0cd8f154974223c848f727f98b3564cea569b41cf";
        let text = format!("# ours\n\nread  grafana\t{PLAIN}\nadmin ann@x sha256:{hashed}\n");
        let tokens = read(&text, 0o600).unwrap();
        let who = |secret: &str| tokens.find(&Digest::of(secret));
        let is = |name: &str, scope| Some(Caller { name: name.into(), scope: Some(scope) });
        assert_eq!(who(PLAIN), is("token:grafana", Scope::Read));
        assert_eq!(who("abcdefghijklmnop"), is("token:ann@x", Scope::Admin));
        for wrong in ["", "0", hashed, &format!("{PLAIN} "), &PLAIN[..21], &format!("{PLAIN}x")] {
            assert_eq!(who(wrong), None, "{wrong}");
        }
        assert!(!format!("{tokens:?}").contains(PLAIN));
    }

    #[test]
    fn what_is_wrong_with_a_file_is_told_with_its_line_and_without_the_token() {
        let twice = format!("read a {PLAIN}\nheap b {PLAIN}");
        let named_twice = format!("read a {PLAIN}\nread a {PLAIN}2");
        for (text, told) in [
            ("root a 0123456789abcdef", ":1: the scope"),
            ("read a short-secret", ":1: the token has less"),
            ("\nread 0123456789abcdef", ":2: a line is"),
            ("read a\u{e9} 0123456789abcdef", ":1: a name"),
            ("read a sha256:0123", ":1: after sha256:"),
            (twice.as_str(), ":2: this token"),
            (named_twice.as_str(), ":2: there is a token named a"),
        ] {
            let what = read(text, 0o600).unwrap_err();
            assert!(what.contains(told), "{what}");
            assert!(!what.contains("short-secret") && !what.contains("0123456789"), "{what}");
        }
    }

    #[test]
    fn a_file_that_others_can_read_is_refused() {
        for mode in [0o604, 0o644, 0o620, 0o601] {
            assert!(read("", mode).unwrap_err().contains("chmod 0600"), "{mode:o}");
        }
        for mode in [0o400, 0o440, 0o600, 0o640] {
            assert!(read("", mode).is_ok(), "{mode:o}");
        }
    }
}
