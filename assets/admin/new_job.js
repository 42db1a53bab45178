// Making a job by hand.
import { html, useState } from "./vendor/preact.js";
import { at, call, parse } from "./api.js";
import { Button, Dialog, Field, useAction, useForm } from "./ui.js";

/** JSON text that was checked, or an error that says where it is none. */
export const checkedJson = (text) => {
  if (!text.trim()) return "null";
  try {
    parse(text);
  } catch (error) {
    throw new Error(`The payload is not JSON: ${error.message}`);
  }
  return text;
};

/** A body with one member that is JSON text already, so that nothing in it is rounded. */
export const bodyWith = (rest, name, text) => {
  const others = JSON.stringify(rest);
  return `${others.slice(0, -1)}${others === "{}" ? "" : ","}${JSON.stringify(name)}:${text}}`;
};

const given = (values) => Object.fromEntries(Object.entries(values).filter(([, value]) => value !== "" && value !== undefined));

export const NewJob = ({ queues, queue, close, made }) => {
  const { values, text } = useForm({ queue: queue ?? queues[0] ?? "", kind: "", payload: "{}", priority: "", delaySeconds: "", uniqueKey: "", serialKey: "" });
  const [wrong, setWrong] = useState({});
  const make = async () => {
    const { payload, queue: into, kind, priority, delaySeconds, ...rest } = values;
    const numbers = { priority: priority && Number(priority), delaySeconds: delaySeconds && Number(delaySeconds) };
    try {
      return await call("POST", at("jobs"), bodyWith({ queue: into, kind, ...given({ ...rest, ...numbers }) }, "payload", checkedJson(payload)));
    } catch (error) {
      setWrong(error.fields ?? {});
      throw error;
    }
  };
  const [run, busy] = useAction(make, made);
  const submit = (event) => (event.preventDefault(), run());
  const line = (name, label, hint, more) => html`<${Field} id=${name} label=${label} hint=${hint} error=${wrong[`/${name}`]}>
    ${(field) => html`<input ...${field} ...${text(name)} ...${more} autocomplete="off" spellcheck=${false} />`}
  <//>`;
  return html`<${Dialog} title="New job" close=${close} wide>
    <form onSubmit=${submit} novalidate>
      <div class="columns">
        <${Field} id="queue" label="Queue" error=${wrong["/queue"]}>
          ${(field) => html`<select ...${field} value=${values.queue} onChange=${text("queue").onInput}>${queues.map((name) => html`<option value=${name}>${name}</option>`)}</select>`}
        <//>
        ${line("kind", "Kind", "What is to be done, such as shop.sync.", { autofocus: true })}
      </div>
      <${Field} id="payload" label="Payload" hint="Any JSON." error=${wrong["/payload"]}>
        ${(field) => html`<textarea ...${field} ...${text("payload")} rows="8" class="code" spellcheck=${false}></textarea>`}
      <//>
      <div class="columns">
        ${line("priority", "Priority", "Greater ones start before others.", { type: "number", min: -1000, max: 1000 })}
        ${line("delaySeconds", "Delay in seconds", "Empty for at once.", { type: "number", min: 0 })}
        ${line("uniqueKey", "Unique key", "No other unfinished job of the kind has it.")}
        ${line("serialKey", "Serial key", "Jobs with the same one take turns.")}
      </div>
      <div class="actions"><${Button} onClick=${close}>Cancel<//><${Button} type="submit" kind="main" busy=${busy} onClick=${submit}>Make the job<//></div>
    </form>
  <//>`;
};
