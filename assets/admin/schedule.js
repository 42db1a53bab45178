// One schedule: when it runs next, and what came of its runs.
import { html, useState } from "./vendor/preact.js";
import { at, get, query, remove } from "./api.js";
import { pretty, time } from "./format.js";
import { useNews } from "./live.js";
import { Link, go, to } from "./router.js";
import { Acts, ScheduleForm, queueNames, timing } from "./schedules.js";
import { Button, Confirm, Empty, Fault, State, When, say, useData, useTick } from "./ui.js";

const load = async (name) => {
  const [schedule, runs, queues] = await Promise.all([get(at("schedules", name)), get(at("schedules", name, "runs")), queueNames()]);
  return { schedule, runs, queues };
};

const OUTCOMES = { made: "A job was made", overlapped: "None: the one before had not ended", missed: "None: the server was down", failed: "No job could be made" };

const Run = ({ run }) => html`<tr>
  <td class="number">${run.number}</td>
  <td data-label="for"><time datetime=${run.dueAt}>${time(run.dueAt)}</time>${run.until && html` – ${time(run.until)}`}</td>
  <td data-label="outcome">${OUTCOMES[run.outcome]}${run.by && html` <span class="quiet">by hand</span>`}${run.error && html`<br /><span class="error">${run.error}</span>`}</td>
  <td data-label="job">${run.job ? html`<${Link} class="row" to=${to("jobs", run.job)}>${run.job.slice(-8)}<//>` : ""}</td>
  <td data-label="its state">${run.jobState ? html`<${State} state=${run.jobState} />` : ""}</td>
</tr>`;

const Runs = ({ name, runs }) => {
  const [older, set] = useState({ items: [], next: undefined });
  const next = older.items.length ? older.next : runs.next;
  const more = async () => {
    const page = await get(query(at("schedules", name, "runs"), { before: next }));
    set({ items: [...older.items, ...page.items], next: page.next });
  };
  const known = new Set(runs.items.map((run) => run.number));
  const items = [...runs.items, ...older.items.filter((run) => !known.has(run.number))];
  if (items.length === 0) return html`<${Empty}>It has not run yet.<//>`;
  return html`<div class="table" role="region" aria-label="Runs" tabindex="0"><table>
      <thead><tr><th scope="col" class="number">Run</th><th scope="col">For</th><th scope="col">Outcome</th><th scope="col">Job</th><th scope="col">Its state</th></tr></thead>
      <tbody>${items.map((run) => html`<${Run} key=${run.number} run=${run} />`)}</tbody>
    </table></div>
    ${next !== undefined && html`<div class="actions"><${Button} onClick=${more}>Show more<//></div>`}`;
};

export const Schedule = ({ name }) => {
  const { data, error, reload } = useData(() => load(name), [name]);
  const [dialog, open] = useState(null);
  useNews(reload);
  useTick(10000);
  if (error && !data) return html`<${Fault} error=${error} retry=${reload} />`;
  if (!data) return html`<p class="loading" role="status">Loading…</p>`;
  const { schedule, runs, queues } = data;
  const close = () => open(null);
  const drop = async () => {
    await remove(at("schedules", name));
    go("/schedules");
  };
  return html`
    <p class="crumbs"><${Link} to="/schedules">Schedules<//></p>
    <div class="head">
      <h1>${name}${schedule.paused && html` <span class="badge">paused</span>`}</h1>
      <div class="actions"><${Button} kind="small" onClick=${() => open("remove")}>Remove…<//><${Button} kind="small" onClick=${() => open("edit")}>Edit<//><${Acts} schedule=${schedule} changed=${reload} /></div>
    </div>
    ${schedule.description && html`<p>${schedule.description}</p>`}
    <dl class="facts">
      <div class="fact"><dt>When</dt><dd>${timing(schedule)}</dd></div>
      <div class="fact"><dt>Makes</dt><dd>${schedule.kind} in <${Link} to=${to("queues", schedule.queue)}>${schedule.queue}<//></dd></div>
      <div class="fact"><dt>Next</dt><dd>${schedule.paused ? "rests" : html`<ul class="plain">${schedule.upcoming.map((at) => html`<li><${When} at=${at} /> <span class="quiet">${time(at)}</span></li>`)}</ul>`}</dd></div>
      <div class="fact"><dt>Payload</dt><dd><pre class="code">${pretty(schedule.payload)}</pre></dd></div>
    </dl>
    <h2>Runs</h2>
    <${Runs} name=${name} runs=${runs} />
    ${dialog === "edit" && html`<${ScheduleForm} schedule=${schedule} queues=${queues} close=${close} done=${() => (close(), reload(), say("The schedule is changed."))} />`}
    ${dialog === "remove" && html`<${Confirm} title="Remove the schedule ${name}?" text="Jobs that it has made stay. This cannot be undone." word="Remove" close=${close} act=${drop} />`}`;
};
