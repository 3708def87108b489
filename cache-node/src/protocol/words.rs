//! A command line cut into words at its spaces; no copy, no allocation.
//!
//! Only the space separates: a tab belongs to the word it stands in, as memcached has it.

/// Words of a line that are looked at. Source: memcached's limit of tokens.
pub(super) const WORDS_MAX: usize = 23;

#[derive(Clone, Copy, Debug)]
pub(super) struct Words<'a> {
    words: [&'a [u8]; WORDS_MAX],
    count: usize,
}

impl<'a> Words<'a> {
    pub(super) fn split(line: &'a [u8]) -> Self {
        let mut words: [&[u8]; WORDS_MAX] = [&[]; WORDS_MAX];
        let mut count = 0;
        let mut start = 0;
        for end in memchr::memchr_iter(b' ', line).chain(std::iter::once(line.len())) {
            if end > start {
                words[count] = &line[start..end];
                count += 1;
                if count == WORDS_MAX {
                    break;
                }
            }
            start = end + 1;
        }
        Self { words, count }
    }

    pub(super) const fn count(&self) -> usize {
        self.count
    }

    /// The word at `at`; empty if there is none.
    pub(super) fn at(&self, at: usize) -> &'a [u8] {
        self.words.get(at).copied().unwrap_or_default()
    }

    /// From the word at `at` to the last.
    pub(super) fn from(&self, at: usize) -> &[&'a [u8]] {
        self.words[..self.count].get(at..).unwrap_or_default()
    }

    pub(super) fn last(&self) -> &'a [u8] {
        self.count.checked_sub(1).map_or(&[], |at| self.words[at])
    }

    /// Whether the command asks for no answer.
    pub(super) fn noreply(&self) -> bool {
        self.last() == b"noreply"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, expect: &[&str]) {
        let words = Words::split(line.as_bytes());
        let got: Vec<&str> =
            words.from(0).iter().map(|word| std::str::from_utf8(word).unwrap()).collect();
        assert_eq!(got, expect);
    }

    #[test]
    fn spaces_of_any_number_separate() {
        check("get foo", &["get", "foo"]);
        check("  get   foo  ", &["get", "foo"]);
        check("", &[]);
        check("   ", &[]);
        check("a\tb c", &["a\tb", "c"]);
    }

    #[test]
    fn words_beyond_the_limit_are_not_looked_at() {
        let line = "w ".repeat(WORDS_MAX + 5);
        assert_eq!(Words::split(line.as_bytes()).count(), WORDS_MAX);
    }

    #[test]
    fn what_is_not_there_is_empty() {
        let words = Words::split(b"touch k");
        assert_eq!(words.at(2), b"");
        assert_eq!(words.from(5), &[] as &[&[u8]]);
        assert_eq!(Words::split(b"").last(), b"");
    }
}
