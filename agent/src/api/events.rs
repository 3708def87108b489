//! `/api/v1/events`: verdicts, alerts, incidents and pressure as Server-Sent Events.
//!
//! A client that reconnects names the last event it has and misses nothing that the ring still
//! holds. A client that reads too slowly is caught up from the ring and told so; it never makes
//! the agent hold more than the ring.

use super::guard::Draining;
use super::problem::Problem;
use super::query::Params;
use super::{STREAMS_MAX, Shared};
use crate::view::{Event, EventKind, Watch};
use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::sse::{self, KeepAlive, Sse};
use futures_util::stream::{self, Stream};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Events as they happen; `id` is the sequence number, `event` the kind, `data` an Event as JSON.
#[utoipa::path(get, path = "/api/v1/events", tag = "judgement",
    params(
        ("after" = Option<u64>, Query, description = "Replay what came after this sequence \
            number; default only what happens from now on"),
        ("Last-Event-ID" = Option<u64>, Header, description = "As `after`, sent by browsers \
            when they reconnect; it wins over `after`")),
    responses((status = 200, description = "The stream", body = Event,
        content_type = "text/event-stream")))]
pub(super) async fn events(
    State(shared): State<Shared>,
    draining: Option<Extension<Draining>>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Sse<impl Stream<Item = Result<sse::Event, Infallible>>>, Problem> {
    let mut params = Params::of(&uri);
    let after = params.take("after", sequence_number);
    let seen = headers.get("last-event-id").and_then(|value| {
        let seen = value.to_str().map_err(|_| NOT_A_NUMBER).and_then(sequence_number);
        seen.map_err(|what| params.wrong("Last-Event-ID", what)).ok()
    });
    params.finish()?;
    let slot = Arc::clone(&shared.streams).try_acquire_owned();
    let slot = slot.map_err(|_| Problem::too_many_streams(STREAMS_MAX))?;
    let draining = draining.map(|Extension(draining)| draining);
    let feed = Feed::start(shared.watch, seen.or(after), draining, slot);
    let frames = stream::unfold(feed, async |mut feed| Some((Ok(feed.next().await?), feed)));
    Ok(Sse::new(frames).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

const NOT_A_NUMBER: &str = "is not a sequence number";

fn sequence_number(text: &str) -> Result<u64, &'static str> {
    text.parse().map_err(|_| NOT_A_NUMBER)
}

/// One client's place in the stream.
struct Feed {
    watch: Arc<dyn Watch>,
    live: Receiver<Event>,
    /// The newest sequence number that was sent or skipped.
    last: u64,
    pending: VecDeque<sse::Event>,
    draining: Option<Draining>,
    _slot: OwnedSemaphorePermit,
}

impl Feed {
    /// Subscribes before looking at the ring, so that nothing falls between the two.
    fn start(
        watch: Arc<dyn Watch>,
        after: Option<u64>,
        draining: Option<Draining>,
        slot: OwnedSemaphorePermit,
    ) -> Self {
        let live = watch.subscribe();
        let newest = watch.events_since(0).last().map_or(0, |event| event.seq);
        let mut feed =
            Self { watch, live, last: newest, pending: VecDeque::new(), draining, _slot: slot };
        if let Some(after) = after {
            // A number from the future was given out before the agent restarted.
            feed.last = if after > newest { 0 } else { after };
            feed.replay();
        }
        feed
    }

    fn replay(&mut self) {
        for event in self.watch.events_since(self.last) {
            self.last = event.seq;
            self.pending.push_back(frame(&event));
        }
    }

    /// The next frame; None when the agent shuts down.
    async fn next(&mut self) -> Option<sse::Event> {
        loop {
            if let Some(frame) = self.pending.pop_front() {
                return Some(frame);
            }
            let received = tokio::select! {
                () = Draining::begun(self.draining.as_mut()) => return None,
                received = self.live.recv() => received,
            };
            match received {
                Ok(event) if event.seq <= self.last => {}
                Ok(event) => {
                    self.last = event.seq;
                    return Some(frame(&event));
                }
                Err(RecvError::Lagged(missed)) => {
                    let comment = format!("lagged by {missed} events");
                    self.pending.push_back(sse::Event::default().comment(comment));
                    // What the channel still holds is in the ring too.
                    self.live = self.live.resubscribe();
                    self.replay();
                }
                Err(RecvError::Closed) => return None,
            }
        }
    }
}

fn frame(event: &Event) -> sse::Event {
    let kind = match event.event {
        EventKind::Verdict => "verdict",
        EventKind::Alert => "alert",
        EventKind::Incident => "incident",
        EventKind::Pressure => "pressure",
        EventKind::Report => "report",
        EventKind::Config => "config",
    };
    let frame = sse::Event::default().id(event.seq.to_string()).event(kind);
    // An Event is strings, numbers and a JSON value, which always serialise.
    frame.json_data(event).unwrap_or_default()
}
