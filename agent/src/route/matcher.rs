//! Which alerts are meant: `label=glob` and `label!=glob`, in rules, routes and silences.
//!
//! Pure. A label that an alert lacks has the empty value, so `namespace!=kube-*` fits what has no
//! namespace. `*` stands for any text, `?` for one character; there is no way to mean them
//! literally, which no label needs. Refuses regular expressions: a glob cannot be slow.

use std::collections::BTreeMap;
use std::fmt;

/// The longest matcher. Units: bytes.
const MATCHER_BYTES_MAX: usize = 1000;

/// Labels by name.
pub type Labels = BTreeMap<String, String>;

/// A text with `*` and `?` in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob(Vec<char>);

impl Glob {
    #[must_use]
    pub fn new(pattern: &str) -> Self {
        Self(pattern.chars().collect())
    }

    /// Cost: the product of the lengths at worst.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        let text: Vec<char> = text.chars().collect();
        let pattern = &self.0;
        let (mut p, mut t) = (0, 0);
        // Where the last star stood, and how much of the text it has taken.
        let mut star: Option<(usize, usize)> = None;
        while t < text.len() {
            match pattern.get(p) {
                Some('*') => {
                    star = Some((p, t));
                    p += 1;
                }
                Some(&c) if c == '?' || c == text[t] => {
                    p += 1;
                    t += 1;
                }
                _ => {
                    let Some((at, taken)) = star else { return false };
                    star = Some((at, taken + 1));
                    p = at + 1;
                    t = taken + 1;
                }
            }
        }
        pattern[p..].iter().all(|&c| c == '*')
    }
}

/// One condition on a label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matcher {
    name: String,
    glob: Glob,
    negated: bool,
}

impl Matcher {
    /// Reads `label=glob` or `label!=glob`; None if it is neither.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (name, glob) = text.split_once('=').filter(|_| text.len() <= MATCHER_BYTES_MAX)?;
        let (name, negated) = name.strip_suffix('!').map_or((name, false), |name| (name, true));
        let name = name.trim();
        is_name(name).then(|| Self { name: name.into(), glob: Glob::new(glob.trim()), negated })
    }

    #[must_use]
    pub fn is_good(text: &str) -> bool {
        Self::parse(text).is_some()
    }

    #[must_use]
    pub fn matches(&self, labels: &Labels) -> bool {
        let value = labels.get(&self.name).map_or("", String::as_str);
        self.glob.matches(value) != self.negated
    }
}

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let glob: String = self.glob.0.iter().collect();
        write!(f, "{}{}={glob}", self.name, if self.negated { "!" } else { "" })
    }
}

/// Reads all of them; what is no matcher was refused before and is passed over.
#[must_use]
pub fn all_of(texts: &[String]) -> Vec<Matcher> {
    texts.iter().filter_map(|text| Matcher::parse(text)).collect()
}

/// Whether every one fits; none at all fits everything.
#[must_use]
pub fn all_match(matchers: &[Matcher], labels: &Labels) -> bool {
    matchers.iter().all(|matcher| matcher.matches(labels))
}

/// A label name. Source: Prometheus' data model, `[a-zA-Z_][a-zA-Z0-9_]*`.
#[must_use]
pub fn is_name(text: &str) -> bool {
    let good = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    !text.is_empty() && text.bytes().all(good) && !text.as_bytes()[0].is_ascii_digit()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        pairs.iter().map(|&(k, v)| (k.to_owned(), v.to_owned())).collect()
    }

    #[test]
    fn globs_fit_whole_texts() {
        for (glob, text, fits) in [
            ("kube-*", "kube-system", true),
            ("kube-*", "my-kube-system", false),
            ("*api*", "shop/api-7", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("*", "", true),
            ("", "", true),
            ("", "x", false),
            ("*a*b*c", "xxaybzzc", true),
            ("*a*b*c", "xxaybzz", false),
            ("é?", "éß", true),
        ] {
            assert_eq!(Glob::new(glob).matches(text), fits, "{glob} {text}");
        }
    }

    #[test]
    fn a_label_that_is_missing_is_empty() {
        let shop = labels(&[("namespace", "shop")]);
        let fits = |text: &str| Matcher::parse(text).unwrap().matches(&shop);
        assert!(fits("namespace=sh*") && fits("namespace!=kube-*") && fits("pod="));
        assert!(!fits("namespace!=shop") && !fits("pod=?*") && fits("pod!=x"));
        for wrong in ["", "namespace", "=x", "a b=c", "1a=b", "!=x"] {
            assert_eq!(Matcher::parse(wrong), None, "{wrong}");
        }
        assert_eq!(Matcher::parse(" a != b* ").unwrap().to_string(), "a!=b*");
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic_and_each_fits_itself(text in "[a-c*?]{0,12}", other: String) {
            let _ = Matcher::parse(&other);
            let _ = Glob::new(&text).matches(&other);
            prop_assert!(Glob::new(&text).matches(&text));
        }
    }
}
