/**
 * Who is in a room and who writes there, as it was last told: pure; `now` is handed in. None of it has a version, all of
 * it runs out with the socket, and a name that writes runs out by itself.
 *
 * @typedef {object} People
 * @property {number | null} count how many are there; null while that is not known
 * @property {object[]} users the first of them
 * @property {{user: object, until: number}[]} typing who writes, in the order they began
 * @property {Map<string, number>} read how far others were heard to have read, by user
 * @property {Map<number, {position: number, user: object}>} queue the replies that wait, by seq: their places and who asked
 * @property {{id: string, until: number}[]} spoke who has just said something: what came before it may come after it
 */
import { joined, t } from './words.js';

/** A name is shown for so long after the last `typing`: a little longer than the server passes them on. */
export const TYPING_MS = 6_000;
/** One's own is sent at most this often; the server passes no more on. */
export const TYPING_EVERY_MS = 3_000;
/** A `typing` that comes so soon behind a message of its user is of before it. */
const SPOKE_MS = 1_500;
/** Names remembered at once. */
const TYPING_MAX = 20;
/** Names that are shown. */
const NAMES = 3;

/** @type {People} */
export const NOBODY = Object.freeze({ count: null, users: [], typing: [], read: new Map(), queue: new Map(), spoke: [] });

/**
 * @param {People} people
 * @param {object} frame any frame of the room
 * @param {string} me the id of the user who reads
 * @param {number} now milliseconds
 * @returns {People} the same object when nothing changed
 */
export function takePeople(people, frame, me, now) {
  if (frame.type === 'presence') return { ...people, count: frame.count, users: frame.users };
  if (frame.type === 'typing') return frame.user.id === me ? people : wrote(people, frame.user, now);
  if (frame.type === 'reply.queue') return { ...people, queue: new Map(frame.waiting.map(({ seq, position, user }) => [seq, { position, user }])) };
  if (frame.type === 'read') return frame.user === me ? people : { ...people, read: new Map(people.read).set(frame.user, frame.seq) };
  // Whoever has said it no longer writes it.
  if (frame.type === 'message') return said(people, frame.message.author?.id, now);
  if (frame.type === 'room.removed') return NOBODY;
  return people;
}

/** Drops the names that have run out. @param {People} people @param {number} now @returns {People} */
export function prunePeople(people, now) {
  return without(people, ({ until }) => until > now);
}

/** When the next name runs out, or null. @param {People} people @returns {number | null} */
export function nextEnd({ typing }) {
  return typing.length === 0 ? null : Math.min(...typing.map(({ until }) => until));
}

/**
 * @param {{position: number, user: object} | null} place
 * @returns {string} such as `Queued, 2 ahead · asked by ada`
 */
export function queueLine(place) {
  if (place === null) return t('queue.thinking');
  const ahead = place.position - 1;
  return t(ahead > 0 ? 'queue.ahead' : 'queue.next', { count: ahead, name: place.user.name });
}

/** @param {People} people @returns {string} such as `ada and bob are writing…`; empty when nobody does */
export function typingLine({ typing }) {
  const names = typing.map(({ user }) => user.name);
  if (names.length === 0) return '';
  if (names.length > NAMES) return t('typing.several');
  return t('typing.names', { count: names.length, names: joined(names) });
}

/**
 * @param {People} people
 * @param {{messages: object[], me: string}} state of the room
 * @returns {string} who has seen one's own last word, such as `Seen by ada`; empty where that is not known
 */
export function seenLine({ read, users }, { messages, me }) {
  const last = messages.at(-1);
  if (last === undefined || last.author?.id !== me || read.size === 0) return '';
  const known = new Map([...messages.map(({ author }) => author), ...users].filter(Boolean).map((user) => [user.id, user]));
  const seen = [...read].filter(([id, seq]) => seq >= last.seq && known.has(id)).map(([id]) => toldApart(known.get(id), known));
  if (seen.length === 0) return '';
  return seen.length > NAMES ? t('seen.count', { count: seen.length }) : t('seen.names', { names: joined(seen) });
}

/** A name; of a guest that is called as somebody else is, that it is one. @param {object} user @param {Map<string, object>} known */
function toldApart(user, known) {
  const alike = ({ id, name }) => id !== user.id && name.toLowerCase() === user.name.toLowerCase();
  return user.kind === 'guest' && [...known.values()].some(alike) ? t('guest.named', { name: user.name }) : user.name;
}

/** @param {People} people @returns {string} such as `3 here`; empty while that is not known */
export function hereLine({ count }) {
  return count === null ? '' : t('here.count', { count });
}

function said(people, id, now) {
  const spoke = people.spoke.filter((entry) => entry.id !== id && entry.until > now).slice(1 - TYPING_MAX);
  const heard = { ...people, spoke: [...spoke, { id, until: now + SPOKE_MS }] };
  return without(heard, ({ user }) => user.id !== id);
}

function wrote(people, user, now) {
  if (people.spoke.some(({ id, until }) => id === user.id && until > now)) return people;
  const held = people.typing.find((entry) => entry.user.id === user.id);
  const until = now + TYPING_MS;
  if (held !== undefined) {
    return { ...people, typing: people.typing.map((entry) => (entry === held ? { user, until } : entry)) };
  }
  return people.typing.length >= TYPING_MAX ? people : { ...people, typing: [...people.typing, { user, until }] };
}

function without(people, keeps) {
  const typing = people.typing.filter(keeps);
  return typing.length === people.typing.length ? people : { ...people, typing };
}
