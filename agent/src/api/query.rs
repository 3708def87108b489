//! Query parameters, strictly: unknown names, repeated names and bad values are errors, and all
//! of them are reported at once.

use super::problem::{ParameterError, Problem};
use axum::extract::Query;
use axum::http::Uri;
use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::{Error as ValueError, StrDeserializer};
use std::fmt::Display;

/// Longest echo of what the client sent. Units: characters.
const ECHO_CHARS_MAX: usize = 200;
/// 9999-12-31T23:59:59Z. Units: Unix seconds.
const TIME_MAX_UNIX_S: f64 = 253_402_300_799.0;

/// The parameters of one request, until each is taken and [`Params::finish`] has judged the rest.
#[derive(Debug)]
pub(super) struct Params {
    given: Vec<(String, String)>,
    known: Vec<&'static str>,
    errors: Vec<ParameterError>,
}

impl Params {
    pub(super) fn of(uri: &Uri) -> Self {
        let mut params = Self { given: Vec::new(), known: Vec::new(), errors: Vec::new() };
        match Query::try_from_uri(uri) {
            Ok(Query(given)) => params.given = given,
            Err(rejected) => params.wrong("", rejected),
        }
        params
    }

    /// Takes a parameter that may be left out. A bad value is noted and counts as left out.
    pub(super) fn take<T, E: Display>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        self.known.push(name);
        let mut values = self.given.extract_if(.., |(key, _)| key == name).map(|(_, value)| value);
        let value = values.next()?;
        let repeated = values.count() > 0;
        if repeated {
            self.wrong(name, "is given more than once");
            return None;
        }
        read(&value).map_err(|what| self.wrong(name, what)).ok()
    }

    /// Takes a parameter that must be there.
    pub(super) fn require<T, E: Display>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        if !self.given.iter().any(|(key, _)| key == name) {
            self.wrong(name, "is required");
        }
        self.take(name, read)
    }

    /// Notes that `name` is wrong.
    pub(super) fn wrong(&mut self, name: &str, what: impl Display) {
        let cut = |text: &str| text.chars().take(ECHO_CHARS_MAX).collect();
        self.errors.push(ParameterError { parameter: cut(name), detail: cut(&what.to_string()) });
    }

    /// # Errors
    /// A problem that lists everything noted and every parameter that nobody took.
    pub(super) fn finish(mut self) -> Result<(), Problem> {
        let known = match self.known.as_slice() {
            [] => "is not known here: there are no parameters".to_owned(),
            known => format!("is not known here: there are {}", known.join(", ")),
        };
        for (name, _) in std::mem::take(&mut self.given) {
            self.wrong(&name, &known);
        }
        if self.errors.is_empty() { Ok(()) } else { Err(Problem::parameters(self.errors)) }
    }
}

/// Reads one of an enumeration's names as JSON spells them.
pub(super) fn word<T: for<'a> Deserialize<'a>>(text: &str) -> Result<T, ValueError> {
    let deserializer: StrDeserializer<'_, ValueError> = text.into_deserializer();
    T::deserialize(deserializer)
}

/// Reads a switch: `verbose`, `verbose=true` and `verbose=1` are on.
pub(super) fn switch(text: &str) -> Result<bool, &'static str> {
    match text {
        "" | "1" | "true" => Ok(true),
        "0" | "false" => Ok(false),
        _ => Err("is a switch: leave the value out, or use true or false"),
    }
}

/// Reads a moment: RFC 3339, Unix seconds, or an age such as `-1h`. Units: Unix seconds.
pub(super) fn moment(text: &str, now_unix_s: f64) -> Result<f64, String> {
    let seconds = match text.strip_prefix('-') {
        Some(age) => duration(age).map(|age| (now_unix_s - age).max(0.0)),
        None => decimal(text).or_else(|| rfc3339(text)),
    };
    seconds.filter(|s| (0.0..=TIME_MAX_UNIX_S).contains(s)).ok_or_else(|| {
        format!(
            "'{text}' is not a time: use RFC 3339 (in a URL + is %2B), Unix seconds, or an age \
             with a unit such as -90s, -15m, -1h, -2d, -1w"
        )
    })
}

