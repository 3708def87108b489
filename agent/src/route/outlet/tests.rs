//! Delivery to real servers that answer as they are told.

use super::*;
use crate::config::Secret;
use crate::route::worker::test_notice;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;

const PATIENCE: Duration = Duration::from_secs(20);

/// A request as it came.
#[derive(Debug)]
struct Got {
    head: String,
    body: String,
    at: Instant,
}

impl Got {
    fn header(&self, name: &str) -> &str {
        let own = |line: &'_ str| line.to_ascii_lowercase().starts_with(&format!("{name}:"));
        let line = self.head.lines().find(|line| own(line)).unwrap_or_default();
        line.split_once(':').map_or("", |(_, value)| value.trim())
    }
}

/// A server that gives each request the next of `answers`, and to further ones the last.
struct Server {
    url: String,
    got: Receiver<Got>,
}

fn server(answers: &'static [&'static str]) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hook/s3cr3t-path", listener.local_addr().unwrap());
    let (tell, got) = channel();
    std::thread::spawn(move || {
        for (n, stream) in listener.incoming().flatten().enumerate() {
            let answer = answers[n.min(answers.len() - 1)];
            let Some(request) = read(&stream) else { continue };
            let text = format!("HTTP/1.1 {answer}");
            let text = if answer.contains("\r\n\r\n") {
                text
            } else {
                format!("{text}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            };
            let _ = (&stream).write_all(text.as_bytes());
            if tell.send(request).is_err() {
                return;
            }
        }
    });
    Server { url, got }
}

fn read(stream: &TcpStream) -> Option<Got> {
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
    Some(Got { head, body: String::from_utf8(body).ok()?, at: Instant::now() })
}

fn webhook(url: &str) -> DestinationConfig {
    DestinationConfig {
        name: "hook".into(),
        kind: DestinationKind::Webhook,
        url: Some(Secret::new(url.into())),
        timeout: Duration::from_secs(2),
        ..DestinationConfig::default()
    }
}

fn notice(id: &str) -> Notice {
    let clock = Clock::start();
    Notice {
        id: id.into(),
        reason: Reason::Changed,
        ..test_notice("n", "hook", clock.now(), clock)
    }
}

/// A started outlet, stopped when dropped.
struct Running(Arc<Outlet>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.stop();
    }
}

fn run(config: &DestinationConfig, dir: Option<PathBuf>) -> Running {
    let outlet = Outlet::of(config, dir.as_deref()).remove(0);
    outlet.start(Clock::start(), channel().0).unwrap();
    Running(outlet)
}

#[track_caller]
fn wait_for(what: &str, outlet: &Outlet, done: impl Fn(&DestinationView) -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !done(&outlet.view()) {
        assert!(Instant::now() < deadline, "{what}: {:?}", outlet.view());
        std::thread::park_timeout(Duration::from_millis(10));
    }
}

fn now_ms() -> i64 {
    let clock = Clock::start();
    clock.unix_ms(clock.now())
}

#[test]
fn a_notice_is_tried_again_until_it_is_taken_and_the_next_waits_its_turn() {
    let server = server(&["503 Service Unavailable", "500 Internal Server Error", "200 OK"]);
    let running = run(&webhook(&server.url), None);
    running.0.tell(&notice("first"), now_ms());
    running.0.tell(&notice("second"), now_ms());
    let got: Vec<Got> = (0..4).map(|_| server.got.recv_timeout(PATIENCE).unwrap()).collect();
    let ids: Vec<&str> = got.iter().map(|got| got.header("plimsoll-notice-id")).collect();
    assert_eq!(ids, ["first", "first", "first", "second"]);
    let pauses: Vec<u128> =
        got.windows(2).map(|pair| (pair[1].at - pair[0].at).as_millis()).collect();
    assert!(pauses[0] >= 490 && pauses[1] >= 990, "{pauses:?}");
    wait_for("both are sent", &running.0, |view| view.sent_total == 2);
    let view = running.0.view();
    assert_eq!((view.failed_total, view.queued, view.failing), (2, 0, None));
}

#[test]
fn retry_after_is_honoured() {
    let busy = "429 Too Many Requests\r\nRetry-After: 2\r\nContent-Length: 0\r\n\
                Connection: close\r\n\r\n";
    let server = server(Box::leak(Box::new([busy, "202 Accepted"])));
    let running = run(&webhook(&server.url), None);
    running.0.tell(&notice("a"), now_ms());
    let first = server.got.recv_timeout(PATIENCE).unwrap();
    let second = server.got.recv_timeout(PATIENCE).unwrap();
    assert!(second.at - first.at >= Duration::from_millis(1990), "{:?}", second.at - first.at);
    wait_for("it is sent", &running.0, |view| view.sent_total == 1);
}

#[test]
fn what_is_refused_is_dropped_and_counted_with_the_reason_and_without_secrets() {
    let refusal = "400 Bad Request\r\nContent-Length: 37\r\nConnection: close\r\n\r\n\
                   bad t0ken at /hook/s3cr3t-path, sorry";
    let server = server(Box::leak(Box::new([refusal, "200 OK"])));
    let config =
        DestinationConfig { token: Some(Secret::new("t0ken".into())), ..webhook(&server.url) };
    let running = run(&config, None);
    running.0.tell(&notice("bad"), now_ms());
    running.0.tell(&notice("good"), now_ms());
    wait_for("the second is sent", &running.0, |view| view.sent_total == 1);
    let view = running.0.view();
    assert_eq!(view.dropped_total, [("refused".to_owned(), 1)].into());
    assert_eq!(server.got.recv_timeout(PATIENCE).unwrap().header("authorization"), "Bearer t0ken");
    let told = attempt(&config, &notice("x"), now_ms()).remove(0);
    assert_eq!(told.outcome, Ok(200));

    let refusing = super::tests::server(Box::leak(Box::new([refusal])));
    let config =
        DestinationConfig { token: Some(Secret::new("t0ken".into())), ..webhook(&refusing.url) };
    let told = attempt(&config, &notice("x"), now_ms()).remove(0).outcome.unwrap_err();
    assert_eq!(told, "answered 400: bad (not shown) at (not shown), sorry");
}

