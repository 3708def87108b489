//! How a transcript is written.
//!
//! ```text
//! @ -I 2048               arguments of the server, for the whole file
//! == what is shown        a conversation; the store is empty at its beginning
//! > set k 0 0 1           sent, with \r\n; lines in a row are sent at once
//! > x                     `>+` instead: in a packet of its own
//! < STORED                expected, with \r\n; until it is here nothing more is sent
//! > get k\                a backslash at the end: without \r\n
//! -                       expected: nothing
//! ! closed                the server closes the connection
//! ```
//!
//! In both directions `\r`, `\n`, `\0`, `\t`, `\\`, `\xNN` are bytes, and `\{250*a}` is 250 times
//! the text. What is answered may differ where names stand, and only there: `${a}` is a number that
//! is the same wherever `${a}` stands, and is sent where it stands in what is sent; `${*}` is
//! any one word.

use std::collections::BTreeMap;
use std::fmt::Write as _;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Bytes(Vec<u8>),
    /// A number that has a name.
    Name(String),
    AnyWord,
}

#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) line: usize,
    /// Each is sent at once.
    pub(super) sent: Vec<Vec<Piece>>,
    pub(super) expected: Vec<Piece>,
    /// As it was written, to be written again.
    source: Vec<String>,
    answers: Vec<String>,
    read: Vec<Piece>,
}

#[derive(Clone, Debug)]
pub(super) struct Case {
    pub(super) line: usize,
    pub(super) name: String,
    pub(super) steps: Vec<Step>,
    pub(super) closes: bool,
    comments: Vec<String>,
}

#[derive(Clone, Debug)]
pub(super) struct File {
    pub(super) arguments: Vec<String>,
    pub(super) cases: Vec<Case>,
    head: Vec<String>,
}

impl File {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut file = Self { arguments: Vec::new(), cases: Vec::new(), head: Vec::new() };
        let mut comments = Vec::new();
        for (number, line) in text.lines().enumerate().map(|(at, line)| (at + 1, line)) {
            let wrong = |what: &str| format!("line {number}: {what}");
            if line.is_empty() {
                continue;
            }
            let (mark, rest) = line.split_once(' ').unwrap_or((line, ""));
            match mark {
                "@" => {
                    file.head.push(line.to_owned());
                    file.arguments.extend(rest.split(' ').map(str::to_owned));
                }
                "==" => file.cases.push(Case {
                    line: number,
                    name: rest.to_owned(),
                    steps: Vec::new(),
                    closes: false,
                    comments: std::mem::take(&mut comments),
                }),
                _ if mark.starts_with('#') && file.cases.is_empty() => {
                    file.head.push(line.to_owned());
                }
                _ if mark.starts_with('#') => comments.push(line.to_owned()),
                _ => {
                    let case = file.cases.last_mut().ok_or(wrong("no conversation yet"))?;
                    case.line(number, mark, rest).map_err(|e| wrong(&e))?;
                }
            }
        }
        Ok(file)
    }

    pub(super) fn write(&self) -> String {
        let mut text = String::new();
        self.head.iter().for_each(|line| {
            let _ = writeln!(text, "{line}");
        });
        for case in &self.cases {
            text.push('\n');
            case.comments.iter().for_each(|line| {
                let _ = writeln!(text, "{line}");
            });
            let _ = writeln!(text, "== {}", case.name);
            for step in &case.steps {
                step.source.iter().for_each(|line| {
                    let _ = writeln!(text, "{line}");
                });
                if step.expected.is_empty() {
                    text.push_str("-\n");
                } else if step.expected == step.read {
                    step.answers.iter().for_each(|line| {
                        let _ = writeln!(text, "{line}");
                    });
                } else {
                    write_answer(&mut text, &step.expected);
                }
            }
            if case.closes {
                text.push_str("! closed\n");
            }
        }
        text
    }
}

