//! The configuration reference as a Markdown page: docs/configuration.md is this text, word by
//! word.

use super::Config;
use super::field::Field;
use super::keys::{KEYS, Key};
use super::lists::LISTS;
use std::fmt::Write as _;

const HEAD: &str = "\
# Configuration

Made by `plimsoll generate reference`; a test holds it to the keys that are read. The same as a file
with every key commented out at its default: `plimsoll generate config`.

A flag beats the environment, the environment the file, the file the default. The file is TOML:
`--config FILE`, else `$PLIMSOLL_CONFIG`, else `/etc/plimsoll/plimsoll.toml` if it is there.

```
plimsoll generate config > plimsoll.toml    every setting, explained
plimsoll check-config plimsoll.toml         everything that is wrong with it at once; exit code 78
plimsoll print-config                       what holds, and where each value comes from
```

A change of the file, SIGHUP and `POST /api/v1/reload` have it read anew
([security.md](security.md)).
*Live* takes effect then; *restart* is told as waiting until the agent is started again. What the
variables of OTLP set (`OTEL_EXPORTER_OTLP_ENDPOINT` and the like) is in [export.md](export.md).
";

/// The whole page.
#[must_use]
pub fn reference_page() -> String {
    let mut out = String::from(HEAD);
    let defaults = Config::default();
    let mut section = None;
    for key in KEYS {
        let (its_section, _) = key.section_and_name();
        if section != Some(its_section) {
            section = Some(its_section);
            let title = if its_section.is_empty() { "At the top of the file" } else { its_section };
            let _ = write!(
                out,
                "\n## {title}\n\n| key | type | default | environment, flag | effect | what it is \
                 |\n|---|---|---|---|---|---|\n"
            );
        }
        let flag = key.flag.map(|flag| format!("<br>`--{flag}`")).unwrap_or_default();
        let effect = if key.is_live() { "live" } else { "restart" };
        let _ = writeln!(
            out,
            "| `{}` | {} | {} | `{}`{flag} | {effect} | {} {} *{}* |",
            key.path,
            cell(&key.field.accepted()),
            default(&key.field, &defaults),
            key.env(),
            cell(key.doc),
            cell(key.edges),
            cell(key.who),
        );
    }
    for list in LISTS {
        out.push_str(&list.page());
    }
    out
}

/// One list: its keys with what they accept.
pub(super) fn list<C: Clone + Default>(path: &str, doc: &str, keys: &[Key<C>]) -> String {
    let mut out = format!(
        "\n## `[[{path}]]`\n\n{doc} Set in the file only; takes effect after a restart.\n\n\
         | key | type | default | what it is |\n|---|---|---|---|\n"
    );
    let defaults = C::default();
    for key in keys {
        let _ = writeln!(
            out,
            "| `{}` | {} | {} | {} {} |",
            key.path,
            cell(&key.field.accepted()),
            default(&key.field, &defaults),
            cell(key.doc),
            cell(key.edges),
        );
    }
    out
}

fn default<C: Clone>(field: &Field<C>, defaults: &C) -> String {
    match field.toml(defaults).filter(|text| text != "\"\"") {
        Some(value) => format!("`{}`", cell(&value)),
        None => "unset".into(),
    }
}

/// What would end a cell of a table is escaped, and what looks like markup does not become one.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "&lt;").replace('*', "\\*")
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/configuration.md");

    #[test]
    fn the_page_checked_in_is_the_one_that_is_generated() {
        let wanted = reference_page();
        if std::env::var_os("PLIMSOLL_BLESS").is_some() {
            std::fs::write(DOCUMENT, &wanted).unwrap();
        }
        let found = std::fs::read_to_string(DOCUMENT).unwrap_or_default();
        assert!(found == wanted, "plimsoll generate reference > docs/configuration.md");
    }

    #[test]
    fn every_key_is_on_the_page_with_its_default_and_no_cell_is_broken() {
        let page = reference_page();
        for key in KEYS {
            let start = format!("| `{}` | ", key.path);
            let line = page.lines().find(|line| line.starts_with(&start)).expect(key.path);
            assert_eq!(line.replace("\\|", "").matches('|').count(), 7, "{line}");
            assert!(line.contains(&key.env()), "{line}");
        }
        assert!(page.contains("`\"127.0.0.1:9977\"`"));
    }
}
