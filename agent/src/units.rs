//! Newtypes for the quantities that cross module borders, so that pages are never taken for bytes.
//!
//! Serialised as bare numbers: bytes are bytes, rates are bytes per second.

use serde::{Deserialize, Serialize};
use std::ops::{Add, AddAssign, Sub};
use utoipa::ToSchema;

/// An amount of memory. Units: bytes.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    ToSchema,
)]
#[serde(transparent)]
pub struct Bytes(pub u64);

impl Bytes {
    pub const ZERO: Self = Self(0);

    #[must_use]
    pub const fn kib(n: u64) -> Self {
        Self(n * 1024)
    }

    #[must_use]
    pub const fn mib(n: u64) -> Self {
        Self(n * 1024 * 1024)
    }

    #[must_use]
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// The amount as a float, for arithmetic on slopes. Exact below 2^53 bytes (8 PiB).
    #[must_use]
    pub const fn as_f64(self) -> f64 {
        self.0 as f64
    }
}

impl Add for Bytes {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl AddAssign for Bytes {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sub for Bytes {
    type Output = Self;
    /// Saturates at zero: a derived part must never wrap because two counters were read apart.
    fn sub(self, other: Self) -> Self {
        self.saturating_sub(other)
    }
}

impl std::iter::Sum for Bytes {
    fn sum<I: Iterator<Item = Self>>(iter: I) -> Self {
        iter.fold(Self::ZERO, Add::add)
    }
}

/// `1.5 GiB`, `300 MiB`, `12 KiB`: binary units, at most one decimal, for people.
impl std::fmt::Display for Bytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        const UNITS: [&str; 6] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
        let mut value = self.as_f64();
        let mut unit = 0;
        while value >= 1024.0 && unit + 1 < UNITS.len() {
            value /= 1024.0;
            unit += 1;
        }
        let decimals = usize::from(unit > 0 && value < 100.0);
        f.pad(&format!("{value:.decimals$} {}", UNITS[unit]))
    }
}

/// Kernel pages as `/proc/PID/statm` counts them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pages(pub u64);

impl Pages {
    #[must_use]
    pub const fn to_bytes(self, page_size: Bytes) -> Bytes {
        Bytes(self.0.saturating_mul(page_size.0))
    }
}

/// A rate of growth; negative when memory is given back. Units: bytes per second.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
pub struct BytesPerSec(pub f64);

/// A memory limit: the kernel's `max` is [`Limit::Max`], never a number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Limit {
    At(Bytes),
    #[default]
    Max,
}

impl Limit {
    #[must_use]
    pub const fn bytes(self) -> Option<Bytes> {
        match self {
            Self::At(bytes) => Some(bytes),
            Self::Max => None,
        }
    }
}

/// Serialised as a number of bytes, `max` as null.
impl Serialize for Limit {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.bytes().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Limit {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::<Bytes>::deserialize(deserializer)?.map_or(Self::Max, Self::At))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_read_well_at_every_scale() {
        let shown: Vec<String> = [0, 1023, 1024, 1536, 104_857_600, 1 << 40]
            .iter()
            .map(|&b| Bytes(b).to_string())
            .collect();
        assert_eq!(shown, ["0 B", "1023 B", "1.0 KiB", "1.5 KiB", "100 MiB", "1.0 TiB"]);
    }

    #[test]
    fn the_kernels_max_is_null_in_json_and_comes_back() {
        assert_eq!(serde_json::to_string(&Limit::Max).unwrap(), "null");
        assert_eq!(serde_json::from_str::<Limit>("4096").unwrap(), Limit::At(Bytes(4096)));
    }
}
