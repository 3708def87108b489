//! A report as a profile that pprof's tools open: `inuse_space`, `inuse_objects`, `leaked_space`,
//! `leaked_objects`.
//!
//! The messages are declared by hand, with the fields that a profile of a heap needs; unknown ones
//! may be left out of a protobuf message. Source: proto/profile.proto of github.com/google/pprof.

use std::collections::HashMap;
use std::io::{self, Write as _};

use flate2::Compression;
use flate2::write::GzEncoder;
use prost::Message;

use super::lines::{Line, lines};
use super::words::harmless;
use crate::report::Report;

/// The messages of `profile.proto`. Strings are indices into `string_table`, whose first is empty.
pub mod proto {
    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Profile {
        #[prost(message, repeated, tag = "1")]
        pub sample_type: Vec<ValueType>,
        #[prost(message, repeated, tag = "2")]
        pub sample: Vec<Sample>,
        #[prost(message, repeated, tag = "3")]
        pub mapping: Vec<Mapping>,
        #[prost(message, repeated, tag = "4")]
        pub location: Vec<Location>,
        #[prost(message, repeated, tag = "5")]
        pub function: Vec<Function>,
        #[prost(string, repeated, tag = "6")]
        pub string_table: Vec<String>,
        #[prost(int64, tag = "9")]
        pub time_nanos: i64,
        #[prost(int64, tag = "10")]
        pub duration_nanos: i64,
        #[prost(message, optional, tag = "11")]
        pub period_type: Option<ValueType>,
        #[prost(int64, tag = "12")]
        pub period: i64,
        #[prost(int64, repeated, tag = "13")]
        pub comment: Vec<i64>,
        #[prost(int64, tag = "14")]
        pub default_sample_type: i64,
    }

    #[derive(Clone, Copy, PartialEq, prost::Message)]
    pub struct ValueType {
        #[prost(int64, tag = "1")]
        pub r#type: i64,
        #[prost(int64, tag = "2")]
        pub unit: i64,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Sample {
        /// The innermost first.
        #[prost(uint64, repeated, tag = "1")]
        pub location_id: Vec<u64>,
        #[prost(int64, repeated, tag = "2")]
        pub value: Vec<i64>,
    }

    #[derive(Clone, Copy, PartialEq, prost::Message)]
    pub struct Mapping {
        #[prost(uint64, tag = "1")]
        pub id: u64,
        #[prost(int64, tag = "5")]
        pub filename: i64,
        #[prost(bool, tag = "7")]
        pub has_functions: bool,
        #[prost(bool, tag = "8")]
        pub has_filenames: bool,
        #[prost(bool, tag = "9")]
        pub has_line_numbers: bool,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Location {
        #[prost(uint64, tag = "1")]
        pub id: u64,
        #[prost(uint64, tag = "2")]
        pub mapping_id: u64,
        #[prost(message, repeated, tag = "4")]
        pub line: Vec<LineOf>,
    }

    #[derive(Clone, Copy, PartialEq, prost::Message)]
    pub struct LineOf {
        #[prost(uint64, tag = "1")]
        pub function_id: u64,
        #[prost(int64, tag = "2")]
        pub line: i64,
    }

    #[derive(Clone, Copy, PartialEq, prost::Message)]
    pub struct Function {
        #[prost(uint64, tag = "1")]
        pub id: u64,
        #[prost(int64, tag = "2")]
        pub name: i64,
        #[prost(int64, tag = "3")]
        pub system_name: i64,
        #[prost(int64, tag = "4")]
        pub filename: i64,
    }
}

/// The profile, gzipped, as `.pb.gz`.
///
/// # Errors
/// None in practice: it is written to memory.
pub fn pprof(report: &Report) -> io::Result<Vec<u8>> {
    let mut gz = GzEncoder::new(Vec::new(), Compression::default());
    gz.write_all(&profile(report).encode_to_vec())?;
    gz.finish()
}

/// The profile of a report.
#[must_use]
pub fn profile(report: &Report) -> proto::Profile {
    let mut made = Making::default();
    // The first string is the empty one, whatever else there is.
    made.string("");
    let types = [
        ("inuse_objects", "count"),
        ("inuse_space", "bytes"),
        ("leaked_objects", "count"),
        ("leaked_space", "bytes"),
    ];
    made.profile.sample_type = types.map(|(name, unit)| made.value_type(name, unit)).to_vec();
    let exe = report.identity.exe.as_deref().unwrap_or("unknown");
    let filename = made.string(exe);
    made.profile.mapping = vec![proto::Mapping {
        id: 1,
        filename,
        has_functions: true,
        has_filenames: true,
        has_line_numbers: true,
    }];
    for line in lines(report) {
        made.add(&line);
    }
    made.profile.period_type = Some(made.value_type("space", "bytes"));
    made.profile.period = 1;
    made.profile.time_nanos = nanoseconds(&report.taken_at);
    made.profile.duration_nanos =
        report.method.window_s.map_or(0, |seconds| (seconds * 1e9) as i64);
    let leaked = report.leaks.as_ref().is_some_and(|leaks| leaks.unreachable_bytes > 0);
    let first = if leaked { "leaked_space" } else { "inuse_space" };
    made.profile.default_sample_type = made.string(first);
    let about = format!(
        "plimsoll heap report of pid {}, level {}",
        report.identity.pid, report.method.level
    );
    let comments = std::iter::once(&about).chain(&report.method.notes);
    made.profile.comment = comments.map(|note| made.string(note)).collect();
    made.profile
}

fn nanoseconds(taken_at: &str) -> i64 {
    let at = taken_at.parse::<jiff::Timestamp>().ok();
    at.and_then(|at| i64::try_from(at.as_nanosecond()).ok()).unwrap_or(0)
}

#[derive(Default)]
struct Making {
    profile: proto::Profile,
    strings: HashMap<String, i64>,
    functions: HashMap<(i64, i64), u64>,
    locations: HashMap<(u64, i64), u64>,
}

impl Making {
    fn string(&mut self, text: &str) -> i64 {
        let text = harmless(text);
        if let Some(&known) = self.strings.get(&text) {
            return known;
        }
        let at = self.profile.string_table.len().cast_signed() as i64;
        self.profile.string_table.push(text.clone());
        self.strings.insert(text, at);
        at
    }

