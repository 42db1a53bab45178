// Lists of jobs with filters that stand in the address, and what is done with many of them.
import { html, useCallback, useEffect, useState } from "./vendor/preact.js";
import { at, get, post, query, remove } from "./api.js";
import { between, count } from "./format.js";
import { useNews } from "./live.js";
import { Link, go, to } from "./router.js";
import { Button, Confirm, Empty, Fault, STATES, State, When, say, useAction, useData, useTick } from "./ui.js";

const PAGE = 50;
/** How many empty pages are passed over before the reader is asked. */
const EMPTY_PAGES_MAX = 20;
/** How many requests of a thousand jobs each one click may make. */
const ROUNDS_MAX = 1000;
const FILTERS = [
  ["kind", "Kind", "search"],
  ["error", "Error has", "search"],
  ["uniqueKey", "Unique key", "search"],
  ["serialKey", "Serial key", "search"],
  ["since", "Made since", "datetime-local"],
  ["until", "Made before", "datetime-local"],
];

const page = async (filter, cursor, limit = PAGE) => {
  const { since, until, ...rest } = filter;
  const times = { since: since && new Date(since).toISOString(), until: until && new Date(until).toISOString() };
  let items = [];
  for (let round = 0; round < EMPTY_PAGES_MAX; round += 1) {
    const found = await get(query(at("jobs"), { ...rest, ...times, cursor, limit }));
    items = items.concat(found.items);
    cursor = found.nextCursor;
    if (items.length || !cursor) break;
  }
  return { items, cursor };
};

/** The jobs that fit, as many pages as were asked for. They are read anew when there is news. */
const useJobs = (filter) => {
  const key = JSON.stringify(filter);
  const [limit, setLimit] = useState(PAGE);
  useEffect(() => setLimit(PAGE), [key]);
  const load = useCallback(async () => {
    const first = await page(filter, undefined, Math.min(limit, 1000));
    while (first.items.length < limit && first.cursor) {
      const next = await page(filter, first.cursor, Math.min(limit - first.items.length, 1000));
      first.items.push(...next.items);
      first.cursor = next.cursor;
    }
    return first;
  }, [key, limit]);
  const [shown, setShown] = useState(null);
  const { data, error, reload } = useData(load, [load]);
  useEffect(() => data && setShown(data), [data]);
  useEffect(() => setShown(null), [key]);
  return { jobs: shown, error, reload, more: () => setLimit((now) => now + PAGE) };
};

const Row = ({ job, chosen, choose, withQueue }) => html`<tr class=${chosen ? "chosen" : ""}>
  <td class="choose"><input type="checkbox" checked=${chosen} onChange=${() => choose(job.id)} aria-label="Choose ${job.kind} ${job.id}" /></td>
  <th scope="row"><${Link} class="row" to=${to("jobs", job.id)}>${job.kind}<//> <span class="quiet id" title=${job.id}>${job.id.slice(-8)}</span></th>
  ${withQueue && html`<td data-label="queue"><${Link} to=${to("queues", job.queue)}>${job.queue}<//></td>`}
  <td data-label="state"><${State} state=${job.state} /></td>
  <td data-label="made"><${When} at=${job.createdAt} /></td>
  <td data-label="due or ended"><${When} at=${job.finishedAt ?? job.startedAt ?? job.runAt} /></td>
  <td class="number" data-label="ran">${between(job.startedAt, job.finishedAt) || "–"}</td>
  <td class="number" data-label="attempts">${job.attempts}/${job.attemptsMax}</td>
  <td class="text" data-label="error" title=${job.error}>${job.error ?? ""}</td>
