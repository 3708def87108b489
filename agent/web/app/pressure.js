// The pressure signal: where memory is short, who is asked to make room, and what came of it.

import { foreign, h, moment, renew } from "./dom.js";
import { bytes, clock, duration } from "./format.js";

const SIGNALS_SHOWN = 10;

/** Hidden while nobody subscribes: then there is nobody to ask. */
export function pressurePanel() {
  const scopes = h("ul", { class: "cards" });
  const subscribers = h("ul", { class: "members" });
  const signals = h("ol", { class: "events" });
  const dry = h("p", { class: "note" }, "Dry run: nobody is asked for anything.");
  const element = h(
    "section",
    { "aria-labelledby": "pressure-title", hidden: true },
    h("h2", { id: "pressure-title" }, "Making room"),
    dry,
    scopes,
    subscribers,
    signals,
  );
  return {
    element,
    needs: ["pressure"],
    update({ pressure }) {
      element.hidden = !pressure?.subscribers?.length;
      if (element.hidden) return;
      dry.hidden = !pressure.dry_run;
      renew(scopes, pressure.scopes.map(scopeCard));
      renew(subscribers, pressure.subscribers.map(subscriberLine));
      renew(signals, pressure.signals.slice(0, SIGNALS_SHOWN).map(signalLine));
    },
  };
}

function scopeCard(scope) {
  const told = [
    `${bytes(scope.headroom_bytes)} of ${bytes(scope.limit_bytes)} left`,
    Number.isFinite(scope.eta_s) && `${duration(scope.eta_s)} until the limit`,
    scope.want_bytes > 0 && `${bytes(scope.want_bytes)} wanted back`,
  ];
  return h(
    "li",
    { class: "panel" },
    h("span", { class: "pill" }, foreign(scope.level)),
    " ",
    h("b", {}, foreign(scope.scope)),
    h("span", { class: "quiet" }, " ", foreign(told.filter(Boolean).join(", "))),
  );
}

function subscriberLine(subscriber) {
  const told = [
    `can free ${bytes(subscriber.can_free_bytes)}`,
    subscriber.late && "did not answer the last time",
  ];
  return h(
    "li",
    {},
    h("b", {}, foreign(subscriber.name)),
    h("span", { class: "quiet" }, " ", foreign(told.filter(Boolean).join(", "))),
  );
}

function signalLine(signal) {
  const freed = signal.freed_bytes === null ? "" : `, ${bytes(signal.freed_bytes)} freed`;
  const text = `${signal.level}: asked for ${bytes(signal.asked_bytes)}${freed} (${signal.outcome})`;
  return h(
    "li",
    {},
    h("span", { class: "when" }, moment(clock(signal.at), signal.at)),
    h("span", { class: "what" }, foreign(signal.subscriber), " ", foreign(text)),
  );
}
