//! Silences: which alerts are not told for a while, and who said so.
//!
//! Those of the configuration file hold as long as they stand in it; those made over the API are
//! kept in the state directory. The time is handed in; expired ones are forgotten.

use super::matcher::{Labels, Matcher, all_match};
use super::notice::hashed;
use crate::config::SilenceConfig;
use crate::view::SilenceView;
use serde::{Deserialize, Serialize};

/// Silences made over the API at once.
pub const SILENCES_MAX: usize = 256;

/// What someone who wants silence asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wish {
    pub matchers: Vec<Matcher>,
    /// Units: milliseconds since the Unix epoch.
    pub until_ms: i64,
    pub comment: String,
    pub created_by: String,
}

#[derive(Clone, Debug)]
struct Silence {
    view: SilenceView,
    matchers: Vec<Matcher>,
    /// None: as long as it stands in the file.
    until_ms: Option<i64>,
}

/// All silences.
#[derive(Debug, Default)]
pub struct Silences {
    all: Vec<Silence>,
    made: u64,
}

/// Why a silence could not be made or ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SilenceRefused {
    Unknown,
    /// It stands in the configuration file.
    Fixed,
    TooMany,
}

/// The form in which silences are kept.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct SavedSilences {
    pub silences: Vec<SilenceView>,
}

impl Silences {
    #[must_use]
    pub fn new(configured: &[SilenceConfig]) -> Self {
        let silence = |(at, config): (usize, &SilenceConfig)| {
            let view = SilenceView {
                id: format!("config-{}", at + 1),
                matchers: config.matches.clone(),
                until: (!config.until.is_empty()).then(|| config.until.clone()),
                comment: config.comment.clone(),
                created_by: "the configuration file".into(),
                created_at: None,
                from_config: true,
            };
            Silence::of_view(view)
        };
        Self { all: configured.iter().enumerate().map(silence).collect(), made: 0 }
    }

    /// Takes up those that were made before a restart.
    pub fn restore(&mut self, saved: SavedSilences) {
        let own = saved.silences.into_iter().filter(|view| !view.from_config);
        self.all.extend(own.take(SILENCES_MAX).map(Silence::of_view));
    }

    /// What a restart must not forget.
    #[must_use]
    pub fn saved(&self) -> SavedSilences {
        let own = self.all.iter().filter(|silence| !silence.view.from_config);
        SavedSilences { silences: own.map(|silence| silence.view.clone()).collect() }
    }

    /// The id of the first that fits the labels now. Units: milliseconds since the Unix epoch.
    #[must_use]
    pub fn hits(&self, labels: &Labels, wall_ms: i64) -> Option<&str> {
        let hits = |s: &&Silence| s.holds(wall_ms) && all_match(&s.matchers, labels);
        self.all.iter().find(hits).map(|silence| silence.view.id.as_str())
    }

    /// Those that hold now, of the file first.
    #[must_use]
    pub fn list(&self, wall_ms: i64) -> Vec<SilenceView> {
        let holding = self.all.iter().filter(|silence| silence.holds(wall_ms));
        holding.map(|silence| silence.view.clone()).collect()
    }

    /// # Errors
    /// [`SilenceRefused::TooMany`].
    pub fn make(&mut self, wish: &Wish, wall_ms: i64) -> Result<SilenceView, SilenceRefused> {
        self.expire(wall_ms);
        if self.all.iter().filter(|s| !s.view.from_config).count() >= SILENCES_MAX {
            return Err(SilenceRefused::TooMany);
        }
        self.made += 1;
        let matchers: Vec<String> = wish.matchers.iter().map(ToString::to_string).collect();
        let count = self.made.to_string();
        let id = hashed(&[&wall_ms.to_string(), &count, &matchers.join(",")]);
        let view = SilenceView {
            id,
            matchers,
            until: Some(crate::clock::rfc3339_of_unix_ms(wish.until_ms)),
            comment: crate::alert::plain(&wish.comment),
            created_by: crate::alert::plain(&wish.created_by),
            created_at: Some(crate::clock::rfc3339_of_unix_ms(wall_ms)),
            from_config: false,
        };
        self.all.push(Silence::of_view(view.clone()));
        Ok(view)
    }

