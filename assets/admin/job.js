// One job: what it is to do, how far it is, how each attempt went.
import { html, useState } from "./vendor/preact.js";
import { at, call, get, post, remove } from "./api.js";
import { between, pretty, time } from "./format.js";
import { useNews } from "./live.js";
import { bodyWith, checkedJson } from "./new_job.js";
import { Link, go, to } from "./router.js";
import { Button, Confirm, Dialog, Empty, Fault, Field, State, When, say, useAction, useData, useForm, useTick } from "./ui.js";

const ENDED = ["succeeded", "dead", "cancelled"];

const load = async (id) => {
  const [job, log] = await Promise.all([get(at("jobs", id)), get(at("jobs", id, "log"))]);
  return { job, log: log.items };
};

const Edit = ({ job, close, changed }) => {
  const { values, text } = useForm({ payload: pretty(job.payload), priority: String(job.priority), attemptsMax: String(job.attemptsMax) });
  const [wrong, setWrong] = useState({});
  const save = async (again) => {
    const rest = { priority: Number(values.priority), attemptsMax: Number(values.attemptsMax) };
    try {
      await call("PATCH", at("jobs", job.id), bodyWith(rest, "payload", checkedJson(values.payload)));
    } catch (error) {
      setWrong(error.fields ?? {});
      throw error;
    }
    if (again) await post(at("jobs", job.id, "retry"));
  };
  const [run, busy] = useAction(save, () => (close(), changed(), say("The job is changed.")));
  const submit = (again) => (event) => (event.preventDefault(), run(again));
  const isWaiting = job.state === "waiting";
  return html`<${Dialog} title="Edit the job" close=${close} wide>
    <form onSubmit=${submit(false)} novalidate>
      <${Field} id="payload" label="Payload" error=${wrong["/payload"]}>
        ${(field) => html`<textarea ...${field} ...${text("payload")} rows="12" class="code" spellcheck=${false} autofocus></textarea>`}
      <//>
      <div class="columns">
        <${Field} id="priority" label="Priority" error=${wrong["/priority"]}>
          ${(field) => html`<input ...${field} ...${text("priority")} type="number" min="-1000" max="1000" />`}
        <//>
        <${Field} id="attemptsMax" label="Attempts" error=${wrong["/attemptsMax"]}>
          ${(field) => html`<input ...${field} ...${text("attemptsMax")} type="number" min="1" max="100" />`}
        <//>
      </div>
      <div class="actions">
        <${Button} onClick=${close}>Cancel<//>
        <${Button} type="submit" busy=${busy} onClick=${submit(false)}>Save<//>
        ${!isWaiting && html`<${Button} kind="main" busy=${busy} onClick=${submit(true)}>Save and run<//>`}
      </div>
    </form>
  <//>`;
};

const Progress = ({ value }) => {
  const part = typeof value === "number" && value >= 0 && value <= 1 ? value : null;
  if (part === null) return html`<pre class="code">${pretty(value)}</pre>`;
  return html`<progress value=${part} max="1" aria-label="Progress"></progress> ${Math.round(part * 100)} %`;
};

const Fact = ({ label, children }) => html`<div class="fact"><dt>${label}</dt><dd>${children}</dd></div>`;