    fn value_type(&mut self, name: &str, unit: &str) -> proto::ValueType {
        proto::ValueType { r#type: self.string(name), unit: self.string(unit) }
    }

    fn add(&mut self, line: &Line) {
        let frames = line.frames.iter().rev();
        let location_id = frames.map(|frame| self.location(frame)).collect();
        let values = [line.inuse_count, line.inuse_bytes, line.leaked_count, line.leaked_bytes];
        let value = values.map(|n| i64::try_from(n).unwrap_or(i64::MAX)).to_vec();
        self.profile.sample.push(proto::Sample { location_id, value });
    }

    fn location(&mut self, frame: &str) -> u64 {
        let (name, file, line) = parts(frame);
        let (name, filename) = (self.string(name), self.string(file));
        let next = self.profile.function.len() as u64 + 1;
        let function_id = *self.functions.entry((name, filename)).or_insert(next);
        if function_id == next {
            let function = proto::Function { id: next, name, system_name: name, filename };
            self.profile.function.push(function);
        }
        let next = self.profile.location.len() as u64 + 1;
        let id = *self.locations.entry((function_id, line)).or_insert(next);
        if id == next {
            let line = vec![proto::LineOf { function_id, line }];
            self.profile.location.push(proto::Location { id, mapping_id: 1, line });
        }
        id
    }
}

/// `function (file:line)` in its parts; what has another form is a name without file and line.
fn parts(frame: &str) -> (&str, &str, i64) {
    let whole = (frame, "", 0);
    let Some((name, place)) = frame.strip_suffix(')').and_then(|f| f.rsplit_once(" (")) else {
        return whole;
    };
    let Some((file, line)) = place.rsplit_once(':') else { return whole };
    line.parse().map_or(whole, |line| (name, file, line))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::testing;
    use std::io::Read as _;

    fn text(profile: &proto::Profile, at: i64) -> &str {
        &profile.string_table[usize::try_from(at).unwrap()]
    }

    #[test]
    fn what_is_written_is_read_back_with_its_types_stacks_and_values() {
        let report = testing::leaking();
        let packed = pprof(&report).unwrap();
        let mut bytes = Vec::new();
        flate2::read::GzDecoder::new(&*packed).read_to_end(&mut bytes).unwrap();
        let profile = proto::Profile::decode(&*bytes).unwrap();
        assert_eq!(profile, super::profile(&report));
        assert_eq!(profile.string_table[0], "");
        let types: Vec<&str> =
            profile.sample_type.iter().map(|t| text(&profile, t.r#type)).collect();
        assert_eq!(types, ["inuse_objects", "inuse_space", "leaked_objects", "leaked_space"]);
        assert_eq!(text(&profile, profile.default_sample_type), "leaked_space");
        let first = &profile.sample[0];
        assert_eq!(first.value, [500, 32_000, 500, 32_000]);
        let place = |id: u64| &profile.location[usize::try_from(id).unwrap() - 1];
        let names: Vec<(&str, i64)> = first
            .location_id
            .iter()
            .map(|&id| {
                let line = place(id).line[0];
                let function = &profile.function[usize::try_from(line.function_id).unwrap() - 1];
                (text(&profile, function.name), line.line)
            })
            .collect();
        assert_eq!(names, [("operator new", 0), ("handle", 21), ("main", 40), ("leaked", 0)]);
        assert_eq!(profile.time_nanos, 1_795_255_740_000_000_000);
    }

    #[test]
    fn every_id_names_something_that_is_there() {
        let profile = profile(&testing::leaking());
        let strings = i64::try_from(profile.string_table.len()).unwrap();
        let functions = profile.function.len() as u64;
        assert!(profile.function.iter().all(|f| f.name < strings && f.filename < strings));
        for location in &profile.location {
            assert!((1..=functions).contains(&location.line[0].function_id));
        }
        let locations = profile.location.len() as u64;
        for id in profile.sample.iter().flat_map(|sample| &sample.location_id) {
            assert!((1..=locations).contains(id));
        }
    }

    #[test]
    fn frames_without_a_place_are_names() {
        assert_eq!(parts("f (a.c:7)"), ("f", "a.c", 7));
        assert_eq!(parts("g::<(u8, u8)>"), ("g::<(u8, u8)>", "", 0));
        assert_eq!(parts("app+0x12f"), ("app+0x12f", "", 0));
        assert_eq!(parts("operator()(int) (b.cc:x)"), ("operator()(int) (b.cc:x)", "", 0));
    }
}
