//! How long to wait before the next attempt. Pure: the dice are handed in.

use std::time::Duration;

const FIRST: Duration = Duration::from_secs(1);
/// An outage is found to be over within this time.
pub const LONGEST: Duration = Duration::from_secs(60);
/// However long a destination asks us to wait.
pub const ASKED_MAX: Duration = Duration::from_secs(3600);

/// The wait after `failures` attempts that failed in a row: twice as long each time up to a minute,
/// and of that between half and all, as `dice` falls (0…1), so that many agents come back apart.
#[must_use]
pub fn wait(failures: u32, asked: Option<Duration>, dice: f64) -> Duration {
    let doubled = FIRST.saturating_mul(1 << failures.saturating_sub(1).min(10)).min(LONGEST);
    let own = doubled.mul_f64(0.5 + dice.clamp(0.0, 1.0) / 2.0);
    // Never before what was asked for; a little after it, for the same reason.
    asked.map_or(own, |asked| asked.min(ASKED_MAX) + own.min(FIRST))
}

/// Reads `Retry-After`: seconds or a date. Source: RFC 9110, section 10.2.3.
#[must_use]
pub fn retry_after(text: &str, now_unix_s: i64) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let date = text.strip_suffix("GMT").map(|date| format!("{date}+0000"))?;
    let date = jiff::fmt::strtime::parse("%a, %d %b %Y %H:%M:%S %z", date).ok()?;
    let at = date.to_timestamp().ok()?.as_second();
    Some(Duration::from_secs(u64::try_from(at - now_unix_s).unwrap_or(0)))
}

/// Dice of its own for each destination. Source: Steele, Lea and Flood, SplitMix64, 2014.
#[derive(Debug)]
pub struct Dice(pub u64);

impl Dice {
    /// From 0 up to 1.
    pub fn roll(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_minute_and_differ() {
        let at = |failures, dice| wait(failures, None, dice).as_millis();
        assert_eq!((at(1, 1.0), at(2, 1.0), at(3, 0.0), at(6, 1.0)), (1000, 2000, 2000, 32_000));
        assert_eq!((at(7, 1.0), at(u32::MAX, 0.0)), (60_000, 30_000));
        let mut dice = Dice(7);
        let rolls: Vec<f64> = (0..1000).map(|_| dice.roll()).collect();
        let mean = rolls.iter().sum::<f64>() / 1000.0;
        assert!(rolls.iter().all(|roll| (0.0..1.0).contains(roll)) && (0.45..0.55).contains(&mean));
    }

    #[test]
    fn what_is_asked_for_is_waited_for_within_reason() {
        let asked = |seconds| wait(9, Some(Duration::from_secs(seconds)), 0.0).as_secs();
        assert_eq!((asked(7), asked(999_999)), (8, 3601));
        assert_eq!(retry_after(" 120 ", 0), Some(Duration::from_secs(120)));
        let date = retry_after("Wed, 21 Oct 2015 07:28:00 GMT", 1_445_412_400);
        assert_eq!(date, Some(Duration::from_secs(80)));
        assert_eq!(
            retry_after("Wed, 21 Oct 2015 07:28:00 GMT", i64::MAX / 2),
            Some(Duration::ZERO)
        );
        assert_eq!((retry_after("soon", 0), retry_after("-5", 0)), (None, None));
    }
}
