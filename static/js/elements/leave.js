/**
 * Leaving a room oneself: asked once, done, and the page goes on without the room. Called by the members' dialog and the room's menu.
 */
import { ask } from './dialogs.js';
import { t } from '../words.js';

/**
 * @param {import('../salon.js').Salon} salon
 * @param {{slug: string}} room
 * @param {HTMLElement} opener which dispatches `salon-left`
 * @returns {Promise<boolean>} whether one has left
 * @throws {Refusal}
 */
export async function leaveRoom(salon, room, opener) {
  if (!(await ask(t('members.leave_ask'), t('members.leave')))) return false;
  await salon.api.removeMember(room.slug, salon.user.id);
  opener.dispatchEvent(new CustomEvent('salon-left', { bubbles: true, detail: { slug: room.slug } }));
  return true;
}
