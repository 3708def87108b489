//! Files, variables and flags with everything wrong that can be wrong with them.

use super::*;
use crate::config::keys::Field;
use crate::config::{effective_toml, reference_toml};
use proptest::prelude::*;

fn of_text(text: &str) -> Result<Effective, Problems> {
    from_text(Path::new("p.toml"), text)
}

fn told(text: &str) -> String {
    of_text(text).unwrap_err().to_string()
}

#[test]
fn all_problems_of_a_file_are_told_at_once_with_place_key_and_remedy() {
    insta::assert_snapshot!(told(
        r#"
colour = "blue"
interval = "1s"
[http]
listen = "localhost"
insecure = "yes"
[sampling]
cpu_budgte = 0.1
cpu_budget = 3
interval_max = 60
rescan_interval = "1 fortnight"
kept_fds_max = -1
[history]
ram_budget = "1KiB"
flush_interval = 2026-01-01
[privacy]
cmdline = "on"
redact = ["ok", 3]
"#
    ));
}

#[test]
fn contradictions_are_told_where_they_were_written() {
    insta::assert_snapshot!(told(
        r#"
sampling.interval_max = "1s"
sampling.interval_min = "2s"
http.listen = "0.0.0.0:9977"
alerts.oom_horizon = "1m"
"#
    ));
}

#[test]
fn broken_toml_is_told_with_the_faults_of_the_sound_lines() {
    insta::assert_snapshot!(told("[http\nlisten = 3\n[log]\nlevel = \nformat = \"xml\"\n"));
}

#[test]
fn a_flag_beats_the_environment_and_that_beats_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("p.toml");
    std::fs::write(&file, "log.level = \"warn\"\n[sampling]\ninterval = \"3s\"\npss = false\n")
        .unwrap();
    let env = [
        ("PLIMSOLL_INTERVAL", "2s"),
        ("PLIMSOLL_LOG_LEVEL", "debug"),
        ("PLIMSOLL_NO_PERSIST", "1"),
        ("PLIMSOLL_HTTP_ALLOWED_HOSTS", "a.example, b.example"),
        ("PLIMSOLL_PORT", "tcp://10.0.0.1:9977"),
    ];
    let env = env.iter().map(|&(k, v)| (k.to_owned(), v.to_owned())).collect();
    let flags = vec![("sampling.interval", "1s".to_owned())];
    let loaded = load(&Request { file: Some(file.clone()), env, flags }).unwrap();
    let config = &loaded.config;
    assert_eq!(config.sampling.interval, Some(std::time::Duration::from_secs(1)));
    assert_eq!(config.log.level, "debug");
    assert!(!config.history.persist && !config.sampling.pss);
    assert_eq!(config.http.allowed_hosts, ["a.example", "b.example"]);
    let origins: Vec<String> = ["sampling.interval", "log.level", "sampling.pss", "http.listen"]
        .map(|path| loaded.origin(path).to_string())
        .into();
    let file = format!("file {}:4:7", file.display());
    assert_eq!(origins, ["flag --interval", "environment PLIMSOLL_LOG_LEVEL", &file, "default"]);
}

#[test]
fn a_named_file_must_exist_and_a_bad_variable_is_named() {
    let request = Request {
        file: Some("/nonexistent/p.toml".into()),
        env: [("PLIMSOLL_INTERVAL".to_owned(), "5".to_owned())].into(),
        ..Request::default()
    };
    insta::assert_snapshot!(load(&request).unwrap_err());
}

#[test]
fn the_reference_file_is_the_default_with_and_without_its_comments() {
    let reference = reference_toml();
    assert_eq!(of_text(&reference).unwrap().config, Config::default());
    let is_key = |line: &str| line.starts_with('#') && !line.starts_with("# ");
    let uncommented: Vec<&str> = reference
        .lines()
        .map(|line| if is_key(line) { line.trim_start_matches('#') } else { line })
        .collect();
    let read = of_text(&uncommented.join("\n")).unwrap();
    assert_eq!(read.set_count(), KEYS.len());
    let http = crate::config::Http {
        tokens_file: Some("/etc/plimsoll/tokens".into()),
        web_config_file: Some("/etc/plimsoll/web.yml".into()),
        ..Config::default().http
    };
    assert_eq!(read.config.http, http, "what is unset by default has an example");
    let lists = &read.config.routing;
    assert_eq!((lists.rules.len(), lists.routes.len(), lists.silences.len()), (1, 2, 1));
    let kinds: Vec<&str> = lists.destinations.iter().map(|own| own.kind.name()).collect();
    assert_eq!(kinds, ["alertmanager", "pagerduty", "slack", "webhook"]);
}

