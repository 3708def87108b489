//! The configuration file: TOML, flat, the flags by their long names.
//!
//! ```toml
//! listen = ["127.0.0.1", "::1"]
//! port = 11211
//! memory-limit = 1024
//! disable-flush-all = true
//! extended = ["idle_timeout=300"]
//! ```

use super::flags::{self, Takes};
use super::{Given, Refusal};
use toml::{Table, Value};

/// A file larger than this is no configuration. Units: bytes.
const FILE_BYTES_MAX: u64 = 1 << 20;

pub(super) fn read(path: &str) -> Result<Vec<Given>, Refusal> {
    let bad = |what: String| Refusal::config(format!("{path}: {what}"));
    let size = std::fs::metadata(path).map_err(|e| bad(e.to_string()))?.len();
    if size > FILE_BYTES_MAX {
        return Err(bad(format!("{size} bytes are too many for a configuration")));
    }
    let text = std::fs::read_to_string(path).map_err(|e| bad(e.to_string()))?;
    understand(&text).map_err(bad)
}

fn understand(text: &str) -> Result<Vec<Given>, String> {
    let table: Table = text.parse().map_err(|e: toml::de::Error| e.to_string())?;
    let mut given = Vec::new();
    for (key, value) in &table {
        let flag = flags::by_long(key).filter(|flag| flag.long == key && key != "config");
        let flag = flag.ok_or_else(|| format!("there is no {key:?}"))?;
        match (flag.takes, value) {
            (Takes::Nothing, Value::Boolean(true)) => given.push((flag, None)),
            (Takes::Nothing, Value::Boolean(false)) => {}
            (Takes::Nothing, _) => return Err(format!("{key}: true or false")),
            (_, Value::Array(values)) => {
                for value in values {
                    given.push((flag, Some(plain(key, value)?)));
                }
            }
            (_, value) => given.push((flag, Some(plain(key, value)?))),
        }
    }
    Ok(given)
}

fn plain(key: &str, value: &Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Integer(number) => Ok(number.to_string()),
        Value::Float(number) => Ok(number.to_string()),
        _ => Err(format!("{key}: a text or a number")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Result<Vec<(&'static str, Option<String>)>, String> {
        Ok(understand(text)?.into_iter().map(|(flag, value)| (flag.long, value)).collect())
    }

    #[test]
    fn flags_are_read_by_their_long_names() {
        let text = "listen = ['127.0.0.1', '::1']\nport = 0\ndisable-cas = true\ndaemon = false";
        let given = shown(text).unwrap();
        assert_eq!(given.iter().filter(|(long, _)| *long == "listen").count(), 2);
        assert!(given.contains(&("port", Some("0".to_owned()))));
        assert!(given.contains(&("disable-cas", None)));
        assert!(!given.iter().any(|(long, _)| *long == "daemon"));
    }

    #[test]
    fn what_is_not_known_is_named() {
        assert!(shown("prot = 1").unwrap_err().contains("prot"));
        assert!(shown("port = { a = 1 }").unwrap_err().contains("port"));
        assert!(shown("disable-cas = 1").unwrap_err().contains("disable-cas"));
        assert!(shown("config = 'x'").is_err());
    }
}
