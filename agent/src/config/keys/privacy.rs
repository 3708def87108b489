//! The keys of what is shown of processes.

use super::super::CmdlineMode;
use super::{Field, Key};

pub(super) const CMDLINE: Key = Key {
    path: "privacy.cmdline",
    flag: None,
    field: Field::Choice {
        names: &["redacted", "off"],
        get: |c| match c.privacy.cmdline {
            CmdlineMode::Redacted => "redacted",
            CmdlineMode::Off => "off",
        },
        set: |c, name| {
            let off = name == "off";
            c.privacy.cmdline = if off { CmdlineMode::Off } else { CmdlineMode::Redacted };
        },
    },
    doc: "Whether command lines are shown; values that look like secrets are blotted out.",
    edges: "off: they are not even read.",
    who: "Nodes whose command lines hold secrets in unusual forms.",
};

pub(super) const REDACT: Key = Key {
    path: "privacy.redact",
    flag: None,
    field: Field::List {
        at: |c| &mut c.privacy.redact,
        good: |word| word.chars().any(char::is_alphanumeric),
        accepted: "a word with a letter or a digit",
    },
    doc: "Further words: an argument whose name holds one of them has its value blotted out.",
    edges: "Empty: only the words that are built in (password, token, secret, …).",
    who: "Those with names of their own for secrets.",
};
