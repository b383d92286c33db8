/**
 * The dialog that lists a room's members, those who are online first. Owners and moderators add and remove them there, give them
 * roles (chosen, and then saved), ban them, or somebody who is not there, and lift bans; an owner gives the room away.
 */
import { h } from '../dom.js';
import { avatar } from '../avatar.js';
import { ROLES, keepsOrder, memberRights } from '../roles.js';
import { titleOf } from '../room-line.js';
import { offerMore, openDialog, readInto, showLines, submitting } from './dialog.js';
import { ask, askFor } from './dialogs.js';
import { openInvitesDialog } from './invite-dialogs.js';
import { leaveRoom } from './leave.js';
import { peoplePicker } from './people-picker.js';
import { meet } from './person-dialog.js';
import { t } from '../words.js';

/**
 * @param {object} context as `<salon-app>` makes it
 * @param {import('../room.js').Room} open
 * @param {HTMLElement} opener which dispatches `salon-left` when one leaves the room oneself
 */
export function openMembersDialog(context, open, opener) {
  const { salon } = context;
  const { room } = open.state;
  const manages = keepsOrder(room.role);
  const list = h('ul.members', {}, h('li.empty', { text: t('reading_list') }));
  const banned = h('ul.members', {});
  const spoke = h('datalist', { id: 'ban-names' });
  const banName = h('input', {
    id: 'ban-name', required: true, maxlength: 64, autocomplete: 'off', spellcheck: 'false', list: 'ban-names', placeholder: t('name'), 'aria-label': t('members.ban_name'),
  });
  const banReason = h('input', { id: 'ban-reason', maxlength: 200, autocomplete: 'off', placeholder: t('members.reason'), 'aria-label': t('members.reason') });
  const banForm = h('form.ban-somebody', { onsubmit: (event) => banSomebody(event) }, h('p.hint', { text: t('members.ban_hint') }),
    banName, spoke, banReason, h('button.quiet', { type: 'submit', text: t('members.ban') }));
  const bans = h('details.bans', { hidden: true }, h('summary', { text: t('members.banned') }), banned, banForm);
  const problem = h('p.problem', { role: 'alert' });
  const done = h('p.hint.done', { role: 'status' });
  const name = h('input', { id: 'member-name', required: true, maxlength: 64, autocomplete: 'off', spellcheck: 'false', placeholder: t('name') });
  const role = h('select', { 'aria-label': t('members.role') },
    ...['member', 'reader', 'moderator'].map((value) => h('option', { value, text: ROLES[value] })));

  let bannedIds = new Set();
  const more = h('button.quiet.members-more', { type: 'button', text: t('more'), hidden: true });
  /** A page of the members, those who are there first. */
  const read = async (after) => {
    const page = await salon.api.membersPage(room.slug, after);
    const last = page.members.at(-1)?.user.id;
    page.members.sort((one, other) => Number(other.online) - Number(one.online));
    showLines(list, page.members.map((member) => row(member)), after !== null);
    offerMore(more, page.more, list);
    more.onclick = () => read(last).catch((refusal) => { problem.textContent = refusal.message; });
  };
  const reload = () => readInto(list, async () => {
    more.hidden = true;
    await read(null);
    people.refresh();
    // The members stay, whatever becomes of these.
    if (manages) await salon.api.bans(room.slug).then(showBans, (refusal) => { problem.textContent = refusal.message; });
  });
  const showBans = (rows) => {
    bans.hidden = room.visibility === 'direct';
    bans.firstElementChild.textContent = t('members.banned_count', { count: rows.length });
    bannedIds = new Set(rows.map(({ user }) => user.id));
    showLines(banned, rows.map(({ user, by, reason }) => h('li', { 'data-user': user.id }, avatar(user),
      h('span.member-name', {}, h('strong', { text: user.name }),
        h('small', { text: reason === '' ? t('members.by', { name: by.name }) : t('members.by_why', { name: by.name, reason }) })),
      h('button.text-button', { type: 'button', text: t('members.lift'), onclick: () => doing(() => salon.api.unban(room.slug, user.id)) }))));
  };
  /** Does something and reads the list again; a refusal is said, and else what was done. */
  const doing = async (work, sentence = '') => {
    [problem.textContent, done.textContent] = ['', ''];
    try {
      await work();
    } catch (refusal) {
      problem.textContent = refusal.message;
      // Nor could the list be read, which would say the same.
      if (refusal.code === 'network') return;
    }
    await reload();
    if (problem.textContent === '') done.textContent = sentence;
  };
  /** Those who spoke here lately and are gone, as far as the page knows; guests among them have no name of their own. */
  const gone = () => {
    const authors = new Map(open.state.messages.filter(({ kind, author }) => kind === 'user' && author.kind !== 'deleted').map(({ author }) => [author.id, author]));
    return [...authors.values()].filter(({ id }) => id !== salon.user.id && !bannedIds.has(id) && list.querySelector(`[data-user="${id}"]`) === null);
  };
  banName.addEventListener('focus', () => spoke.replaceChildren(...gone().map(({ name: value }) => h('option', { value }))));
  const banSomebody = (event) => submitting(event, problem, async () => {
    const wanted = banName.value.trim();
    const [known, ...others] = gone().filter((user) => user.name.toLowerCase() === wanted.toLowerCase());
    // Guests may be called alike: whom of them one means, nobody can tell by the name.
    if (others.length > 0) throw new Error(t('members.ban_several', { name: wanted }));
    if (known?.kind === 'guest') await salon.api.ban(room.slug, known.id, banReason.value.trim());
    else await salon.api.banByName(room.slug, wanted, banReason.value.trim());
    [banName.value, banReason.value] = ['', ''];
    await reload();
    banName.focus();
  });
  const leave = async () => {
    try {
      if (await leaveRoom(context, room, opener)) dialog.close();
    } catch (refusal) {
      problem.textContent = refusal.message;
    }
  };
  /** Two of a direct room meet there already. */
  const writes = ({ id, kind }) => id !== salon.user.id && kind !== 'assistant' && kind !== 'deleted' && room.people !== 2;
  const write = async (user) => {
    problem.textContent = '';
    try {
      await meet(context, { ids: [user.id] }, opener);
      dialog.close();
    } catch (refusal) {
      problem.textContent = refusal.message;
    }
  };
  const ban = async (user) => {
    const work = (reason) => salon.api.ban(room.slug, user.id, reason);
    if (await askFor(t('members.ban_ask', { name: user.name }), t('members.ban'), { label: t('members.reason'), maxLength: 200, work })) await doing(() => {});
  };
  const give = async (user) => {
    if (!(await ask(t('members.give_ask', { name: user.name }), t('members.give')))) return;
    await doing(() => salon.api.transferRoom(room.slug, user.id));
    if (problem.textContent === '') dialog.close();
  };
  /** The arrow keys change a menu at once, and pass by what one does not mean: the role is given by the button beside it. */
  const roleMenu = (user, held, roles) => {
    const menu = h('select.role', { 'aria-label': t('members.role_of', { name: user.name }) },
      ...roles.map((value) => h('option', { value, text: ROLES[value], selected: value === held })));
    const give = h('button.quiet.role-save', {
      type: 'button', hidden: true, text: t('save'), 'aria-label': t('members.role_save', { name: user.name }),
      onclick: async () => {
        const chosen = menu.value;
        if (chosen === 'owner' && !(await ask(t('members.owner_ask', { name: user.name }), ROLES.owner))) return;
        // The button goes with what it does.
        menu.focus();
        await doing(() => salon.api.setRole(room.slug, user.id, chosen), t('members.role_saved', { name: user.name, role: ROLES[chosen] }));
      },
    });
    menu.addEventListener('change', () => { give.hidden = menu.value === held; });
    return h('span.member-role', {}, menu, give);
  };
  const remove = async (user) => {
    if (!(await ask(t(`members.remove_ask_${room.visibility === 'public' ? 'public' : 'private'}`, { name: user.name }), t('remove')))) return;
    await doing(() => salon.api.removeMember(room.slug, user.id), t('members.removed', { name: user.name }));
  };
  const button = (text, label, onclick, classes = 'text-button') =>
    h(`button.${classes}`, { type: 'button', text, 'aria-label': label, onclick });
  const row = (member) => {
    const { user, role: held, online } = member;
    const self = user.id === salon.user.id;
    const may = memberRights(room, member, self);
    return h('li', { 'data-user': user.id }, avatar(user),
      h('span.member-name', {}, h('strong', { dir: 'auto', text: user.name }),
        h('small', {}, online && h('span.online', {}, h('i.dot', { 'aria-hidden': 'true' }), t('members.here')),
          user.kind === 'assistant' ? t('kind.assistant') : user.kind === 'bot' ? t('message.bot') : ROLES[held],
          user.kind === 'guest' && h('span.guest-mark', { text: t('kind.guest') }), self && h('span.guest-mark', { text: t('reacted.you') }))),
      may.roles.length > 0 && roleMenu(user, held, may.roles),
      h('span.member-deeds', {},
        writes(user) && button(t('person.write'), t('person.write_of', { name: user.name }), () => write(user)),
        may.gives && button(t('members.give'), t('members.give_of', { name: user.name }), () => give(user)),
        may.removes && button(self ? t('members.leave') : t('remove'), self ? t('members.leave_long') : t('remove_of', { name: user.name }),
          () => (self ? leave() : remove(user))),
        may.bans && button(t('members.ban'), t('members.ban_of', { name: user.name }), () => ban(user), 'text-button.bad')));
  };
  const people = peoplePicker(context, name, { many: false, leaves: ({ id }) => list.querySelector(`[data-user="${id}"]`) !== null });
  const add = (event) => submitting(event, problem, async () => {
    const { names: [named], ids: [user] } = people.chosen();
    await salon.api.addMember(room.slug, user === undefined ? { name: named, role: role.value } : { user, role: role.value });
    await reload();
    people.clear();
  });
  const invites = manages && room.visibility !== 'direct';
  const dialog = openDialog(t('members.title', { name: titleOf(room, salon.user.name) }),
    manages && h('form.add-member', { onsubmit: add }, h('label.visually-hidden', { for: 'member-name', text: t('name') }),
      name, role, h('button.primary', { type: 'submit', text: t('add') }), people.element),
    invites && h('p.invite-people', {}, h('button.quiet', {
      type: 'button', id: 'invite-people', text: t('members.invite'), onclick: () => { dialog.close(); openInvitesDialog({ salon }, room); },
    })),
    problem, done, list, more, bans);
  dialog.classList.add('wide');
  reload();
}
