// Where the reader is: the path below /admin and its query, so that every state has a link.
import { html, useEffect, useState } from "./vendor/preact.js";

const BASE = "/admin";
const MOVED = "moved";

const here = () => {
  const path = decodeURI(location.pathname.slice(BASE.length)).split("/").filter(Boolean);
  return { path, query: Object.fromEntries(new URLSearchParams(location.search)) };
};

/** Goes to a path below /admin. */
export const go = (path, { replace = false } = {}) => {
  history[replace ? "replaceState" : "pushState"](null, "", BASE + path);
  dispatchEvent(new Event(MOVED));
};

/** Where the reader is, again after each move. */
export const useRoute = () => {
  const [route, set] = useState(here);
  useEffect(() => {
    const moved = () => set(here());
    addEventListener("popstate", moved);
    addEventListener(MOVED, moved);
    return () => {
      removeEventListener("popstate", moved);
      removeEventListener(MOVED, moved);
    };
  }, []);
  return route;
};

/** A link inside these pages. */
export const Link = ({ to, children, ...rest }) => {
  const follow = (event) => {
    if (event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    go(to);
  };
  return html`<a href=${BASE + to} onClick=${follow} ...${rest}>${children}</a>`;
};

/** A path of these pages: `to("queues", name)`. */
export const to = (...parts) => `/${parts.map(encodeURIComponent).join("/")}`;
