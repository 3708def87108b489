//! What the figures mean.
//!
//! Of healthy series:
//! - *leak* and *OOM episodes*: alarms, those within 6 h of the one before taken as one; per day
//!   means over the sum of all spans.
//!
//! Of leaks:
//! - *found*: a leak is suspected at or after the onset and before the end;
//! - *early*: a leak is suspected before the onset;
//! - *delay*: from the onset to the first suspicion that counts, as a share of life; 1 if none;
//! - *stands*: at a share of life there is a prediction that has not been taken back;
//! - *error*: of those, the distance of the p50 instant from the OOM, as a share of the time left;
//! - *coverage*: of those, how often the OOM lies in \[p10, p90\];
//! - *warned*: a prediction stands 5 min (or a quarter of life, if less) or 1 h before the OOM.
//!
//! Of drifts: *found* if suspected later than 3 h after the start, or before and not cleared.
//!
//! Of both: *recall* is found ÷ leaks, *precision* found ÷ (found + false alarms), where false are
//! healthy series with a leak alarm and leaks with an early one.
//!
//! Medians take the upper of two middle values. Intervals are Wilson's at 95 %.

mod drift;
mod growth;
mod silence;
mod total;
mod wilson;

pub use drift::{Drift, drift};
pub use growth::{At, Growth, Outcome, SHARES, growth, outcomes};
pub use silence::{Silence, episodes, silence};
pub use total::Total;
pub use wilson::{Interval, wilson};
