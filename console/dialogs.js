// Questions before something is done. A dialog of the browser's own: it keeps the keyboard inside and closes with Escape.
import { html, useLayoutEffect, useRef, useState } from './preact.js';
import { newKey } from './api.js';
import { useWork } from './loading.js';
import { Failure } from './parts.js';

/**
 * A key per meaning: the same values get the same key, so that pressing again after an answer was lost repeats the request
 * and does not make a second one.
 */
export function useKey() {
  const kept = useRef({});
  return (values) => {
    const meaning = JSON.stringify(values);
    if (kept.current.meaning !== meaning) kept.current = { meaning, key: newKey() };
    return kept.current.key;
  };
}

/** A label with its field. What is given besides goes to the input. */
export function Field({ label, hint, ...input }) {
  if (input.type === 'checkbox') return html`<label class="check"><input ...${input} /> ${label}</label>`;
  return html`<label class="field"><span>${label}</span><input autocomplete="off" ...${input} />${hint && html`<small>${hint}</small>`}</label>`;
}

/** The values of a form's fields by name: texts trimmed, check boxes as booleans. */
export function valuesOf(form) {
  const inputs = [...form.querySelectorAll('input[name]')];
  return Object.fromEntries(inputs.map((input) => [input.name, input.type === 'checkbox' ? input.checked : input.value.trim()]));
}

/**
 * Asks, with fields where children has any. work(values) does it; when that succeeds the dialog closes and onDone(result) is
 * called, else it stays and shows why.
 */
export function Question({ title, verb, danger, work, onDone, onClose, children }) {
  const dialog = useRef();
  const { busy, error, run } = useWork();
  useLayoutEffect(() => {
    const shown = dialog.current;
    shown.showModal();
    return () => shown.close();
  }, []);
  const submit = async (event) => {
    event.preventDefault();
    const values = valuesOf(event.target);
    const done = await run(async () => ({ result: await work(values) }));
    if (done) {
      onClose();
      onDone(done.result);
    }
  };
  const cancel = (event) => {
    event.preventDefault();
    if (!busy) onClose();
  };
  return html`<dialog ref=${dialog} aria-labelledby="question" onCancel=${cancel}>
    <form onSubmit=${submit}>
      <h2 id="question">${title}</h2>
      ${children}
      <${Failure} error=${error} />
      <div class="actions">
        <button type="button" onClick=${cancel}>Back</button>
        <button class=${danger ? 'danger' : 'primary'} disabled=${busy}>${busy ? 'Working…' : verb}</button>
      </div>
    </form>
  </dialog>`;
}

/** State of a page's dialogs: [which one is open, open(name), close()]. */
export function useQuestion() {
  const [open, setOpen] = useState(null);
  return [open, setOpen, () => setOpen(null)];
}
