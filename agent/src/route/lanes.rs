//! The lanes that alerts run in: each route parted by what its destinations want of the rhythm.
//!
//! Alertmanager groups, waits and repeats by itself and wants to hear of everything at once and of
//! what fires again and again; the log wants one line for each alert as it comes; the others want
//! a group's notice in the route's own rhythm. Pure.

use super::matcher::{Labels, Matcher, all_match, all_of};
use crate::config::LOG;
use crate::config::{Config, DestinationKind, RouteConfig, RoutingConfig};
use std::time::Duration;

/// How alerts in a lane come together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gathering {
    /// Each for itself.
    Single,
    /// All of the lane, everything at once.
    All,
    /// By the labels that the route names.
    Grouped,
}

#[derive(Clone, Debug)]
pub struct Lane {
    /// The number of its route, from 0; lanes of one route share it.
    pub route: usize,
    /// What it is, the same as long as its configuration is.
    pub id: String,
    matchers: Vec<Matcher>,
    go_on: bool,
    pub destinations: Vec<String>,
    pub gathering: Gathering,
    group_by: Vec<String>,
    pub wait: Duration,
    pub interval: Duration,
    pub repeat: Duration,
}

impl Lane {
    /// The labels that alerts of one group share, and the name of the group.
    #[must_use]
    pub fn group_of(&self, key: &str, labels: &Labels) -> (String, Labels) {
        match self.gathering {
            Gathering::Single => (key.to_owned(), Labels::new()),
            Gathering::All => (String::new(), Labels::new()),
            Gathering::Grouped => {
                let value = |name: &String| Some((name.clone(), labels.get(name)?.clone()));
                let own: Labels = self.group_by.iter().filter_map(value).collect();
                let name = own.iter().map(|(name, value)| format!("{name}={value:?},")).collect();
                (name, own)
            }
        }
    }
}

/// All lanes, in the order of the routes.
#[must_use]
pub fn lanes(config: &Config) -> Vec<Lane> {
    let routing = &config.routing;
    let repeat = config.alerts.repeat_interval;
    let implicit;
    let routes = if routing.routes.is_empty() {
        let everyone = routing.destinations.iter().map(|d| d.name.clone());
        let destinations = std::iter::once(LOG.to_owned()).chain(everyone).collect();
        implicit = [RouteConfig { destinations, ..RouteConfig::default() }];
        &implicit[..]
    } else {
        &routing.routes
    };
    let parted = routes.iter().enumerate();
    parted.flat_map(|(at, route)| of_route(at, route, routing, repeat)).collect()
}

fn of_route(
    at: usize,
    route: &RouteConfig,
    routing: &RoutingConfig,
    repeat: Duration,
) -> Vec<Lane> {
    let repeat = route.repeat_interval.unwrap_or(repeat);
    let lane = |gathering, destinations: Vec<String>, repeat| {
        let eager = gathering != Gathering::Grouped;
        let calm = |time| if eager { Duration::ZERO } else { time };
        let ids = [&route.matches, &destinations, &route.group_by];
        let id = format!("{gathering:?}{ids:?}");
        Lane {
            route: at,
            id,
            matchers: all_of(&route.matches),
            go_on: route.go_on,
            destinations,
            gathering,
            group_by: route.group_by.clone(),
            wait: calm(route.group_wait),
            interval: calm(route.group_interval),
            repeat,
        }
    };
    let (mut lanes, mut grouped) = (Vec::new(), Vec::new());
    for name in &route.destinations {
        let known = routing.destinations.iter().find(|d| d.name == *name);
        match known.map_or(DestinationKind::Log, |d| d.kind) {
            DestinationKind::Log => {
                lanes.push(lane(Gathering::Single, vec![name.clone()], repeat));
            }
            DestinationKind::Alertmanager => {
                let resend = known.map_or(repeat, |d| d.resend_interval);
                lanes.push(lane(Gathering::All, vec![name.clone()], resend));
            }
            _ => grouped.push(name.clone()),
        }
    }
    if !grouped.is_empty() {
        lanes.push(lane(Gathering::Grouped, grouped, repeat));
    }
    lanes
}

/// The lanes that an alert of these labels takes: those of the first route that fits, and of
/// further ones as long as they say `continue`.
#[must_use]
pub fn taken(lanes: &[Lane], labels: &Labels) -> Vec<usize> {
    let mut taken = Vec::new();
    let mut last: Option<usize> = None;
    for (at, lane) in lanes.iter().enumerate() {
        if last.is_some_and(|route| route != lane.route) {
            break;
        }
        if all_match(&lane.matchers, labels) {
            taken.push(at);
            if !lane.go_on {
                last = Some(lane.route);
            }
        }
    }
    taken
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::from_text;
    use std::path::Path;

    fn config(text: &str) -> Config {
        from_text(Path::new("p.toml"), text).unwrap().config
    }

    const DESTINATIONS: &str = r#"
        destinations = [
            { name = "am", type = "alertmanager", urls = ["http://a:9093"] },
            { name = "pd", type = "pagerduty", routing_key = "k" },
            { name = "chat", type = "slack", url = "https://hooks.example/x" },
        ]"#;

    fn shown(lanes: &[Lane], labels: &[(&str, &str)]) -> Vec<String> {
        let labels = labels.iter().map(|&(k, v)| (k.to_owned(), v.to_owned())).collect();
        taken(lanes, &labels).into_iter().map(|at| lanes[at].destinations.join("+")).collect()
    }

    #[test]
    fn without_routes_everything_goes_to_the_log_and_everywhere() {
        assert_eq!(shown(&lanes(&Config::default()), &[]), ["log"]);
        let all = lanes(&config(DESTINATIONS));
        assert_eq!(shown(&all, &[]), ["log", "am", "pd+chat"]);
        let rhythm: Vec<(u64, u64)> =
            all.iter().map(|lane| (lane.wait.as_secs(), lane.repeat.as_secs())).collect();
        assert_eq!(rhythm, [(0, 14_400), (0, 60), (10, 14_400)]);
    }

    #[test]
    fn the_first_route_that_fits_is_the_last_unless_it_goes_on() {
        let routes = r#"
            routes = [
                { match = ["severity=critical"], destinations = ["pd"], continue = true },
                { match = ["namespace=test*"], destinations = ["log"] },
                { destinations = ["am", "chat"] },
            ]"#;
        let all = lanes(&config(&format!("{DESTINATIONS}{routes}")));
        let critical = ("severity", "critical");
        assert_eq!(shown(&all, &[critical]), ["pd", "am", "chat"]);
        assert_eq!(shown(&all, &[critical, ("namespace", "test-7")]), ["pd", "log"]);
        assert_eq!(shown(&all, &[("namespace", "test-7")]), ["log"]);
        assert_eq!(shown(&all, &[("namespace", "shop")]), ["am", "chat"]);
    }

    #[test]
    fn a_group_is_named_by_the_labels_that_alerts_have_of_those_wanted() {
        let all = lanes(&config(DESTINATIONS));
        let labels =
            [("workload", "a\"b"), ("pid", "7")].map(|(k, v)| (k.to_owned(), v.to_owned())).into();
        let names: Vec<String> = all.iter().map(|lane| lane.group_of("key", &labels).0).collect();
        assert_eq!(names, ["key", "", "workload=\"a\\\"b\","]);
    }
}
