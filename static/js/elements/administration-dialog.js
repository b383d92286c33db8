/**
 * The administration of the server, for its administrators: users, rooms, usage, and the audit log. It shows nothing of what is said.
 */
import { auditLine } from '../audit-line.js';
import { h } from '../dom.js';
import { openDialog } from './dialog.js';
import { usageSection } from './usage-dialog.js';

/** @param {{salon: import('../salon.js').Salon}} context */
export function openAdministrationDialog({ salon }) {
  const { api } = salon;
  const dialog = openDialog('Administration', usersSection(api), roomsSection(api), usageSection(api), auditSection(api));
  dialog.classList.add('wide');
}

/**
 * A list in pages, with what is refused said below it.
 * @param {string} title
 * @param {string} hint
 * @param {(after: any) => Promise<{items: object[], more: boolean}>} read
 * @param {(item: object, trying: (work: () => Promise<void>) => Promise<void>) => HTMLElement} row
 * @param {(item: object) => any} place what the next page begins behind
 * @param {HTMLElement | null} [search]
 */
function pages(title, hint, read, row, place, search = null) {
  const problem = h('p.problem', { role: 'alert' });
  const rows = h('ul.uses', { 'aria-label': title });
  const more = h('button.text-button', { type: 'button', text: 'More…', hidden: true });
  let asked = 0;
  const load = async (after) => {
    const turn = ++asked;
    problem.textContent = '';
    try {
      const page = await read(after);
      if (turn !== asked) return;
      if (after === null) rows.replaceChildren();
      rows.append(...page.items.map((item) => row(item, trying)));
      if (rows.children.length === 0) rows.append(h('li.empty', { text: 'None.' }));
      more.hidden = !page.more;
      more.onclick = () => load(place(page.items.at(-1)));
    } catch (refusal) {
      problem.textContent = refusal.message;
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

const action = (text, label, onclick) => h('button.text-button', { type: 'button', text, 'aria-label': label, onclick });

function usersSection(api) {
  const search = searchField('admin-users', 'Name begins with…');
  const row = ({ user, admin, disabled_at: disabled, sessions }, trying) => h('li', { 'data-user': user.id },
    h('span.use', {}, h('strong', { text: user.name }), h('small', {
      text: [user.kind, admin && 'administrator', disabled !== null && 'disabled', `${sessions} sessions`].filter(Boolean).join(' · '),
    })),
    sessions > 0 && action('Sign out', `End all sessions of ${user.name}`, () => {
      if (confirm(`End all sessions of “${user.name}”?`)) trying(() => api.endSessions(user.id));
    }),
    ['user', 'guest'].includes(user.kind) && action(disabled === null ? 'Disable' : 'Enable', `${disabled === null ? 'Disable' : 'Enable'} ${user.name}`, () => {
      if (disabled !== null || confirm(`Keep “${user.name}” out? Its sessions end, its tokens and bots stop working.`)) {
        trying(() => api.setDisabled(user.id, disabled === null));
      }
    }),
    user.kind === 'user' && action(admin ? 'No administrator' : 'Administrator', `${admin ? 'Take the right to administer from' : 'Make an administrator of'} ${user.name}`, () => {
      if (confirm(admin ? `Take the right to administer from “${user.name}”?` : `Make “${user.name}” an administrator of this server?`)) {
        trying(() => api.setAdmin(user.id, !admin));
      }
    }));
  const read = async (after) => {
    const { users, more } = await api.adminUsers({ text: search.value.trim(), after });
    return { items: users, more };
  };
  return pages('Users', 'Everybody who has an account, guests and bots too.', read, row, ({ user }) => user.id, search);
}

function roomsSection(api) {
  const search = searchField('admin-rooms', 'Address begins with…');
  const row = (room, trying) => h('li', { 'data-room': room.slug },
    h('span.use', {}, h('strong', { text: `${room.name} (#${room.slug})` }), h('small', {
      text: [room.visibility, room.archived && 'archived', `${room.members} members`, `${room.messages} messages`,
        `owned by ${room.owners.map(({ name }) => name).join(', ') || 'nobody'}`].filter(Boolean).join(' · '),
    })),
    action(room.archived ? 'Open again' : 'Archive', `${room.archived ? 'Open' : 'Archive'} ${room.slug}`,
      () => trying(() => api.adminArchiveRoom(room.slug, !room.archived))),
    action('Delete', `Delete ${room.slug}`, () => {
      if (confirm(`Delete “${room.name}” with all that was said in it?`)) trying(() => api.adminDeleteRoom(room.slug));
    }));
  const read = async (after) => {
    const { rooms, more } = await api.adminRooms({ text: search.value.trim(), after });
    return { items: rooms, more };
  };
  return pages('Rooms', 'All rooms but direct ones. What is said in a room only its members read.', read, row, ({ slug }) => slug, search);
}

function auditSection(api) {
  const row = (entry) => h('li', { 'data-act': entry.act },
    h('span.use', {}, h('strong', { text: auditLine(entry) }), h('small', {
      text: [new Date(entry.at).toLocaleString(), entry.way, entry.address].filter(Boolean).join(' · '),
    })));
  const read = async (before) => {
    const { rows, more } = await api.audit({ before, limit: 50 });
    return { items: rows, more };
  };
  return pages('Audit log', 'What was done to accounts, rights and rooms, and what was refused.', read, row, ({ id }) => id);
}
