/**
 * What the page's dialogs share: a native modal dialog that leaves the document when it closes.
 */
import { h, iconButton } from '../dom.js';
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
 * Runs what a form asks for; a refusal is said inside the form.
 * @param {SubmitEvent} event
 * @param {HTMLElement} problem
 * @param {() => Promise<void>} work
 */
export async function submitting(event, problem, work) {
  event.preventDefault();
  const button = event.target.querySelector('[type=submit]');
  button.disabled = true;
  problem.textContent = '';
  try {
    await work();
  } catch (refusal) {
    problem.textContent = refusal.message;
  } finally {
    button.disabled = false;
  }
}
