// Talks to the agent: JSON documents, problem documents (RFC 9457) and the event stream.
// Addresses are relative, so the page also works behind a proxy with a prefix.

const TIMEOUT_MS = 10_000;
const RECONNECT_MS_MIN = 1_000;
const RECONNECT_MS_MAX = 15_000;

/** The agent answered, but with a problem. */
export class Problem extends Error {
  constructor(status, title, detail) {
    super(detail ? `${title}: ${detail}` : title);
    this.status = status;
  }
}

/** No answer at all: the agent is gone, or the way to it is. */
export class Unreachable extends Error {}

/** Reads one document. Throws `Problem` or `Unreachable`. */
export async function get(path, parameters = {}) {
  const query = new URLSearchParams(
    Object.entries(parameters).filter(([, value]) => value !== undefined),
  );
  const url = `api/v1/${path}${query.size ? `?${query}` : ""}`;
  return sound(url, await read(url));
}

/** Sends one document and reads the answer. Throws `Problem` or `Unreachable`. */
export async function post(path, document) {
  const url = `api/v1/${path}`;
  const sent = { method: "POST", body: JSON.stringify(document), type: "application/json" };
  return sound(url, await read(url, sent));
}

function sound(url, { response, body }) {
  if (!response.ok) {
    const title = typeof body?.title === "string" ? body.title : `HTTP ${response.status}`;
    throw new Problem(response.status, title, typeof body?.detail === "string" ? body.detail : "");
  }
  if (body === undefined) throw new Problem(response.status, "The answer was not JSON", url);
  return body;
}

/** The agent's health; it answers 503 while it is not ready, with the same document. */
export async function health() {
  const { response, body } = await read("readyz?verbose");
  if (!Array.isArray(body?.sources)) throw new Problem(response.status, "No health document", "");
  return body;
}

async function read(url, { method, body, type } = {}) {
  let response;
  let text;
  try {
    response = await fetch(url, {
      method,
      body,
      headers: { accept: "application/json", ...(type ? { "content-type": type } : {}) },
      signal: AbortSignal.timeout(TIMEOUT_MS),
      cache: "no-store",
    });
    text = await response.text();
  } catch (error) {
    throw new Unreachable(error.message);
  }
  try {
    return { response, body: JSON.parse(text) };
  } catch {
    return { response, body: undefined };
  }
}

/**
 * Follows the event stream for as long as the page lives.
 *
 * Reconnects by itself with growing pauses. Each connect asks for all that the agent's ring holds,
 * because an agent that was restarted counts its events from the beginning; the receiver drops
 * what it has seen.
 */
export function follow({ onEvent, onState }) {
  let pause = RECONNECT_MS_MIN;
  let downSince = null;

  const connect = () => {
    const source = new EventSource("api/v1/events?after=0");
    source.onopen = () => {
      pause = RECONNECT_MS_MIN;
      downSince = null;
      onState({ live: true, since: null });
    };
    source.onerror = () => {
      source.close();
      downSince ??= new Date();
      onState({ live: false, since: downSince });
      setTimeout(connect, pause);
      pause = Math.min(pause * 2, RECONNECT_MS_MAX);
    };
    for (const kind of ["verdict", "alert", "incident", "pressure", "report"]) {
      source.addEventListener(kind, (message) => {
        const event = parse(message.data);
        if (event) onEvent({ ...event, event: kind });
      });
    }
  };
  connect();
}

function parse(text) {
  try {
    const event = JSON.parse(text);
    return event && typeof event === "object" ? event : null;
  } catch {
    return null;
  }
}
