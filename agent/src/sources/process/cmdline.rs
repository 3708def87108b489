//! `/proc/PID/cmdline` as one line without the secrets in it.
//!
//! Redaction errs on the side of hiding: from the first secret of an argument on, the rest of that
//! argument is hidden, because the quoting of a shell script in it is not to be trusted. It goes by
//! names, so it refuses to promise anything for secrets without one: positional arguments, and
//! one-letter options such as `-pSECRET`.

use super::text::printable;
use std::ops::Range;

/// The longest command line that is looked at and shown. Units: bytes.
pub(super) const CMDLINE_MAX: usize = 4096;

const HIDDEN: &str = "***";
const CUT: &str = "…";

/// Parts of names that announce a secret, in lower case and without `-`, `_` and `.`.
const SECRET_NAMES: [&str; 17] = [
    "password",
    "passwd",
    "passphrase",
    "passin",
    "passout",
    "secret",
    "token",
    "apikey",
    "auth",
    "credential",
    "privatekey",
    "accesskey",
    "signingkey",
    "encryptionkey",
    "masterkey",
    "accountkey",
    "cookie",
];

/// Hides the values that are likely to be secret:
///
/// - `--name=value`, `NAME=value`, `name: value`, `--name value` where the name looks secret;
/// - `Bearer value`, and so on to the end of the argument;
/// - the part of `scheme://user:password@host`, `user:password@tcp(host)` and `-u user:password`
///   that is the password.
#[derive(Clone, Debug, Default)]
pub struct Redactor {
    extra: Vec<String>,
}

impl Redactor {
    /// `extra`: further parts of names. Case, `-`, `_` and `.` make no difference.
    #[must_use]
    pub fn new(extra: &[String]) -> Self {
        let extra = extra.iter().map(|name| squeeze(name.as_bytes()));
        Self { extra: extra.filter(|name| !name.is_empty()).collect() }
    }

    /// One line from NUL-separated arguments, at most 4 KiB and an ellipsis, control characters
    /// escaped. Of a longer command line the word that is cut is left out, for half a password may
    /// not look like one.
    #[must_use]
    pub fn redact(&self, cmdline: &[u8]) -> String {
        let (arguments, cut) = self.arguments(cmdline);
        shorten(arguments.join(" "), cut)
    }

    /// The same as one text for each argument; what is left out is marked by an ellipsis behind.
    #[must_use]
    pub fn redact_list(&self, cmdline: &[u8]) -> Vec<String> {
        let (mut arguments, cut) = self.arguments(cmdline);
        if cut {
            arguments.push(CUT.to_owned());
        }
        arguments
    }

    fn arguments(&self, cmdline: &[u8]) -> (Vec<String>, bool) {
        let (cmdline, cut) = cut_to_whole_words(cmdline);
        let mut shown = Vec::new();
        let mut announced = Announced::Nothing;
        for argument in cmdline.split(|&byte| byte == 0).filter(|arg| !arg.is_empty()) {
            shown.push(match announced {
                Announced::Nothing => self.redact_argument(argument),
                Announced::Secret => HIDDEN.to_owned(),
                Announced::User => user_only(self.redact_argument(argument)),
            });
            // A hidden argument is looked at as well: it may itself announce one more.
            let last = argument.trim_ascii_end().rsplit(u8::is_ascii_whitespace).next();
            announced = self.announced_by(last.unwrap_or_default());
        }
        (shown, cut)
    }

    fn redact_argument(&self, argument: &[u8]) -> String {
        let mut shown = String::new();
        let mut announced = Announced::Nothing;
        for word in argument.split_inclusive(u8::is_ascii_whitespace) {
            if announced == Announced::Secret {
                return shown + HIDDEN;
            }
            let (text, has_secret) = self.redact_word(word);
            if announced == Announced::User && text.contains(':') {
                return shown + &user_only(text);
            }
            shown.push_str(&text);
            if has_secret {
                return shown;
            }
            let word = word.trim_ascii();
            announced = self.announced_by(word);
            // `PASSWORD 'x'` and `password = x`, in scripts only: `gh auth login` has no secret.
            if SECRET_NAMES.contains(&squeeze(word).as_str()) {
                announced = Announced::Secret;
            }
        }
        shown
    }

    /// What of a word is shown, and whether it has a secret that may go on behind the word.
    fn redact_word(&self, word: &[u8]) -> (String, bool) {
        match (self.secret_value_at(word), userinfo(word)) {
            (Some(value), Some(userinfo)) if userinfo.contains(&(value - 1)) => {
                (printable(&word[..userinfo.start]) + HIDDEN, true)
            }
            (Some(value), _) if !word[value..].trim_ascii().is_empty() => {
                (hide_userinfo(&word[..value]) + HIDDEN, true)
            }
            _ => (hide_userinfo(word), false),
        }
    }

