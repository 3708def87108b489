// Numbers, times and foreign text, made readable. Pure; a missing value is an en dash, never 0.

export const NONE = "–";

const known = (value) => typeof value === "number" && Number.isFinite(value);

/** `1.5 GiB`, `300 MiB`: binary units, at most one decimal. */
export function bytes(value) {
  if (!known(value)) return NONE;
  const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
  let scaled = Math.abs(value);
  let unit = 0;
  while (scaled >= 1024 && unit + 1 < units.length) {
    scaled /= 1024;
    unit += 1;
  }
  const shown = scaled.toFixed(unit > 0 && scaled < 100 ? 1 : 0).replace(/\.0$/, "");
  return `${value < 0 ? "−" : ""}${shown} ${units[unit]}`;
}

/** Growth per hour, from bytes per second. Below 1 KiB/h it is called steady. */
export function rate(perSecond) {
  if (!known(perSecond)) return NONE;
  const perHour = perSecond * 3600;
  if (Math.abs(perHour) < 1024) return "steady";
  return `${perHour > 0 ? "+" : ""}${bytes(perHour)}/h`;
}

/** `45 s`, `4 min 10 s`, `3 h 20 min`, `2 d 4 h`: two units at most. */
export function duration(seconds) {
  if (!known(seconds)) return NONE;
  const whole = Math.max(0, Math.round(seconds));
  const steps = [
    [86400, "d"],
    [3600, "h"],
    [60, "min"],
    [1, "s"],
  ];
  const first = steps.findIndex(([size]) => whole >= size);
  if (first < 0) return "0 s";
  const [size, unit] = steps[first];
  const rest = steps[first + 1];
  const over = rest ? Math.floor((whole % size) / rest[0]) : 0;
  return `${Math.floor(whole / size)} ${unit}${over ? ` ${over} ${rest[1]}` : ""}`;
}

export function percent(ratio) {
  if (!known(ratio)) return NONE;
  const points = ratio * 100;
  return `${points > 0 && points < 10 ? points.toFixed(1) : Math.round(points)} %`;
}

export function count(value) {
  return known(value) ? value.toLocaleString("en") : NONE;
}

/** Share of the limit in use, 0…, or null without a limit. */
export function share(used, limit) {
  return known(used) && known(limit) && limit > 0 ? used / limit : null;
}

const two = (n) => String(n).padStart(2, "0");

/** Local `HH:MM:SS`, with the date in front if it is not today. */
export function clock(when, now = new Date()) {
  const date = when instanceof Date ? when : new Date(when);
  if (Number.isNaN(date.getTime())) return NONE;
  const time = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  return date.toDateString() === now.toDateString() ? time : `${day(date)} ${time}`;
}

export function day(date) {
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}

/** A value of a verdict's evidence, by its UCUM unit. */
export function quantity(value, unit) {
  if (!known(value)) return NONE;
  if (unit === "By") return bytes(value);
  if (unit === "By/s") return rate(value);
  if (unit === "s") return duration(value);
  const number = Number.isInteger(value) ? count(value) : String(Number(value.toPrecision(3)));
  if (unit === "1" || !unit) return number;
  const annotation = /^\{(\w+)\}$/.exec(unit);
  if (!annotation) return `${number} ${visible(unit)}`;
  return `${number} ${annotation[1]}${value === 1 ? "" : "s"}`;
}

// Controls, invisible characters and all that turns the direction of writing or breaks a line.
const TRICKS = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\u115f\u1160\u3164\uffa0]/gu;
const NAMED = { "\n": "\\n", "\r": "\\r", "\t": "\\t", "\0": "\\0" };

/** Foreign text with all that is invisible or misleading written out: `\n`, `‹202E›`. */
export function visible(text) {
  return String(text ?? "").replace(
    TRICKS,
    (trick) =>
      NAMED[trick] ?? `‹${trick.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}›`,
  );
}