const Facts = ({ job }) => html`<dl class="facts">
  <${Fact} label="Queue"><${Link} to=${to("queues", job.queue)}>${job.queue}<//><//>
  <${Fact} label="Made"><${When} at=${job.createdAt} /> <span class="quiet">by ${job.createdBy}</span><//>
  <${Fact} label=${ENDED.includes(job.state) ? "Was due" : "Due"}><${When} at=${job.runAt} /><//>
  <${Fact} label="Attempts">${job.attempts} of ${job.attemptsMax}<//>
  <${Fact} label="Started"><${When} at=${job.startedAt} /><//>
  <${Fact} label="Ended"><${When} at=${job.finishedAt} /> <span class="quiet">${between(job.startedAt, job.finishedAt)}</span><//>
  <${Fact} label="Priority">${job.priority}<//>
  ${job.worker !== undefined && html`<${Fact} label="Worker">${job.worker || "without a name"} <span class="quiet">until ${time(job.leasedUntil)}</span><//>`}
  ${job.schedule && html`<${Fact} label="Schedule"><${Link} to=${to("schedules", job.schedule)}>${job.schedule}<//> <span class="quiet">for ${time(job.scheduledFor)}</span><//>`}
  ${job.uniqueKey && html`<${Fact} label="Unique key">${job.uniqueKey}<//>`}
  ${job.serialKey && html`<${Fact} label="Serial key">${job.serialKey}<//>`}
  ${job.expiresAt && html`<${Fact} label="Expires"><${When} at=${job.expiresAt} /><//>`}
  ${job.after.length > 0 && html`<${Fact} label="After">${job.after.map((id) => html`<${Link} to=${to("jobs", id)}>${id.slice(-8)}<//> `)}<//>`}
</dl>`;

const Attempts = ({ attempts }) => html`<section aria-labelledby="attempts"><h2 id="attempts">Attempts that failed</h2>
  ${attempts.length === 0 && html`<${Empty}>None.<//>`}
  <ol class="attempts">
    ${[...attempts].reverse().map(
      (attempt) => html`<li key=${attempt.number}>
        <p><strong>${attempt.number}</strong> <${When} at=${attempt.startedAt} /> <span class="quiet">for ${between(attempt.startedAt, attempt.endedAt)}${attempt.worker && `, by ${attempt.worker}`}</span></p>
        <pre class="code bad">${attempt.error}</pre>
      </li>`,
    )}
  </ol>
</section>`;

const Log = ({ lines }) => html`<section aria-labelledby="log"><h2 id="log">Log</h2>
  ${lines.length === 0
    ? html`<${Empty}>Nothing was logged.<//>`
    : html`<ol class="log code" tabindex="0">${lines.map((line) => html`<li><time datetime=${line.at}>${time(line.at)}</time> ${line.text}</li>`)}</ol>`}
</section>`;

export const Job = ({ id }) => {
  const { data, error, reload } = useData(() => load(id), [id]);
  const [dialog, open] = useState(null);
  const queue = data?.job.queue;
  useNews(reload, (queues) => !queue || queues.includes(queue), [queue]);
  useTick(1000);
  const [retry, retrying] = useAction(() => post(at("jobs", id, "retry")), () => (reload(), say("It runs as soon as a worker takes it.")));
  const [cancel, cancelling] = useAction(() => post(at("jobs", id, "cancel")), reload);
  if (error && !data) return html`<${Fault} error=${error} retry=${reload} />`;
  if (!data) return html`<p class="loading" role="status">Loading…</p>`;
  const { job, log } = data;
  const drop = async () => {
    await remove(at("jobs", id));
    go(to("queues", job.queue));
  };
  const runs = job.state === "running";
  const close = () => open(null);
  const word = ENDED.includes(job.state) ? "Run again" : "Run now";
  return html`
    <p class="crumbs"><${Link} to="/queues">Queues<//> / <${Link} to=${to("queues", job.queue)}>${job.queue}<//></p>
    <div class="head">
      <h1>${job.kind} <${State} state=${job.state} /></h1>
      <div class="actions">
        ${!ENDED.includes(job.state) && html`<${Button} busy=${cancelling} disabled=${job.cancelRequested} onClick=${() => cancel()}>${job.cancelRequested ? "Asked to stop" : "Cancel"}<//>`}
        ${!runs && html`<${Button} onClick=${() => open("remove")}>Remove…<//><${Button} onClick=${() => open("edit")}>Edit<//>`}
        ${!runs && job.state !== "waiting" && html`<${Button} kind="main" busy=${retrying} onClick=${() => retry()}>${word}<//>`}
      </div>
    </div>
    <p class="quiet id">${job.id}</p>
    ${job.error && html`<pre class="code bad" aria-label="Error">${job.error}</pre>`}
    ${job.progress !== undefined && html`<section aria-labelledby="progress"><h2 id="progress">Progress</h2><${Progress} value=${job.progress} /></section>`}
    <${Facts} job=${job} />
    <div class="halves">
      <section aria-labelledby="payload-title"><h2 id="payload-title">Payload</h2><pre class="code" tabindex="0">${pretty(job.payload)}</pre></section>
      ${job.result !== undefined && html`<section aria-labelledby="result"><h2 id="result">Result</h2><pre class="code" tabindex="0">${pretty(job.result)}</pre></section>`}
    </div>
    <${Attempts} attempts=${job.history ?? []} />
    <${Log} lines=${log} />
    ${dialog === "edit" && html`<${Edit} job=${job} close=${close} changed=${reload} />`}
    ${dialog === "remove" && html`<${Confirm} title="Remove the job?" text="It is removed with its attempts and its log. This cannot be undone." word="Remove" close=${close} act=${drop} />`}`;
};
