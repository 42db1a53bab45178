// One queue: how it does, its settings, its jobs.
import { html, useState } from "./vendor/preact.js";
import { at, get, patch, remove } from "./api.js";
import { Throughput, lastHour } from "./chart.js";
import { count, length } from "./format.js";
import { Jobs } from "./jobs.js";
import { useNews } from "./live.js";
import { NewJob } from "./new_job.js";
import { Link, go, to } from "./router.js";
import { Button, Confirm, Dialog, Fault, Field, When, say, useAction, useData, useForm } from "./ui.js";

const load = async (name) => {
  const [queue, metrics] = await Promise.all([get(at("queues", name)), get(at("queues", name, "metrics"))]);
  return { queue, metrics };
};

const NUMBERS = [
  ["concurrency", "Jobs at once", "0 for any number."],
  ["attemptsMax", "Attempts", "How often a job is tried."],
  ["keepSucceededSeconds", "Keep succeeded, seconds"],
  ["keepCancelledSeconds", "Keep cancelled, seconds"],
  ["keepDeadSeconds", "Keep dead, seconds"],
];

const Settings = ({ queue, close, changed }) => {
  const first = Object.fromEntries(NUMBERS.map(([name]) => [name, String(queue[name])]));
  const { rate, backoff } = queue;
  const form = useForm({
    ...first,
    rateJobs: String(rate?.jobs ?? 0),
    rateSeconds: String(rate?.seconds ?? 60),
    growth: backoff.growth,
    firstSeconds: String(backoff.firstSeconds),
    longestSeconds: String(backoff.longestSeconds),
  });
  const { values, text } = form;
  const [wrong, setWrong] = useState({});
  const save = async () => {
    const settings = Object.fromEntries(NUMBERS.map(([name]) => [name, Number(values[name])]));
    settings.rate = { jobs: Number(values.rateJobs), seconds: Number(values.rateSeconds) };
    settings.backoff = { growth: values.growth, firstSeconds: Number(values.firstSeconds), longestSeconds: Number(values.longestSeconds) };
    try {
      await patch(at("queues", queue.name), settings);
    } catch (error) {
      setWrong(error.fields ?? {});
      throw error;
    }
  };
  const [run, busy] = useAction(save, () => (close(), changed(), say("The settings are saved.")));
  const submit = (event) => (event.preventDefault(), run());
  const number = (name, label, hint, pointer = `/${name}`) => html`<${Field} id=${name} label=${label} hint=${hint} error=${wrong[pointer]}>
    ${(field) => html`<input ...${field} ...${text(name)} type="number" min="0" step="any" />`}
  <//>`;
  return html`<${Dialog} title="Settings of ${queue.name}" close=${close} wide>
    <form onSubmit=${submit} novalidate>
      ${queue.configured && html`<p class="note">The configuration of the server says how this queue is. Change the section <code>[queue.${queue.name}]</code> there.</p>`}
      <fieldset disabled=${queue.configured} class="columns">
        ${NUMBERS.map((field) => number(...field))}
        ${number("rateJobs", "Rate: jobs", "0 for no limit.", "/rate/jobs")}
        ${number("rateSeconds", "Rate: in seconds", "", "/rate/seconds")}
        <${Field} id="growth" label="Pauses between attempts">
          ${(field) => html`<select ...${field} value=${values.growth} onChange=${text("growth").onInput}><option value="exponential">grow</option><option value="constant">stay the same</option></select>`}
        <//>
        ${number("firstSeconds", "First pause, seconds", "", "/backoff/firstSeconds")}
        ${number("longestSeconds", "Longest pause, seconds", "", "/backoff/longestSeconds")}
      </fieldset>
      <div class="actions"><${Button} onClick=${close}>${queue.configured ? "Close" : "Cancel"}<//>${!queue.configured && html`<${Button} type="submit" kind="main" busy=${busy} onClick=${submit}>Save<//>`}</div>
    </form>
  <//>`;
};

const Lengths = ({ label, of }) => html`<div class="fact"><dt>${label}</dt>
  <dd>${of.count ? html`${length(of.p50Ms)} <span class="quiet">half</span> · ${length(of.p95Ms)} <span class="quiet">95 %</span> · ${length(of.p99Ms)} <span class="quiet">99 %</span>` : "–"}</dd>
</div>`;

const Facts = ({ queue, metrics }) => html`<dl class="facts">
  <${Lengths} label="Waited, last hour" of=${metrics.waited} />
  <${Lengths} label="Ran, last hour" of=${metrics.ran} />
  <div class="fact"><dt>Oldest waits since</dt><dd><${When} at=${metrics.waitingSince} /></dd></div>
  <div class="fact"><dt>At once</dt><dd>${queue.concurrency ? count(queue.concurrency) : "any number"}</dd></div>
  <div class="fact"><dt>Rate</dt><dd>${queue.rate ? `${count(queue.rate.jobs)} in ${queue.rate.seconds} s` : "no limit"}</dd></div>
  <div class="fact"><dt>Attempts</dt><dd>${queue.attemptsMax}, first pause ${length(queue.backoff.firstSeconds * 1000)}</dd></div>
</dl>`;

export const Queue = ({ name, query }) => {
  const { data, error, reload } = useData(() => load(name), [name]);
  const [dialog, open] = useState(null);
  useNews(reload, (queues) => queues.includes(name), [name]);
  const [pause, busy] = useAction(() => patch(at("queues", name), { paused: !data.queue.paused }), reload);
  if (error && !data) return html`<${Fault} error=${error} retry=${reload} />`;
  if (!data) return html`<p class="loading" role="status">Loading…</p>`;
  const { queue, metrics } = data;
  const close = () => open(null);
  const drop = async () => {
    await remove(at("queues", name));
    go("/queues");
  };
  return html`
    <p class="crumbs"><${Link} to="/queues">Queues<//></p>
    <div class="head">
      <h1>${name}${queue.paused && html` <span class="badge">paused</span>`}</h1>
      <div class="actions">
        <${Button} busy=${busy} onClick=${() => pause()}>${queue.paused ? "Resume" : "Pause"}<//>
        <${Button} onClick=${() => open("settings")}>Settings<//>
        <${Button} onClick=${() => open("remove")}>Remove…<//>
        <${Button} kind="main" onClick=${() => open("job")}>New job<//>
      </div>
    </div>
    <${Facts} queue=${queue} metrics=${metrics} />
    <${Throughput} hour=${lastHour([metrics])} label=${name} />
    <${Jobs} base=${to("queues", name)} filter=${{ ...query, queue: name }} counts=${queue.counts} />
    ${dialog === "settings" && html`<${Settings} queue=${queue} close=${close} changed=${reload} />`}
    ${dialog === "job" && html`<${NewJob} queues=${[name]} queue=${name} close=${close} made=${() => (close(), reload(), say("The job is made."))} />`}
    ${dialog === "remove" && html`<${Confirm} title="Remove the queue ${name}?" text="It must have no jobs." word="Remove" close=${close} act=${drop} />`}`;
};
