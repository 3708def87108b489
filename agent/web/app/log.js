// The alerts, firing ones first, and the log of events as the stream brings them.

import { badge } from "./badge.js";
import { foreign, h, moment, renew, setText, targetHref } from "./dom.js";
import { bytes, clock, count, duration, rate } from "./format.js";
import { bare, kindOf, nameOf } from "./rows.js";
import { KINDS, SUSPECT, cause, state } from "./words.js";

const SEVERITY_RANK = { critical: 2, warning: 1, info: 0 };

/** Firing before resolved, grave before slight, new before old. */
export function orderAlerts(alerts) {
  return [...alerts].sort(
    (a, b) =>
      Number(b.firing) - Number(a.firing) ||
      (SEVERITY_RANK[b.severity] ?? 0) - (SEVERITY_RANK[a.severity] ?? 0) ||
      String(b.starts_at).localeCompare(String(a.starts_at)),
  );
}

export function alertCard(alert, withTarget = true) {
  const ended = alert.ends_at && !alert.firing;
  return h(
    "li",
    {
      class: "alert panel",
      "data-severity": String(alert.severity),
      "data-firing": String(Boolean(alert.firing)),
    },
    h(
      "p",
      { class: "alert-head" },
      h(
        "span",
        { class: "pill severity" },
        foreign(alert.firing ? `${alert.severity}, firing` : "resolved"),
      ),
      h("b", {}, foreign(alert.name)),
      h(
        "span",
        { class: "quiet" },
        moment(clock(alert.starts_at), alert.starts_at),
        ended ? [" to ", moment(clock(alert.ends_at), alert.ends_at)] : null,
      ),
    ),
    h("p", {}, foreign(alert.summary)),
    alert.description ? h("p", { class: "quiet" }, foreign(alert.description)) : null,
    alert.labels?.incident
      ? h(
          "p",
          {},
          h("a", { href: `#/incident/${encodeURIComponent(alert.labels.incident)}` }, "Incident"),
        )
      : null,
    withTarget && alert.target
      ? h(
          "p",
          {},
          h(
            "a",
            { href: targetHref(alert.target) },
            KINDS[kindOf(alert.target)] ?? "Target",
            " ",
            foreign(bare(alert.target)),
          ),
        )
      : null,
  );
}

/** `beside`: what else concerns whoever is alarmed, `{ element, needs, update }`. */
export function alertsPage(beside) {
  const firing = h("ul", { class: "cards" });
  const resolved = h("ul", { class: "cards" });
  const none = h("p", { class: "empty" }, "Nothing is firing. She rides high.");
  const past = h("section", {}, h("h2", {}, "Resolved"), resolved);
  const element = h(
    "section",
    { class: "page", "aria-labelledby": "alerts-title" },
    h("h1", { id: "alerts-title" }, "Alerts"),
    none,
    firing,
    beside.element,
    past,
  );
  return {
    element,
    needs: beside.needs,
    update(data) {
      const { alerts } = data;
      beside.update(data);
      const sorted = orderAlerts(alerts);
      renew(
        firing,
        sorted.filter((a) => a.firing).map((a) => alertCard(a)),
      );
      renew(
        resolved,
        sorted.filter((a) => !a.firing).map((a) => alertCard(a)),
      );
      none.hidden = firing.childElementCount > 0;
      past.hidden = resolved.childElementCount === 0;
    },
  };
}

export function eventsPage() {
  const list = h("ol", { class: "events", reversed: true });
  const status = h("p", { class: "note" });
  const element = h(
    "section",
    { class: "page", "aria-labelledby": "events-title" },
    h("h1", { id: "events-title" }, "Events"),
    status,
    list,
  );
  const lines = new Map();
  return {
    element,
    needs: [],
    update({ events, stream }) {
      setText(
        status,
        `${stream.live ? "Live." : "The stream is down; reconnecting."} ` +
          (events.length
            ? `The last ${count(events.length)} events, newest first.`
            : "No event yet."),
      );
      for (const key of lines.keys()) {
        if (!events.some((event) => event.key === key)) {
          lines.get(key).remove();
          lines.delete(key);
        }
      }
      events.forEach((event, i) => {
        let line = lines.get(event.key);
        if (!line) lines.set(event.key, (line = eventLine(event)));
        if (list.children[i] !== line) list.insertBefore(line, list.children[i] ?? null);
      });
    },
  };
}

