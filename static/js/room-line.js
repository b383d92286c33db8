/**
 * A room as one line of the list: its name, what was said last, and since when. Pure; the book and the elements call it.
 */
import { askedIn } from './going-on.js';
import { plainOf } from './plain.js';
import { t } from './words.js';

/** As the server cuts it. */
const PREVIEW_CHARS = 120;

/**
 * The beginning of a message, as the list of rooms has it.
 * @param {object | undefined} message
 * @returns {{seq: number, author: string, author_id: string, text: string, created_at: string, deleted: boolean} | null}
 */
export function lastOf(message) {
  if (message === undefined) return null;
  const deleted = Boolean(message.deleted_at);
  return {
    seq: message.seq, author: message.author.name, author_id: message.author.id, created_at: message.created_at, deleted,
    text: deleted ? '' : [...message.body ?? ''].slice(0, PREVIEW_CHARS).join(''),
  };
}

/**
 * What was said last, or what the room is about before anything was. Who said it is apart: it may run the other way, and the colon between is of neither.
 * @param {object} room @param {string} me one's own id: others may have the same name
 * @returns {{ who: string, what: string }}
 */
export function previewOf(room, me) {
  const last = room.last ?? null;
  if (last === null) return { who: '', what: room.topic ?? '' };
  const what = last.deleted ? t('preview.deleted') : lineOf(last.text) || '…';
  const who = last.author_id === me ? t('preview.you') : room.people === 2 ? '' : last.author;
  return { who, what };
}

function lineOf(text) {
  const cut = [...text].length >= PREVIEW_CHARS;
  const asked = askedIn(text, { cut });
  return asked === null ? plainOf(text, { cut }) : t(asked);
}

/** The drawing that tells who may come. @param {{visibility: string}} room @returns {'lock' | 'chat' | 'hash'} */
export const shapeOf = ({ visibility }) => (visibility === 'private' ? 'lock' : visibility === 'direct' ? 'chat' : 'hash');

/** A direct room of people goes by the others' names. @param {object} room @param {string} me @returns {string} */
export function titleOf(room, me) {
  if (!(room.people > 0)) return room.name;
  // A name may hold a comma itself: the whole of one's own is taken out, and no more.
  const others = `, ${room.name}, `.replace(`, ${me}, `, ', ').slice(2, -2);
  return others === '' ? room.name : others;
}

/** The room with the latest message first; one without a message is as old as itself. @param {object[]} rooms */
export function byActivity(rooms) {
  const since = ({ last, created_at: made }) => Date.parse(last?.created_at ?? made ?? 0) || 0;
  return rooms.sort((one, other) => since(other) - since(one) || one.name.localeCompare(other.name));
}
