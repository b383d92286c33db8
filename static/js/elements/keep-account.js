/**
 * A guest keeps what it has: the form that makes it an account, and what it is asked before it signs out for good. Opened by the
 * room list; the account's dialog has the form too.
 */
import { h } from '../dom.js';
import { openDialog, submitting } from './dialog.js';
import { openAccountDialog } from './dialogs.js';
import { t } from '../words.js';

/**
 * Name and password of the account that a guest becomes. Once it is one, its dialog says so in the place of the one the form is in.
 * @param {{salon: import('../salon.js').Salon}} context
 */
export function keepSection(context) {
  const { salon } = context;
  const problem = h('p.problem', { role: 'alert' });
  const name = h('input', {
    id: 'keep-name', name: 'username', autocomplete: 'username', value: salon.user.name, maxlength: 64, required: true,
    autocapitalize: 'off', spellcheck: 'false', placeholder: t('name'), 'aria-label': t('name'),
  });
  const password = h('input', {
    id: 'keep-password', type: 'password', name: 'password', autocomplete: 'new-password', minlength: 8, maxlength: 1024, required: true,
    placeholder: t('keep.password'), 'aria-label': t('keep.password'),
  });
  const submit = (event) => submitting(event, problem, async () => {
    await salon.upgradeGuest(name.value.trim(), password.value);
    event.target.closest('dialog').close();
    // The button that opened this went with the guest; the new one gets the focus back when the next dialog closes.
    document.querySelector('.me button')?.focus();
    openAccountDialog(context, t('keep.done', { name: salon.user.name }));
  });
  return h('section.uses-section', {}, h('h3', { text: t('keep.title') }), h('p.hint', { text: t('keep.hint') }),
    h('form.use-form.pair', { onsubmit: submit }, name, password, h('button.primary', { id: 'keep-account', type: 'submit', text: t('keep.go') })), problem);
}

/**
 * Asks a guest who wants to go, and offers what lets it come back.
 * @param {{salon: import('../salon.js').Salon, config: {signup: boolean} | null}} context
 * @param {() => void} leave
 */
export function openSignOutDialog(context, leave) {
  const dialog = openDialog(t('sign_out'), h('p.account-note', { text: t('list.sign_out_ask') }),
    context.config?.signup ? keepSection(context) : null,
    h('section.uses-section', {}, h('p.use-buttons', {},
      h('button.danger-button', {
        id: 'sign-out-anyway', type: 'button', text: t('sign_out'),
        onclick: () => {
          dialog.close();
          leave();
        },
      }))));
}
