/**
 * How far back assistants see: a prompt holds only so much of a room, and what is older than that the assistant no longer
 * reads. Pure. `items.js` calls it for the line in the message column.
 */
import { joined, t } from './words.js';

/**
 * Of each assistant the oldest message that its latest answer was told of, where older ones were left out.
 * @param {object[]} messages ascending by seq
 * @returns {Map<number, string[]>} names of assistants under that message's seq
 */
export function contextMarks(messages) {
  const marks = new Map();
  const known = new Set();
  for (let place = messages.length - 1; place >= 0; place -= 1) {
    const { kind, author, state, reply, deleted_at: gone } = messages[place];
    // An answer that failed, or is still being written, tells nothing of what the next one reads.
    if (kind !== 'assistant' || gone || known.has(author.id) || (state !== 'complete' && state !== 'stopped')) continue;
    known.add(author.id);
    const from = reply?.context_from;
    if (from !== undefined && from !== null) marks.set(from, [author.name, ...(marks.get(from) ?? [])]);
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