</tr>`;

const WORDS = {
  retry: { act: "Retry", done: "retried", from: ["dead", "failed", "scheduled", "succeeded", "cancelled"] },
  cancel: { act: "Cancel", done: "cancelled", from: ["waiting", "scheduled", "ready", "running", "failed"] },
  remove: { act: "Remove", done: "removed", from: ["waiting", "scheduled", "ready", "failed", "succeeded", "dead", "cancelled"] },
};
const EACH = {
  retry: (id) => post(at("jobs", id, "retry")),
  cancel: (id) => post(at("jobs", id, "cancel")),
  remove: (id) => remove(at("jobs", id)),
};

/** What is done with the jobs that were chosen, one after the other: what one refuses does not hold up the rest. */
const Chosen = ({ ids, clear }) => {
  const act = async (how) => {
    let done = 0;
    let refused = null;
    for (const id of ids) await EACH[how](id).then(() => (done += 1), (error) => (refused = error));
    if (refused) throw new Error(`${done} of ${ids.length} ${WORDS[how].done}. ${refused.message}`);
    say(`${done} ${WORDS[how].done}.`);
  };
  const [run, busy] = useAction(act, clear);
  const [asking, ask] = useState(false);
  return html`<div class="bar" role="group" aria-label="With the chosen jobs">
    <span>${count(ids.length)} chosen</span>
    <${Button} kind="small" busy=${busy} onClick=${() => run("retry")}>Retry<//>
    <${Button} kind="small" busy=${busy} onClick=${() => run("cancel")}>Cancel<//>
    <${Button} kind="small danger" busy=${busy} onClick=${() => ask(true)}>Remove<//>
    <${Button} kind="small plain" onClick=${clear}>Choose none<//>
    ${asking && html`<${Confirm} title="Remove ${count(ids.length)} jobs?" text="They are removed with their attempts and logs. This cannot be undone." word="Remove" close=${() => ask(false)} act=${() => run("remove")} />`}
  </div>`;
};

/** What is done with all jobs of a queue that fit a state, and perhaps a kind and an error. */
const All = ({ filter, total }) => {
  const [asking, ask] = useState(null);
  const { queue, state, kind, error } = filter;
  const others = ["uniqueKey", "serialKey", "since", "until"].some((name) => filter[name]);
  if (!queue || !state || others) return null;
  const act = async () => {
    let done = 0;
    for (let round = 0; round < ROUNDS_MAX; round += 1) {
      const answer = await post(at("queues", queue, asking), { state, kind: kind || undefined, error: error || undefined });
      done += answer.done;
      if (!answer.more || !answer.done) break;
    }
    say(`${count(done)} ${WORDS[asking].done}.`);
  };
  const which = kind || error ? `all ${state} jobs that fit the filter` : `all ${count(total)} ${state} jobs`;
  const fitting = Object.keys(WORDS).filter((how) => WORDS[how].from.includes(state));
  return html`<div class="bar" role="group" aria-label="With all that fit">
    ${fitting.map((how) => html`<${Button} kind="small ${how === "remove" ? "danger" : ""}" onClick=${() => ask(how)}>${WORDS[how].act} all ${state}…<//>`)}
    ${asking && html`<${Confirm} title="${WORDS[asking].act} ${which}?" text="This is done in the queue ${queue}, in steps of a thousand." word=${WORDS[asking].act} close=${() => ask(null)} act=${act} />`}
  </div>`;
};

const Filters = ({ filter, change }) => html`<form class="filters" role="search" onSubmit=${(event) => event.preventDefault()}>
  ${FILTERS.map(
    ([name, label, type]) => html`<label>${label}<input type=${type} value=${filter[name] ?? ""} onChange=${(event) => change({ [name]: event.target.value })} spellcheck=${false} autocomplete="off" /></label>`,
  )}
</form>`;

/** A list of jobs. `base` is the path under which its filter stands; of one queue it has the counts of its states. */
export const Jobs = ({ base, filter, counts }) => {
  const { jobs, error, reload, more } = useJobs(filter);
  const [chosen, setChosen] = useState([]);
  useNews(reload, (queues) => !filter.queue || queues.includes(filter.queue), [filter.queue]);
  useTick(10000);
  const { queue, ...shown } = filter;
  const change = (values) => go(query(base, { ...shown, ...(counts ? {} : { queue }), ...values }), { replace: true });
  const choose = (id) => setChosen((before) => (before.includes(id) ? before.filter((own) => own !== id) : [...before, id]));
  const ids = (jobs?.items ?? []).map((job) => job.id);
  const here = chosen.filter((id) => ids.includes(id));
  const tab = (state) => html`<button type="button" role="tab" aria-selected=${(filter.state ?? "") === state ? "true" : "false"} onClick=${() => change({ state })}>
    ${state || "all"}${counts && state ? html` <span class="number">${count(counts[state])}</span>` : ""}
  </button>`;
  return html`
    <div class="tabs" role="tablist" aria-label="State">${["", ...STATES].map(tab)}</div>
    <${Filters} filter=${filter} change=${change} />
    ${here.length > 0 ? html`<${Chosen} ids=${here} clear=${() => (setChosen([]), reload())} />` : html`<${All} filter=${filter} total=${counts?.[filter.state] ?? 0} />`}
    ${error && html`<${Fault} error=${error} retry=${reload} />`}
    ${!jobs && !error && html`<p class="loading" role="status">Loading…</p>`}
    ${jobs && jobs.items.length === 0 && html`<${Empty}>No job fits.<//>`}
    ${jobs &&
    jobs.items.length > 0 &&
    html`<div class="table" role="region" aria-label="Jobs" tabindex="0"><table>
      <thead><tr>
        <td class="choose"><input type="checkbox" aria-label="Choose all shown" checked=${here.length === ids.length} onChange=${() => setChosen(here.length === ids.length ? [] : ids)} /></td>
        <th scope="col">Kind</th>${!counts && html`<th scope="col">Queue</th>`}<th scope="col">State</th><th scope="col">Made</th><th scope="col">Due, started or ended</th>
        <th scope="col" class="number">Ran</th><th scope="col" class="number">Attempts</th><th scope="col">Error</th>
      </tr></thead>
      <tbody>${jobs.items.map((job) => html`<${Row} key=${job.id} job=${job} chosen=${here.includes(job.id)} choose=${choose} withQueue=${!counts} />`)}</tbody>
    </table></div>`}
    ${jobs?.cursor && html`<div class="actions"><${Button} onClick=${more}>Show more<//></div>`}`;
};

/** The jobs of all queues. */
export const AllJobs = ({ query: filter }) => html`<div class="head"><h1>Jobs</h1></div><${Jobs} base="/jobs" filter=${filter} />`;
