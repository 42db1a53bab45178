// News from the server: one open stream for the whole page while it is looked at, and a hook for what wants to hear of it.
import { useEffect, useState } from "./vendor/preact.js";
import { get } from "./api.js";

const RETRY_MS = 2000;
const RETRY_MS_MAX = 60000;
/** How often one part of the page is told at most. */
const PACE_MS = 1000;
const listeners = new Set();
const states = new Set();
let source = null;
let state = "off";
let pause = RETRY_MS;

const become = (next) => {
  state = next;
  for (const tell of states) tell(next);
};

const open = () => {
  if (source) return;
  source = new EventSource("/api/v1/realtime?topic=queues");
  // Whatever changes from here on is told, so what is shown is read after it.
  source.addEventListener("ready", () => {
    pause = RETRY_MS;
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
const again = (ended) => {
  setTimeout(async () => {
    try {
      await get("/api/v1/auth/me");
    } catch (error) {
      if (error.status === 401) return;
    }
    if (source !== ended) return;
    source = null;
    open();
  }, pause);
  // Who may not follow queues is refused each time.
  pause = Math.min(pause * 2, RETRY_MS_MAX);
};

const close = () => {
  source?.close();
  source = null;
  become("off");
};

// A browser has few connections to a server: pages that nobody looks at leave them to others.
const look = () => (document.hidden ? close() : open());

/** Follows what changes until the answer is called. */
export const follow = () => {
  document.addEventListener("visibilitychange", look);
  look();
  return () => {
    document.removeEventListener("visibilitychange", look);
    close();
  };
};

/** Calls `tell` when queues have changed of which `concerns` says that they matter; it is asked with their names, or with `null` when anything may have. */
export const useNews = (tell, concerns = () => true, also = []) =>
  useEffect(() => {
    let timer = null;
    let last = 0;
    const run = () => {
      timer = null;
      last = Date.now();
      tell();
    };
    const hear = (queues) => {
      if (queues && !concerns(queues)) return;
      timer ??= setTimeout(run, Math.max(0, last + PACE_MS - Date.now()));
    };
    listeners.add(hear);
    return () => {
      listeners.delete(hear);
      clearTimeout(timer);
    };
  }, [tell, ...also]);

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
