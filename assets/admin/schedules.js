// All schedules, and the form by which one is made or changed.
import { html, useState } from "./vendor/preact.js";
import { at, call, get, patch, post } from "./api.js";
import { length, pretty, time } from "./format.js";
import { useNews } from "./live.js";
import { bodyWith, checkedJson } from "./new_job.js";
import { Link, to } from "./router.js";
import { Button, Dialog, Empty, Fault, Field, When, say, useAction, useData, useForm, useTick } from "./ui.js";

/** When a schedule runs, in words. */
export const timing = (schedule) => {
  if (schedule.cron) return html`<code>${schedule.cron}</code> <span class="quiet">${schedule.timezone}</span>`;
  if (schedule.everySeconds) return `every ${length(schedule.everySeconds * 1000)}`;
  return `once, ${time(schedule.at)}`;
};

const local = (text) => {
  if (!text) return "";
  const at = new Date(text);
  return new Date(at - at.getTimezoneOffset() * 60000).toISOString().slice(0, 19);
};

const first = (schedule) => ({
  name: schedule?.name ?? "",
  description: schedule?.description ?? "",
  queue: schedule?.queue ?? "",
  kind: schedule?.kind ?? "",
  payload: pretty(schedule?.payload ?? {}),
  how: schedule?.everySeconds ? "every" : schedule?.at ? "once" : "cron",
  cron: schedule?.cron ?? "0 3 * * *",
  timezone: schedule?.timezone ?? Intl.DateTimeFormat().resolvedOptions().timeZone,
  everySeconds: String(schedule?.everySeconds ?? 3600),
  at: local(schedule?.at),
  missed: schedule?.missed ?? "once",
  overlap: schedule?.overlap ?? "skip",
});

const body = (values, known) => {
  const { payload, how, cron, timezone, everySeconds, at: once, name, description, ...rest } = values;
  const when = { cron: { cron, timezone }, every: { everySeconds: Number(everySeconds) }, once: { at: once && new Date(once).toISOString() } }[how];
  const own = known ? { description } : { name, ...(description && { description }) };
  return bodyWith({ ...own, ...rest, ...when }, "payload", checkedJson(payload));
};

const CHOICES = {
  how: [["cron", "by a cron expression"], ["every", "again and again"], ["once", "once"]],
  missed: [["once", "one job for the last"], ["skip", "nothing"], ["all", "a job for each"]],
  overlap: [["skip", "makes no job"], ["queue", "makes one that waits"], ["allow", "makes one beside"], ["replace", "takes its place"]],
};

/** Makes a schedule, or changes the one that is given. */
export const ScheduleForm = ({ schedule, queues, close, done }) => {
  const { values, text } = useForm({ ...first(schedule), queue: schedule?.queue ?? queues[0] ?? "" });
  const [wrong, setWrong] = useState({});
  const save = async () => {
    const said = body(values, schedule);
    try {
      return await (schedule ? call("PATCH", at("schedules", schedule.name), said) : call("POST", at("schedules"), said));
    } catch (error) {
      setWrong(error.fields ?? {});
      throw error;
    }
  };
  const [run, busy] = useAction(save, done);
  const submit = (event) => (event.preventDefault(), run());
  const line = (name, label, hint, more) => html`<${Field} id=${name} label=${label} hint=${hint} error=${wrong[`/${name}`]}>
    ${(field) => html`<input ...${field} ...${text(name)} ...${more} autocomplete="off" spellcheck=${false} />`}
  <//>`;
  const choice = (name, label, choices) => html`<${Field} id=${name} label=${label} error=${wrong[`/${name}`]}>
    ${(field) => html`<select ...${field} value=${values[name]} onChange=${text(name).onInput}>${choices.map(([value, told]) => html`<option value=${value}>${told}</option>`)}</select>`}
  <//>`;
  return html`<${Dialog} title=${schedule ? `Edit ${schedule.name}` : "New schedule"} close=${close} wide>
    <form onSubmit=${submit} novalidate>
      <div class="columns">
        ${!schedule && line("name", "Name", "1 to 50 of a-z 0-9 - _, a letter first.", { autofocus: true })}
        ${line("description", "What it is for")}
        ${choice("queue", "Queue", [...new Set([...queues, values.queue].filter(Boolean))].map((name) => [name, name]))}
        ${line("kind", "Kind", "What is to be done.")}
        ${choice("how", "When", CHOICES.how)}
        ${values.how === "cron" && html`${line("cron", "Cron expression", "Five fields, or six with seconds in front.")}${line("timezone", "Time zone", "An IANA name, such as Europe/Berlin.")}`}
        ${values.how === "every" && line("everySeconds", "Every so many seconds", "", { type: "number", min: 1 })}
        ${values.how === "once" && line("at", "Time", "In the time zone of this browser.", { type: "datetime-local", step: 1 })}
        ${choice("missed", "Times missed while the server was down get", CHOICES.missed)}
        ${choice("overlap", "While the last job has not ended, a run", CHOICES.overlap)}
      </div>
      <${Field} id="payload" label="Payload" hint="Any JSON." error=${wrong["/payload"]}>
        ${(field) => html`<textarea ...${field} ...${text("payload")} rows="6" class="code" spellcheck=${false}></textarea>`}
      <//>
      <div class="actions"><${Button} onClick=${close}>Cancel<//><${Button} type="submit" kind="main" busy=${busy} onClick=${submit}>${schedule ? "Save" : "Make the schedule"}<//></div>
    </form>
  <//>`;
};

