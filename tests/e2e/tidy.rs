//! What this repository holds itself to, checked over all of its files.
//!
//! Each test is one rule. It reads text and the tokens of Rust files, runs nothing and changes
//! nothing; a failure names file and line, and says what to do.

mod paths;
mod rust;
mod tree;

use paths::{Path, paths};
use rust::Token;
use std::collections::BTreeSet;
use tree::File;

const LINES_MAX: usize = 500;
const COLUMNS_MAX: usize = 100;

/// Where `unsafe` may stand. Each opens with a reason; see the lint `unsafe_code`.
const UNSAFE_FILES: [&str; 5] = [
    "agent/src/sources/oom/klogctl.rs",
    "cache-node/src/store/arena.rs",
    "cache-node/src/store/fetch.rs",
    "crates/bpf/src/iterator.rs",
    "xtask/src/bench/stall.rs",
];

/// What a source may use of the agent besides itself and what all sources share.
const BELOW_SOURCES: [&str; 3] = ["clock", "target", "units"];

/// The parser of pressure files is shared by those who find them.
const USES_PSI: [&str; 2] = ["cgroup", "node"];

/// Parts that are handed everything they judge.
const PURE: [&str; 6] = ["detect", "forecast", "history", "pressure", "verdict", "workload"];
const IMPURE: [&[&str]; 10] = [
    &["std", "fs"],
    &["std", "net"],
    &["std", "process"],
    &["std", "thread"],
    &["std", "time", "Instant"],
    &["std", "time", "SystemTime"],
    &["Instant", "now"],
    &["SystemTime"],
    &["Clock", "start"],
    &["tracing"],
];

/// Fails with every offence, one a line, and what to do about them.
#[track_caller]
fn clean(offences: &[String], remedy: &str) {
    assert!(offences.is_empty(), "\n{}\n→ {remedy}\n", offences.join("\n"));
}

fn rust_files() -> Vec<File> {
    let files: Vec<File> = tree::files().into_iter().filter(|file| file.is("rs")).collect();
    assert!(files.len() > 50, "only {} Rust files: is this the whole tree?", files.len());
    files
}

/// `file:line: line` for each line of the files in which `offends` finds something.
fn offending(files: &[File], offends: impl Fn(&str) -> bool) -> Vec<String> {
    let in_file = |file: &File| -> Vec<String> {
        let lines = file.lines().filter(|(_, line)| offends(line));
        lines.map(|(at, line)| file.at(at, line.trim())).collect()
    };
    files.iter().flat_map(in_file).collect()
}

