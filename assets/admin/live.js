// News from the server: one open stream for the whole page, and a hook for what wants to hear of it.
import { useEffect, useState } from "./vendor/preact.js";
import { get } from "./api.js";

const RETRY_MS = 2000;
const listeners = new Set();
const states = new Set();
let source = null;
let state = "off";

const become = (next) => {
  state = next;
  for (const tell of states) tell(next);
};

/** Opens the stream. It is opened again when it ends, with a session that goes on. */
export const open = () => {
  if (source) return;
  source = new EventSource("/api/v1/realtime?topic=queues");
  // Whatever changes from here on is told, so what is shown is read after it.
  source.addEventListener("ready", () => {
    become("live");
    for (const tell of listeners) tell(null);
  });
  source.addEventListener("queues", ({ data }) => {
    const { queues } = JSON.parse(data);
    for (const tell of listeners) tell(queues);
  });
  source.addEventListener("error", () => {
    if (!source) return;
    become("waiting");
    if (source.readyState === EventSource.CLOSED) again(source);
  });
};

/** Opens the stream again, once the session goes on. A page that is being left gets no further than the pause. */
const again = (ended) =>
  setTimeout(async () => {
    try {
      await get("/api/v1/auth/me");
    } catch (error) {
      if (error.status === 401) return;
    }
    if (source !== ended) return;
    source = null;
    open();
  }, RETRY_MS);

/** Closes the stream. */
export const close = () => {
  source?.close();
  source = null;
  become("off");
};

/** Calls `tell` with the names of queues that have changed; with `null` when anything may have. */
export const useNews = (tell, also) =>
  useEffect(() => {
    listeners.add(tell);
    return () => listeners.delete(tell);
  }, also);

/** Whether news come: `live`, `waiting`, or `off`. */
export const useLiveState = () => {
  const [now, set] = useState(state);
  useEffect(() => {
    states.add(set);
    set(state);
    return () => states.delete(set);
  }, []);
  return now;
};
