/**
 * Which messages are worth a notification. Pure: `notifier.js` shows what this lets through.
 */
import { askedIn } from './going-on.js';
import { plainOf } from './plain.js';
import { t } from './words.js';

/** Characters of a message in a notification. */
const SHOWN_CHARS = 140;

/**
 * What a new message is to its reader, when it is for them: one that mentions them, answers one of theirs, or was said in a
 * direct room.
 * @param {object} message
 * @param {{me: string, room: {visibility?: string} | null, muted: boolean, authorOf: (seq: number) => string | null}} about
 * @returns {'mention' | 'reply' | 'direct' | null}
 */
export function newsOf(message, { me, room, muted, authorOf }) {
  if (muted || message.author?.id === me || message.deleted_at) return null;
  if (message.mentions?.includes(me)) return 'mention';
  if (message.kind === 'user' && message.reply_to && authorOf(message.reply_to) === me) return 'reply';
  return room?.visibility === 'direct' && message.kind === 'user' ? 'direct' : null;
}

/** The beginning of a message in one line. @param {string} body */
export function gist(body) {
  const asked = askedIn(body);
  if (asked !== null) return t(asked);
  const letters = [...plainOf(body)];
  return letters.length <= SHOWN_CHARS ? letters.join('') : `${letters.slice(0, SHOWN_CHARS).join('')}…`;
}
