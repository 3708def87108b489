//! A client of the cache, blocking: memcached's text protocol, and Redis' for what stands beside.

use crate::Fault;
use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// No answer may take longer; a peer that thrashes at its limit is as good as gone then.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    Memcached,
    Redis,
}

/// What came of a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stored {
    Yes,
    /// The server has no memory for it and says so.
    Refused,
}

#[derive(Debug)]
pub struct Client {
    dialect: Dialect,
    stream: BufReader<TcpStream>,
}

impl Client {
    /// # Errors
    /// When nobody listens.
    pub fn connect(address: SocketAddr, dialect: Dialect) -> Result<Self, Fault> {
        let said = |e: std::io::Error| format!("{address}: {e}");
        let stream = TcpStream::connect_timeout(&address, PATIENCE).map_err(said)?;
        stream.set_nodelay(true).map_err(said)?;
        stream.set_read_timeout(Some(PATIENCE)).map_err(said)?;
        stream.set_write_timeout(Some(PATIENCE)).map_err(said)?;
        Ok(Self { dialect, stream: BufReader::new(stream) })
    }

    /// Sets many keys to values of one length, their answers read after the last; returns how many
    /// were refused.
    ///
    /// # Errors
    /// When the connection ends, or an answer is none.
    pub fn set_many(&mut self, keys: std::ops::Range<u64>, value_len: usize) -> Result<u64, Fault> {
        let mut bytes = Vec::new();
        for key in keys.clone() {
            self.put_set(&mut bytes, key, value_len);
        }
        self.send(&bytes)?;
        let mut refused = 0;
        for _ in keys {
            refused += u64::from(self.stored()? == Stored::Refused);
        }
        Ok(refused)
    }

    /// # Errors
    /// When the connection ends, or the answer is none.
    pub fn set(&mut self, key: u64, value_len: usize) -> Result<Stored, Fault> {
        let mut bytes = Vec::new();
        self.put_set(&mut bytes, key, value_len);
        self.send(&bytes)?;
        self.stored()
    }

    /// Whether the key is held. Its value has to be the one that was set.
    ///
    /// # Errors
    /// When the connection ends, or the answer is none.
    pub fn get(&mut self, key: u64, value_len: usize) -> Result<bool, Fault> {
        let request = match self.dialect {
            Dialect::Memcached => format!("get key-{key}\r\n"),
            Dialect::Redis => format!("GET key-{key}\r\n"),
        };
        self.send(request.as_bytes())?;
        let line = self.line()?;
        if line == "END" || line == "$-1" {
            return Ok(false);
        }
        if !line.starts_with("VALUE ") && !line.starts_with('$') {
            return Err(format!("get: {line}"));
        }
        let mut found = vec![0; value_len + 2];
        self.stream.read_exact(&mut found).map_err(|e| e.to_string())?;
        if self.dialect == Dialect::Memcached {
            self.line()?;
        }
        found.truncate(value_len);
        if found == value(key, value_len) { Ok(true) } else { Err(format!("key-{key} is another")) }
    }

    /// All figures of `stats WHICH`; memcached's protocol only.
    ///
    /// # Errors
    /// When the connection ends, or there are none.
    pub fn stats(&mut self, which: &str) -> Result<Vec<(String, String)>, Fault> {
        self.send(format!("stats {which}\r\n").as_bytes())?;
        let mut found = Vec::new();
        loop {
            let line = self.line()?;
            if line == "END" {
                return Ok(found);
            }
            let figure = line.strip_prefix("STAT ").and_then(|rest| rest.split_once(' '));
            let (name, value) = figure.ok_or_else(|| format!("stats {which}: {line}"))?;
            found.push((name.to_owned(), value.to_owned()));
        }
    }

    fn put_set(&self, bytes: &mut Vec<u8>, key: u64, value_len: usize) {
        let name = format!("key-{key}");
        let head = match self.dialect {
            Dialect::Memcached => format!("set {name} 0 0 {value_len}\r\n"),
            Dialect::Redis => {
                format!("*3\r\n$3\r\nSET\r\n${}\r\n{name}\r\n${value_len}\r\n", name.len())
            }
        };
        bytes.extend_from_slice(head.as_bytes());
        bytes.extend_from_slice(&value(key, value_len));
        bytes.extend_from_slice(b"\r\n");
    }

    fn stored(&mut self) -> Result<Stored, Fault> {
        let line = self.line()?;
        match line.as_str() {
            "STORED" | "+OK" => Ok(Stored::Yes),
            "SERVER_ERROR out of memory storing object" => Ok(Stored::Refused),
            _ if line.starts_with("-OOM ") => Ok(Stored::Refused),
            _ => Err(format!("set: {line}")),
        }
    }

    fn send(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        self.stream.get_mut().write_all(bytes).map_err(|e| e.to_string())
    }

    fn line(&mut self) -> Result<String, Fault> {
        let mut line = Vec::new();
        match self.stream.read_until(b'\n', &mut line) {
            Ok(0) => Err("the connection is closed".to_owned()),
            Ok(_) => Ok(String::from_utf8_lossy(&line).trim_end().to_owned()),
            Err(e) => Err(e.to_string()),
        }
    }
}

/// The value of a key: no two alike, so that one that stands in for another is noticed.
fn value(key: u64, len: usize) -> Vec<u8> {
    let part = format!("value-{key}-");
    let mut value = part.repeat(len / part.len() + 1).into_bytes();
    value.truncate(len);
    value
}
