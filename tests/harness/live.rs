//! The live proof: programs that leak run into real limits beside healthy ones, and what a running
//! agent says of each is written down until the last of them has ended.
//!
//! ```text
//! workshop  compiles tests/programs        roster  who plays, at which pace
//!      └────────────── stage ──────────────┘       starts, polls, cleans up
//!                        └─ account                 figures of one leak, pure
//! ```

pub mod account;
pub mod roster;
pub mod stage;
pub mod workshop;