/** What can be done with a schedule at once. */
export const Acts = ({ schedule, changed }) => {
  const own = at("schedules", schedule.name);
  const [pause, pausing] = useAction(() => patch(own, { paused: !schedule.paused }), changed);
  const [run, running] = useAction(() => post(`${own}/run`), () => (changed(), say("A job is made.")));
  const word = schedule.paused ? "Resume" : "Pause";
  return html`<${Button} kind="small" busy=${pausing} onClick=${() => pause()} aria-label="${word} ${schedule.name}">${word}<//>
    <${Button} kind="small" busy=${running} onClick=${() => run()} aria-label="Run now: ${schedule.name}">Run now<//>`;
};

/** The names of the queues that the reader may see. */
export const queueNames = () => get(at("queues")).then(({ items }) => items.map((queue) => queue.name), () => []);

const load = async () => {
  const [schedules, queues] = await Promise.all([get(at("schedules")), queueNames()]);
  return { schedules: schedules.items, queues };
};

const Row = ({ schedule, changed }) => html`<tr>
  <th scope="row"><${Link} class="row" to=${to("schedules", schedule.name)}>${schedule.name}<//>${schedule.paused && html` <span class="badge">paused</span>`}</th>
  <td data-label="when">${timing(schedule)}</td>
  <td data-label="makes">${schedule.kind} <span class="quiet">in</span> <${Link} to=${to("queues", schedule.queue)}>${schedule.queue}<//></td>
  <td data-label="next"><${When} at=${schedule.paused ? null : schedule.upcoming[0]} /></td>
  <td data-label="last job">${schedule.lastJob ? html`<${Link} to=${to("jobs", schedule.lastJob)}>${schedule.lastJob.slice(-8)}<//>` : html`<span class="quiet">–</span>`}</td>
  <td class="act"><${Acts} schedule=${schedule} changed=${changed} /></td>
</tr>`;

export const Schedules = () => {
  const { data, error, reload } = useData(load, []);
  const [making, make] = useState(false);
  useNews(reload);
  useTick(10000);
  if (error && !data) return html`<${Fault} error=${error} retry=${reload} />`;
  if (!data) return html`<p class="loading" role="status">Loading…</p>`;
  const close = () => make(false);
  return html`
    <div class="head"><h1>Schedules</h1><div class="actions"><${Button} kind="main" onClick=${() => make(true)}>New schedule<//></div></div>
    ${error && html`<${Fault} error=${error} retry=${reload} />`}
    ${data.schedules.length === 0
      ? html`<${Empty}>No schedule makes jobs yet.<//>`
      : html`<div class="table" role="region" aria-label="Schedules" tabindex="0"><table>
          <thead><tr><th scope="col">Schedule</th><th scope="col">When</th><th scope="col">Makes</th><th scope="col">Next</th><th scope="col">Last job</th><th scope="col"><span class="unseen">Actions</span></th></tr></thead>
          <tbody>${data.schedules.map((schedule) => html`<${Row} key=${schedule.name} schedule=${schedule} changed=${reload} />`)}</tbody>
        </table></div>`}
    ${making && html`<${ScheduleForm} queues=${data.queues} close=${close} done=${() => (close(), reload(), say("The schedule is made."))} />`}`;
};
