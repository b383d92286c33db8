/**
 * The question before a deed that cannot be taken back. The focus is on the button that does nothing; Escape is the same as that.
 * Opened by `ask` in `dialogs.js`.
 */
import { h } from '../dom.js';
import { openDialog } from './dialog.js';
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
  const no = h('button.quiet', { type: 'button', id: 'ask-no', text: t('cancel'), autofocus: true, onclick: () => dialog.close() });
  const dialog = openDialog(deed, h('div.ask-question', {}, h('p', { id: 'ask-question', text: question }), h('div.buttons', {}, no, yes)));
  dialog.classList.add('ask');
  dialog.setAttribute('role', 'alertdialog');
  dialog.setAttribute('aria-describedby', 'ask-question');
  dialog.addEventListener('close', () => answer(agreed));
}
