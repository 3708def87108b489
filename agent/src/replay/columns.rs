//! The header says which column is which; by it a line becomes a [`Row`].
//!
//! Columns that are not known are passed over. Nothing is guessed: a value that is no number, is
//! not finite or is below zero is an error, for a reading that was never taken would be judged.

use super::fields::Fields;
use crate::units::{Bytes, Limit};

/// Farther from zero than this lies no instant in seconds: it will be milliseconds. Units: seconds.
const TIME_MAX_S: f64 = 1e11;
/// So much of a text is shown where it is complained of. Units: bytes.
const SHOWN_MAX: usize = 60;

const TIME: usize = 0;
const ENTITY: usize = 1;
const USED: usize = 2;
const LIMIT: usize = 3;
const ANON: usize = 4;
const FILE: usize = 5;
const SHMEM: usize = 6;
const HEAP: usize = 7;
const NAMES: [&str; 8] = [
    "time_s",
    "entity",
    "used_bytes",
    "limit_bytes",
    "anon_bytes",
    "file_bytes",
    "shmem_bytes",
    "heap_in_use_bytes",
];
const REQUIRED: usize = 3;

/// What one line tells. None: the trace does not say.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row<'a> {
    /// Units: seconds, of any origin.
    pub time_s: f64,
    pub entity: &'a str,
    pub used: Bytes,
    pub limit: Limit,
    pub anon: Option<Bytes>,
    pub file: Option<Bytes>,
    pub shmem: Option<Bytes>,
    pub heap_in_use: Option<Bytes>,
}

#[derive(Debug)]
pub struct Columns {
    /// Where each of `NAMES` stands.
    places: [Option<usize>; NAMES.len()],
    count: usize,
    fields: Fields,
}

impl Columns {
    /// Reads the header.
    ///
    /// # Errors
    /// Which column is missing or there twice.
    pub fn of(header: &[u8]) -> Result<Self, String> {
        let mut fields = Fields::default();
        fields.split(header)?;
        let mut places = [None; NAMES.len()];
        for index in 0..fields.len() {
            let text = fields.get(header, index).unwrap_or_default();
            let known = NAMES.iter().position(|name| name.as_bytes() == text);
            let Some(place) = known.and_then(|known| places.get_mut(known)) else { continue };
            if place.replace(index).is_some() {
                return Err(format!("the header names the column {} twice", shown(text)));
            }
        }
        let missing: Vec<&str> =
            (0..REQUIRED).filter(|&i| places[i].is_none()).map(|i| NAMES[i]).collect();
        if !missing.is_empty() {
            let header = shown(header);
            let missing = missing.join(", ");
            return Err(format!("the header lacks the column {missing}; it reads: {header}"));
        }
        Ok(Self { places, count: fields.len(), fields })
    }

    /// Reads a line below the header.
    ///
    /// # Errors
    /// What was found and what is expected.
    pub fn row<'a>(&'a mut self, line: &'a [u8]) -> Result<Row<'a>, String> {
        self.fields.split(line)?;
        let (found, expected) = (self.fields.len(), self.count);
        if found != expected {
            let line = shown(line);
            return Err(format!("{found} fields where the header has {expected}: {line}"));
        }
        Ok(Row {
            time_s: seconds(self.text(line, TIME))?,
            entity: entity(self.text(line, ENTITY))?,
            used: self.amount(line, USED)?.ok_or_else(|| refused(USED, b"", AMOUNT))?,
            limit: self.amount(line, LIMIT)?.map_or(Limit::Max, Limit::At),
            anon: self.amount(line, ANON)?,
            file: self.amount(line, FILE)?,
            shmem: self.amount(line, SHMEM)?,
            heap_in_use: self.amount(line, HEAP)?,
        })
    }

    /// The text of a column, empty where there is no such column.
    fn text<'a>(&'a self, line: &'a [u8], column: usize) -> &'a [u8] {
        let place = self.places.get(column).copied().flatten();
        place.and_then(|place| self.fields.get(line, place)).unwrap_or_default()
    }

    /// An amount; None where the trace has no such column or the field is empty.
    fn amount(&self, line: &[u8], column: usize) -> Result<Option<Bytes>, String> {
        match self.text(line, column) {
            b"" => Ok(None),
            text => match bytes(text) {
                Some(bytes) => Ok(Some(bytes)),
                None => Err(refused(column, text, AMOUNT)),
            },
        }
    }
}

const AMOUNT: &str = "a number of bytes, 0 or more, is expected";
const INSTANT: &str = "a finite number of seconds is expected";

fn refused(column: usize, text: &[u8], expected: &str) -> String {
    format!("{} is '{}': {expected}", NAMES[column], shown(text))
}

fn entity(text: &[u8]) -> Result<&str, String> {
    match std::str::from_utf8(text) {
        Ok("") => Err(refused(ENTITY, text, "a name is expected")),
        Ok(name) => Ok(name),
        Err(_) => Err(refused(ENTITY, text, "UTF-8 is expected")),
    }
}

fn seconds(text: &[u8]) -> Result<f64, String> {
    // Up to 2^53 whole numbers are exact, and most traces have no others.
    let time_s = match whole(text) {
        Some(whole) if whole < 1 << 53 => whole as f64,
        _ => number(text).ok_or_else(|| refused(TIME, text, INSTANT))?,
    };
    if time_s.abs() > TIME_MAX_S {
        return Err(refused(TIME, text, "seconds are expected, not a smaller unit"));
    }
    Ok(time_s)
}

