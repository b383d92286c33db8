/**
 * The dialog of one's account: who one is, where one is signed in, one's tokens for programs, and one's bots with theirs.
 */
import { h } from '../dom.js';
import { avatar } from '../avatar.js';
import { tokenLine } from '../use.js';
import { deleteSection, passwordSection, sessionsSection } from './account-sessions.js';
import { openAdministrationDialog } from './administration-dialog.js';
import { openDialog, submitting } from './dialog.js';
import { secretBox } from './secret.js';
import { openOwnUsageDialog } from './usage-dialog.js';

const DAY_S = 86_400;
const ENDS = [['', 'No end'], [String(7 * DAY_S), 'Ends in 7 days'], [String(30 * DAY_S), 'Ends in 30 days'], [String(365 * DAY_S), 'Ends in a year']];

const option = ([value, text]) => h('option', { value, text });

/** @param {{salon: import('../salon.js').Salon}} context */
export function openAccountDialog({ salon }) {
  const { user } = salon;
  const who = h('p.account-who', {}, avatar(user), h('span', {}, h('strong', { text: user.name }),
    h('small', { text: user.kind === 'guest' ? 'Guest' : 'Account' })));
  const sections = user.kind === 'guest'
    ? [
      h('p.account-note', { text: 'Guests have no tokens and no bots: make an account for that.' }),
      sessionsSection(salon),
      deleteSection(salon),
    ]
    : [
      sessionsSection(salon),
      passwordSection(salon),
      tokensSection('Tokens', 'token', 'A program that has one acts as you, in your rooms.', {
        list: () => salon.api.tokens(), create: (token) => salon.api.createToken(token), revoke: (id) => salon.api.revokeToken(id),
      }),
      botsSection(salon),
      deleteSection(salon),
    ];
  const administration = h('p.settings-more', { hidden: true }, h('button.quiet', {
    type: 'button', id: 'administration', text: 'Administration…', onclick: () => openAdministrationDialog({ salon }),
  }));
  // Who may administer may change while the page is open.
  salon.api.me().then(({ admin }) => (admin ? administration.removeAttribute('hidden') : administration.remove())).catch(() => administration.remove());
  const usage = h('p.settings-more', {}, h('button.quiet', { type: 'button', id: 'own-usage', text: 'What your questions used…', onclick: () => openOwnUsageDialog(salon) }));
  const dialog = openDialog('Your account', who, administration, usage, ...sections);
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
      rows.replaceChildren(...(await list()).map(row));
      if (rows.children.length === 0) rows.append(h('li.empty', { text: 'None yet.' }));
    } catch (refusal) {
      problem.textContent = refusal.message;
    }
  };
  const row = (token) => h('li', { 'data-token': token.id },
    h('span.use', {}, h('strong', { text: token.name }), h('small', { text: tokenLine(token) })),
    h('button.text-button', {
      type: 'button', text: 'Revoke', 'aria-label': `Revoke ${token.name}`,
      onclick: async () => {
        if (!confirm(`Revoke “${token.name}”? What uses it is cut off at once.`)) return;
        await revoke(token.id).catch((refusal) => { problem.textContent = refusal.message; });
        await reload();
      },
    }));
  const label = h('input', { id: `${name}-name`, required: true, maxlength: 64, autocomplete: 'off', placeholder: 'What it is for', 'aria-label': 'What it is for' });
  const scope = h('select', { id: `${name}-scope`, 'aria-label': 'What it may do' }, ...[['read', 'Reads only'], ['write', 'Reads and writes']].map(option));
  const ends = h('select', { id: `${name}-ends`, 'aria-label': 'When it ends' }, ...ENDS.map(option));
  const submit = (event) => submitting(event, problem, async () => {
    const wanted = { name: label.value.trim(), scope: scope.value, expires_in_s: ends.value === '' ? undefined : Number(ends.value) };
    const { secret } = await create(wanted);
    label.value = '';
    made.replaceChildren(secretBox(secret, 'It goes into the Authorization header, after “Bearer”.'));
    await reload();
  });
  reload();
  return h('section.uses-section', {}, h('h3', { text: title }), h('p.hint', { text: sentence }), made, rows,
    h('form.use-form', { onsubmit: submit }, label, scope, ends, h('button.quiet', { type: 'submit', text: 'Make a token' })), problem);
}

function botsSection(salon) {
  const problem = h('p.problem', { role: 'alert' });
  const rows = h('ul.uses', { 'aria-label': 'Bots' });
  const reload = async () => {
    try {
      rows.replaceChildren(...(await salon.api.bots()).map(row));
      if (rows.children.length === 0) rows.append(h('li.empty', { text: 'None yet.' }));
    } catch (refusal) {
      problem.textContent = refusal.message;
    }
  };
  const row = ({ user }) => h('li.bot', { 'data-bot': user.id }, avatar(user),
    h('span.use', {}, h('strong', { text: user.name }), h('small', { text: 'Bot. Add it to a room by its name.' })),
    h('button.text-button', {
      type: 'button', text: 'Tokens', 'aria-label': `Tokens of ${user.name}`,
      onclick: () => openDialog(`Tokens of ${user.name}`, tokensSection('Tokens', 'bot-token', `A program that has one acts as ${user.name}.`, {
        list: () => salon.api.botTokens(user.id), create: (token) => salon.api.createBotToken(user.id, token), revoke: (id) => salon.api.revokeToken(id),
      })).classList.add('wide'),
    }),
    h('button.text-button', {
      type: 'button', text: 'Remove', 'aria-label': `Remove ${user.name}`,
      onclick: async () => {
        if (!confirm(`Remove “${user.name}”? Its tokens end and it leaves its rooms. What it said stays.`)) return;
        await salon.api.removeBot(user.id).catch((refusal) => { problem.textContent = refusal.message; });
        await reload();
      },
    }));
  const name = h('input', { id: 'bot-name', required: true, maxlength: 64, autocomplete: 'off', spellcheck: 'false', placeholder: 'Name of a new bot', 'aria-label': 'Name of a new bot' });
  const create = (event) => submitting(event, problem, async () => {
    await salon.api.createBot(name.value.trim());
    name.value = '';
    await reload();
  });
  reload();
  return h('section.uses-section', {}, h('h3', { text: 'Bots' }), h('p.hint', { text: 'A bot is a member of its own that a program speaks for.' }), rows,
    h('form.use-form.short', { onsubmit: create }, name, h('button.quiet', { type: 'submit', text: 'Make a bot' })), problem);
}
