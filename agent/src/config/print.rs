//! Writes a configuration as TOML: the effective one with origins, or the commented reference.
//!
//! Secrets are left out: an effective configuration with secrets in it is not read back whole.

use super::keys::{KEYS, Key};
use super::lists::LISTS;
use super::{Config, Effective};
use std::fmt::Write as _;

/// The effective configuration; read back it gives the same. Each value says where it comes from.
#[must_use]
pub fn effective_toml(effective: &Effective) -> String {
    let mut out = match &effective.file {
        Some(path) => format!("# Effective configuration; file: {path:?}\n"),
        None => "# Effective configuration; no file\n".into(),
    };
    by_section(&mut out, |out, key| {
        let (_, name) = key.section_and_name();
        let origin = effective.origin(key.path).to_string().replace(char::is_control, "?");
        let _ = match key.field.toml(&effective.config) {
            Some(value) => writeln!(out, "{name} = {value} # {origin}"),
            None if key.field.hides(&effective.config) => {
                writeln!(out, "#{name} is set and not shown # {origin}")
            }
            None => writeln!(out, "#{name} is unset # {origin}"),
        };
    });
    for list in LISTS {
        let origin = |entry: usize, key: &str| {
            let origin = effective.origin_in(list.path(), entry, key).to_string();
            origin.replace(char::is_control, "?")
        };
        out.push_str(&list.print(&effective.config, &origin));
    }
    out
}

/// A file that says all there is to set, with every key commented out at its default.
///
/// Lines of prose begin with `# `, keys with `#` alone.
#[must_use]
pub fn reference_toml() -> String {
    let mut out = String::from(
        "# Plimsoll's configuration. Every key is shown with its default; all may be left out.\n\
         # A flag beats the environment, the environment this file. Check with\n\
         # `plimsoll check-config FILE`, see what holds with `plimsoll print-config`. A change of\n\
         # the file, SIGHUP and POST /api/v1/reload have it read anew; what then takes effect\n\
         # only after a restart is said with each key. The lists at the end need a restart.\n",
    );
    let defaults = Config::default();
    by_section(&mut out, |out, key| {
        let (_, name) = key.section_and_name();
        let value = key.field.toml(&defaults).or_else(|| key.field.example());
        // Secrets of the table are headers.
        let value = value.unwrap_or_else(|| "\"name=value\"".to_owned());
        let flag = key.flag.map(|flag| format!(", flag --{flag}")).unwrap_or_default();
        let _ = write!(
            out,
            "\n# {}\n# {}\n# Accepted: {}.\n# For: {}\n# Takes effect: {}.\n\
             # Environment {}{flag}.\n\
             #{name} = {value}\n",
            key.doc,
            key.edges,
            key.field.accepted(),
            key.who,
            if key.is_live() { "on reload" } else { "after a restart" },
            key.env(),
        );
    });
    for list in LISTS {
        out.push_str(&list.reference());
    }
    out
}

fn by_section(out: &mut String, mut each: impl FnMut(&mut String, &Key)) {
    let mut section = "";
    for key in KEYS {
        let (its_section, _) = key.section_and_name();
        if its_section != section {
            section = its_section;
            let _ = writeln!(out, "\n[{section}]");
        }
        each(out, key);
    }
}
