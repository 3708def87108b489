//! Holds what the documents say to what there is: command lines, keys, and links.

use super::*;
use clap::error::ErrorKind;
use std::path::Path;

/// README.md, CHANGELOG.md and all of docs/ but the journal, which tells of the past.
fn documents() -> Vec<(PathBuf, String)> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut found = vec![top.join("README.md")];
    let mut dirs = vec![top.join("docs")];
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("journal") {
                dirs.push(path);
            } else if path.extension().is_some_and(|of| of == "md") {
                found.push(path);
            }
        }
    }
    assert!(found.len() > 40, "only {} documents", found.len());
    found.sort();
    let text = |path: PathBuf| (path.clone(), std::fs::read_to_string(path).unwrap());
    found.into_iter().map(text).collect()
}

/// Each line of a block of code, and each piece of code within a line of text.
fn pieces(text: &str) -> Vec<String> {
    let mut pieces = Vec::new();
    let mut in_block = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            in_block = !in_block;
        } else if in_block {
            pieces.push(line.trim().to_owned());
        } else {
            pieces.extend(line.split('`').skip(1).step_by(2).map(str::to_owned));
        }
    }
    pieces
}

/// The words of a command line of the agent, without what the shell makes of it and without the
/// explanation that stands two blanks behind it.
fn command_line(piece: &str) -> Option<Vec<String>> {
    let piece = piece.strip_prefix("$ ").unwrap_or(piece);
    let piece = piece.strip_prefix("sudo ").unwrap_or(piece);
    let start = piece.split(' ').next()?;
    if start != "plimsoll" {
        return None;
    }
    let line = piece.split("  ").next()?.split(" # ").next()?;
    let ends = |word: &&str| !matches!(*word, "|" | ">" | "&&" | "||" | ";" | "&" | "2>&1" | "…");
    Some(line.split_whitespace().take_while(ends).map(str::to_owned).collect())
}

#[test]
fn every_command_line_of_the_documents_is_one_that_is_understood() {
    let (mut seen, mut wrong) = (0, Vec::new());
    for (path, text) in documents() {
        for words in pieces(&text).iter().filter_map(|piece| command_line(piece)) {
            seen += 1;
            // `plimsoll run|top`, `[--flag]` and the like describe several lines at once.
            if words.iter().any(|word| word.contains(['|', '[', '…'])) {
                continue;
            }
            let Err(error) = Cli::try_parse_from(&words) else { continue };
            // Names in capitals stand for what the reader puts there; a last flag is only named.
            let fine = match error.kind() {
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => true,
                ErrorKind::ValueValidation | ErrorKind::InvalidValue => {
                    let is_name = |word: &String| word.chars().all(|c| c.is_ascii_uppercase());
                    words.iter().any(is_name) || words.last().is_some_and(|l| l.starts_with("--"))
                }
                ErrorKind::MissingRequiredArgument
                | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => words.len() <= 3,
                _ => false,
            };
            if !fine {
                let first = error.to_string().lines().next().unwrap_or_default().to_owned();
                wrong.push(format!("{}: {}: {first}", path.display(), words.join(" ")));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    assert!(seen > 50, "only {seen} command lines");
}

#[test]
fn every_key_that_the_documents_name_is_there() {
    let mut wrong = Vec::new();
    for (path, text) in documents() {
        for piece in pieces(&text) {
            let is_key = piece.chars().all(|c| c.is_ascii_lowercase() || matches!(c, '_' | '.'));
            let table = piece.split('.').next().unwrap_or_default();
            let of_ours = is_key && config::keys::is_section(table) && piece.contains('.');
            let known = || {
                let within = config::keys::is_section(piece.trim_end_matches('.'));
                config::keys::find(&piece).is_some() || within
            };
            let is_file = [".rs", ".yml", ".json", ".toml"].iter().any(|end| piece.ends_with(end));
            if of_ours && !known() && !is_file {
                wrong.push(format!("{}: {piece}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "no such keys:\n{}", wrong.join("\n"));
}

#[test]
fn every_configuration_in_the_documents_can_be_read() {
    let mut seen = 0;
    for (path, text) in documents() {
        for block in text.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()) {
            seen += 1;
            if let Err(problems) = config::from_text(&path, block) {
                panic!("{problems}\nin\n{block}");
            }
        }
    }
    assert!(seen > 5, "only {seen} configurations");
}

#[test]
fn every_link_from_one_document_to_another_leads_somewhere() {
    let mut wrong = Vec::new();
    for (path, text) in documents() {
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let (file, _) = link.split_once('#').unwrap_or((link, ""));
            let is_ours = !file.contains("://") && !file.is_empty() && !file.contains(' ');
            if is_ours && !path.parent().unwrap().join(file).exists() {
                wrong.push(format!("{}: {link}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}
