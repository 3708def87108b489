//! A line into its fields: commas and double quotes as RFC 4180 has them, but for line breaks
//! inside of quotes. One row is one line here, so that a lost quote cannot swallow the rest of a
//! trace, and so that an error can name its line.

use std::ops::Range;

/// The fields of one line. Filled anew for each, so that it allocates nothing.
#[derive(Debug, Default)]
pub(super) struct Fields {
    places: Vec<Range<usize>>,
    /// The line without its quotes, where it has any.
    unquoted: Vec<u8>,
}

impl Fields {
    /// Splits `line`.
    ///
    /// # Errors
    /// What is wrong with its quotes.
    pub(super) fn split(&mut self, line: &[u8]) -> Result<(), String> {
        self.places.clear();
        self.unquoted.clear();
        if memchr::memchr(b'"', line).is_some() {
            return self.split_quoted(line);
        }
        let mut from = 0;
        for comma in memchr::memchr_iter(b',', line) {
            self.places.push(from..comma);
            from = comma + 1;
        }
        self.places.push(from..line.len());
        Ok(())
    }

    fn split_quoted(&mut self, line: &[u8]) -> Result<(), String> {
        let mut rest = line;
        loop {
            let from = self.unquoted.len();
            rest = if let Some(quoted) = rest.strip_prefix(b"\"") {
                self.unquote(quoted)?
            } else {
                let end = memchr::memchr(b',', rest).unwrap_or(rest.len());
                let (field, rest) = rest.split_at(end);
                if field.contains(&b'"') {
                    let field = field.escape_ascii();
                    return Err(format!("a quote inside of an unquoted field: {field}"));
                }
                self.unquoted.extend_from_slice(field);
                rest
            };
            self.places.push(from..self.unquoted.len());
            match rest.split_first() {
                None => return Ok(()),
                Some((b',', after)) => rest = after,
                Some(_) => {
                    let after = rest.escape_ascii();
                    return Err(format!("a comma is expected after a closing quote, not: {after}"));
                }
            }
        }
    }

    /// Takes in a field whose opening quote was passed; returns what follows its closing one.
    fn unquote<'a>(&mut self, mut rest: &'a [u8]) -> Result<&'a [u8], String> {
        loop {
            let Some(quote) = memchr::memchr(b'"', rest) else {
                return Err("a quoted field is not closed on its line".to_owned());
            };
            self.unquoted.extend_from_slice(&rest[..quote]);
            rest = &rest[quote + 1..];
            match rest.strip_prefix(b"\"") {
                Some(after) => {
                    self.unquoted.push(b'"');
                    rest = after;
                }
                None => return Ok(rest),
            }
        }
    }

    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// The field at `index`; `line` is the one that was split.
    pub(super) fn get<'a>(&'a self, line: &'a [u8], index: usize) -> Option<&'a [u8]> {
        // Every line with a quote in it leaves a copy, if only an empty one with no bytes to hand.
        let text = if self.unquoted.is_empty() { line } else { &self.unquoted };
        text.get(self.places.get(index)?.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn split(line: &str) -> Result<Vec<String>, String> {
        let mut fields = Fields::default();
        fields.split(line.as_bytes())?;
        let field = |i| fields.get(line.as_bytes(), i).map(|f| String::from_utf8_lossy(f).into());
        Ok((0..fields.len()).filter_map(field).collect())
    }

    #[test]
    fn commas_part_fields_and_quotes_keep_them_together() {
        for (line, expected) in [
            ("", &[""][..]),
            ("a,b,c", &["a", "b", "c"]),
            (",,", &["", "", ""]),
            (r#""a,b",c"#, &["a,b", "c"]),
            (r#"1,"say ""no""",2"#, &["1", r#"say "no""#, "2"]),
            (r#""","""#, &["", ""]),
            (r#"a,"""#, &["a", ""]),
        ] {
            assert_eq!(split(line).unwrap(), expected, "{line}");
        }
    }

    #[test]
    fn a_quote_that_is_out_of_place_is_an_error() {
        for (line, what) in [
            (r#"1,"open"#, "a quoted field is not closed on its line"),
            (r#"1,"open"","#, "a quoted field is not closed on its line"),
            (r#"a"b,2"#, "a quote inside of an unquoted field: "),
            (r#""a"b,2"#, "a comma is expected after a closing quote, not: b,2"),
        ] {
            let found = split(line).unwrap_err();
            assert!(found.starts_with(what), "{line}: {found}");
        }
    }

    proptest! {
        #[test]
        fn fields_that_were_quoted_come_back(
            fields in prop::collection::vec("[a,\"é]{0,6}", 1..6),
        ) {
            let quoted = fields.iter().map(|f| format!("\"{}\"", f.replace('"', "\"\"")));
            let line = quoted.collect::<Vec<_>>().join(",");
            prop_assert_eq!(split(&line).unwrap(), fields);
        }
    }
}
