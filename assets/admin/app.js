// The frame: who is signed in, where to go, and the page that the path names.
import { html, render, useEffect, useState } from "./vendor/preact.js";
import { get, post, session } from "./api.js";
import { follow, useLiveState } from "./live.js";
import { Link, go, useRoute } from "./router.js";
import { Job } from "./job.js";
import { AllJobs } from "./jobs.js";
import { Queue } from "./queue.js";
import { Queues } from "./queues.js";
import { Schedule } from "./schedule.js";
import { Schedules } from "./schedules.js";
import { SignIn } from "./sign_in.js";
import { Dialog, Empty, Toasts, say } from "./ui.js";

const SECTIONS = [
  ["queues", "Queues", "q"],
  ["jobs", "Jobs", "j"],
  ["schedules", "Schedules", "s"],
];
const KEYS = [
  ["g then q, j, s", "Go to queues, jobs, schedules"],
  ["/", "Go to the first filter"],
  ["↑ ↓", "Move among rows"],
  ["Enter", "Open a row"],
  ["Esc", "Close a dialog"],
  ["?", "Show this"],
];

const page = ({ path, query }) => {
  const [section, name] = path;
  if (section === "queues") return name ? html`<${Queue} key=${name} name=${name} query=${query} />` : html`<${Queues} />`;
  if (section === "jobs") return name ? html`<${Job} key=${name} id=${name} />` : html`<${AllJobs} query=${query} />`;
  if (section === "schedules") return name ? html`<${Schedule} key=${name} name=${name} />` : html`<${Schedules} />`;
  return html`<${Empty}>There is no page here. <${Link} to="/queues">Go to the queues<//>.<//>`;
};

const isTyping = (target) => target.closest?.("input, textarea, select, dialog");

/** Moves among the rows of the table in which the focus is, or to the first one. */
const step = (by) => {
  const links = [...document.querySelectorAll("main tbody tr a.row")];
  if (!links.length) return;
  const now = links.indexOf(document.activeElement?.closest("tr")?.querySelector("a.row"));
  links[Math.min(Math.max(now + by, 0), links.length - 1)].focus();
};

const useKeys = (help) =>
  useEffect(() => {
    let before = "";
    const pressed = (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
      const section = before === "g" && SECTIONS.find(([, , key]) => key === event.key);
      before = event.key;
      if (section) return go(`/${section[0]}`);
      if (event.key === "?") return help();
      const moves = { ArrowDown: 1, ArrowUp: -1 };
      if (moves[event.key]) {
        event.preventDefault();
        step(moves[event.key]);
      }
      if (event.key === "/") {
        event.preventDefault();
        document.querySelector("main input[type=search]")?.focus();
      }
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  }, []);

const Live = () => {
  const state = useLiveState();
  const told = { live: "Live", waiting: "Reconnecting…", off: "Not live" }[state];
  return html`<span class="live ${state}" role="status">${told}</span>`;
};

const Frame = ({ me, left }) => {
  const route = useRoute();
  const [help, setHelp] = useState(false);
  useKeys(() => setHelp(true));
  useEffect(() => {
    if (!route.path.length) go("/queues", { replace: true });
  }, [route]);
  useEffect(() => {
    const [section, name] = route.path;
    const title = SECTIONS.find(([path]) => path === section)?.[1];
    document.title = [name, title, "Stead"].filter(Boolean).join(" · ");
  }, [route]);
  useEffect(follow, []);
  const signOut = () => post("/api/v1/auth/logout").then(left, (error) => say(error.message, "bad"));
  const item = ([path, label]) => html`<li><${Link} to=${`/${path}`} aria-current=${route.path[0] === path ? "page" : undefined}>${label}<//></li>`;
  return html`<div class="frame">
    <a class="skip" href="#page">Skip to the page</a>
    <header>
      <${Link} to="/queues" class="brand">Stead<//>
      <nav aria-label="Sections"><ul>${SECTIONS.map(item)}</ul></nav>
      <div class="who">
        <${Live} />
        <span class="email" title=${me.roles.join(", ")}>${me.email || me.id}</span>
        <button type="button" class="plain" onClick=${() => setHelp(true)} aria-label="Keys">?</button>
        <button type="button" class="plain" onClick=${signOut}>Sign out</button>
      </div>
    </header>
    <main id="page" tabindex="-1">${page(route)}</main>
    ${help &&
    html`<${Dialog} title="Keys" close=${() => setHelp(false)}>
      <dl class="keys">${KEYS.map(([key, what]) => html`<dt><kbd>${key}</kbd></dt><dd>${what}</dd>`)}</dl>
      <div class="actions"><button type="button" onClick=${() => setHelp(false)} autofocus>Close</button></div>
    <//>`}
  </div>`;
};

const App = () => {
  const [me, setMe] = useState(undefined);
  useEffect(() => {
    session.ended = () => setMe(null);
    const first = (me) => setMe(me.secondFactorRequired ? null : me);
    get("/api/v1/auth/me").then(first, () => setMe(null));
  }, []);
  if (me === undefined) return null;
  return html`${me ? html`<${Frame} me=${me} left=${() => setMe(null)} />` : html`<${SignIn} done=${setMe} />`}<${Toasts} />`;
};

render(html`<${App} />`, document.querySelector("#app"));