#[test]
fn all_problems_of_the_lists_are_told_at_once_with_their_places() {
    insta::assert_snapshot!(told(
        r#"
[[rules]]
alert = "Oom"
for = 60
confidence_min = 2
[[routes]]
match = ["severity", "namespace=shop"]
destinations = ["nobody", "hook"]
group_bye = ["workload"]
[[routes]]
destinations = ["log"]
[[routes]]
[[destinations]]
name = "hook"
type = "webhook"
url = "https://user:hunter2@hooks.example/secret"
signing_key = "two words"
[[destinations]]
name = "hook"
type = "pagerduty"
urls = ["http://a:9093"]
token_file = "token"
[[destinations]]
name = "log"
type = "irc"
[[destinations]]
name = "chat"
type = "slack"
url = "https://hooks.example/x"
url_file = "/etc/x"
token = "x"
[[silences]]
until = "tomorrow"
"#
    ));
}

#[test]
fn a_list_that_is_no_list_is_told_how_to_begin() {
    insta::assert_snapshot!(told(
        "silences = [3]
[rules]
alert = \"*\"\n[route]\n[[http]]\n"
    ));
}

#[test]
fn lists_are_printed_with_their_origins_and_without_their_secrets() {
    let text = r#"
destinations = [{ name = "pd", type = "pagerduty", routing_key = "hunter2" }]
[[routes]]
destinations = ["pd"]
"#;
    let printed = effective_toml(&of_text(text).unwrap());
    insta::assert_snapshot!(printed[printed.find("[[").unwrap()..]);
    let text = text.replace("routing_key =", "routing_key_file =").replace("hunter2", "/etc/pd");
    let read = of_text(&text).unwrap();
    assert_eq!(of_text(&effective_toml(&read)).unwrap().config, read.config);
}

/// Some value for a key within its bounds, as TOML would give it; None leaves it alone.
fn some_value(field: &Field, seed: u64, word: &str) -> Option<Raw> {
    let pick = |min: u128, max: u128| min + u128::from(seed) % (max - min + 1);
    let micros = |range: &std::ops::RangeInclusive<std::time::Duration>| {
        Raw::Text(format!("{}us", pick(range.start().as_micros(), range.end().as_micros())))
    };
    Some(match field {
        Field::Switch(_) => Raw::Bool(seed.is_multiple_of(2)),
        Field::Count { range, .. } => {
            let picked = pick(*range.start() as u128, *range.end() as u128);
            Raw::Integer(i128::try_from(picked).unwrap())
        }
        Field::Ratio { range, .. } => {
            let share = seed as f64 / u64::MAX as f64;
            Raw::Float(range.start() + share * (range.end() - range.start()))
        }
        Field::Size { range, .. } => {
            Raw::Text(format!("{}B", pick(range.start().0.into(), range.end().0.into())))
        }
        Field::Time { range, .. } | Field::TimeOrUnset { range, .. } => micros(range),
        Field::Address(_) => Raw::Text(format!("127.0.0.{}:{}", seed % 256, seed % 65_536)),
        Field::Path(_) | Field::PathOrUnset { .. } => Raw::Text(format!("/{word}")),
        Field::Choice { names, .. } => Raw::Text(names[seed as usize % names.len()].into()),
        Field::Text { .. } | Field::Secret { .. } => return None,
        Field::List { good, .. } => {
            let (name, number) = (format!("h{}", seed % 1000), (seed % 1000).to_string());
            let known = [name.clone(), number, format!("{name}=x")];
            let fits = known.into_iter().find(|word| good(word));
            Raw::List(fits.map(Raw::Text).into_iter().collect())
        }
    })
}

proptest! {
    #[test]
    fn a_printed_configuration_is_read_back_the_same(
        seeds in proptest::collection::vec(proptest::option::of(any::<u64>()), KEYS.len()),
        word in "[^\0]{0,12}",
    ) {
        let mut effective = Effective::default();
        for (key, seed) in KEYS.iter().zip(seeds) {
            if let Some(raw) = seed.and_then(|seed| some_value(&key.field, seed, &word)) {
                key.field.set(&mut effective.config, &raw).unwrap();
            }
        }
        let mut read = Loading::default();
        read.read_text(Path::new("p.toml"), &effective_toml(&effective));
        prop_assert_eq!(read.problems, vec![]);
        prop_assert_eq!(read.effective.config, effective.config);
    }

    #[test]
    fn no_text_makes_loading_panic(text: String) {
        let _ = of_text(&text);
    }

    #[test]
    fn no_nearly_good_text_makes_loading_panic(
        text in "([a-z_\\[\\]\".=#\n 0-9é]|http|listen|sampling|[\\[]){0,80}"
    ) {
        let _ = of_text(&text);
    }
}
