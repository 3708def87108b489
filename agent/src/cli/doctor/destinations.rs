//! Looks whether alerts can leave this machine: secrets that can be read, hosts that answer.
//!
//! Connects and sends nothing; `plimsoll route test` sends.

use super::{Check, Level};
use crate::config::DestinationConfig;
use crate::route::outlook;
use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::Duration;

const CONNECT_TIME: Duration = Duration::from_secs(2);
const WHY: &str = "alerts that are not told help nobody; what cannot be told now waits on disk";

/// One check for all destinations; none if there are none.
pub(super) fn check(all: &[DestinationConfig]) -> Option<Check> {
    if all.is_empty() {
        return None;
    }
    let mut troubles = Vec::new();
    for (label, authority) in all.iter().flat_map(outlook) {
        if let Err(why) = authority.and_then(|authority| connect(&authority)) {
            troubles.push(format!("{label}: {why}"));
        }
    }
    let (name, why) = ("destinations of alerts", WHY);
    Some(if troubles.is_empty() {
        let names: Vec<&str> = all.iter().map(|own| own.name.as_str()).collect();
        let what = format!("{} can be reached", names.join(", "));
        Check { name, level: Level::Ok, what, why, todo: None }
    } else {
        let todo = Some("look at each by `plimsoll route test NAME`".to_owned());
        Check { name, level: Level::Warn, what: troubles.join("\n"), why, todo }
    })
}

/// `authority`: host and port, as a URL has them after its scheme.
pub(super) fn connect(authority: &str) -> Result<(), String> {
    let mut addresses =
        authority.to_socket_addrs().map_err(|e| format!("{authority}: {e}"))?.take(2);
    let unknown = || format!("{authority}: the name has no address");
    let first = addresses.next().ok_or_else(unknown)?;
    let tried = [Some(first), addresses.next()].into_iter().flatten();
    let mut last = String::new();
    for address in tried {
        match TcpStream::connect_timeout(&address, CONNECT_TIME) {
            Ok(_) => return Ok(()),
            Err(e) => last = format!("{authority}: {e}"),
        }
    }
    Err(last)
}
