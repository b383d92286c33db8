/**
 * The question before a deed that cannot be taken back, and the one that needs a word: why, or whom. Without a field the focus is
 * on the button that does nothing; with one, in the field, and what is refused is said beside it. Escape is a no. Opened by `ask` and
 * `askFor` in `dialogs.js`.
 */
import { h } from '../dom.js';
import { showNote } from './banner.js';
import { openDialog, submitting } from './dialog.js';
import { t } from '../words.js';

/**
 * @param {string} question
 * @param {string} deed what is done after a yes, as its button says it
 * @param {(agreed: boolean) => void} answer called once, when the dialog is closed
 */
export function openAskDialog(question, deed, answer) {
  let agreed = false;
  const yes = h('button.danger-button', { type: 'button', id: 'ask-yes', text: deed, onclick: () => {
    agreed = true;
    dialog.close();
  } });
  const dialog = open(question, deed, 'div', {}, [], yes, true);
  dialog.addEventListener('close', () => answer(agreed));
}

/**
 * The same with a field.
 * @param {string} question
 * @param {string} deed
 * @param {{label: string, maxLength: number, required?: boolean, work: (value: string) => Promise<void>}} field `work` does the
 *   deed with what was written; the dialog stays where it is refused
 * @param {(done: boolean) => void} answer called once, when the dialog is closed and nothing is on its way any more
 */
export function openAskForDialog(question, deed, { label, maxLength, required = false, work }, answer) {
  let done = false;
  let working = null;
  const problem = h('p.problem', { role: 'alert' });
  const input = h('input', { id: 'ask-field', maxlength: maxLength, required, autocomplete: 'off', spellcheck: required ? 'false' : null, dir: 'auto', autofocus: true, 'aria-describedby': 'ask-question' });
  const submit = (event) => {
    working = submitting(event, problem, async () => {
      await work(input.value.trim());
      done = true;
      dialog.close();
    });
    working.then(() => {
      if (done) return;
      // Who has left it meanwhile is told all the same.
      if (dialog.isConnected) input.focus();
      else showNote(problem.textContent);
    });
  };
  const yes = h('button.danger-button', { type: 'submit', id: 'ask-yes', text: deed });
  const dialog = open(question, deed, 'form', { onsubmit: submit }, [h('label', { for: 'ask-field', text: label }), input, problem], yes, false);
  dialog.addEventListener('close', async () => {
    await working;
    answer(done);
  });
}

function open(question, deed, tag, properties, fields, yes, alerts) {
  const no = h('button.quiet', { type: 'button', id: 'ask-no', text: t('cancel'), autofocus: alerts, onclick: () => dialog.close() });
  const dialog = openDialog(deed, h(`${tag}.ask-question`, properties, h('p', { id: 'ask-question', text: question }), ...fields, h('div.buttons', {}, no, yes)));
  dialog.classList.add('ask');
  if (alerts) {
    dialog.setAttribute('role', 'alertdialog');
    dialog.setAttribute('aria-describedby', 'ask-question');
  }
  return dialog;
}
