/**
 * Leaving a room oneself: asked once, done, and the page goes on without the room. Who is its only owner is told what to do first.
 * Called by the members' dialog and the room's menu.
 */
import { h } from '../dom.js';
import { t } from '../words.js';
import { openDialog } from './dialog.js';
import { ask, openMembersDialog, openSettingsDialog } from './dialogs.js';

/**
 * @param {object} context as `<salon-app>` makes it
 * @param {{slug: string}} room
 * @param {HTMLElement} opener which dispatches `salon-left`
 * @returns {Promise<boolean>} whether one has left
 * @throws {Refusal}
 */
export async function leaveRoom(context, room, opener) {
  const { salon } = context;
  if (room.role === 'owner' && await ownsAlone(salon, room)) {
    tellOnlyOwner(context, room, opener);
    return false;
  }
  if (!(await ask(t('members.leave_ask'), t('members.leave')))) return false;
  try {
    await salon.api.removeMember(room.slug, salon.user.id);
  } catch (refusal) {
    if (refusal.code !== 'last_owner') throw refusal;
    tellOnlyOwner(context, room, opener);
    return false;
  }
  opener.dispatchEvent(new CustomEvent('salon-left', { bubbles: true, detail: { slug: room.slug } }));
  return true;
}

/** Whether nobody else owns the room, as far as the first of its members tell; the server knows for sure. */
async function ownsAlone(salon, room) {
  const { members, more } = await salon.api.membersPage(room.slug, null);
  return !more && members.every(({ role, user }) => role !== 'owner' || user.id === salon.user.id);
}

/** A room has an owner: another one, or none and no room. */
function tellOnlyOwner(context, room, opener) {
  const go = (open) => () => {
    for (const shown of document.querySelectorAll('dialog')) shown.close();
    open();
  };
  openDialog(t('leave.only_owner'), h('div.only-owner', {}, h('p', { text: t('leave.only_owner_hint') }),
    h('div.buttons', {},
      h('button.quiet', { type: 'button', id: 'leave-delete', text: t('leave.delete'), onclick: go(() => openSettingsDialog(context, room, { deletes: true })) }),
      h('button.primary', { type: 'button', id: 'leave-give', text: t('leave.give'), onclick: go(() => openMembersDialog(context, context.salon.room(room.slug), opener)) }))));
}
