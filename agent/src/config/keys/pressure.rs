//! The keys of the pressure signal.

use super::{Field, Key, ms, s};

const SHARE: std::ops::RangeInclusive<f64> = 0.001..=0.9;

pub(super) const ENABLED: Key = Key {
    path: "pressure.enabled",
    flag: None,
    field: Field::Switch(|c| &mut c.pressure.enabled),
    doc: "Asks subscribed applications for memory before the kernel kills for it.",
    edges: "false: no socket, nothing is computed.",
    who: "Nodes on which no application subscribes.",
};

pub(super) const SOCKET: Key = Key {
    path: "pressure.socket",
    flag: Some("pressure-socket"),
    field: Field::Path(|c| &mut c.pressure.socket),
    doc: "Unix socket at which applications subscribe.",
    edges: "Its directory is made. At most 107 bytes.",
    who: "Packagers, and DaemonSets that share it by a hostPath.",
};

pub(super) const BELL: Key = Key {
    path: "pressure.bell",
    flag: None,
    field: Field::PathOrUnset { at: |c| &mut c.pressure.bell, example: "/run/plimsoll/bell.sock" },
    doc: "Second socket, for applications that know systemd's MEMORY_PRESSURE_WATCH only.",
    edges: "Unset: none. Set: they get one byte from medium on, once a second at most.",
    who: "Nodes with applications on sd-event or GLib; see docs/pressure.md.",
};

pub(super) const DRY_RUN: Key = Key {
    path: "pressure.dry_run",
    flag: None,
    field: Field::Switch(|c| &mut c.pressure.dry_run),
    doc: "Computes, logs and shows what would be asked; subscribers hear level none.",
    edges: "true: nobody is asked for anything.",
    who: "Whoever wants to see what the signal would do before it does it.",
};

pub(super) const HEADROOM_LOW: Key = Key {
    path: "pressure.headroom_low",
    flag: None,
    field: Field::Ratio { at: |c| &mut c.pressure.headroom_low, range: SHARE },
    doc: "Room under a limit, as a share of it, below which the level is low; at most 2 GiB.",
    edges: "0.9 asks of everything that is hardly used; not below headroom_medium.",
    who: "Nodes on which the limits are set close on purpose.",
};

pub(super) const HEADROOM_MEDIUM: Key = Key {
    path: "pressure.headroom_medium",
    flag: None,
    field: Field::Ratio { at: |c| &mut c.pressure.headroom_medium, range: SHARE },
    doc: "The same for medium; at most 1 GiB.",
    edges: "Between headroom_critical and headroom_low.",
    who: "Nodes on which the limits are set close on purpose.",
};

pub(super) const HEADROOM_CRITICAL: Key = Key {
    path: "pressure.headroom_critical",
    flag: None,
    field: Field::Ratio { at: |c| &mut c.pressure.headroom_critical, range: SHARE },
    doc: "The same for critical; at most 512 MiB.",
    edges: "0.001 leaves no time to answer.",
    who: "Nodes on which the limits are set close on purpose.",
};

pub(super) const DEADLINE: Key = Key {
    path: "pressure.deadline",
    flag: None,
    field: Field::Time { at: |c| &mut c.pressure.deadline, range: ms(200)..=s(60) },
    doc: "Time to answer at critical; medium has twice, low four times as much.",
    edges: "Never more than half of the time that is left, never below 200ms.",
    who: "Those whose applications free memory slowly.",
};

pub(super) const ALLOWED_UIDS: Key = Key {
    path: "pressure.allowed_uids",
    flag: None,
    field: Field::List {
        at: |c| &mut c.pressure.allowed_uids,
        good: is_id,
        accepted: "a numeric id, or any",
    },
    doc: "Users who may subscribe, beside root and the agent's own.",
    edges: "any: everyone who may open the socket (pressure.mode). The kernel tells who asks.",
    who: "Whoever runs subscribers as users of their own.",
};

pub(super) const ALLOWED_GIDS: Key = Key {
    path: "pressure.allowed_gids",
    flag: None,
    field: Field::List {
        at: |c| &mut c.pressure.allowed_gids,
        good: is_id,
        accepted: "a numeric id, or any",
    },
    doc: "Groups whose members may subscribe; only a process's primary group counts.",
    edges: "any: as with pressure.allowed_uids.",
    who: "Whoever runs subscribers as users of their own.",
};

pub(super) const MODE: Key = Key {
    path: "pressure.mode",
    flag: None,
    field: Field::Text {
        at: |c| &mut c.pressure.mode,
        good: |text| mode(text).is_some(),
        accepted: "an octal mode such as \"0666\"",
    },
    doc: "Mode of the socket's file: who may open it at all.",
    edges: "0600 only its owner. 0666 everyone, and the lists above decide.",
    who: "Nodes on which the file system already tells who may.",
};

pub(super) const SUBSCRIBERS_MAX: Key = Key {
    path: "pressure.subscribers_max",
    flag: None,
    field: Field::Count { at: |c| &mut c.pressure.subscribers_max, range: 1..=1024 },
    doc: "Subscribers at once; a further one is turned away and counted.",
    edges: "Each costs a descriptor and up to 64 KiB; half of them at most of one user.",
    who: "Nodes with more applications than this.",
};

/// The mode that an octal text gives; None if it is none.
pub fn mode(text: &str) -> Option<u32> {
    let digits = text.strip_prefix("0o").unwrap_or(text);
    let plain = (3..=4).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    u32::from_str_radix(digits, 8).ok().filter(|mode| plain && *mode <= 0o777)
}

fn is_id(text: &str) -> bool {
    text == ANY || text.parse::<u32>().is_ok()
}

/// Stands for everyone in a list of ids.
pub const ANY: &str = "any";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mode_is_octal_and_says_nothing_of_set_ids() {
        assert_eq!(
            (mode("0666"), mode("0o660"), mode("600")),
            (Some(0o666), Some(0o660), Some(0o600))
        );
        for wrong in ["", "8", "0888", "07777", "-0600", "+600", "rw-rw----"] {
            assert_eq!(mode(wrong), None, "{wrong}");
        }
    }
}
