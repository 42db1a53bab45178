// Times, lengths and numbers for people.

const numbers = new Intl.NumberFormat();
const compact = new Intl.NumberFormat(undefined, { notation: "compact", maximumFractionDigits: 1 });
const whole = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const relative = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" });

/** A number with its thousands parted. */
export const count = (value) => numbers.format(value);

/** A number in few characters. */
export const short = (value) => (value < 10000 ? numbers.format(value) : compact.format(value));

/** A time as a whole. */
export const time = (text) => (text ? whole.format(new Date(text)) : "");

const STEPS = [
  [60, "second", 1],
  [3600, "minute", 60],
  [86400, "hour", 3600],
  [86400 * 30, "day", 86400],
  [Infinity, "month", 86400 * 30],
];

/** How far a time is from now. */
export const ago = (text) => {
  const seconds = (new Date(text) - Date.now()) / 1000;
  const [, unit, size] = STEPS.find(([end]) => Math.abs(seconds) < end);
  return relative.format(Math.round(seconds / size), unit);
};

/** A length of time, given in milliseconds. */
export const length = (ms) => {
  if (ms < 1) return `${ms.toFixed(2)} ms`;
  if (ms < 1000) return `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`;
  const seconds = ms / 1000;
  if (seconds < 60) return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
  if (seconds < 172800) return `${Math.floor(seconds / 3600)} h ${Math.round((seconds % 3600) / 60)} min`;
  return `${Math.round(seconds / 86400)} days`;
};

/** From one time to another, as a length. */
export const between = (from, until) => (from && until ? length(new Date(until) - new Date(from)) : "");

/** JSON as a person reads it. */
export const pretty = (value) => JSON.stringify(value, null, 2);