    /// Where the value begins if the word is `name=value` or `name:value` with a secret name. The
    /// name is what stands directly before the sign, so that `{"password":1}` is found as well.
    fn secret_value_at(&self, word: &[u8]) -> Option<usize> {
        let signs = (0..word.len()).filter(|&at| matches!(word[at], b'=' | b':'));
        signs.map(|at| (at, word[..at].trim_suffix_quotes())).find_map(|(at, before)| {
            let start = before.iter().rposition(|&byte| !is_name_byte(byte)).map_or(0, |at| at + 1);
            self.is_secret_name(&before[start..]).then_some(at + 1)
        })
    }

    fn announced_by(&self, word: &[u8]) -> Announced {
        let bare = word.trim_quotes();
        if bare.eq_ignore_ascii_case(b"bearer") || self.secret_value_at(word) == Some(word.len()) {
            return Announced::Secret;
        }
        if matches!(bare, b"-u" | b"-U" | b"--user" | b"--proxy-user") {
            return Announced::User;
        }
        let is_flag = bare.starts_with(b"-") && bare.iter().all(|&byte| is_name_byte(byte));
        if is_flag && self.is_secret_name(bare) { Announced::Secret } else { Announced::Nothing }
    }

    fn is_secret_name(&self, name: &[u8]) -> bool {
        let squeezed = squeeze(name);
        let parts = || name.split(|byte| !byte.is_ascii_alphanumeric()).filter(|p| !p.is_empty());
        SECRET_NAMES.iter().any(|part| squeezed.contains(part))
            || self.extra.iter().any(|part| squeezed.contains(part.as_str()))
            || parts().any(|part| part.eq_ignore_ascii_case(b"pass"))
            // `PWD` by itself is the working directory.
            || (parts().count() > 1 && parts().any(|part| part.eq_ignore_ascii_case(b"pwd")))
    }
}

/// What a word says about the word or argument behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Announced {
    Nothing,
    Secret,
    /// `user` or `user:password`.
    User,
}

/// The first 4 KiB, less a word that would be cut in two; and whether anything was left out.
fn cut_to_whole_words(cmdline: &[u8]) -> (&[u8], bool) {
    let Some(head) = cmdline.get(..CMDLINE_MAX).filter(|head| head.len() < cmdline.len()) else {
        return (cmdline, false);
    };
    let separates = |byte: &u8| *byte == 0 || byte.is_ascii_whitespace();
    let end = head.iter().rposition(separates).map_or(0, |at| at + 1);
    (&head[..end], true)
}

/// Cuts what escapes have made longer than the bound, and marks what was cut here or before.
fn shorten(mut line: String, cut: bool) -> String {
    let too_long = line.len() > CMDLINE_MAX;
    if too_long {
        line.truncate(line.floor_char_boundary(CMDLINE_MAX));
    }
    if too_long || cut {
        line.push_str(CUT);
    }
    line
}

/// The password in front of the last `@`: what follows the first `:` behind the scheme; and without
/// such a `:`, all that stands between scheme and `@`, which may be a token.
fn userinfo(word: &[u8]) -> Option<Range<usize>> {
    let at = word.iter().rposition(|&byte| byte == b'@')?;
    let scheme = word[..at].windows(3).position(|three| three == b"://").map(|start| start + 3);
    let start = scheme.unwrap_or(0);
    match word[start..at].iter().position(|&byte| byte == b':') {
        Some(colon) => Some(start + colon + 1..at),
        None if scheme.is_some() && !word[start..at].contains(&b'/') => Some(start..at),
        None => None,
    }
}

fn hide_userinfo(word: &[u8]) -> String {
    match userinfo(word) {
        Some(hidden) => printable(&word[..hidden.start]) + HIDDEN + &printable(&word[hidden.end..]),
        None => printable(word),
    }
}

/// `user:***` of `user:password`.
fn user_only(mut text: String) -> String {
    if let Some(colon) = text.find(':') {
        text.truncate(colon + 1);
        text.push_str(HIDDEN);
    }
    text
}

/// Lower case, letters and digits only.
fn squeeze(name: &[u8]) -> String {
    let kept = name.iter().filter(|byte| byte.is_ascii_alphanumeric());
    kept.map(|byte| char::from(byte.to_ascii_lowercase())).collect()
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')
}

/// Quotes around words, backslashes of nested quotes among them.
trait Quoted {
    fn trim_quotes(&self) -> &Self;
    fn trim_suffix_quotes(&self) -> &Self;
}

impl Quoted for [u8] {
    fn trim_quotes(&self) -> &Self {
        let start = self.iter().position(|byte| !is_quote(byte)).unwrap_or(self.len());
        self[start..].trim_suffix_quotes()
    }

    fn trim_suffix_quotes(&self) -> &Self {
        let end = self.iter().rposition(|byte| !is_quote(byte)).map_or(0, |at| at + 1);
        &self[..end]
    }
}

fn is_quote(byte: &u8) -> bool {
    matches!(byte, b'"' | b'\'' | b'\\')
}

#[cfg(test)]
mod tests;
