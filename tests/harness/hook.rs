//! A server that keeps what is posted to it and answers as it is told.

use parking_lot::Mutex;
use serde_json::Value;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Posted {
    pub head: String,
    pub body: Value,
}

/// It listens as long as the test runs.
#[derive(Debug)]
pub struct Hook {
    pub url: String,
    status: Arc<AtomicU16>,
    posted: Arc<Mutex<Vec<Posted>>>,
}

impl Hook {
    /// Starts one that answers 200.
    ///
    /// # Panics
    /// When there is no free port.
    #[must_use]
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it has an address");
        let own = Self {
            url: format!("http://{address}/hook"),
            status: Arc::new(AtomicU16::new(200)),
            posted: Arc::default(),
        };
        let (status, posted) = (Arc::clone(&own.status), Arc::clone(&own.posted));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let Some(request) = read(&stream) else { continue };
                let status = status.load(Ordering::SeqCst);
                if status == 200 {
                    posted.lock().push(request);
                }
                let head = format!("HTTP/1.1 {status} Told\r\nContent-Length: 0\r\n");
                // A client that has gone away has lost its answer.
                let _ = (&stream).write_all(format!("{head}Connection: close\r\n\r\n").as_bytes());
            }
        });
        own
    }

    /// From now on every answer has this status; only what was answered by 200 is kept.
    pub fn answer(&self, status: u16) {
        self.status.store(status, Ordering::SeqCst);
    }

    #[must_use]
    pub fn posted(&self) -> Vec<Posted> {
        self.posted.lock().clone()
    }
}

fn read(stream: &TcpStream) -> Option<Posted> {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let length = head.lines().find_map(|line| {
        line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok()
    });
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body).ok()?;
    Some(Posted { head, body: serde_json::from_slice(&body).ok()? })
}
