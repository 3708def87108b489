//! Traces as files: the CSV that `plimsoll replay` reads, gzipped or not.

use crate::series::{Parts, Series};
use flate2::read::MultiGzDecoder;
use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, BufWriter, Read};
use std::path::{Path, PathBuf};

/// Why a trace could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    #[error("{path}: {source}")]
    Io { path: PathBuf, source: std::io::Error },
    #[error("{path}: {source}")]
    Csv { path: PathBuf, source: csv::Error },
    #[error("{path}: no column {column}")]
    NoColumn { path: PathBuf, column: &'static str },
    #[error("{path}, line {line}: {column} is no number: {text}")]
    NoNumber { path: PathBuf, line: u64, column: &'static str, text: String },
}

const COLUMNS: [&str; 7] = [
    "time_s",
    "used_bytes",
    "limit_bytes",
    "anon_bytes",
    "file_bytes",
    "shmem_bytes",
    "heap_in_use_bytes",
];

/// Reads all series of a trace, in the order of their first samples. A part is kept only if every
/// sample of the series has it. A limit that is empty or 0 is none.
///
/// # Errors
/// What cannot be read or is malformed, with its line.
pub fn read(path: &Path) -> Result<Vec<Series>, TraceError> {
    let io = |source| TraceError::Io { path: path.to_owned(), source };
    let csv = |source| TraceError::Csv { path: path.to_owned(), source };
    let file = BufReader::new(File::open(path).map_err(io)?);
    let is_gzip = path.extension().is_some_and(|e| e == "gz");
    let text: Box<dyn Read> =
        if is_gzip { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) };
    let mut reader = csv::Reader::from_reader(text);
    let header = reader.byte_headers().map_err(csv)?.clone();
    let column = |name: &str| header.iter().position(|field| field == name.as_bytes());
    let missing = |column| TraceError::NoColumn { path: path.to_owned(), column };
    let entity = column("entity").ok_or_else(|| missing("entity"))?;
    let columns = COLUMNS.map(column);
    for (at, name) in columns.iter().zip(COLUMNS).take(2) {
        at.ok_or_else(|| missing(name))?;
    }

    let mut all: Vec<Series> = Vec::new();
    let mut by_name: HashMap<Vec<u8>, usize> = HashMap::new();
    let mut record = csv::ByteRecord::new();
    while reader.read_byte_record(&mut record).map_err(csv)? {
        let line = record.position().map_or(0, csv::Position::line);
        let number = |nth: usize| -> Result<Option<f64>, TraceError> {
            let field = columns[nth].and_then(|at| record.get(at)).unwrap_or_default();
            if field.is_empty() {
                return Ok(None);
            }
            let text = String::from_utf8_lossy(field);
            text.parse().map(Some).map_err(|_| TraceError::NoNumber {
                path: path.to_owned(),
                line,
                column: COLUMNS[nth],
                text: text.into_owned(),
            })
        };
        let name = record.get(entity).unwrap_or_default();
        let at = by_name.get(name).copied().unwrap_or_else(|| {
            let name_text = String::from_utf8_lossy(name).into_owned();
            all.push(Series { name: name_text, ..Series::default() });
            by_name.insert(name.to_owned(), all.len() - 1);
            all.len() - 1
        });
        let series = &mut all[at];
        series.time_s.push(number(0)?.unwrap_or(f64::NAN));
        series.used.push(number(1)?.unwrap_or(f64::NAN));
        series.limit.push(number(2)?.filter(|limit| *limit > 0.0).unwrap_or(f64::INFINITY));
        let Parts { anon, file, shmem, heap_in_use } = &mut series.parts;
        for (nth, part) in [anon, file, shmem, heap_in_use].into_iter().enumerate() {
            part.extend(number(nth + 3)?);
        }
    }
    for series in &mut all {
        let len = series.used.len();
        let Parts { anon, file, shmem, heap_in_use } = &mut series.parts;
        for part in [anon, file, shmem, heap_in_use] {
            if part.len() != len {
                part.clear();
            }
        }
    }
    Ok(all)
}

/// Writes series one after the other, with all columns; what is not there is empty.
///
/// # Errors
/// What could not be written.
pub fn write<'a>(path: &Path, all: impl IntoIterator<Item = &'a Series>) -> Result<(), TraceError> {
    let io = |source| TraceError::Io { path: path.to_owned(), source };
    let csv = |source| TraceError::Csv { path: path.to_owned(), source };
    let mut writer = csv::Writer::from_writer(BufWriter::new(File::create(path).map_err(io)?));
    writer.write_field("entity").and_then(|()| writer.write_record(COLUMNS)).map_err(csv)?;
    let shown = |column: &[f64], at: usize| match column.get(at) {
        Some(value) if value.is_finite() => value.to_string(),
        _ => String::new(),
    };
    for series in all {
        let Series { name, time_s, used, limit, parts } = series;
        let Parts { anon, file, shmem, heap_in_use } = parts;
        let columns = [time_s, used, limit, anon, file, shmem, heap_in_use];
        for at in 0..used.len() {
            let fields = columns.map(|column| shown(column, at));
            writer.write_field(name).and_then(|()| writer.write_record(&fields)).map_err(csv)?;
        }
    }
    writer.flush().map_err(io)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("trace.csv");
        let parts = Parts { anon: vec![1.0, 2.0], ..Parts::default() };
        let bounded = Series {
            name: "pod/a".to_owned(),
            time_s: vec![0.0, 0.25],
            used: vec![4096.0, 8192.0],
            limit: vec![1e9, 1e9],
            parts,
        };
        let name = "b, with a comma".to_owned();
        let unbounded = Series { name, limit: vec![f64::INFINITY; 2], ..bounded.clone() };
        write(&path, [&bounded, &unbounded]).expect("it can be written");
        let read = read(&path).expect("it can be read");
        assert_eq!(format!("{read:?}"), format!("{:?}", vec![bounded, unbounded]));
    }

    #[test]
    fn columns_may_be_in_any_order_and_entities_may_take_turns() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("trace.csv");
        std::fs::write(&path, "used_bytes,entity,time_s\n1,a,0\n2,b,0\n3,a,1\n").expect("written");
        let read = read(&path).expect("it can be read");
        let used: Vec<&[f64]> = read.iter().map(|series| series.used.as_slice()).collect();
        assert_eq!(used, [&[1.0, 3.0][..], &[2.0]]);
        assert!(read[0].limit.iter().all(|limit| limit.is_infinite()));
    }

    #[test]
    fn a_malformed_number_is_named_with_its_line() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("trace.csv");
        std::fs::write(&path, "time_s,entity,used_bytes\n0,a,1\n1,a,x\n").expect("written");
        let error = read(&path).expect_err("x is no number").to_string();
        assert!(error.ends_with("line 3: used_bytes is no number: x"), "{error}");
    }
}
