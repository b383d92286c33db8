/**
 * The dialog that lists a room's members, those who are there first; owners and moderators add and remove them there.
 */
import { h } from '../dom.js';
import { avatar } from '../avatar.js';
import { titleOf } from '../room-line.js';
import { openDialog, submitting } from './dialog.js';

const ROLES = { owner: 'Owner', moderator: 'Moderator', member: 'Member', reader: 'Reader' };

/**
 * @param {{salon: import('../salon.js').Salon}} context
 * @param {import('../room.js').Room} open
 * @param {HTMLElement} opener which dispatches `salon-left` when one leaves the room oneself
 */
export function openMembersDialog({ salon }, open, opener) {
  const { room } = open.state;
  const manages = room.role === 'owner' || room.role === 'moderator';
  const list = h('ul.members', { 'aria-busy': 'true' }, h('li.empty', { text: 'Reading the list…' }));
  const problem = h('p.problem', { role: 'alert' });
  const name = h('input', { id: 'member-name', required: true, maxlength: 64, autocomplete: 'off', spellcheck: 'false', placeholder: 'Name' });
  const role = h('select', { 'aria-label': 'Role' },
    ...['member', 'reader', 'moderator'].map((value) => h('option', { value, text: ROLES[value] })));
  const reload = async () => {
    try {
      const members = await salon.api.members(room.slug);
      members.sort((one, other) => Number(other.online) - Number(one.online));
      list.replaceChildren(...members.map((member) => row(member)));
    } catch (refusal) {
      problem.textContent = refusal.message;
    }
    list.removeAttribute('aria-busy');
  };
  const remove = async (user) => {
    const self = user.id === salon.user.id;
    if (self && !confirm('Leave this room?')) return;
    try {
      await salon.api.removeMember(room.slug, user.id);
    } catch (refusal) {
      problem.textContent = refusal.message;
      return;
    }
    if (!self) return void reload();
    dialog.close();
    opener.dispatchEvent(new CustomEvent('salon-left', { bubbles: true, detail: { slug: room.slug } }));
  };
  // Two stay in their direct room.
  const row = ({ user, role: held, online }) => h('li', {}, avatar(user),
    h('span.member-name', {}, h('strong', { text: user.name }),
      h('small', {}, user.kind === 'assistant' ? 'Assistant' : user.kind === 'bot' ? `Bot, ${ROLES[held].toLowerCase()}` : ROLES[held], online && h('span.online', {}, h('i.dot', { 'aria-hidden': 'true' }), 'Here now'))),
    (user.id === salon.user.id ? room.people !== 2 : manages) && h('button.text-button', {
      type: 'button', text: user.id === salon.user.id ? 'Leave' : 'Remove', onclick: () => remove(user),
    }));
  const add = (event) => submitting(event, problem, async () => {
    await salon.api.addMember(room.slug, { name: name.value.trim(), role: role.value });
    name.value = '';
    await reload();
  });
  const dialog = openDialog(`Members of ${titleOf(room, salon.user.name)}`,
    manages && h('form.add-member', { onsubmit: add }, h('label.visually-hidden', { for: 'member-name', text: 'Name' }),
      name, role, h('button.primary', { type: 'submit', text: 'Add' })),
    problem, list);
  reload();
}