/// Writes an answer that was received, a line for each of its lines.
fn write_answer(text: &mut String, answer: &[Piece]) {
    let bytes: Vec<u8> = answer.iter().flat_map(|piece| raw(piece).to_vec()).collect();
    let mut rest = &bytes[..];
    while !rest.is_empty() {
        let end = rest.windows(2).position(|two| two == b"\r\n");
        let (line, after) = end.map_or((rest, &[][..]), |at| (&rest[..at], &rest[at + 2..]));
        let _ = writeln!(text, "< {}{}", escape(line), if end.is_none() { "\\" } else { "" });
        rest = after;
    }
}

fn raw(piece: &Piece) -> &[u8] {
    match piece {
        Piece::Bytes(bytes) => bytes,
        _ => &[],
    }
}

impl Case {
    fn line(&mut self, number: usize, mark: &str, rest: &str) -> Result<(), String> {
        let source = if rest.is_empty() { mark.to_owned() } else { format!("{mark} {rest}") };
        match mark {
            ">" | ">+" => {
                if self.steps.last().is_none_or(|step| !step.answers.is_empty()) {
                    self.steps.push(Step::new(number));
                }
                let step = self.steps.last_mut().ok_or("no step")?;
                step.source.push(source);
                if mark == ">+" || step.sent.is_empty() {
                    step.sent.push(Vec::new());
                }
                let part = step.sent.last_mut().ok_or("no part")?;
                pieces(rest, part)
            }
            "<" => {
                let step = self.steps.last_mut().ok_or("an answer to nothing")?;
                step.answers.push(source);
                pieces(rest, &mut step.expected)?;
                step.read.clone_from(&step.expected);
                Ok(())
            }
            // A question mark stands for what is still to be recorded.
            "-" | "<?" => {
                let step = self.steps.last_mut().ok_or("an answer to nothing")?;
                step.answers.push(source);
                Ok(())
            }
            "!" => {
                self.closes = true;
                Ok(())
            }
            _ => Err(format!("{mark:?} is no mark")),
        }
    }
}

impl Step {
    const fn new(line: usize) -> Self {
        Self {
            line,
            sent: Vec::new(),
            expected: Vec::new(),
            source: Vec::new(),
            answers: Vec::new(),
            read: Vec::new(),
        }
    }
}

pub(super) fn literal(bytes: &[u8]) -> Vec<Piece> {
    if bytes.is_empty() { Vec::new() } else { vec![Piece::Bytes(bytes.to_vec())] }
}

/// Reads a line, with its end unless it ends in a backslash.
fn pieces(line: &str, into: &mut Vec<Piece>) -> Result<(), String> {
    let whole = line.strip_suffix('\\').filter(|line| !line.ends_with('\\'));
    let mut rest = whole.unwrap_or(line);
    while let Some(first) = rest.chars().next() {
        if let Some(named) = rest.strip_prefix("${") {
            let (name, after) = named.split_once('}').ok_or("a name without end")?;
            let any = name == "*";
            into.push(if any { Piece::AnyWord } else { Piece::Name(name.to_owned()) });
            rest = after;
        } else if let Some(escaped) = rest.strip_prefix('\\') {
            let (bytes, after) = unescape(escaped)?;
            append(into, &bytes);
            rest = after;
        } else {
            append(into, first.encode_utf8(&mut [0; 4]).as_bytes());
            rest = &rest[first.len_utf8()..];
        }
    }
    if whole.is_none() {
        append(into, b"\r\n");
    }
    Ok(())
}

