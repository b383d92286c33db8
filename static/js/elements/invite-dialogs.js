/**
 * The dialogs of invites: the one in which links are made and withdrawn, and the one that a link opens.
 */
import { announce, h } from '../dom.js';
import { ROLES, invitable, invitation, inviteLine } from '../roles.js';
import { openDialog, readInto, showLines, submitting } from './dialog.js';
import { t } from '../words.js';

const LIVES = [['3600', t('invites.hour')], ['86400', t('invites.day')], ['604800', t('invites.week')], ['2592000', t('invites.month')]];
const USES = [1, 10, 100, 1000].map((count) => [String(count), t('invites.people', { count })]);

const options = (pairs, chosen) => pairs.map(([value, text]) => h('option', { value, text, selected: value === chosen }));

/**
 * Makes links into a room, and lists those there are.
 * @param {{salon: import('../salon.js').Salon}} context
 * @param {object} room as the reader sees it
 */
export function openInvitesDialog({ salon }, room) {
  const role = h('select', { id: 'invite-role' }, ...options(invitable(room.role).map((name) => [name, ROLES[name]]), 'member'));
  const life = h('select', { id: 'invite-life' }, ...options(LIVES, '604800'));
  const uses = h('select', { id: 'invite-uses' }, ...options(USES, '10'));
  const problem = h('p.problem', { role: 'alert' });
  const link = h('input', { id: 'invite-link', readonly: true, dir: 'ltr', 'aria-label': t('invites.link'), onfocus: () => link.select() });
  const copy = h('button.primary', { type: 'button', id: 'invite-copy', text: t('copy'), onclick: () => copied() });
  const made = h('div.invite-made', { hidden: true }, link, copy,
    h('p.hint', { text: t('invites.secret') }));
  const list = h('ul.invites', {});

  const copied = async () => {
    link.select();
    try {
      await navigator.clipboard.writeText(link.value);
      copy.textContent = t('copied');
      announce(t('invites.copied'));
    } catch {
      problem.textContent = t('invites.copy_yourself');
    }
  };
  const reload = () => readInto(list, async () => {
    const invites = await salon.api.invites(room.slug);
    showLines(list, invites.map((invite) => h('li', { 'data-key': invite.id },
      h('span.member-name', {}, h('strong', { text: inviteLine(invite) }), h('small', { text: t('invites.made_by', { name: invite.by.name }) })),
      h('button.text-button', { type: 'button', text: t('invites.withdraw'), onclick: () => withdraw(invite.id) }))));
  });
  const withdraw = async (id) => {
    problem.textContent = '';
    try {
      await salon.api.revokeInvite(room.slug, id);
    } catch (refusal) {
      problem.textContent = refusal.message;
      // Nor could the list be read, which would say the same.
      if (refusal.code === 'network') return;
    }
    await reload();
  };
  const create = (event) => submitting(event, problem, async () => {
    const wanted = { role: role.value, expires_in_s: Number(life.value), max_uses: Number(uses.value) };
    const invite = await salon.api.createInvite(room.slug, wanted);
    link.value = location.origin + invite.link;
    copy.textContent = t('copy');
    made.hidden = false;
    copy.focus();
    await reload();
  });
  openDialog(t('invites.title', { name: room.name }),
    h('form', { onsubmit: create },
      h('div.invite-fields', {},
        h('label', { for: 'invite-role', text: t('invites.become') }), role,
        h('label', { for: 'invite-life', text: t('invites.life') }), life,
        h('label', { for: 'invite-uses', text: t('invites.uses') }), uses),
      h('div.buttons', {}, h('button.primary', { type: 'submit', id: 'invite-create', text: t('invites.make') }))),
    made, problem, list);
  reload();
}

/**
 * What opens when somebody who is signed in follows a link.
 * @param {{salon: import('../salon.js').Salon, book: import('../room-book.js').RoomBook}} context
 * @param {string} token
 * @param {HTMLElement} opener which dispatches `salon-open` with the room
 */
export async function openInvitation({ salon, book }, token, opener) {
  const sentence = h('p.invitation', { text: t('invites.reading') });
  const problem = h('p.problem', { role: 'alert' });
  const join = h('button.primary', { type: 'submit', id: 'invite-join', text: t('join'), disabled: true });
  const accept = (event) => submitting(event, problem, async () => {
    const room = await salon.api.acceptInvite(token);
    book.put(room);
    dialog.close();
    opener.dispatchEvent(new CustomEvent('salon-open', { bubbles: true, detail: { slug: room.slug } }));
  });
  const again = h('button.quiet', { type: 'button', text: t('app.try_again'), hidden: true, onclick: () => look() });
  const dialog = openDialog(t('invites.invitation'), h('form', { onsubmit: accept }, sentence, problem, h('div.buttons', {}, again, join)));
  const look = async () => {
    [sentence.textContent, problem.textContent, again.hidden] = [t('invites.reading'), '', true];
    try {
      const invite = await salon.api.lookUpInvite(token);
      sentence.textContent = invitation(invite);
      join.textContent = t('invites.join', { name: invite.name });
      join.disabled = false;
      join.focus();
    } catch (refusal) {
      [sentence.textContent, problem.textContent] = ['', refusal.message];
      // What does not work will not work again.
      again.hidden = refusal.code === 'invite_invalid';
    }
  };
  await look();
}
