//! The event stream: replay, live, lag, keep-alive, limits and the end.

use super::*;
use crate::view::EventKind;
use futures_util::StreamExt as _;

/// Opens a stream and reads `frames` frames of it.
async fn read_events(app: &Router, uri: &str, last: Option<&str>, frames: usize) -> Vec<String> {
    let mut builder = request(Method::GET, uri);
    if let Some(last) = last {
        builder = builder.header("last-event-id", last);
    }
    let response = app.clone().oneshot(builder.body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(response.headers()[header::CONTENT_TYPE], "text/event-stream");
    let frames = response.into_body().into_data_stream().take(frames);
    frames.map(|frame| String::from_utf8(frame.unwrap().to_vec()).unwrap()).collect().await
}

fn ids(frames: &[String]) -> Vec<&str> {
    frames.iter().flat_map(|f| f.lines()).filter_map(|line| line.strip_prefix("id: ")).collect()
}

#[tokio::test]
async fn a_stream_replays_after_the_last_event_that_the_client_has() {
    let desk = Desk::new().shared();
    let app = app_over(Arc::clone(&desk));
    for _ in 0..6 {
        desk.publish(EventKind::Alert);
    }
    assert_eq!(ids(&read_events(&app, "/api/v1/events?after=4", None, 2).await), ["5", "6"]);
    let frames = read_events(&app, "/api/v1/events?after=1", Some("5"), 1).await;
    let data = "data: {\"seq\":6,\"at\":\"2026-11-21T10:09:00.000Z\",\"event\":\"alert\",\
        \"data\":{\"comm\":\"a\\\"b\\\\c\\nd</script>\u{fffd}\\u001b[31m\"}}";
    assert_eq!(frames, [format!("id: 6\nevent: alert\n{data}\n\n")]);
    let restarted = read_events(&app, "/api/v1/events", Some("900"), 6).await;
    assert_eq!(ids(&restarted), ["1", "2", "3", "4", "5", "6"]);
    let bad = request(Method::GET, "/api/v1/events").header("last-event-id", "x");
    let bad = problem(send(&app, bad.body(Body::empty()).unwrap()).await);
    assert_eq!(bad["errors"][0]["parameter"], "Last-Event-ID");
}

#[tokio::test]
async fn an_event_between_subscription_and_replay_is_sent_once() {
    let mut desk = Desk::new();
    desk.publishes_on_subscribe = true;
    let desk = desk.shared();
    let app = app_over(Arc::clone(&desk));
    let open = request(Method::GET, "/api/v1/events?after=0").body(Body::empty()).unwrap();
    let response = app.clone().oneshot(open).await.unwrap();
    desk.publish(EventKind::Alert);
    let frames: Vec<_> = response.into_body().into_data_stream().take(2).collect().await;
    let frames: Vec<String> =
        frames.into_iter().map(|f| String::from_utf8(f.unwrap().to_vec()).unwrap()).collect();
    assert_eq!(ids(&frames), ["1", "2"]);
}

#[tokio::test]
async fn a_stream_goes_on_live_and_a_slow_reader_is_caught_up() {
    let desk = Desk::new().shared();
    let app = app_over(Arc::clone(&desk));
    desk.publish(EventKind::Verdict);
    let open = request(Method::GET, "/api/v1/events").body(Body::empty()).unwrap();
    let response = app.clone().oneshot(open).await.unwrap();
    let mut stream = response.into_body().into_data_stream();
    let mut next =
        async || String::from_utf8(stream.next().await.unwrap().unwrap().to_vec()).unwrap();
    desk.publish(EventKind::Pressure);
    assert!(next().await.starts_with("id: 2\nevent: pressure\n"));
    for _ in 0..10 {
        desk.publish(EventKind::Incident);
    }
    assert_eq!(next().await, ": lagged by 6 events\n\n");
    for seq in 3..=12 {
        assert!(next().await.starts_with(&format!("id: {seq}\nevent: incident\n")));
    }
    desk.publish(EventKind::Verdict);
    assert!(next().await.starts_with("id: 13\n"), "nothing is sent twice");
}

#[tokio::test(start_paused = true)]
async fn a_quiet_stream_is_kept_alive() {
    let begun = tokio::time::Instant::now();
    let frames = read_events(&app(Desk::new()), "/api/v1/events", None, 1).await;
    assert_eq!(frames, [":\n\n"]);
    assert_eq!(begun.elapsed().as_secs(), 15);
}

#[tokio::test]
async fn streams_are_counted_and_given_back() {
    let app = app(Desk::new());
    let open = async || {
        let request = request(Method::GET, "/api/v1/events").body(Body::empty()).unwrap();
        app.clone().oneshot(request).await.unwrap()
    };
    let mut streams = Vec::new();
    for _ in 0..STREAMS_MAX {
        streams.push(open().await);
    }
    let refused = open().await;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refused.headers()[header::RETRY_AFTER], "5");
    streams.pop();
    assert_eq!(open().await.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_served_stream_ends_at_once_on_shutdown() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut client = tokio::net::TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let guard = ApiSettings::open(listener.local_addr().unwrap()).guard;
    let app = app(Desk::new());
    let server = tokio::spawn(serve(listener, app, guard, async { drop(stopped.await) }));
    client.write_all(b"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut head = [0; 12];
    client.read_exact(&mut head).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 200");
    drop(stop);
    let mut rest = String::new();
    client.read_to_string(&mut rest).await.unwrap();
    assert!(rest.ends_with("0\r\n\r\n"), "the body is ended, not cut: {rest}");
    server.await.unwrap();
}