/// What stands behind a backslash, and what is behind that.
fn unescape(text: &str) -> Result<(Vec<u8>, &str), String> {
    let (kind, after) = text.split_at_checked(1).ok_or("nothing behind a backslash")?;
    let one = |byte: u8| Ok((vec![byte], after));
    match kind {
        "r" => one(b'\r'),
        "n" => one(b'\n'),
        "t" => one(b'\t'),
        "0" => one(0),
        "\\" => one(b'\\'),
        "x" => {
            let (digits, after) = after.split_at_checked(2).ok_or("two digits behind \\x")?;
            let byte = u8::from_str_radix(digits, 16).map_err(|e| e.to_string())?;
            Ok((vec![byte], after))
        }
        "{" => {
            let (inner, after) = after.split_once('}').ok_or("a repetition without end")?;
            let (times, text) = inner.split_once('*').ok_or("a repetition without *")?;
            let times: usize = times.parse().map_err(|_| "how often?")?;
            Ok((text.repeat(times).into_bytes(), after))
        }
        _ => Err(format!("\\{kind} means nothing")),
    }
}

fn append(pieces: &mut Vec<Piece>, bytes: &[u8]) {
    if let Some(Piece::Bytes(last)) = pieces.last_mut() {
        last.extend_from_slice(bytes);
    } else {
        pieces.push(Piece::Bytes(bytes.to_vec()));
    }
}

/// Bytes as they stand in a transcript.
pub(super) fn escape(bytes: &[u8]) -> String {
    let mut text = String::new();
    let mut rest = bytes;
    while let [first, ..] = rest {
        let run = rest.iter().take_while(|byte| *byte == first).count();
        if run > 40 && first.is_ascii_alphanumeric() {
            let _ = write!(text, "\\{{{run}*{}}}", char::from(*first));
            rest = &rest[run..];
            continue;
        }
        match first {
            b'\r' => text.push_str("\\r"),
            b'\n' => text.push_str("\\n"),
            b'\\' => text.push_str("\\\\"),
            0 => text.push_str("\\0"),
            b' '..=b'~' => text.push(char::from(*first)),
            other => drop(write!(text, "\\x{other:02x}")),
        }
        rest = &rest[1..];
    }
    text
}

/// The numbers that have names in one conversation.
#[derive(Clone, Debug, Default)]
pub(super) struct Names(BTreeMap<String, Vec<u8>>);

impl Names {
    pub(super) fn fill(&self, pieces: &[Piece]) -> Result<Vec<u8>, String> {
        let mut bytes = Vec::new();
        for piece in pieces {
            match piece {
                Piece::Bytes(some) => bytes.extend_from_slice(some),
                Piece::Name(name) => {
                    let number = self.0.get(name).ok_or(format!("nothing is named {name}"))?;
                    bytes.extend_from_slice(number);
                }
                Piece::AnyWord => return Err("any word cannot be sent".to_owned()),
            }
        }
        Ok(bytes)
    }

    /// How many bytes of `answer` are what is expected; numbers get their names. None: it is not,
    /// or not yet.
    pub(super) fn take(&mut self, expected: &[Piece], answer: &[u8]) -> Option<usize> {
        let mut at = 0;
        for piece in expected {
            let rest = &answer[at..];
            let run = |part: fn(&u8) -> bool| rest.iter().take_while(|byte| part(byte)).count();
            at += match piece {
                Piece::Bytes(bytes) => rest.starts_with(bytes).then_some(bytes.len())?,
                Piece::AnyWord => run(|byte| !matches!(byte, b' ' | b'\r' | b'\n')),
                Piece::Name(name) => {
                    let digits = run(u8::is_ascii_digit);
                    let number = rest[..digits].to_vec();
                    match self.0.get(name) {
                        Some(held) if *held != number => return None,
                        // No two numbers that have names are the same.
                        None if self.0.values().any(|held| *held == number) => return None,
                        _ => self.0.insert(name.clone(), number),
                    };
                    digits
                }
            };
        }
        Some(at)
    }

    pub(super) fn show(&self, expected: &[Piece]) -> String {
        let piece = |piece: &Piece| match piece {
            Piece::Bytes(bytes) => escape(bytes),
            Piece::Name(name) => match self.0.get(name) {
                Some(number) => String::from_utf8_lossy(number).into_owned(),
                None => format!("${{{name}}}"),
            },
            Piece::AnyWord => "${*}".to_owned(),
        };
        expected.iter().map(piece).collect()
    }
}
