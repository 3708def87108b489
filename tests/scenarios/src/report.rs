//! Scoreboards as tables that people read.

mod families;
mod recorded;
mod table;

pub use families::families;
pub use recorded::recorded;
pub use table::{cautions, table};

use crate::score::At;

/// `0.97`, or a dash.
fn share(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), |value| format!("{value:.2}"))
}

/// `12/40`, or a dash where nothing was asked.
fn of(hits: usize, all: usize) -> String {
    if all == 0 { "–".to_owned() } else { format!("{hits}/{all}") }
}

/// What stood, how far off it was and how often its interval held.
fn forecast(at: &At) -> String {
    let At { asked, standing, error_median, inside, .. } = *at;
    if asked == 0 {
        return "–".to_owned();
    }
    let coverage = (standing > 0).then(|| inside as f64 / standing as f64);
    let stood = standing as f64 / asked as f64;
    format!("{stood:.2} · {} · {}", share(error_median), share(coverage))
}
