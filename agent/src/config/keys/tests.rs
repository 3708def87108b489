//! The table of keys against itself.

use super::*;
use std::collections::BTreeSet;

#[test]
fn every_default_is_a_value_that_its_own_key_accepts() {
    for key in KEYS {
        let Some(toml) = key.field.toml(&Config::default()) else { continue };
        let text = toml.replace("\", \"", ",");
        let text = text.trim_matches(['"', '[', ']']);
        let mut config = Config::default();
        let set = key.field.set(&mut config, &key.field.raw_of_text(text));
        assert_eq!(set, Ok(()), "{} = {toml}", key.path);
        assert_eq!(config, Config::default(), "{}", key.path);
    }
}

#[test]
fn every_key_and_variable_is_there_once_and_explained() {
    let paths: BTreeSet<_> = KEYS.iter().map(|key| key.path).collect();
    let variables: BTreeSet<_> = KEYS.iter().map(Key::env).collect();
    assert_eq!((paths.len(), variables.len()), (KEYS.len(), KEYS.len()));
    for key in KEYS {
        assert!(key.doc.ends_with('.') && key.edges.ends_with('.') && key.who.ends_with('.'));
    }
    assert_eq!(find("http.listen").unwrap().env(), "PLIMSOLL_LISTEN");
    assert_eq!(find("sampling.pss").unwrap().env(), "PLIMSOLL_SAMPLING_PSS");
}

#[test]
fn a_misspelt_log_level_is_no_module() {
    assert!(is_log_filter("info") && is_log_filter("plimsoll::sampler=trace,info"));
    assert!(!is_log_filter("inof") && !is_log_filter("") && !is_log_filter("a=b"));
}