function eventLine({ at, event, data }) {
  return h(
    "li",
    { "data-kind": event },
    h("span", { class: "when" }, moment(clock(at), at)),
    h("span", { class: "pill" }, event),
    h("span", { class: "what" }, ...sentence(event, data ?? {})),
  );
}

/** What happened, as a line for people. */
function sentence(kind, data) {
  if (kind === "verdict" && data.target) return verdictSentence(data);
  if (kind === "pressure" && data.what) return pressureSentence(data);
  if (kind === "alert" && data.name) {
    const link = data.target
      ? h("a", { href: targetHref(data.target) }, foreign(data.summary || data.name))
      : foreign(data.summary || data.name);
    return [h("b", {}, data.firing ? "firing " : "resolved "), link];
  }
  if (kind === "incident" && typeof data.id === "string") {
    const href = `#/incident/${encodeURIComponent(data.id)}`;
    return [h("a", { href }, foreign(data.summary || data.id))];
  }
  if (kind === "report" && typeof data.id === "string") return reportSentence(data);
  return [foreign(typeof data === "string" ? data : plain(data))];
}

function reportSentence(data) {
  const { id, comm, pid, level, state: how, why, pause_us: pause } = data;
  const by = data.asked_by === "http" ? `asked for by ${data.peer ?? "?"}` : "of a suspect";
  const told = [`level ${level}`, by, how === "ready" ? null : `not taken: ${why ?? "?"}`];
  if (pause) told.push(`stood still for ${(pause / 1000).toFixed(1)} ms`);
  const name = foreign(`heap report of ${comm ?? "?"} (${pid})`);
  return [
    how === "ready" ? h("a", { href: `#/report/${encodeURIComponent(id)}` }, name) : name,
    h("span", { class: "quiet" }, " ", foreign(told.filter(Boolean).join(", "))),
  ];
}

function pressureSentence(data) {
  if (data.what === "level") {
    const text = `${data.level}, ${bytes(data.headroom_bytes)} left, ${data.cause}`;
    return [foreign(data.scope), h("span", { class: "quiet" }, " ", foreign(text))];
  }
  const asked = bytes(data.asked_bytes);
  const text =
    data.what === "asked"
      ? `asked for ${asked} at ${data.level}`
      : `${data.outcome}: ${bytes(data.freed_bytes ?? 0)} of ${asked}`;
  return [foreign(data.subscriber), h("span", { class: "quiet" }, " ", foreign(text))];
}

function verdictSentence(verdict) {
  const { target, state: key, cause: why, used_bytes: used, eta_s: eta } = verdict;
  const told = [bytes(used)];
  if (state(key).rank >= SUSPECT) told.push(cause(why).label, rate(verdict.rate_bytes_per_s));
  if (Number.isFinite(eta?.p50)) told.push(`${duration(eta.p50)} left`);
  return [
    badge(key),
    " ",
    h("a", { href: targetHref(target.id) }, foreign(nameOf(verdict))),
    h("span", { class: "quiet" }, " ", foreign(told.join(", "))),
  ];
}

/** A document of no known shape, as `key value` pairs; its own words first if it has any. */
function plain(data) {
  const own = data.summary ?? data.description ?? data.message;
  if (typeof own === "string") return own;
  const pairs = Object.entries(data)
    .filter(([, value]) => value !== null)
    .slice(0, 12);
  return pairs
    .map(([key, value]) => {
      const shown =
        key.endsWith("_bytes") && Number.isFinite(value)
          ? bytes(value)
          : typeof value === "object"
            ? JSON.stringify(value)
            : value;
      return `${key.replace(/_bytes$/, "").replaceAll("_", " ")} ${shown}`;
    })
    .join(" · ");
}
