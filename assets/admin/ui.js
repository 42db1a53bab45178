// Parts that every page is made of.
import { html, useCallback, useEffect, useRef, useState } from "./vendor/preact.js";
import { ago, time } from "./format.js";

/** What a loader answers, again whenever `also` changes or `reload` is called. An answer that was overtaken is dropped. */
export const useData = (load, also) => {
  const [state, set] = useState({ data: null, error: null });
  const turn = useRef(0);
  const reload = useCallback(async () => {
    const own = ++turn.current;
    try {
      const data = await load();
      if (own === turn.current) set({ data, error: null });
    } catch (error) {
      if (own === turn.current) set((before) => ({ data: before.data, error }));
    }
  }, also);
  useEffect(() => {
    set({ data: null, error: null });
    reload();
    return () => turn.current++;
  }, [reload]);
  return { ...state, reload };
};

/** Does something when asked, once at a time, and tells what came of it. */
export const useAction = (act, after) => {
  const [busy, set] = useState(false);
  const runs = useRef(false);
  const run = async (...given) => {
    if (runs.current) return;
    runs.current = true;
    set(true);
    try {
      const done = await act(...given);
      after?.(done);
    } catch (error) {
      say(error.message, "bad");
    } finally {
      runs.current = false;
      set(false);
    }
  };
  return [run, busy];
};

let sayNow = () => {};

/** Tells the reader something in passing. */
export const say = (text, kind = "good") => sayNow({ text, kind });

/** Where that is told. */
export const Toasts = () => {
  const [toast, set] = useState(null);
  const own = useRef(null);
  sayNow = set;
  useEffect(() => {
    if (!toast) return own.current.hidePopover();
    // Shown anew, it comes to lie over a dialog that was opened meanwhile.
    own.current.hidePopover();
    own.current.showPopover();
    const end = setTimeout(() => set(null), toast.kind === "bad" ? 8000 : 4000);
    return () => clearTimeout(end);
  }, [toast]);
  return html`<div class="toasts" ref=${own} popover="manual" role="status" aria-live="polite">
    ${toast && html`<p class="toast ${toast.kind}">${toast.text} <button class="plain" aria-label="Dismiss" onClick=${() => set(null)}>×</button></p>`}
  </div>`;
};

export const Button = ({ kind = "", busy, children, ...rest }) =>
  html`<button type="button" class=${kind} aria-busy=${busy ? "true" : "false"} disabled=${busy} ...${rest}>${children}</button>`;

export const STATES = ["waiting", "scheduled", "ready", "running", "failed", "succeeded", "dead", "cancelled"];

export const State = ({ state }) => html`<span class="state ${state}">${state}</span>`;

/** A time, told by how far it is; the whole of it is its title. */
export const When = ({ at }) => (at ? html`<time datetime=${at} title=${time(at)}>${ago(at)}</time>` : html`<span class="quiet">–</span>`);

export const Fault = ({ error, retry }) =>
  html`<div class="fault" role="alert"><p>${error.message}</p>${retry && html`<${Button} onClick=${retry}>Try again<//>`}</div>`;

export const Empty = ({ children }) => html`<p class="empty">${children}</p>`;

/** A dialog that takes the keyboard, and gives it back. */
export const Dialog = ({ title, close, children, wide }) => {
  const own = useRef(null);
  useEffect(() => {
    const dialog = own.current;
    dialog.showModal();
    return () => dialog.open && dialog.close();
  }, []);
  const outside = (event) => event.target === own.current && close();
  return html`<dialog ref=${own} class=${wide ? "wide" : ""} aria-label=${title} onCancel=${(event) => (event.preventDefault(), close())} onMouseDown=${outside}>
    <div class="inside"><h2>${title}</h2>${children}</div>
  </dialog>`;
};

/** Asks before something that cannot be undone. */
export const Confirm = ({ title, text, word, act, close }) => {
  const [run, busy] = useAction(act, close);
  return html`<${Dialog} title=${title} close=${close}>
    <p>${text}</p>
    <div class="actions"><${Button} onClick=${close} autofocus>Keep<//><${Button} kind="danger" busy=${busy} onClick=${() => run()}>${word}<//></div>
  <//>`;
};

/** A field of a form, with what is wrong with it. */
export const Field = ({ id, label, hint, error, children }) => {
  const about = [hint && `${id}-hint`, error && `${id}-error`].filter(Boolean).join(" ");
  return html`<div class="field">
    <label for=${id}>${label}</label>
    ${children({ id, name: id, "aria-describedby": about || undefined, "aria-invalid": error ? "true" : undefined })}
    ${hint && html`<p class="hint" id=${`${id}-hint`}>${hint}</p>`}
    ${error && html`<p class="error" id=${`${id}-error`} role="alert">${error}</p>`}
  </div>`;
};

/** Values of a form, and how a field is bound to its value. */
export const useForm = (first) => {
  const [values, set] = useState(first);
  const change = (name, value) => set((before) => ({ ...before, [name]: value }));
  const text = (name) => ({ value: values[name], onInput: (event) => change(name, event.target.value) });
  const check = (name) => ({ checked: values[name], onChange: (event) => change(name, event.target.checked) });
  return { values, change, text, check };
};

/** Draws anew as time goes on, so that what is told by how far it is stays true. */
export const useTick = (ms) => {
  const [, set] = useState(0);
  useEffect(() => {
    const tick = setInterval(() => set((now) => now + 1), ms);
    return () => clearInterval(tick);
  }, [ms]);
};
