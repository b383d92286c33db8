/**
 * The parts of the account's dialog that are about coming in: where one is signed in, the password, the end of the account.
 */
import { h } from '../dom.js';
import { inOrder, programName, sessionLine } from '../use.js';
import { showLines, submitting } from './dialog.js';
import { ask } from './dialogs.js';
import { t } from '../words.js';

/** The page has no session any more: it says so to itself, and the dialogs go. @param {boolean} [forGood] nobody comes back by this name */
function leave(forGood = false) {
  for (const dialog of document.querySelectorAll('dialog[open]')) dialog.close();
  document.querySelector('salon-app').dispatchEvent(new CustomEvent('salon-sign-out', { detail: { forGood } }));
}

/** @param {string} id @param {string} label @param {string} autocomplete @param {object} [more] */
const passwordField = (id, label, autocomplete, more = {}) => h('input', {
  id, type: 'password', required: true, maxlength: 1024, autocomplete, placeholder: label, 'aria-label': label, ...more,
});

/** Where one is signed in, with a way to end each. @param {import('../salon.js').Salon} salon */
export function sessionsSection(salon) {
  const problem = h('p.problem', { role: 'alert' });
  const rows = h('ul.uses', { 'aria-label': t('sessions.title') });
  const reload = async () => {
    try {
      showLines(rows, inOrder(await salon.api.sessions()).map(row));
    } catch (refusal) {
      problem.textContent = refusal.message;
    }
  };
  const ending = (question, deed, work) => async () => {
    if (!(await ask(question, deed))) return;
    problem.textContent = '';
    await work().catch((refusal) => { problem.textContent = refusal.message; });
    await reload();
  };
  const row = (session) => {
    const name = programName(session.user_agent);
    return h('li', { 'data-session': session.id },
      h('span.use', {}, h('strong', { text: session.current ? t('sessions.this', { name }) : name }), h('small', { text: sessionLine(session) })),
      session.current ? null : h('button.text-button', {
        type: 'button', text: t('sign_out'), 'aria-label': t('sessions.sign_out_of', { name }),
        onclick: ending(t('sessions.end_ask'), t('sign_out'), () => salon.api.endSession(session.id)),
      }));
  };
  reload();
  return h('section.uses-section', {}, h('h3', { text: t('sessions.title') }), rows,
    h('p.use-buttons', {},
      h('button.quiet', {
        id: 'end-other-sessions', type: 'button', text: t('sessions.end_others'),
        onclick: ending(t('sessions.end_others_ask'), t('sign_out'), () => salon.api.endOtherSessions()),
      }),
      h('button.quiet', {
        id: 'end-all-sessions', type: 'button', text: t('sessions.end_all'),
        onclick: async () => {
          if (!(await ask(t('sessions.end_all_ask'), t('sign_out')))) return;
          await salon.api.endAllSessions().then(() => leave(), (refusal) => { problem.textContent = refusal.message; });
        },
      })), problem);
}

/** @param {import('../salon.js').Salon} salon */
export function passwordSection(salon) {
  const problem = h('p.problem', { role: 'alert' });
  const done = h('p.hint', { role: 'status' });
  const old = passwordField('old-password', t('password.now'), 'current-password');
  const fresh = passwordField('new-password', t('password.fresh'), 'new-password', { minlength: 8 });
  const submit = (event) => submitting(event, problem, async () => {
    done.textContent = '';
    await salon.api.changePassword(old.value, fresh.value);
    event.target.reset();
    done.textContent = t('password.done');
  });
  return h('section.uses-section', {}, h('h3', { text: t('password') }),
    h('form.use-form.pair', { onsubmit: submit }, old, fresh, h('button.quiet', { id: 'change-password', type: 'submit', text: t('password.change') })), done, problem);
}

/** @param {import('../salon.js').Salon} salon */
export function deleteSection(salon) {
  const guest = salon.user.kind === 'guest';
  const problem = h('p.problem', { role: 'alert' });
  const password = guest ? null : passwordField('delete-password', t('password.yours'), 'current-password');
  const go = guest ? t('delete_account.go_guest') : t('delete_account.go');
  const submit = async (event) => {
    event.preventDefault();
    if (!(await ask(t('delete_account.ask'), go))) return;
    await submitting(event, problem, async () => {
      await salon.api.deleteAccount(password?.value);
      leave(true);
    });
  };
  return h('section.uses-section', {}, h('h3', { text: guest ? t('delete_account.title_guest') : t('delete_account.title') }),
    h('p.hint', { text: t('delete_account.hint') }),
    h('form.use-form.short', { onsubmit: submit }, password, h('button.danger-button', { id: 'delete-account', type: 'submit', text: go })), problem);
}
