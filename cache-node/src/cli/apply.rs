//! One flag after another, into the plan.

use super::flags::Flag;
use super::{LogFormat, Memory, Plan, Refusal, extended};
use crate::settings::{Binding, Listen, Port};
use std::net::{IpAddr, ToSocketAddrs as _};
use std::str::FromStr;
use std::time::Duration;

/// More threads than this serve nobody. Source: memcached warns from there.
const THREADS_WARN: usize = 64;
const THREADS_MAX: usize = 1024;

pub(super) fn apply(plan: &mut Plan, flag: &Flag, value: Option<&str>) -> Result<(), Refusal> {
    let text = value.unwrap_or_default();
    let known = network(plan, flag.long, text)?
        || memory(plan, flag.long, text)?
        || behaviour(plan, flag.long, text)?
        || process(plan, flag.long, value)?;
    debug_assert!(known, "{} is in the table of flags and nowhere else", flag.long);
    Ok(())
}

fn network(plan: &mut Plan, long: &str, text: &str) -> Result<bool, Refusal> {
    match long {
        "port" => {
            plan.settings.port = port(text)?;
            plan.tcp_given = true;
        }
        "udp-port" => {
            plan.settings.udp_port = port(text)?;
            plan.udp_given = true;
        }
        "unix-socket" => plan.settings.unix_socket = Some(text.into()),
        "unix-mask" => {
            let mode = u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o777);
            let bad = || Refusal::value(format!("-a takes an octal mask, not {text:?}"));
            plan.settings.unix_mode = mode.ok_or_else(bad)?;
        }
        "listen" => listen(plan, text)?,
        "conn-limit" => {
            let bad = "Maximum connections must be greater than 0";
            plan.settings.connections_max = positive(text, bad)?;
        }
        "listen-backlog" => plan.settings.backlog = number(text, "-b")?,
        "protocol" => {
            plan.protocol_given = true;
            plan.settings.binding = match text {
                "auto" => Binding::Auto,
                "ascii" => Binding::Ascii,
                "binary" => Binding::Binary,
                _ => {
                    let text = format!("-B is one of auto, ascii or binary, not {text:?}");
                    return Err(Refusal::usage(text));
                }
            };
        }
        "enable-sasl" => return Err(Refusal::usage("there is no SASL; see -Y")),
        "enable-ssl" => return Err(Refusal::usage("there is no TLS")),
        "napi-ids" => {
            number::<u32>(text, "-N")?;
            plan.note("-N: threads are not chosen by NAPI id");
        }
        "auth-file" => plan.settings.auth_file = Some(text.into()),
        _ => return Ok(false),
    }
    Ok(true)
}

fn memory(plan: &mut Plan, long: &str, text: &str) -> Result<bool, Refusal> {
    match long {
        "memory-limit" => {
            let mebibytes: u32 = number(text, "-m")?;
            plan.memory = Memory::Given(u64::from(mebibytes) << 20);
        }
        "memory-share" => {
            let share = text.parse().ok().filter(|share| *share > 0.0 && *share <= 1.0);
            let bad = || Refusal::usage(format!("--memory-share is above 0 and at most 1: {text}"));
            plan.memory = Memory::Share(share.ok_or_else(bad)?);
        }
        "disable-evictions" => plan.settings.evicts = false,
        "lock-memory" => plan.note("-k: locked memory could not be given back; not locked"),
        "enable-largepages" => plan.note("-L: the kernel decides by itself about large pages"),
        "max-item-size" => plan.settings.item_bytes_max = size(text)?,
        "snapshot-file" => plan.snapshot_file = Some(text.into()),
        "load-live" => plan.load_live = true,
        "memory-file" => plan.settings.restart_file = Some(text.into()),
        "slab-growth-factor" => {
            let factor = text.parse().ok().filter(|factor| *factor > 1.0);
            let bad = || Refusal::value("Factor must be greater than 1");
            plan.settings.echoed.growth_factor = factor.ok_or_else(bad)?;
        }
        "slab-min-size" => {
            let bad = "Chunk size must be greater than 0";
            plan.settings.echoed.chunk_size = positive::<u32>(text, bad)?;
        }
        _ => return Ok(false),
    }
    Ok(true)
}

fn behaviour(plan: &mut Plan, long: &str, text: &str) -> Result<bool, Refusal> {
    match long {
        "enable-shutdown" => plan.settings.shutdown_command = true,
        "prefix-delimiter" => {
            let first = text.bytes().next();
            let bad = || Refusal::value("No delimiter specified");
            plan.settings.prefix_delimiter = first.ok_or_else(bad)?;
            plan.settings.detail = true;
        }
        "threads" => {
            let threads = positive(text, "Number of threads must be greater than 0")?;
            if threads > THREADS_MAX {
                return Err(Refusal::value(format!("-t: at most {THREADS_MAX} threads")));
            }
            if threads > THREADS_WARN {
                plan.note(format!("-t {threads}: more threads than cores do not help"));
            }
            plan.settings.threads = threads;
        }
        "max-reqs-per-event" => {
            let bad = "Number of requests per event must be greater than 0";
            plan.settings.commands_per_turn = positive(text, bad)?;
        }
        "disable-cas" => plan.settings.cas = false,
        "disable-flush-all" => plan.settings.flush_all = false,
        "disable-dumping" => plan.settings.dumps = false,
        "disable-watch" => plan.settings.watches = false,
        "extended" => extended::apply(plan, text)?,
        _ => return Ok(false),
    }
    Ok(true)
}

