/**
 * What the page's dialogs share: a native modal dialog that leaves the document when it closes.
 */
import { h, iconButton } from '../dom.js';
import { keepFocus } from '../refocus.js';
import { t } from '../words.js';

/**
 * @param {string} title
 * @param {...(Node | false | null)} content
 * @returns {HTMLDialogElement} already shown
 */
export function openDialog(title, ...content) {
  const dialog = h('dialog.dialog', { 'aria-label': title },
    h('div.dialog-head', {}, h('h2', { text: title }), iconButton('close', t('close'), () => dialog.close())),
    ...content);
  dialog.addEventListener('close', () => {
    dialog.remove();
    // With a box that goes Chromium's caret goes, from the box too that has the focus again: nothing could be typed there.
    const at = document.activeElement;
    if (at?.matches('textarea')) at.setSelectionRange(at.selectionStart, at.selectionEnd);
  });
  dialog.addEventListener('click', (event) => event.target === dialog && dialog.close());
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

/**
 * Reads what a list shows. Where it cannot be read the list says so, in place of what it had, with a button that tries again.
 * @param {HTMLElement} list
 * @param {() => Promise<void>} read which draws the list
 */
export async function readInto(list, read) {
  list.setAttribute('aria-busy', 'true');
  try {
    await read();
  } catch (refusal) {
    // Who pressed it goes on with the list.
    const again = () => readInto(list, read);
    showLines(list, [h('li.not-read', {}, h('span', { role: 'alert', text: refusal.message }), h('button.quiet', { type: 'button', text: t('app.try_again'), onclick: again }))]);
  }
  list.removeAttribute('aria-busy');
}

/**
 * A list of a dialog is what it is now; the line that has the focus keeps it, or the one in its place.
 * @param {HTMLElement} list
 * @param {HTMLElement[]} lines
 * @param {boolean} [more] the lines come below those that are there
 */
export function showLines(list, lines, more = false) {
  const draw = () => (more ? list.append(...lines) : list.replaceChildren(...lines));
  keepFocus(list, draw, { fallback: () => list.closest('dialog')?.querySelector('.dialog-head button') });
}

/**
 * Whether there is more of a list to ask for. A button that goes with the last of it leaves the focus in the list.
 * @param {HTMLElement} button
 * @param {boolean} isMore
 * @param {HTMLElement} list
 */
export function offerMore(button, isMore, list) {
  const held = document.activeElement === button;
  button.hidden = !isMore;
  const controls = list.querySelectorAll('button, a[href], select');
  if (held && !isMore) (controls[controls.length - 1] ?? list.closest('dialog')?.querySelector('.dialog-head button'))?.focus();
}

/**
 * Runs what a form asks for; a refusal is said inside the form.
 * @param {SubmitEvent} event
 * @param {HTMLElement} problem
 * @param {() => Promise<void>} work
 */
export async function submitting(event, problem, work) {
  event.preventDefault();
  const button = event.target.querySelector('[type=submit]');
  const pressed = document.activeElement === button;
  button.disabled = true;
  problem.textContent = '';
  try {
    await work();
  } catch (refusal) {
    problem.textContent = refusal.message;
  } finally {
    button.disabled = false;
    // What is disabled loses the focus, of which nothing else has made use.
    if (pressed && document.activeElement === document.body) button.focus();
  }
}