/// Reads a positive length of time, `90` and `90s` alike. Units: seconds.
pub(super) fn step(text: &str) -> Result<f64, String> {
    decimal(text).or_else(|| duration(text)).filter(|s| *s > 0.0 && s.is_finite()).ok_or_else(
        || format!("'{text}' is not a step: use seconds above 0, or a unit as in 30s, 5m, 1h"),
    )
}

fn rfc3339(text: &str) -> Option<f64> {
    let stamp: jiff::Timestamp = text.parse().ok()?;
    Some(stamp.as_millisecond() as f64 / 1000.0)
}

fn duration(text: &str) -> Option<f64> {
    const UNITS: [(char, f64); 5] =
        [('s', 1.0), ('m', 60.0), ('h', 3600.0), ('d', 86_400.0), ('w', 604_800.0)];
    UNITS.iter().find_map(|(unit, seconds)| Some(decimal(text.strip_suffix(*unit)?)? * seconds))
}

/// Digits with at most one point: no sign, no exponent, no `inf`.
fn decimal(text: &str) -> Option<f64> {
    let plain = text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    plain.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: f64 = 1_000_000.0;

    #[test]
    fn a_moment_is_rfc_3339_or_unix_seconds_or_an_age() {
        for (text, expected) in [
            ("1970-01-02T00:00:00Z", 86_400.0),
            ("1970-01-02T01:00:00.5+01:00", 86_400.5),
            ("1763719740.25", 1_763_719_740.25),
            ("-1h", NOW - 3600.0),
            ("-1.5d", NOW - 129_600.0),
            ("-0s", NOW),
            ("-99999w", 0.0),
        ] {
            assert_eq!(moment(text, NOW), Ok(expected), "{text}");
        }
        for text in ["", "-", "-5", "1h", "yesterday", "nan", "inf", "1e9", "--1h", "999999999999"]
        {
            assert!(moment(text, NOW).is_err(), "{text}");
        }
        assert!(moment("2026-11-21T10:00:00 01:00", NOW).unwrap_err().contains("%2B"));
    }

    #[test]
    fn a_step_is_positive() {
        assert_eq!(step("15"), Ok(15.0));
        assert_eq!(step("5m"), Ok(300.0));
        for text in ["0", "-5", "0s", "", "fast", "1e3"] {
            assert!(step(text).is_err(), "{text}");
        }
    }

    #[test]
    fn everything_wrong_is_told_at_once_and_echoes_are_cut() {
        let long = "x".repeat(5000);
        let uri: Uri = format!("/?a=1&a=2&b=no&{long}=1").parse().unwrap();
        let mut params = Params::of(&uri);
        assert_eq!(params.take("a", str::parse::<u32>), None);
        assert_eq!(params.take("b", str::parse::<u32>), None);
        assert_eq!(params.require("c", str::parse::<u32>), None);
        let told: Vec<_> = params.errors.iter().map(|e| (&*e.parameter, &*e.detail)).collect();
        assert_eq!(
            told,
            [
                ("a", "is given more than once"),
                ("b", "invalid digit found in string"),
                ("c", "is required"),
            ]
        );
        let problem = serde_json::to_value(params.finish().unwrap_err()).unwrap();
        assert_eq!(problem["detail"], "4 parameters are wrong");
        assert_eq!(problem["errors"][3]["parameter"].as_str().unwrap().len(), ECHO_CHARS_MAX);
        assert_eq!(problem["errors"][3]["detail"], "is not known here: there are a, b, c");
    }

    proptest! {
        #[test]
        fn any_text_is_a_time_within_bounds_or_an_error(text in ".{0,40}") {
            if let Ok(at) = moment(&text, NOW) {
                prop_assert!((0.0..=TIME_MAX_UNIX_S).contains(&at));
            }
            if let Ok(step) = step(&text) {
                prop_assert!(step > 0.0 && step.is_finite());
            }
        }
    }
}
