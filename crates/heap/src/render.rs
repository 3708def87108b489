//! How a report, and the difference of two, is shown: text for a terminal, pprof for its tools, SVG
//! for a browser. JSON is the document itself.
//!
//! All of it is pure: from a document to text or bytes. A document may be foreign, read from a
//! file: names in it are made harmless for where they go, and nothing of it decides how much is
//! drawn.

mod diff;
mod flame;
mod lines;
mod page;
mod pprof;
#[cfg(test)]
mod testing;
mod text;
pub mod words;

pub use diff::{diff_lines, diff_text};
pub use flame::{diff_svg, svg};
pub use lines::{Line, lines};
pub use page::Page;
pub use pprof::{pprof, profile, proto};
pub use text::text;
