// The public API as these pages use it: with the session's cookies, which no script can read.

/** What the server refused, with the fields that it names. */
export class Problem extends Error {
  constructor(status, body) {
    super(body?.detail ?? `the server answered ${status}`);
    this.status = status;
    this.code = body?.code ?? "";
    this.fields = Object.fromEntries((body?.errors ?? []).map(({ pointer, detail }) => [pointer, detail]));
  }
}

/** Called when the session has ended; set by the page. */
export const session = { ended: () => {} };

let refreshing = null;

/** Goes on with the session; answers whether that worked. Those who ask at once share one answer. */
const refresh = () => {
  refreshing ??= send("POST", "/api/v1/auth/refresh", "{}").then(
    (answer) => answer.ok,
    () => false,
  );
  refreshing.finally(() => setTimeout(() => (refreshing = null), 500));
  return refreshing;
};

const send = (method, path, text) =>
  fetch(path, {
    method,
    headers: text === undefined ? {} : { "content-type": "application/json" },
    body: text,
    credentials: "same-origin",
  });

// Whole numbers that this language would round stay as they were written.
const exact = (_key, value, context) =>
  typeof value === "number" && Number.isInteger(value) && !Number.isSafeInteger(value) && context?.source && JSON.rawJSON
    ? JSON.rawJSON(context.source)
    : value;

/** Reads JSON without rounding what is in it. */
export const parse = (text) => JSON.parse(text, exact);

/** Calls the API. A body is a value, or JSON text that is sent as it is. */
export const call = async (method, path, body) => {
  const text = typeof body === "string" || body === undefined ? body : JSON.stringify(body);
  let answer;
  try {
    answer = await send(method, path, text);
    if (answer.status === 401 && !path.startsWith("/api/v1/auth/login") && (await refresh())) {
      answer = await send(method, path, text);
    }
  } catch {
    throw new Problem(0, { detail: "The server does not answer. Is it running?" });
  }
  const said = await answer.text();
  const value = said ? parse(said) : null;
  if (answer.ok) return value;
  if (answer.status === 401 && !path.startsWith("/api/v1/auth/login")) session.ended();
  throw new Problem(answer.status, value);
};

export const get = (path) => call("GET", path);
export const post = (path, body) => call("POST", path, body);
export const patch = (path, body) => call("PATCH", path, body);
export const remove = (path) => call("DELETE", path);

/** A path of the API: `at("jobs", id, "log")`. */
export const at = (...parts) => `/api/v1/${parts.map(encodeURIComponent).join("/")}`;

/** The path with a query of what is not empty. */
export const query = (path, values) => {
  const given = Object.entries(values).filter(([, value]) => value !== undefined && value !== "" && value !== null);
  return given.length ? `${path}?${new URLSearchParams(given)}` : path;
};
