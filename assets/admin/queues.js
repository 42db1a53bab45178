// All queues: how much waits in each, how they have done in the last hour.
import { html, useState } from "./vendor/preact.js";
import { at, get, patch, post } from "./api.js";
import { Spark, Throughput, lastHour } from "./chart.js";
import { length, short } from "./format.js";
import { useNews } from "./live.js";
import { NewJob } from "./new_job.js";
import { Link, go, to } from "./router.js";
import { Button, Dialog, Empty, Fault, Field, When, say, useAction, useData, useForm } from "./ui.js";

/** The most queues whose metrics are asked for. */
const METRICS_MAX = 50;
const COUNTS = ["ready", "running", "scheduled", "failed", "dead"];

/** Who may list a queue may not be permitted to read how it does. */
const metricsOf = (queue) => get(at("queues", queue.name, "metrics")).catch(() => undefined);

const load = async () => {
  const { items } = await get(at("queues"));
  const metrics = await Promise.all(items.slice(0, METRICS_MAX).map(metricsOf));
  return items.map((queue, index) => ({ ...queue, metrics: metrics[index] ?? { minutes: [] } }));
};

const Pause = ({ queue, changed }) => {
  const [run, busy] = useAction(() => patch(at("queues", queue.name), { paused: !queue.paused }), changed);
  const word = queue.paused ? "Resume" : "Pause";
  return html`<${Button} kind="small" busy=${busy} onClick=${() => run()} aria-label="${word} ${queue.name}">${word}<//>`;
};

const Row = ({ queue, changed }) => {
  const hour = lastHour([queue.metrics]);
  const filter = (state) => `${to("queues", queue.name)}?state=${state}`;
  const count = (state) => {
    const value = queue.counts[state];
    return html`<td class="number ${value ? state : "zero"}" data-label=${state}>
      ${value ? html`<${Link} to=${filter(state)} aria-label="${value} ${state} in ${queue.name}">${short(value)}<//>` : "0"}
    </td>`;
  };
  return html`<tr>
    <th scope="row"><${Link} class="row" to=${to("queues", queue.name)}>${queue.name}<//>${queue.paused && html` <span class="badge">paused</span>`}</th>
    ${COUNTS.map(count)}
    <td data-label="oldest"><${When} at=${queue.metrics.waitingSince} /></td>
    <td class="number" data-label="wait p95">${queue.metrics.waited?.count ? length(queue.metrics.waited.p95Ms) : "–"}</td>
    <td data-label="last hour"><${Spark} hour=${hour} /></td>
    <td class="act"><${Pause} queue=${queue} changed=${changed} /></td>
  </tr>`;
};

const NewQueue = ({ close }) => {
  const { values, text } = useForm({ name: "", concurrency: "0", attemptsMax: "6" });
  const [wrong, setWrong] = useState({});
  const make = async () => {
    const settings = { concurrency: Number(values.concurrency), attemptsMax: Number(values.attemptsMax) };
    try {
      return await post(at("queues"), { name: values.name, settings });
    } catch (error) {
      setWrong(error.fields ?? {});
      throw error;
    }
  };
  const [run, busy] = useAction(make, (made) => (close(), go(to("queues", made.name))));
  const submit = (event) => (event.preventDefault(), run());
  return html`<${Dialog} title="New queue" close=${close}>
    <form onSubmit=${submit} novalidate>
      <${Field} id="name" label="Name" hint="1 to 50 of a-z 0-9 - _, a letter first." error=${wrong["/name"]}>
        ${(field) => html`<input ...${field} ...${text("name")} autofocus autocomplete="off" spellcheck=${false} />`}
      <//>
      <${Field} id="concurrency" label="Jobs at once" hint="0 for any number." error=${wrong["/settings/concurrency"]}>
        ${(field) => html`<input ...${field} ...${text("concurrency")} type="number" min="0" />`}
      <//>
      <${Field} id="attemptsMax" label="Attempts" error=${wrong["/settings/attemptsMax"]}>
        ${(field) => html`<input ...${field} ...${text("attemptsMax")} type="number" min="1" max="100" />`}
      <//>
      <div class="actions"><${Button} onClick=${close}>Cancel<//><${Button} type="submit" kind="main" busy=${busy} onClick=${submit}>Make the queue<//></div>
    </form>
  <//>`;
};

export const Queues = () => {
  const { data: queues, error, reload } = useData(load, []);
  const [dialog, open] = useState(null);
  useNews(reload);
  if (error && !queues) return html`<${Fault} error=${error} retry=${reload} />`;
  if (!queues) return html`<p class="loading" role="status">Loading…</p>`;
  const close = () => open(null);
  const made = () => (close(), say("The job is made."));
  return html`
    <div class="head">
      <h1>Queues</h1>
      <div class="actions"><${Button} onClick=${() => open("queue")}>New queue<//><${Button} kind="main" onClick=${() => open("job")}>New job<//></div>
    </div>
    ${error && html`<${Fault} error=${error} retry=${reload} />`}
    <${Throughput} hour=${lastHour(queues.map((queue) => queue.metrics))} label="All queues" />
    ${queues.length === 0 && html`<${Empty}>There are no queues.<//>`}
    <div class="table" role="region" aria-label="Queues" tabindex="0">
      <table>
        <thead><tr>
          <th scope="col">Queue</th>
          ${COUNTS.map((state) => html`<th scope="col" class="number">${state}</th>`)}
          <th scope="col">Oldest waits since</th><th scope="col" class="number">Wait, p95</th><th scope="col">Last hour</th><th scope="col"><span class="unseen">Actions</span></th>
        </tr></thead>
        <tbody>${queues.map((queue) => html`<${Row} key=${queue.name} queue=${queue} changed=${reload} />`)}</tbody>
      </table>
    </div>
    ${dialog === "queue" && html`<${NewQueue} close=${close} />`}
    ${dialog === "job" && html`<${NewJob} queues=${queues.map((queue) => queue.name)} close=${close} made=${made} />`}`;
};
