/**
 * What members put onto messages: reactions and the pin. Pure: how a `partial` frame changes the message that is held,
 * and what is to be shown of it. Called by `store.js` and the elements.
 */
import { joined, t } from './words.js';

/** Users named with each kind of reaction; the others are only counted. */
export const NAMED_MAX = 20;
/** The reactions offered at once. */
export const OFFERED = ['👍', '❤️', '😂', '🎉', '😮', '😢', '🙏', '👀'];

/**
 * @param {object} held the message as it was
 * @param {object} change the `message` of a partial frame: changed fields only
 * @returns {object} the message as it is
 */
export function applyPartial(held, change) {
  const { reaction, pinned, ...fields } = change;
  const whole = { ...held, ...fields };
  if (pinned === null) delete whole.pinned;
  else if (pinned !== undefined) whole.pinned = pinned;
  if (reaction === undefined) return whole;
  const reactions = withReaction(held.reactions ?? [], reaction);
  if (reactions.length === 0) delete whole.reactions;
  else whole.reactions = reactions;
  return whole;
}

function withReaction(kinds, { emoji, count, added, removed, next }) {
  const before = kinds.find((kind) => kind.emoji === emoji)?.users ?? [];
  const users = before.filter((user) => user !== removed);
  if (added !== undefined && users.length < NAMED_MAX && !users.includes(added)) users.push(added);
  if (next !== undefined && !users.includes(next)) users.push(next);
  const kind = { emoji, count, users };
  const rest = kinds.some((known) => known.emoji === emoji)
    ? kinds.map((known) => (known.emoji === emoji ? kind : known))
    : [...kinds, kind];
  return rest.filter((known) => known.count > 0);
}

/**
 * Who reacted, in words.
 * @param {{emoji: string, count: number, users: string[]}} reaction
 * @param {Map<string, string>} names of users one knows
 * @param {string} me
 * @returns {string}
 */
export function reactedBy({ emoji, count, users }, names, me) {
  const known = users.filter((user) => user === me || names.has(user));
  const told = known.slice(0, 5).map((user) => (user === me ? t('reacted.you') : names.get(user)));
  const others = count - told.length;
  if (others > 0) told.push(t('reacted.others', { count: others }));
  return t('reacted.by', { emoji, people: joined(told) });
}
