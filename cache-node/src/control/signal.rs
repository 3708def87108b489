//! What a source of pressure says: how bad it is, how much is wanted back, and by when.

use super::Bytes;
pub use plimsoll_pressure::Level;
use std::time::Duration;

/// One word of a source. The process's own cgroup is one source; another may speak for the node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Signal {
    pub level: Level,
    /// Wanted back. Units: bytes.
    pub reclaim_bytes: Bytes,
    /// What the control had given back in all, as far as its figures said, when this was reckoned:
    /// what it gave since, while the word was under way to it, is part of what is wanted.
    pub counted_from: Bytes,
    /// Time in which it is wanted; what is still owed then is forgotten.
    pub deadline: Duration,
}

impl Signal {
    /// As it is to be taken by a control that has given back `given` in all by now.
    #[must_use]
    pub const fn at(self, given: Bytes) -> Self {
        let since = given.saturating_sub(self.counted_from);
        let reclaim_bytes = self.reclaim_bytes.saturating_sub(since);
        Self { reclaim_bytes, counted_from: given, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_given_while_a_word_was_under_way_is_not_owed_again() {
        let word = Signal { reclaim_bytes: 24, counted_from: 100, ..Signal::default() };
        assert_eq!(word.at(100).reclaim_bytes, 24);
        assert_eq!(word.at(110).reclaim_bytes, 14);
        assert_eq!(word.at(200).reclaim_bytes, 0);
    }
}