#[test]
fn a_redirect_is_not_followed() {
    let elsewhere = server(&["200 OK"]);
    let text = format!(
        "307 Temporary Redirect\r\nLocation: {}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        elsewhere.url
    );
    let server = server(Box::leak(vec![&*text.leak()].into_boxed_slice()));
    let told = attempt(&webhook(&server.url), &notice("x"), now_ms()).remove(0);
    assert_eq!(told.outcome, Err("answered 307: redirects are not followed".into()));
    assert!(elsewhere.got.try_recv().is_err());
}

#[test]
fn the_signature_is_that_of_time_and_body() {
    let server = server(&["200 OK"]);
    let key = Some(Secret::new("k3y".into()));
    let config = DestinationConfig { signing_key: key, ..webhook(&server.url) };
    assert_eq!(attempt(&config, &notice("x"), 5_000).remove(0).outcome, Ok(200));
    let got = server.got.recv_timeout(PATIENCE).unwrap();
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, b"k3y");
    let signed = format!("5.{}", got.body);
    let signed = crate::route::notice::hex(ring::hmac::sign(&key, signed.as_bytes()).as_ref());
    assert_eq!(got.header("plimsoll-timestamp"), "5");
    assert_eq!(got.header("plimsoll-signature"), format!("sha256={signed}"));
}

#[test]
fn a_server_that_never_answers_holds_an_attempt_up_for_its_timeout_alone() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let config = DestinationConfig { timeout: Duration::from_secs(1), ..webhook(&url) };
    let begun = Instant::now();
    let told = attempt(&config, &notice("x"), now_ms()).remove(0);
    assert_eq!(told.outcome, Err("no answer in time".into()));
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
}

#[test]
fn a_secret_in_a_file_is_read_for_each_attempt() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("url");
    let config = DestinationConfig { url: None, url_file: Some(file.clone()), ..webhook("") };
    let told = || attempt(&config, &notice("x"), now_ms()).remove(0).outcome;
    assert!(told().unwrap_err().contains("url"), "it names the file");
    let server = server(&["200 OK"]);
    std::fs::write(&file, format!("{}\n", server.url)).unwrap();
    assert_eq!(told(), Ok(200));
    std::fs::write(&file, "two words").unwrap();
    assert!(told().unwrap_err().ends_with("does not hold one secret alone"));
}

#[test]
fn what_was_queued_while_nobody_answered_is_delivered_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let at = || Some(dir.path().to_owned());
    {
        let running = run(&webhook(&format!("http://{closed}/")), at());
        running.0.tell(&notice("a"), now_ms());
        running.0.tell(&notice("b"), now_ms());
        wait_for("an attempt fails", &running.0, |view| view.failed_total > 0);
        let view = running.0.view();
        assert_eq!((view.queued, view.is_degraded(), view.not_on_disk), (2, true, None));
    }
    let server = server(&["200 OK"]);
    let running = run(&webhook(&server.url), at());
    let ids = [(); 2].map(|()| server.got.recv_timeout(PATIENCE).unwrap());
    assert_eq!(ids.map(|got| got.header("plimsoll-notice-id").to_owned()), ["a", "b"]);
    wait_for("the queue is empty", &running.0, |view| view.queued == 0);
}

#[test]
fn a_queue_that_is_full_keeps_the_newest_while_the_destination_is_dead() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let bytes_max = crate::units::Bytes::kib(8);
    let config =
        DestinationConfig { queue_size_max: bytes_max, ..webhook(&format!("http://{closed}/")) };
    let outlet = Outlet::of(&config, None).remove(0);
    for n in 0..100 {
        outlet.tell(&notice(&n.to_string()), now_ms());
    }
    let view = outlet.view();
    assert!(view.queued_bytes <= bytes_max.0 && view.queued > 2, "{view:?}");
    assert_eq!(view.dropped_total["full"] + view.queued as u64, 100);
}

#[test]
fn each_instance_of_alertmanager_has_a_queue_of_its_own_and_hears_resends_once() {
    let config = DestinationConfig {
        kind: DestinationKind::Alertmanager,
        urls: vec!["http://a:1".into(), "http://b:1".into()],
        name: "am".into(),
        ..DestinationConfig::default()
    };
    let outlets = Outlet::of(&config, None);
    let labels: Vec<&str> = outlets.iter().map(|outlet| outlet.label.as_str()).collect();
    assert_eq!(labels, ["am/1", "am/2"]);
    let resend = Notice { reason: Reason::Repeated, ..notice("r") };
    for notice in [&notice("a"), &resend, &resend] {
        outlets[0].tell(notice, now_ms());
    }
    assert_eq!((outlets[0].view().queued, outlets[1].view().queued), (1, 0));
}

#[test]
fn who_does_not_want_ends_is_not_told_of_them() {
    let config = DestinationConfig { send_resolved: false, ..webhook("http://a:1/") };
    let mut over = notice("over");
    over.status = Status::Resolved;
    over.alerts[0].status = Status::Resolved;
    assert!(wanted(&config, &over).is_none());
    let mut both = notice("both");
    both.alerts.push(over.alerts[0].clone());
    assert_eq!(wanted(&config, &both).map(|notice| notice.alerts.len()), Some(1));
    assert_eq!(wanted(&webhook("x"), &both).map(|notice| notice.alerts.len()), Some(2));
}
