//! How long and how surely a condition must stand before it is told. Pure.

use super::matcher::{Glob, Labels, Matcher, all_match, all_of};
use crate::config::RuleConfig;
use crate::view::Severity;
use std::time::Duration;

/// A suspicion must stand this long; what foretells an end, or is one, is told at once.
const SUSPICION_HOLD: Duration = Duration::from_secs(60);

#[derive(Debug)]
struct Rule {
    alert: Glob,
    matchers: Vec<Matcher>,
    hold: Duration,
    confidence_min: f64,
    severity_min: Severity,
    tell: bool,
}

/// What is known of an alert when a rule is looked for.
#[derive(Clone, Copy, Debug)]
pub struct Condition<'a> {
    pub name: &'a str,
    pub severity: Severity,
    /// None: it is a fact.
    pub confidence: Option<f64>,
    pub labels: &'a Labels,
}

/// All rules in the order of the file, then the built-in ones.
#[derive(Debug, Default)]
pub struct Rules(Vec<Rule>);

impl Rules {
    #[must_use]
    pub fn new(configured: &[RuleConfig]) -> Self {
        let rule = |config: &RuleConfig| Rule {
            alert: Glob::new(&config.alert),
            matchers: all_of(&config.matches),
            hold: config.hold,
            confidence_min: config.confidence_min,
            severity_min: config.severity_min,
            tell: config.tell,
        };
        Self(configured.iter().map(rule).collect())
    }

    /// How long the condition must stand; None if it is not told at all as it is.
    #[must_use]
    pub fn hold(&self, condition: Condition<'_>) -> Option<Duration> {
        let fits = |rule: &&Rule| {
            rule.alert.matches(condition.name) && all_match(&rule.matchers, condition.labels)
        };
        let Some(rule) = self.0.iter().find(fits) else {
            let suspicion = condition.name == "LeakSuspected";
            return Some(if suspicion { SUSPICION_HOLD } else { Duration::ZERO });
        };
        let sure = condition.confidence.is_none_or(|own| own >= rule.confidence_min);
        (rule.tell && sure && condition.severity >= rule.severity_min).then_some(rule.hold)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_rule_that_fits_decides_and_the_built_in_ones_come_last() {
        let rule = |alert: &str, matches: &[&str], hold| RuleConfig {
            alert: alert.into(),
            matches: matches.iter().map(ToString::to_string).collect(),
            hold: Duration::from_secs(hold),
            ..RuleConfig::default()
        };
        let rules = Rules::new(&[
            RuleConfig { tell: false, ..rule("*", &["namespace=test"], 0) },
            RuleConfig { confidence_min: 0.8, ..rule("Oom*", &[], 5) },
            RuleConfig { severity_min: Severity::Critical, ..rule("Leak*", &["namespace=x"], 0) },
        ]);
        let hold = |name, namespace: &str, confidence| {
            let labels = Labels::from([("namespace".to_owned(), namespace.to_owned())]);
            let severity = Severity::Warning;
            let hold = rules.hold(Condition { name, severity, confidence, labels: &labels });
            hold.map(|hold| hold.as_secs())
        };
        assert_eq!(hold("OomKill", "test", None), None);
        assert_eq!(hold("OomPredicted", "shop", Some(0.7)), None);
        assert_eq!(hold("OomPredicted", "shop", Some(0.8)), Some(5));
        assert_eq!(hold("OomKill", "shop", None), Some(5));
        assert_eq!(hold("LeakSuspected", "x", Some(1.0)), None, "only a warning");
        assert_eq!(hold("LeakSuspected", "shop", Some(0.1)), Some(60));
    }
}
