/**
 * The administration of the server, for its administrators: users, rooms, usage, and the audit log, a tab each. It shows nothing of
 * what is said. Opened from the foot of the list of rooms.
 */
import { ACTS, actName, auditDetail, auditLine, folded } from '../audit-line.js';
import { h } from '../dom.js';
import { Refusal } from '../errors.js';
import { clockTime, shortDate } from '../time.js';
import { offerMore, openDialog, showLines } from './dialog.js';
import { ask, askFor } from './dialogs.js';
import { tabs } from './tabs.js';
import { joined, t } from '../words.js';
import { usageSection } from './usage-dialog.js';

/** @param {{salon: import('../salon.js').Salon}} context */
export function openAdministrationDialog({ salon }) {
  const { api } = salon;
  const dialog = openDialog(t('administration.title'), ...tabs(t('administration.title'), [
    ['users', t('administration.users'), () => usersSection(api)],
    ['rooms', t('administration.rooms'), () => roomsSection(api)],
    ['usage', t('usage.title'), () => usageSection(api)],
    ['audit', t('administration.audit'), () => auditSection(api)],
  ]));
  dialog.classList.add('wide', 'administration');
}

/**
 * A list in pages, with what is refused said below it.
 * @param {string} title
 * @param {string} hint
 * @param {(after: any) => Promise<{items: object[], more: boolean}>} read
 * @param {(item: object, trying: (work: () => Promise<void>) => Promise<void>) => HTMLElement} row
 * @param {(item: object) => any} place what the next page begins behind
 * @param {HTMLElement | null} [search]
 * @param {(items: object[]) => object[]} [lines] what is shown of a page
 */
function pages(title, hint, read, row, place, search = null, lines = (items) => items) {
  const problem = h('p.problem', { role: 'alert' });
  const rows = h('ul.uses', { 'aria-label': title });
  const more = h('button.text-button', { type: 'button', text: t('more_lines'), hidden: true });
  let asked = 0;
  const load = async (after) => {
    const turn = ++asked;
    problem.textContent = '';
    try {
      const page = await read(after);
      if (turn !== asked) return;
      showLines(rows, lines(page.items).map((item) => row(item, trying)), after !== null);
      if (rows.children.length === 0) rows.append(h('li.empty', { text: t('none') }));
      offerMore(more, page.more, rows);
      more.onclick = () => load(place(page.items.at(-1)));
    } catch (refusal) {
      if (turn === asked) problem.textContent = refusal.message;
    }
  };
  const trying = async (work) => {
    try {
      await work();
      await load(null);
    } catch (refusal) {
      problem.textContent = refusal.message;
    }
  };
  search?.addEventListener('input', () => load(null));
  load(null);
  return h('section.uses-section', {}, h('h3', { text: title }), h('p.hint', { text: hint }), search, rows, more, problem);
}

const searchField = (id, label) => h('input', {
  id, type: 'search', maxlength: 64, autocomplete: 'off', spellcheck: 'false', placeholder: label, 'aria-label': label,
});

const action = (text, label, onclick, tag = 'button.text-button') => h(tag, { type: 'button', text, 'aria-label': label, onclick });

function usersSection(api) {
  const search = searchField('admin-users', t('administration.users_search'));
  const row = ({ user, admin, disabled_at: disabled, sessions }, trying) => h('li', { 'data-user': user.id },
    h('span.use', {}, h('strong', { text: user.name }), h('small', {
      text: [t(`kind.${user.kind}`), admin && t('administration.admin'), disabled !== null && t('administration.disabled'), t('administration.sessions', { count: sessions })].filter(Boolean).join(' · '),
    })),
    sessions > 0 && action(t('sign_out'), t('administration.end_of', { name: user.name }), async () => {
      if (await ask(t('administration.end_ask', { name: user.name }), t('sign_out'))) trying(() => api.endSessions(user.id));
    }),
    ['user', 'guest'].includes(user.kind) && action(disabled === null ? t('administration.disable') : t('administration.enable'), t(disabled === null ? 'administration.disable_of' : 'administration.enable_of', { name: user.name }), async () => {
      if (disabled !== null || await ask(t('administration.disable_ask', { name: user.name }), t('administration.disable'))) {
        trying(() => api.setDisabled(user.id, disabled === null));
      }
    }),
    user.kind === 'user' && action(admin ? t('administration.unmake') : t('administration.make'), t(admin ? 'administration.unmake_of' : 'administration.make_of', { name: user.name }), async () => {
      const question = t(admin ? 'administration.unmake_ask' : 'administration.make_ask', { name: user.name });
      if (await ask(question, t(admin ? 'administration.unmake' : 'administration.make'))) {
        trying(() => api.setAdmin(user.id, !admin));
      }
    }));
  const read = async (after) => {
    const { users, more } = await api.adminUsers({ text: search.value.trim(), after });
    return { items: users, more };
  };
  return pages(t('administration.users'), t('administration.users_hint'), read, row, ({ user }) => user.id, search);
}