    /// # Errors
    /// If there is none of this id, or it cannot be ended here.
    pub fn end(&mut self, id: &str) -> Result<(), SilenceRefused> {
        let at = self.all.iter().position(|silence| silence.view.id == id);
        let at = at.ok_or(SilenceRefused::Unknown)?;
        if self.all[at].view.from_config {
            return Err(SilenceRefused::Fixed);
        }
        self.all.remove(at);
        Ok(())
    }

    /// Forgets those that are over; true if there were any of the API.
    pub fn expire(&mut self, wall_ms: i64) -> bool {
        let before = self.all.len();
        self.all.retain(|silence| silence.view.from_config || silence.holds(wall_ms));
        self.all.len() < before
    }
}

impl Silence {
    /// One whose end cannot be read is over; its matchers were checked when it was made.
    fn of_view(view: SilenceView) -> Self {
        let read =
            |text: &String| text.parse::<jiff::Timestamp>().map_or(0, |t| t.as_millisecond());
        let matchers = super::matcher::all_of(&view.matchers);
        // Without any matcher it would silence everything: nobody asked for that.
        let until_ms = if matchers.is_empty() { Some(0) } else { view.until.as_ref().map(read) };
        Self { matchers, until_ms, view }
    }

    fn holds(&self, wall_ms: i64) -> bool {
        self.until_ms.is_none_or(|until| wall_ms < until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(workload: &str) -> Labels {
        Labels::from([("workload".to_owned(), workload.to_owned())])
    }

    fn wish(matcher: &str, until_ms: i64) -> Wish {
        let matchers = vec![Matcher::parse(matcher).unwrap()];
        Wish { matchers, until_ms, comment: "a\nb".into(), created_by: String::new() }
    }

    #[test]
    fn a_silence_holds_until_its_end_and_over_a_restart() {
        let mut silences = Silences::default();
        let made = silences.make(&wish("workload=shop-*", 5_000), 1_000).unwrap();
        assert_eq!(made.until.as_deref(), Some("1970-01-01T00:00:05.000Z"));
        assert_eq!(made.comment, "a?b");
        let mut restored = Silences::default();
        restored.restore(silences.saved());
        for silences in [&silences, &restored] {
            assert_eq!(silences.hits(&labels("shop-7"), 4_999), Some(made.id.as_str()));
            assert_eq!(silences.hits(&labels("shop-7"), 5_000), None);
            assert_eq!(silences.hits(&labels("bank"), 2_000), None);
        }
        assert!(restored.expire(5_000) && restored.list(0).is_empty());
    }

    #[test]
    fn one_of_the_file_cannot_be_ended_and_one_that_is_unknown_neither() {
        let mut silences = Silences::new(&[SilenceConfig {
            matches: vec!["workload=x".into()],
            ..SilenceConfig::default()
        }]);
        assert_eq!(silences.hits(&labels("x"), i64::MAX), Some("config-1"));
        assert_eq!(silences.end("config-1"), Err(SilenceRefused::Fixed));
        assert_eq!(silences.end("nonsense"), Err(SilenceRefused::Unknown));
        let made = silences.make(&wish("workload=y", i64::MAX), 0).unwrap();
        assert_eq!(silences.end(&made.id), Ok(()));
        assert_eq!(silences.saved().silences, []);
    }

    #[test]
    fn no_more_than_256_are_made_and_those_that_are_over_make_room() {
        let mut silences = Silences::default();
        for _ in 0..SILENCES_MAX {
            silences.make(&wish("a=b", 10), 0).unwrap();
        }
        assert_eq!(silences.make(&wish("a=b", 10), 9), Err(SilenceRefused::TooMany));
        assert!(silences.make(&wish("a=b", 20), 10).is_ok());
    }
}
