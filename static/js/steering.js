/**
 * Who may stop a reply, have it written again and choose among its texts, as its room says of its assistant. Pure; the server
 * judges for itself. `elements/message.js` and its tools call it, and `asks.js`.
 */
import { ROLES } from './roles.js';

const ORDER = Object.keys(ROLES);

const isAtLeast = (role, least) => ORDER.includes(role) && ORDER.indexOf(role) <= ORDER.indexOf(least);

/**
 * @param {{role: string | null, archived?: boolean, visibility?: string, people?: number, assistants?: object[]} | null} room
 *   `assistants`: as `GET …/assistants` and `room.changed` tell; while nobody has told, what holds by default
 * @param {string} assistant the id of who wrote the reply
 * @param {boolean} asked whether the reader asked for it
 * @returns {{stops: boolean, again: boolean, selects: boolean}}
 */
export function steering(room, assistant, asked) {
  const role = room?.role ?? null;
  if (role === null || role === 'reader') return { stops: false, again: false, selects: false };
  const told = room.assistants?.find(({ id }) => id === assistant);
  const { may_prompt: prompts = 'member', may_stop: stop = 'moderator', may_regenerate: regenerate = 'moderator', enabled = true } = told ?? {};
  const gone = room.assistants !== undefined && told === undefined;
  const direct = room.visibility === 'direct' && !(room.people > 0);
  const open = room.archived !== true;
  const selects = open && (asked || isAtLeast(role, regenerate));
  return {
    stops: asked || isAtLeast(role, stop),
    again: selects && !gone && (direct || (enabled && isAtLeast(role, prompts))),
    selects,
  };
}