/// `file:line: shown` for each token of the files from which on `offends` matches.
fn offending_tokens(
    files: &[File],
    shown: &str,
    offends: impl Fn(&[Token<'_>]) -> bool,
) -> Vec<String> {
    let in_file = |file: &File| -> Vec<String> {
        let tokens = rust::tokens(&file.text);
        let starts = (0..tokens.len()).filter(|&at| offends(&tokens[at..]));
        starts.map(|at| file.at(tokens[at].line, shown)).collect()
    };
    files.iter().flat_map(in_file).collect()
}

fn reads(tokens: &[Token<'_>], words: &[&str]) -> bool {
    tokens.len() >= words.len() && words.iter().zip(tokens).all(|(word, token)| token.text == *word)
}

#[test]
fn every_rust_file_opens_with_what_it_is_for() {
    let silent = rust_files().into_iter().filter(|file| !file.text.starts_with("//! "));
    let silent: Vec<String> =
        silent.map(|file| file.at(1, "has no `//!` on its first line")).collect();
    clean(&silent, "say what it does, what it refuses to do, and where its input comes from");
}

#[test]
fn no_written_file_is_too_long_to_be_read_at_a_sitting() {
    let written = ["css", "html", "js", "mjs", "rs", "toml"];
    let files = tree::files().into_iter().filter(|file| file.is_ours() && file.is_any(&written));
    let long: Vec<String> = files
        .map(|file| (file.lines().count(), file))
        .filter(|(lines, _)| *lines > LINES_MAX)
        .map(|(lines, file)| {
            file.at(LINES_MAX, &format!("{lines} lines; {LINES_MAX} are the most"))
        })
        .collect();
    clean(&long, "part it by what it does; long tests go to `name/tests.rs`");
}

#[test]
fn no_line_of_rust_is_wider_than_the_page() {
    let wide = |file: &File| -> Vec<String> {
        let shown = rust::raw_texts(&file.text);
        let wide = file.lines().filter(|(at, line)| {
            line.chars().count() > COLUMNS_MAX && !shown.iter().any(|lines| lines.contains(at))
        });
        wide.map(|(at, line)| file.at(at, line.trim())).collect()
    };
    let wide: Vec<String> = rust_files().iter().flat_map(wide).collect();
    clean(&wide, "run `cargo fmt`, and break strings and comments by hand at 100 columns");
}

#[test]
fn modules_are_named_after_themselves() {
    let unnamed = rust_files().into_iter().filter(|file| file.path.ends_with("/mod.rs"));
    let unnamed: Vec<String> = unnamed.map(|file| file.at(1, "is a mod.rs")).collect();
    clean(&unnamed, "move `name/mod.rs` to `name.rs`");
}

#[test]
fn nothing_is_left_to_be_done_later() {
    // Put together here, so that this file does not offend.
    let marks = [["TO", "DO"].concat(), ["FIX", "ME"].concat()];
    let is_marked = |line: &str| {
        let mut words = line.split(|c: char| !c.is_alphanumeric() && c != '_');
        words.any(|word| marks.iter().any(|mark| mark == word))
    };
    let written = ["css", "html", "js", "md", "mjs", "rs", "sh", "toml"];
    let files = tree::files().into_iter().filter(|file| file.is_ours() && file.is_any(&written));
    let mut left = offending(&files.collect::<Vec<_>>(), is_marked);
    let rust = rust_files();
    for words in [["todo", "!"], ["unimplemented", "!"]] {
        left.extend(offending_tokens(&rust, &words.concat(), |tokens| reads(tokens, &words)));
    }
    clean(&left, "do it, or open an issue and leave no mark");
}

#[test]
fn no_test_is_ignored() {
    let ignored = offending_tokens(&rust_files(), "an ignored test", |tokens| {
        reads(tokens, &["#", "[", "ignore"])
    });
    clean(&ignored, "a test that cannot run here prints why it skips, and must run in CI");
}

#[test]
fn sources_know_neither_each_other_nor_what_is_above_them() {
    let files = rust_files();
    let names: BTreeSet<&str> = files.iter().filter_map(source_of).collect();
    assert!(names.contains("psi"), "the sources are not where they were: {names:?}");
    let mut offences = Vec::new();
    for file in &files {
        let Some(own) = source_of(file) else { continue };
        let foreign = |path: &Path| match path.words().as_slice() {
            _ if !path.is_of_crate => false,
            ["sources", name, ..] if *name == own => false,
            ["sources", "psi", ..] if USES_PSI.contains(&own) => false,
            // The errors, the roots and the bounded reads that `sources.rs` itself offers.
            ["sources", name, ..] => names.contains(name) || *name == "*",
            ["sources"] | [] => true,
            [name, ..] => !BELOW_SOURCES.contains(name),
        };
        let foreign = paths(file.module(), &rust::tokens(&file.text)).into_iter().filter(foreign);
        offences.extend(foreign.map(|path| file.at(path.line, &path.to_string())));
    }
    clean(&offences, "let the sampler bring the two together, or move what both need below them");
}

/// The source that a file under `agent/src/sources` is part of.
fn source_of(file: &File) -> Option<&str> {
    let name = file.path.strip_prefix("agent/src/sources/")?;
    Some(name.split_once(['/', '.']).map_or(name, |(name, _)| name))
}

#[test]
fn what_judges_does_no_io_and_reads_no_clock() {
    let is_pure = |file: &File| {
        let Some(path) = file.path.strip_prefix("agent/src/") else { return false };
        let part = path.split(['/', '.']).next().unwrap_or_default();
        let edges = ["history/persist", "pressure/service"];
        PURE.contains(&part) && !edges.iter().any(|edge| path.starts_with(edge))
    };
    let files: Vec<File> = rust_files().into_iter().filter(is_pure).collect();
    assert!(files.len() > PURE.len(), "the pure parts are not where they were");
    let mut offences = Vec::new();
    for file in &files {
        let tokens = rust::tokens(&file.text);
        let impure = |path: &Path| {
            let words = path.words();
            IMPURE.iter().any(|impure| words.windows(impure.len()).any(|part| part == *impure))
        };
        let impure = paths(file.module(), &tokens).into_iter().filter(impure);
        offences.extend(impure.map(|path| file.at(path.line, &path.to_string())));
    }
    clean(&offences, "let the caller read, and hand over what was read and `now: Stamp`");
}

#[test]
fn the_agent_and_the_cache_node_never_import_each_other() {
    let files = tree::files();
    let named = |dir: &str, crate_name: &str, package: &str| -> Vec<String> {
        let of_dir = files.iter().filter(|file| file.path.starts_with(dir)).cloned();
        let (rust, other): (Vec<File>, Vec<File>) = of_dir.partition(|file| file.is("rs"));
        let manifests: Vec<File> = other.into_iter().filter(|file| file.is("toml")).collect();
        let mut found = offending_tokens(&rust, crate_name, |tokens| reads(tokens, &[crate_name]));
        found.extend(offending(&manifests, |line| {
            line.strip_prefix(package).is_some_and(|rest| rest.starts_with([' ', '.', '=']))
        }));
        found
    };
    let mut offences = named("agent/", "plimsoll_cache", "plimsoll-cache");
    offences.extend(named("cache-node/", "plimsoll", "plimsoll"));
    offences.extend(named("crates/pressure/", "plimsoll", "plimsoll"));
    offences.extend(named("crates/pressure/", "plimsoll_cache", "plimsoll-cache"));
    clean(&offences, "what both need goes into the crate of the pressure signal");
}

#[test]
fn no_code_exits_the_process_from_within() {
    let exits = offending_tokens(&rust_files(), "process::exit", |tokens| {
        reads(tokens, &["process", ":", ":", "exit"])
    });
    clean(&exits, "return an exit code to `main`, so that everything is dropped");
}

#[test]
fn unsafe_stands_only_in_the_listed_files() {
    let files = rust_files();
    let is_listed = |file: &File| UNSAFE_FILES.contains(&file.path.as_str());
    let (listed, others): (Vec<File>, Vec<File>) = files.into_iter().partition(is_listed);
    let is_unsafe = |tokens: &[Token<'_>]| reads(tokens, &["unsafe"]);
    let mut offences = offending_tokens(&others, "unsafe", is_unsafe);
    for path in UNSAFE_FILES {
        let file = listed.iter().find(|file| file.path == path);
        if !file.is_some_and(|file| rust::tokens(&file.text).iter().any(|t| t.text == "unsafe")) {
            offences.push(format!("{path}:1: is listed, and has no unsafe"));
        }
    }
    clean(&offences, "find a safe wrapper (rustix has most); else justify it in UNSAFE_FILES");
}

#[test]
fn every_fuzz_target_is_in_the_manifest_and_every_entry_has_its_file() {
    let files = tree::files();
    let manifest = files.iter().find(|file| file.path == "tests/fuzz/Cargo.toml");
    let manifest = manifest.expect("the fuzz targets have a manifest");
    let value_of = |line: &str, key: &str| {
        let value = line.strip_prefix(key)?.trim_start().strip_prefix('=')?.trim();
        Some(value.trim_matches('"').to_owned())
    };
    let bins: Vec<&str> = manifest.text.split("[[bin]]").skip(1).collect();
    let values = |key| -> BTreeSet<String> {
        let of_bin = |bin: &&str| bin.lines().find_map(|line| value_of(line, key));
        bins.iter().filter_map(of_bin).collect()
    };
    let (names, entries) = (values("name"), values("path"));
    let targets: BTreeSet<String> = files
        .iter()
        .filter_map(|file| file.path.strip_prefix("tests/fuzz/"))
        .filter(|path| path.starts_with("fuzz_targets/"))
        .map(str::to_owned)
        .collect();
    let named: BTreeSet<String> = names.iter().map(|n| format!("fuzz_targets/{n}.rs")).collect();
    let missing =
        targets.difference(&entries).map(|path| format!("tests/fuzz/{path}: has no [[bin]]"));
    let gone = entries.difference(&targets).map(|path| format!("tests/fuzz/{path}: is no file"));
    let misnamed =
        named.symmetric_difference(&entries).map(|path| format!("tests/fuzz/{path}: name ≠ path"));
    let offences: Vec<String> = missing.chain(gone).chain(misnamed).collect();
    clean(&offences, "bring tests/fuzz/Cargo.toml and tests/fuzz/fuzz_targets/ together");
}

#[test]
fn decisions_are_numbered_without_a_gap_and_titled() {
    let files = tree::files();
    let names: Vec<&str> =
        files.iter().filter_map(|file| file.path.strip_prefix("docs/decisions/")).collect();
    assert!(!names.is_empty(), "docs/decisions has no record");
    let mut offences = Vec::new();
    for (name, number) in names.iter().zip(1..) {
        let title = name.strip_prefix(&format!("{number:04}-")).and_then(|n| n.strip_suffix(".md"));
        let is_title = |title: &str| {
            let mut words = title.split('-');
            words.all(|w| !w.is_empty() && w.chars().all(|c| matches!(c, 'a'..='z' | '0'..='9')))
        };
        if !title.is_some_and(is_title) {
            offences.push(format!("docs/decisions/{name}: is not {number:04}-lower-case-title.md"));
        }
    }
    clean(&offences, "number records consecutively; a record is superseded, never removed");
}

#[test]
fn no_file_names_a_place_that_one_machine_alone_has() {
    // Put together here, so that this file does not offend.
    let (absolute, beside) = (["/", "work/"].concat(), ["..", "/shared"].concat());
    let begins_a_path = |line: &str, at: usize| {
        let before = line[..at].chars().next_back();
        before.is_none_or(|c| !c.is_alphanumeric() && !matches!(c, '.' | '_' | '-' | '/'))
    };
    let places = offending(&tree::files(), |line| {
        let mut absolutes = line.match_indices(&absolute);
        line.contains(&beside) || absolutes.any(|(at, _)| begins_a_path(line, at))
    });
    clean(&places, "say it without the path: the reader has this repository and nothing else");
}

#[test]
fn the_page_makes_no_markup_from_text() {
    let makers =
        ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "setAttribute(\"on"];
    let web = tree::files().into_iter().filter(|f| f.path.starts_with("agent/web/") && f.is_ours());
    let web: Vec<File> = web.filter(|file| file.is_any(&["html", "js", "svg"])).collect();
    assert!(!web.is_empty(), "agent/web has no page");
    let offences = offending(&web, |line| {
        makers.iter().any(|maker| line.contains(maker)) || has_inline_handler(line)
    });
    clean(&offences, "make elements and set textContent; listen with addEventListener");
}

/// Whether an attribute such as `onclick="…"` stands in the line.
fn has_inline_handler(line: &str) -> bool {
    line.match_indices("on").any(|(at, _)| {
        let begins = line[..at].ends_with([' ', '\t', '"', '\'', '/']) || at == 0;
        let event = line[at + 2..].trim_start_matches(|c: char| c.is_ascii_lowercase());
        let is_named = event.len() < line[at + 2..].len();
        begins && is_named && (event.starts_with("=\"") || event.starts_with("='"))
    })
}

#[test]
fn an_inline_handler_is_told_from_a_word_that_begins_alike() {
    assert!(has_inline_handler(r#"<button onclick="go()">"#));
    assert!(has_inline_handler(r#"<img src=x onerror='go()'>"#));
    assert!(!has_inline_handler(r#"const once = "x", button="y", on="z";"#));
}