fn bytes(text: &[u8]) -> Option<Bytes> {
    let amount = whole(text).or_else(|| {
        let amount = number(text)?;
        // Saturates, where history would too.
        (amount >= 0.0).then_some(amount.round() as u64)
    });
    amount.map(Bytes)
}

/// A plain decimal number of at most 19 digits, which fits.
fn whole(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > 19 {
        return None;
    }
    text.iter().try_fold(0_u64, |sum, digit| {
        let digit = digit.wrapping_sub(b'0');
        (digit < 10).then_some(sum * 10 + u64::from(digit))
    })
}

fn number(text: &[u8]) -> Option<f64> {
    let number: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    number.is_finite().then_some(number)
}

/// `text` fit for a message: control characters escaped, and not too long.
fn shown(text: &[u8]) -> String {
    let cut = text.get(..SHOWN_MAX).map(|begin| format!("{}…", begin.escape_ascii()));
    cut.unwrap_or_else(|| text.escape_ascii().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(header: &str, line: &str) -> String {
        match Columns::of(header.as_bytes()) {
            Err(what) => what,
            Ok(mut columns) => columns.row(line.as_bytes()).unwrap_err(),
        }
    }

    #[test]
    fn columns_come_in_any_order_and_unknown_ones_are_passed_over() {
        let header = b"heap_in_use_bytes,host,limit_bytes,\"entity\",used_bytes,time_s,anon_bytes";
        let mut columns = Columns::of(header).unwrap();
        let row = columns.row(b"5,x,,\"a,b\",4096.4,-1.5,0").unwrap();
        let expected = Row {
            time_s: -1.5,
            entity: "a,b",
            used: Bytes(4096),
            limit: Limit::Max,
            anon: Some(Bytes::ZERO),
            file: None,
            shmem: None,
            heap_in_use: Some(Bytes(5)),
        };
        assert_eq!(row, expected);
        let row = columns.row(b",,8192,a,1e6,1763719740.25,").unwrap();
        assert_eq!((row.limit, row.used), (Limit::At(Bytes(8192)), Bytes(1_000_000)));
        assert_eq!((row.time_s, row.anon, row.heap_in_use), (1_763_719_740.25, None, None));
    }

    #[test]
    fn a_header_that_lacks_a_column_or_has_it_twice_is_refused() {
        let lacks = fault("time_s,used", "");
        assert!(lacks.starts_with("the header lacks the column entity, used_bytes;"), "{lacks}");
        let twice = fault("time_s,entity,used_bytes,time_s", "");
        assert_eq!(twice, "the header names the column time_s twice");
        // Names are exact: what is not known might be anything.
        assert!(fault("Time_s,entity,used_bytes", "").contains("lacks the column time_s"));
    }

    #[test]
    fn a_value_that_cannot_be_is_told_with_what_is_expected() {
        let header = "time_s,entity,used_bytes,limit_bytes";
        let amount = "a number of bytes, 0 or more, is expected";
        for (line, what) in [
            ("1,a,5", "3 fields where the header has 4: 1,a,5".to_owned()),
            ("1,a,5,,", "5 fields where the header has 4: 1,a,5,,".to_owned()),
            ("now,a,5,", "time_s is 'now': a finite number of seconds is expected".to_owned()),
            ("NaN,a,5,", "time_s is 'NaN': a finite number of seconds is expected".to_owned()),
            (",a,5,", "time_s is '': a finite number of seconds is expected".to_owned()),
            (
                "1763719740123,a,5,",
                "time_s is '1763719740123': seconds are expected, not a smaller unit".to_owned(),
            ),
            ("1,,5,", "entity is '': a name is expected".to_owned()),
            ("1,a,,", format!("used_bytes is '': {amount}")),
            ("1,a,-5,", format!("used_bytes is '-5': {amount}")),
            ("1,a,inf,", format!("used_bytes is 'inf': {amount}")),
            ("1,a,NaN,", format!("used_bytes is 'NaN': {amount}")),
            ("1,a,0x10,", format!("used_bytes is '0x10': {amount}")),
            ("1,a,5 ,", format!("used_bytes is '5 ': {amount}")),
            ("1,a,5,none", format!("limit_bytes is 'none': {amount}")),
        ] {
            assert_eq!(fault(header, line), what, "{line}");
        }
        let mut columns = Columns::of(header.as_bytes()).unwrap();
        let latin = columns.row(b"1,caf\xe9,5,").unwrap_err();
        assert_eq!(latin, r"entity is 'caf\xe9': UTF-8 is expected");
    }

    #[test]
    fn what_is_too_long_or_would_move_the_cursor_is_not_shown_as_it_is() {
        let long = fault("time_s,entity,used_bytes", &format!("1,a,\x1b[2J{}", "9".repeat(500)));
        assert!(long.contains(r"\x1b[2J999") && long.contains('…') && long.len() < 160, "{long}");
    }

    #[test]
    fn amounts_beyond_all_memory_are_taken_and_saturate() {
        assert_eq!(bytes(b"99999999999999999999999"), Some(Bytes(u64::MAX)));
        assert_eq!(bytes(b"9999999999999999999"), Some(Bytes(9_999_999_999_999_999_999)));
        assert_eq!(bytes(b"-0"), Some(Bytes::ZERO));
        assert_eq!(bytes(b"1e400"), None);
    }
}
