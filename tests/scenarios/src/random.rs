//! Random numbers that are the same everywhere: PCG, seeded by a name.
//!
//! The generator's stream is fixed by its paper (O'Neill 2014, PCG-XSL-RR-128/64). The
//! distributions below use the platform's `ln`, `cos` and `exp`, which may differ in the last bit;
//! memory is rounded to pages afterwards, so a series differs at most in a page here and there.

use rand_pcg::Pcg64;
use rand_pcg::rand_core::Rng;
use std::f64::consts::TAU;

/// A source of random numbers.
#[derive(Debug)]
pub struct Random(Pcg64);

impl Random {
    /// The stream that belongs to a name.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self(Pcg64::new(u128::from(fnv1a(name)), 0x0070_6c69_6d73_6f6c_6c00))
    }

    /// Uniform in [0, 1).
    pub fn unit(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Uniform in [low, high).
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// Uniform in the logarithm, in [low, high); both positive.
    pub fn log_between(&mut self, low: f64, high: f64) -> f64 {
        self.between(low.ln(), high.ln()).exp()
    }

    /// A whole number in [low, high].
    pub fn whole(&mut self, low: u32, high: u32) -> u32 {
        low + (self.unit() * f64::from(high - low + 1)) as u32
    }

    pub fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// Standard normal (Box and Muller 1958; the second of each pair is not used).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        radius * (TAU * self.unit()).cos()
    }

    /// Exponential with a mean.
    pub fn exponential(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.unit()).ln()
    }
}

/// FNV-1a, 64 bits: spreads names over seeds.
fn fnv1a(name: &str) -> u64 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    name.bytes().fold(0xcbf2_9ce4_8422_2325, step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_gives_the_same_numbers_everywhere() {
        let mut random = Random::named("linear/10s/mid/0");
        let first: Vec<u64> = (0..3).map(|_| (random.unit() * 1e6) as u64).collect();
        assert_eq!(first, FIRST);
    }

    /// Written down once; they change only if every scenario changes.
    const FIRST: [u64; 3] = [250_655, 679_578, 608_394];

    #[test]
    fn draws_have_the_moments_they_should_have() {
        let mut random = Random::named("moments");
        let n = 20_000;
        let normal: Vec<f64> = (0..n).map(|_| random.normal()).collect();
        let mean = normal.iter().sum::<f64>() / f64::from(n);
        let variance = normal.iter().map(|x| x * x).sum::<f64>() / f64::from(n);
        assert!(mean.abs() < 0.03 && (variance - 1.0).abs() < 0.04, "{mean} {variance}");
        let waits = (0..n).map(|_| random.exponential(5.0)).sum::<f64>() / f64::from(n);
        assert!((waits - 5.0).abs() < 0.2, "{waits}");
        let whole: Vec<u32> = (0..n).map(|_| random.whole(2, 4)).collect();
        assert!(whole.iter().all(|w| (2..=4).contains(w)) && whole.contains(&4));
    }
}
