//! GET from the agent: HTTP/1.0, so that the body is bare and ends with the connection.

use crate::Fault;
use serde_json::Value;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(10);

/// The body of a good answer.
///
/// # Errors
/// When there is none, with what came instead.
pub fn get(address: SocketAddr, path: &str) -> Result<String, Fault> {
    let said = |e: std::io::Error| format!("GET {path}: {e}");
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE).map_err(said)?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(said)?;
    let request = format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n");
    stream.write_all(request.as_bytes()).map_err(said)?;
    let mut text = String::new();
    stream.read_to_string(&mut text).map_err(said)?;
    let (head, body) = text.split_once("\r\n\r\n").ok_or_else(|| format!("GET {path}: {text}"))?;
    if head.split(' ').nth(1) == Some("200") {
        Ok(body.to_owned())
    } else {
        Err(format!("GET {path}: {head}"))
    }
}

/// # Errors
/// When the answer is not good or not JSON.
pub fn json(address: SocketAddr, path: &str) -> Result<Value, Fault> {
    serde_json::from_str(&get(address, path)?).map_err(|e| format!("GET {path}: {e}"))
}
