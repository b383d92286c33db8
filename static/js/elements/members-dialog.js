/**
 * The dialog that lists a room's members, those who are there first. Owners and moderators add and remove them there,
 * give them roles, ban them and lift bans; an owner gives the room away.
 */
import { h } from '../dom.js';
import { avatar } from '../avatar.js';
import { ROLES, keepsOrder, memberRights } from '../roles.js';
import { titleOf } from '../room-line.js';
import { openDialog, submitting } from './dialog.js';
import { openInvitesDialog } from './invite-dialogs.js';

/**
 * @param {{salon: import('../salon.js').Salon}} context
 * @param {import('../room.js').Room} open
 * @param {HTMLElement} opener which dispatches `salon-left` when one leaves the room oneself
 */
export function openMembersDialog({ salon }, open, opener) {
  const { room } = open.state;
  const manages = keepsOrder(room.role);
  const list = h('ul.members', { 'aria-busy': 'true' }, h('li.empty', { text: 'Reading the list…' }));
  const banned = h('ul.members', {});
  const bans = h('details.bans', { hidden: true }, h('summary', { text: 'Banned' }), banned);
  const problem = h('p.problem', { role: 'alert' });
  const name = h('input', { id: 'member-name', required: true, maxlength: 64, autocomplete: 'off', spellcheck: 'false', placeholder: 'Name' });
  const role = h('select', { 'aria-label': 'Role' },
    ...['member', 'reader', 'moderator'].map((value) => h('option', { value, text: ROLES[value] })));

  const reload = async () => {
    try {
      const members = await salon.api.members(room.slug);
      members.sort((one, other) => Number(other.online) - Number(one.online));
      list.replaceChildren(...members.map((member) => row(member)));
      if (manages) showBans(await salon.api.bans(room.slug));
    } catch (refusal) {
      problem.textContent = refusal.message;
    }
    list.removeAttribute('aria-busy');
  };
  const showBans = (rows) => {
    bans.hidden = rows.length === 0;
    bans.firstElementChild.textContent = `Banned (${rows.length})`;
    banned.replaceChildren(...rows.map(({ user, by, reason }) => h('li', {}, avatar(user),
      h('span.member-name', {}, h('strong', { text: user.name }),
        h('small', { text: reason === '' ? `by ${by.name}` : `by ${by.name}: ${reason}` })),
      h('button.text-button', { type: 'button', text: 'Lift ban', onclick: () => doing(() => salon.api.unban(room.slug, user.id)) }))));
  };
  /** Does something and reads the list again; a refusal is said. */
  const doing = async (work) => {
    problem.textContent = '';
    try {
      await work();
    } catch (refusal) {
      problem.textContent = refusal.message;
    }
    await reload();
  };
  const leave = async () => {
    if (!confirm('Leave this room?')) return;
    try {
      await salon.api.removeMember(room.slug, salon.user.id);
    } catch (refusal) {
      problem.textContent = refusal.message;
      return;
    }
    dialog.close();
    opener.dispatchEvent(new CustomEvent('salon-left', { bubbles: true, detail: { slug: room.slug } }));
  };
  const ban = (user) => {
    const reason = prompt(`Ban ${user.name}? They are removed and cannot come back until you lift the ban. You may say why:`, '');
    if (reason !== null) doing(() => salon.api.ban(room.slug, user.id, reason.slice(0, 200)));
  };
  const give = (user) => {
    if (confirm(`Give this room to ${user.name}? They own it from then on, and you are a moderator.`)) {
      dialog.close();
      salon.api.transferRoom(room.slug, user.id).catch((refusal) => alert(refusal.message));
    }
  };
  const roleMenu = (user, held, roles) => {
    const menu = h('select.role', { 'aria-label': `Role of ${user.name}` },
      ...roles.map((value) => h('option', { value, text: ROLES[value], selected: value === held })));
    menu.addEventListener('change', async () => {
      // The arrow keys change a menu at once: whoever only passes by an owner's role is asked.
      if (menu.value === 'owner' && !confirm(`Make ${user.name} an owner? Owners may do everything here, also to you.`)) {
        menu.value = held;
        return;
      }
      await doing(() => salon.api.setRole(room.slug, user.id, menu.value));
      list.querySelector(`[data-user="${user.id}"] .role`)?.focus();
    });
    return menu;
  };
  const button = (text, label, onclick, classes = 'text-button') =>
    h(`button.${classes}`, { type: 'button', text, 'aria-label': label, onclick });
  const row = (member) => {
    const { user, role: held, online } = member;
    const self = user.id === salon.user.id;
    const may = memberRights(room, member, self);
    return h('li', { 'data-user': user.id }, avatar(user),
      h('span.member-name', {}, h('strong', { text: user.name }),
        h('small', {}, user.kind === 'assistant' ? 'Assistant' : user.kind === 'bot' ? `Bot, ${ROLES[held].toLowerCase()}` : ROLES[held], online && h('span.online', {}, h('i.dot', { 'aria-hidden': 'true' }), 'Here now'))),
      may.roles.length > 0 && roleMenu(user, held, may.roles),
      h('span.member-deeds', {},
        may.gives && button('Give room', `Give the room to ${user.name}`, () => give(user)),
        may.removes && button(self ? 'Leave' : 'Remove', self ? 'Leave this room' : `Remove ${user.name}`,
          () => (self ? leave() : doing(() => salon.api.removeMember(room.slug, user.id)))),
        may.bans && button('Ban', `Ban ${user.name}`, () => ban(user), 'text-button.bad')));
  };
  const add = (event) => submitting(event, problem, async () => {
    await salon.api.addMember(room.slug, { name: name.value.trim(), role: role.value });
    name.value = '';
    await reload();
  });
  const invites = manages && room.visibility !== 'direct';
  const dialog = openDialog(`Members of ${titleOf(room, salon.user.name)}`,
    manages && h('form.add-member', { onsubmit: add }, h('label.visually-hidden', { for: 'member-name', text: 'Name' }),
      name, role, h('button.primary', { type: 'submit', text: 'Add' })),
    invites && h('p.invite-people', {}, h('button.quiet', {
      type: 'button', id: 'invite-people', text: 'Invite people by a link', onclick: () => { dialog.close(); openInvitesDialog({ salon }, room); },
    })),
    problem, list, bans);
  dialog.classList.add('wide');
  reload();
}
