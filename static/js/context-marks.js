/**
 * How far back assistants see: a prompt holds only so much of a room, and what is older than that the assistant no longer
 * reads. Pure. `items.js` calls it for the line in the message column.
 */
import { joined, t } from './words.js';

/**
 * How far an answer sees: a seq, null for everything, and undefined while that is unknown: of one that waits, and of one that may have
 * failed before it was asked.
 */
function seenFrom({ seq, state, reply }, replies) {
  const running = replies.get(seq);
  if (running !== undefined) return running.chunks > 0 ? running.contextFrom : undefined;
  const from = reply?.context_from ?? null;
  return from === null && state !== 'complete' && state !== 'stopped' ? undefined : from;
}

/**
 * Of each assistant the oldest message that its latest answer was told of, where older ones were left out: from its first text on.
 * @param {object[]} messages ascending by seq
 * @param {Map<number, import('./store.js').Reply>} replies those that run
 * @returns {Map<number, string[]>} names of assistants under that message's seq
 */
export function contextMarks(messages, replies = new Map()) {
  const marks = new Map();
  const known = new Set();
  for (let place = messages.length - 1; place >= 0; place -= 1) {
    const { kind, author, deleted_at: gone } = messages[place];
    if (kind !== 'assistant' || gone || known.has(author.id)) continue;
    const from = seenFrom(messages[place], replies);
    if (from === undefined) continue;
    known.add(author.id);
    if (from !== null) marks.set(from, [author.name, ...(marks.get(from) ?? [])]);
  }
  return marks;
}

/**
 * What the line between two messages says, or null where there is none. Nothing is said above the first one that is shown.
 * @param {Map<number, string[]>} marks @param {number | null} previous @param {number} seq @returns {string | null}
 */
export function contextLabel(marks, previous, seq) {
  if (previous === null || marks.size === 0) return null;
  const names = [...marks].filter(([from]) => previous < from && from <= seq).flatMap(([, all]) => all);
  return names.length === 0 ? null : t('messages.context', { count: names.length, names: joined(names) });
}