function roomsSection(api) {
  const search = searchField('admin-rooms', t('administration.rooms_search'));
  const row = (room, trying) => h('li', { 'data-room': room.slug },
    h('span.use', {}, h('strong', { text: `${room.name} (#${room.slug})` }), h('small', {
      text: [t(`visibility.${room.visibility}`), room.archived && t('archived_small'), t('administration.members', { count: room.members }), t('administration.messages', { count: room.messages }),
        room.owners.length === 0 ? t('administration.unowned') : t('administration.owned', { names: joined(room.owners.map(({ name }) => name)) })].filter(Boolean).join(' · '),
    })),
    action(room.archived ? t('administration.unarchive') : t('administration.archive'), t(room.archived ? 'administration.unarchive_of' : 'administration.archive_of', { slug: room.slug }),
      () => trying(() => api.adminArchiveRoom(room.slug, !room.archived))),
    action(t('administration.give'), t('administration.give_of', { slug: room.slug }), async () => {
      const work = async (name) => api.adminGiveRoom(room.slug, await userOf(api, name));
      const field = { label: t('name'), maxLength: 64, required: true, work };
      if (await askFor(t('administration.give_ask', { name: room.name }), t('administration.give'), field)) await trying(() => {});
    }),
    action(t('delete'), t('delete_of', { name: room.slug }), async () => {
      if (await ask(t('administration.delete_ask', { name: room.name }), t('delete'))) trying(() => api.adminDeleteRoom(room.slug));
    }, 'button.text-button.bad'));
  const read = async (after) => {
    const { rooms, more } = await api.adminRooms({ text: search.value.trim(), after });
    return { items: rooms, more };
  };
  return pages(t('administration.rooms'), t('administration.rooms_hint'), read, row, ({ slug }) => slug, search);
}

/** The id of the user of that name. @throws {Refusal} where there is none */
async function userOf(api, name) {
  const { users } = await api.adminUsers({ text: name, after: null });
  const found = users.find(({ user }) => user.name.toLowerCase() === name.toLowerCase());
  if (found === undefined) throw new Refusal('user_not_found', t('administration.no_user', { name }));
  return found.user.id;
}

/** What narrows the log: an act, a room, a user, since when. */
function auditFilters() {
  const act = h('select', { id: 'audit-act', 'aria-label': t('audit.what') }, h('option', { value: '', text: t('audit.everything') }),
    ...ACTS.map((value) => h('option', { value, text: actName(value) })));
  const room = searchField('audit-room', t('room.address'));
  const name = searchField('audit-user', t('audit.by_user'));
  const since = h('input', { id: 'audit-since', type: 'date', 'aria-label': t('audit.since') });
  return h('form.audit-filters', { onsubmit: (event) => event.preventDefault() }, act, room, name, since);
}

function auditSection(api) {
  const filters = auditFilters();
  const valueOf = (id) => filters.querySelector(`#audit-${id}`).value.trim();
  const row = (entry) => h('li', { 'data-act': entry.act },
    h('span.use', {}, h('strong', { text: auditLine(entry) }), h('small', {
      text: [`${shortDate(Date.parse(entry.at))} ${clockTime(Date.parse(entry.at))}`, entry.way, entry.address, auditDetail(entry)].filter(Boolean).join(' · '),
    })));
  const read = async (before) => {
    const since = valueOf('since');
    const { rows, more } = await api.audit({
      before, limit: 50, act: valueOf('act'), room: valueOf('room'),
      user: valueOf('user') === '' ? '' : await userOf(api, valueOf('user')),
      since: since === '' ? '' : new Date(`${since}T00:00`).toISOString(),
    });
    return { items: rows, more };
  };
  return pages(t('administration.audit'), t('administration.audit_hint'), read, row, ({ id }) => id, filters, folded);
}