fn process(plan: &mut Plan, long: &str, value: Option<&str>) -> Result<bool, Refusal> {
    let text = value.unwrap_or_default();
    match long {
        "daemon" => plan.daemon = true,
        "enable-coredumps" => plan.core_files = true,
        "user" => plan.user = Some(text.to_owned()),
        "pidfile" => plan.pid_file = Some(text.into()),
        "verbose" => {
            // `-vv` is `-v` twice to some, and `-v` with the value `v` to others.
            let more = match value {
                None => 1,
                Some(vs) if vs.bytes().all(|b| b == b'v') => vs.len() + 1,
                Some(level) => number(level, "-v")?,
            };
            let more = u8::try_from(more).unwrap_or(u8::MAX);
            plan.settings.verbosity = plan.settings.verbosity.saturating_add(more);
        }
        "admin" => plan.settings.admin = admin(text)?,
        "admin-tokens" => plan.settings.admin_named.tokens_file = Some(text.into()),
        "admin-web-config" => plan.settings.admin_named.web_config_file = Some(text.into()),
        "admin-host" => {
            let names = text.split(',').filter(|name| !name.is_empty()).map(str::to_owned);
            plan.settings.admin_named.hosts.extend(names);
        }
        "admin-insecure" => plan.settings.admin_insecure = true,
        "pressure-socket" => plan.settings.pressure_socket = (text != "off").then(|| text.into()),
        "probe" => {
            plan.settings.probe = match text {
                "on" => true,
                "off" => false,
                _ => return Err(Refusal::usage(format!("--probe {text}: on or off"))),
            };
        }
        "log-format" => {
            plan.log_format = match text {
                "text" => LogFormat::Text,
                "json" => LogFormat::Json,
                _ => return Err(Refusal::usage(format!("--log-format {text}: text or json"))),
            };
        }
        // Read before all others.
        "config" | "help" | "license" | "version" => {}
        _ => return Ok(false),
    }
    Ok(true)
}

fn admin(text: &str) -> Result<Option<std::net::SocketAddr>, Refusal> {
    if text == "off" {
        return Ok(None);
    }
    let bad = |_| Refusal::usage(format!("--admin {text}: an address with a port, or off"));
    text.parse().map(Some).map_err(bad)
}

/// `-l a,b:port,[c]:port`; names are looked up.
fn listen(plan: &mut Plan, text: &str) -> Result<(), Refusal> {
    for one in text.split(',').filter(|one| !one.is_empty()) {
        let one = one.strip_prefix("notls:").unwrap_or(one);
        for found in resolve(one)? {
            plan.listen(found);
        }
    }
    let interfaces = &mut plan.settings.interfaces;
    *interfaces = Some(match interfaces.take() {
        Some(before) => format!("{before},{text}"),
        None => text.to_owned(),
    });
    Ok(())
}

fn resolve(one: &str) -> Result<Vec<Listen>, Refusal> {
    let bare = one.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(one);
    if let Ok(ip) = bare.parse::<IpAddr>() {
        return Ok(vec![Listen { ip, port: None }]);
    }
    let bad = |why: &str| Refusal::usage(format!("-l {one}: {why}"));
    let (name, port) = match one.rsplit_once(':') {
        Some((name, port)) => {
            let port = port.parse::<u16>().map_err(|_| bad("not a port"))?;
            (name, Some(port))
        }
        None => (one, None),
    };
    let name = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(name);
    if name == "*" {
        return Ok(vec![Listen { ip: IpAddr::from([0, 0, 0, 0]), port }]);
    }
    let found = (name, 0).to_socket_addrs().map_err(|e| bad(&e.to_string()))?;
    Ok(found.map(|address| Listen { ip: address.ip(), port }).collect())
}

fn port(text: &str) -> Result<Port, Refusal> {
    match text.parse::<i64>() {
        Ok(0) => Ok(Port::Off),
        Ok(-1) => Ok(Port::Any),
        Ok(number) => u16::try_from(number).map(Port::At).map_err(|_| ()),
        Err(_) => Err(()),
    }
    .map_err(|()| Refusal::usage(format!("ERROR: Invalid port number {text}.")))
}

/// A number of bytes, with `k` or `m`.
fn size(text: &str) -> Result<u64, Refusal> {
    let (digits, unit) = match text.as_bytes().last() {
        Some(b'k' | b'K') => (&text[..text.len() - 1], 1 << 10),
        Some(b'm' | b'M') => (&text[..text.len() - 1], 1 << 20),
        _ => (text, 1),
    };
    let bytes = digits.parse::<u64>().ok().and_then(|count| count.checked_mul(unit));
    bytes.ok_or_else(|| Refusal::usage(format!("-I {text}: a number of bytes, with k or m")))
}

pub(super) fn number<T: FromStr>(text: &str, what: &str) -> Result<T, Refusal> {
    text.parse().map_err(|_| Refusal::value(format!("{what} takes a number, not {text:?}")))
}

fn positive<T: FromStr + PartialOrd + Default>(text: &str, bad: &str) -> Result<T, Refusal> {
    let number = text.parse().ok().filter(|number| *number > T::default());
    number.ok_or_else(|| Refusal::value(bad))
}

/// `idle_timeout`: 0 is never.
pub(super) fn seconds(text: &str, what: &str) -> Result<Option<Duration>, Refusal> {
    let seconds = number::<u32>(text, what)?;
    Ok((seconds > 0).then(|| Duration::from_secs(seconds.into())))
}
