/**
 * The dialog of one's account: who one is, where one is signed in, one's tokens for programs, and one's bots with theirs.
 */
import { h } from '../dom.js';
import { avatar } from '../avatar.js';
import { tokenLine } from '../use.js';
import { deleteSection, passwordSection, sessionsSection } from './account-sessions.js';
import { openDialog, showLines, submitting } from './dialog.js';
import { ask } from './dialogs.js';
import { keepSection } from './keep-account.js';
import { settingsSection } from './settings-section.js';
import { secretBox } from './secret.js';
import { t } from '../words.js';
import { openOwnUsageDialog } from './usage-dialog.js';

const DAY_S = 86_400;
const ENDS = [['', t('account.no_end')], [String(7 * DAY_S), t('account.ends_week')], [String(30 * DAY_S), t('account.ends_month')], [String(365 * DAY_S), t('account.ends_year')]];

const option = ([value, text]) => h('option', { value, text });

/**
 * @param {{salon: import('../salon.js').Salon, config?: {signup: boolean} | null}} context
 * @param {string} [note] what has just become of the account
 */
export function openAccountDialog(context, note = '') {
  const { salon } = context;
  const { user } = salon;
  const who = h('p.account-who', {}, avatar(user), h('span', {}, h('strong', { text: user.name }),
    h('small', { text: user.kind === 'guest' ? t('account.kind_guest') : t('account.kind_user') })));
  const sections = user.kind === 'guest'
    ? [
      context.config?.signup ? keepSection(context) : null,
      settingsSection(),
      h('p.account-note', { text: t('account.guest_note') }),
      sessionsSection(salon),
      deleteSection(salon),
    ]
    : [
      settingsSection(),
      sessionsSection(salon),
      passwordSection(salon),
      tokensSection(t('tokens.title'), 'token', t('tokens.hint'), {
        list: () => salon.api.tokens(), create: (token) => salon.api.createToken(token), revoke: (id) => salon.api.revokeToken(id),
      }),
      botsSection(salon),
      deleteSection(salon),
    ];
  const usage = h('p.settings-more', {}, h('button.quiet', { type: 'button', id: 'own-usage', text: t('usage.own_open'), onclick: () => openOwnUsageDialog(salon) }));
  const said = note === '' ? null : h('p.account-note', { id: 'account-said', role: 'status', text: note });
  const dialog = openDialog(t('account.title'), who, said, usage, ...sections);
  dialog.classList.add('wide');
}

/**
 * @param {string} title
 * @param {string} name what the fields' ids begin with
 * @param {string} sentence
 * @param {{list: () => Promise<object[]>, create: (token: object) => Promise<{secret: string}>, revoke: (id: string) => Promise<void>}} calls
 */
function tokensSection(title, name, sentence, { list, create, revoke }) {
  const problem = h('p.problem', { role: 'alert' });
  const made = h('div');
  const rows = h('ul.uses', { 'aria-label': title });
  const reload = async () => {
    try {
      showLines(rows, (await list()).map(row));
      if (rows.children.length === 0) rows.append(h('li.empty', { text: t('none_yet') }));
    } catch (refusal) {
      problem.textContent = refusal.message;
    }
  };
  const row = (token) => h('li', { 'data-token': token.id },
    h('span.use', {}, h('strong', { text: token.name }), h('small', { text: tokenLine(token) })),
    h('button.text-button', {
      type: 'button', text: t('tokens.revoke'), 'aria-label': t('tokens.revoke_of', { name: token.name }),
      onclick: async () => {
        if (!(await ask(t('tokens.revoke_ask', { name: token.name }), t('tokens.revoke')))) return;
        await revoke(token.id).catch((refusal) => { problem.textContent = refusal.message; });
        await reload();
      },
    }));
  const label = h('input', { id: `${name}-name`, required: true, maxlength: 64, autocomplete: 'off', placeholder: t('tokens.what_for'), 'aria-label': t('tokens.what_for') });
  const scope = h('select', { id: `${name}-scope`, 'aria-label': t('tokens.what_may') }, ...[['read', t('tokens.reads')], ['write', t('tokens.writes')]].map(option));
  const ends = h('select', { id: `${name}-ends`, 'aria-label': t('tokens.when_ends') }, ...ENDS.map(option));
  const submit = (event) => submitting(event, problem, async () => {
    const wanted = { name: label.value.trim(), scope: scope.value, expires_in_s: ends.value === '' ? undefined : Number(ends.value) };
    const { secret } = await create(wanted);
    label.value = '';
    made.replaceChildren(secretBox(secret, t('tokens.secret')));
    await reload();
  });
  reload();
  return h('section.uses-section', {}, h('h3', { text: title }), h('p.hint', { text: sentence }), made, rows,
    h('form.use-form', { onsubmit: submit }, label, scope, ends, h('button.quiet', { type: 'submit', text: t('tokens.make') })), problem);
}

function botsSection(salon) {
  const problem = h('p.problem', { role: 'alert' });
  const rows = h('ul.uses', { 'aria-label': t('bots.title') });
  const reload = async () => {
    try {
      showLines(rows, (await salon.api.bots()).map(row));
      if (rows.children.length === 0) rows.append(h('li.empty', { text: t('none_yet') }));
    } catch (refusal) {
      problem.textContent = refusal.message;
    }
  };
  const row = ({ user }) => h('li.bot', { 'data-bot': user.id }, avatar(user),
    h('span.use', {}, h('strong', { text: user.name }), h('small', { text: t('bots.line') })),
    h('button.text-button', {
      type: 'button', text: t('tokens.title'), 'aria-label': t('bots.tokens_of', { name: user.name }),
      onclick: () => openDialog(t('bots.tokens_of', { name: user.name }), tokensSection(t('tokens.title'), 'bot-token', t('bots.token_hint', { name: user.name }), {
        list: () => salon.api.botTokens(user.id), create: (token) => salon.api.createBotToken(user.id, token), revoke: (id) => salon.api.revokeToken(id),
      })).classList.add('wide'),
    }),
    h('button.text-button', {
      type: 'button', text: t('remove'), 'aria-label': t('remove_of', { name: user.name }),
      onclick: async () => {
        if (!(await ask(t('bots.remove_ask', { name: user.name }), t('remove')))) return;
        await salon.api.removeBot(user.id).catch((refusal) => { problem.textContent = refusal.message; });
        await reload();
      },
    }));
  const name = h('input', { id: 'bot-name', required: true, maxlength: 64, autocomplete: 'off', spellcheck: 'false', placeholder: t('bots.new_name'), 'aria-label': t('bots.new_name') });
  const create = (event) => submitting(event, problem, async () => {
    await salon.api.createBot(name.value.trim());
    name.value = '';
    await reload();
  });
  reload();
  return h('section.uses-section', {}, h('h3', { text: t('bots.title') }), h('p.hint', { text: t('bots.hint') }), rows,
    h('form.use-form.short', { onsubmit: create }, name, h('button.quiet', { type: 'submit', text: t('bots.make') })), problem);
}
