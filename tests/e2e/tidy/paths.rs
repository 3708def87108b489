//! The paths that Rust code names, each in full: trees of `use` unfolded, `crate`, `self` and
//! `super` resolved, inline modules counted.
//!
//! Follows no re-export and no renaming: `use a::b as c` names `a::b`.

use super::rust::Token;
use std::fmt;

/// A path of at least two words, as it is named somewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Path {
    /// Its words without a leading `crate`; `*` for a glob.
    pub words: Vec<String>,
    /// It began with `crate`, `self` or `super`, and `words` begin at the crate's root.
    pub is_of_crate: bool,
    /// Where its first word stands.
    pub line: usize,
}

impl Path {
    pub(super) fn words(&self) -> Vec<&str> {
        self.words.iter().map(String::as_str).collect()
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_of_crate { "crate::" } else { "" })?;
        f.write_str(&self.words.join("::"))
    }
}

/// All paths named in the file of `module`, in order.
pub(super) fn paths(module: Vec<String>, tokens: &[Token<'_>]) -> Vec<Path> {
    let mut reader = Reader { tokens, at: 0, module, found: Vec::new() };
    // The depths of braces at which inline modules began.
    let (mut depth, mut inline) = (0_usize, Vec::new());
    while let Some(text) = reader.text(0) {
        match text {
            "mod" if reader.text(2) == Some("{") => {
                reader.module.extend(reader.text(1).map(str::to_owned));
                inline.push(depth);
                reader.at += 2;
                continue;
            }
            "{" => depth += 1,
            "}" => {
                depth = depth.saturating_sub(1);
                if inline.pop_if(|began| *began == depth).is_some() {
                    reader.module.pop();
                }
            }
            word if is_word(word) && reader.joins(1) => {
                reader.tree(&mut Vec::new());
                continue;
            }
            _ => {}
        }
        reader.at += 1;
    }
    reader.found
}

fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

struct Reader<'a> {
    tokens: &'a [Token<'a>],
    at: usize,
    module: Vec<String>,
    found: Vec<Path>,
}

impl<'a> Reader<'a> {
    fn text(&self, ahead: usize) -> Option<&'a str> {
        self.tokens.get(self.at + ahead).map(|token| token.text)
    }

    /// Whether `::` and something to go on with stand `ahead`.
    fn joins(&self, ahead: usize) -> bool {
        let colons = [self.text(ahead), self.text(ahead + 1)] == [Some(":"), Some(":")];
        let next = self.text(ahead + 2);
        colons && next.is_some_and(|next| is_word(next) || matches!(next, "*" | "{"))
    }

    /// Reads a path or a tree of them after `prefix`, which is left as it was.
    fn tree(&mut self, prefix: &mut Vec<&'a str>) {
        let (length, start) = (prefix.len(), self.at);
        loop {
            match self.text(0) {
                Some("{") => self.group(prefix),
                Some(word) if is_word(word) || word == "*" => {
                    prefix.push(word);
                    self.at += 1;
                    if self.joins(0) {
                        self.at += 2;
                        continue;
                    }
                    self.found.push(self.resolved(prefix, self.tokens[start].line));
                }
                _ => {}
            }
            break;
        }
        prefix.truncate(length);
    }

    /// Reads `{a::b, c as d, self}`.
    fn group(&mut self, prefix: &mut Vec<&'a str>) {
        self.at += 1;
        while let Some(text) = self.text(0) {
            match text {
                "}" => break,
                "," => self.at += 1,
                "as" => self.at += 2,
                _ => {
                    let before = self.at;
                    self.tree(prefix);
                    self.at = self.at.max(before + 1);
                }
            }
        }
        self.at += 1;
    }

    fn resolved(&self, words: &[&str], line: usize) -> Path {
        let is_of_crate = matches!(words.first(), Some(&("crate" | "self" | "super")));
        let mut full = if is_of_crate { self.module.clone() } else { Vec::new() };
        for word in words {
            match *word {
                "crate" => full.clear(),
                "self" => {}
                "super" => {
                    full.pop();
                }
                word => full.push(word.to_owned()),
            }
        }
        Path { words: full, is_of_crate, line }
    }
}

#[test]
fn paths_are_named_in_full_wherever_they_stand() {
    let text = "
        use super::{psi::{self, Psi}, Roots as R};
        use std::fs::*;
        fn f(x: crate::units::Bytes) -> u8 { x.y::<Vec<u8>>(tracing::Level::INFO) }
        mod tests { use super::{*}; mod deeper { use super::super::g; } }
        pub(in crate::sources) use self::stat::Lines;";
    let module = vec!["sources".to_owned(), "cgroup".to_owned()];
    let found = paths(module, &super::rust::tokens(text));
    let shown: Vec<String> = found.iter().map(|path| format!("{}: {path}", path.line)).collect();
    let expected = [
        "2: crate::sources::psi",
        "2: crate::sources::psi::Psi",
        "2: crate::sources::Roots",
        "3: std::fs::*",
        "4: crate::units::Bytes",
        "4: tracing::Level::INFO",
        "5: crate::sources::cgroup::*",
        "5: crate::sources::cgroup::g",
        "6: crate::sources",
        "6: crate::sources::cgroup::stat::Lines",
    ];
    assert_eq!(shown, expected);
}
