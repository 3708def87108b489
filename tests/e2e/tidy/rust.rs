//! Rust text as tokens: enough to tell code from comments, strings and lifetimes.
//!
//! Words and single punctuation marks are kept with their lines; literals are not. Understands no
//! grammar and expands no macro.

use std::ops::RangeInclusive;

/// A word, or one punctuation mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub text: &'a str,
    /// Counted from 1.
    pub line: usize,
}

/// The tokens of `text` outside of comments, strings, characters and lifetimes.
pub(super) fn tokens(text: &str) -> Vec<Token<'_>> {
    pieces(text).filter(|(_, is_code)| *is_code).map(|(token, _)| token).collect()
}

/// The lines of each raw string that has several. They show text that has its own form.
pub(super) fn raw_texts(text: &str) -> Vec<RangeInclusive<usize>> {
    let raw = pieces(text).filter(|(piece, is_code)| !is_code && piece.text.starts_with('r'));
    let lines = raw.map(|(piece, _)| piece.line..=piece.line + piece.text.matches('\n').count());
    lines.filter(|lines| lines.start() < lines.end()).collect()
}

/// All of `text` in pieces: tokens, for which the second is true, and what lies between them.
fn pieces(text: &str) -> impl Iterator<Item = (Token<'_>, bool)> {
    let (mut rest, mut line) = (text, 1);
    std::iter::from_fn(move || {
        let first = rest.chars().next()?;
        let skipped = length_without_meaning(rest, first);
        let length = skipped.unwrap_or_else(|| word_length(rest).max(first.len_utf8()));
        let (piece, after) = rest.split_at(length);
        let token = Token { text: piece, line };
        line += piece.matches('\n').count();
        rest = after;
        Some((token, skipped.is_none()))
    })
}

fn word_length(text: &str) -> usize {
    text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len())
}

/// Length of the white space, comment or literal at the start of `text`, if one is there.
fn length_without_meaning(text: &str, first: char) -> Option<usize> {
    match first {
        '/' if text.starts_with("//") => Some(text.find('\n').unwrap_or(text.len())),
        '/' if text.starts_with("/*") => Some(block_comment(text)),
        '"' => Some(quoted(text, '"')),
        '\'' => Some(character_or_lifetime(text)),
        'b' if text.starts_with("b\"") => Some(1 + quoted(&text[1..], '"')),
        'c' if text.starts_with("c\"") => Some(1 + quoted(&text[1..], '"')),
        'b' if text.starts_with("b'") => Some(1 + quoted(&text[1..], '\'')),
        'r' => raw_string(text, 1),
        'b' | 'c' if text[1..].starts_with('r') => raw_string(text, 2),
        _ if first.is_whitespace() => Some(first.len_utf8()),
        _ => None,
    }
}

fn block_comment(text: &str) -> usize {
    let mut depth = 0;
    for at in 0..text.len() {
        let rest = &text.as_bytes()[at..];
        if rest.starts_with(b"/*") {
            depth += 1;
        } else if rest.starts_with(b"*/") {
            depth -= 1;
            if depth == 0 {
                return at + 2;
            }
        }
    }
    text.len()
}

/// Length of what stands between two of `quote`, with them.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// `'a'` and `'\n'` end with a quote, `'a` before anything else is a lifetime.
fn character_or_lifetime(text: &str) -> usize {
    let mut chars = text.chars().skip(1);
    match (chars.next(), chars.next()) {
        (Some('\\'), _) | (Some(_), Some('\'')) => quoted(text, '\''),
        _ => 1 + word_length(&text[1..]),
    }
}

/// `r"…"` or `r#"…"#`, whose prefix letters are `prefix` bytes long. None for a word in `r`.
fn raw_string(text: &str, prefix: usize) -> Option<usize> {
    let hashes = text[prefix..].bytes().take_while(|&b| b == b'#').count();
    let open = prefix + hashes;
    if !text[open..].starts_with('"') {
        return None;
    }
    let close = format!("\"{}", "#".repeat(hashes));
    let end = text[open + 1..].find(&close).map(|at| open + 1 + at + close.len());
    Some(end.unwrap_or(text.len()))
}

#[test]
fn comments_literals_and_lifetimes_are_not_code() {
    let text = r####"
        // unsafe
        /* unsafe /* nested */ unsafe */ fn f<'a>(x: &'a str) -> char { '"' }
        const A: &str = "unsafe \" unsafe"; const B: &[u8] = br#"unsafe " unsafe"#;
        const C: [u8; 2] = [b'\'', b'"']; let result = r;
    "####;
    let words: Vec<&str> = tokens(text).iter().map(|token| token.text).collect();
    let expected = "fn f < > ( x : & str ) - > char { } const A : & str = ; \
        const B : & [ u8 ] = ; const C : [ u8 ; 2 ] = [ , ] ; let result = r ;";
    assert_eq!(words.join(" "), expected);
    assert_eq!(tokens("a\n\"\n\"\nb").last(), Some(&Token { text: "b", line: 4 }));
}

#[test]
fn only_raw_strings_of_several_lines_are_text_of_their_own() {
    let text = "let a = r\"x\";\nlet b = r#\"one\ntwo\"#;\nlet c = \"three\n\";";
    assert_eq!(raw_texts(text), [2..=3]);
}
