/**
 * Whom `@` offers in the composer: the assistants and the members of this room, and nobody else. A source of `suggestions.js`.
 */
import { h } from '../dom.js';
import { avatar, guestMark } from '../avatar.js';
import { t } from '../words.js';

const ASSISTANT = { id: 'assistant', name: 'assistant', kind: 'assistant' };
const SHOWN = 6;
/** Who is in a room is read again when the list is opened after so long. */
const FRESH_MS = 30_000;

/**
 * @param {() => Promise<object[]>} read who may be called here; asked when an `@` is typed
 * @returns {import('./suggestions.js').Source}
 */
export function mentionSource(read) {
  let users = [ASSISTANT];
  let askedAt = -Infinity;
  const readAgain = async (again) => {
    askedAt = performance.now();
    users = await read();
    again();
  };
  return {
    label: t('mention'),
    // Keyboards of glass compose every word.
    composes: true,
    begun: (before) => /(?:^|[\s(])@([\p{L}\p{N}_.-]{0,32})$/u.exec(before)?.[1] ?? null,
    matches: (query, again) => {
      if (performance.now() - askedAt > FRESH_MS) readAgain(again);
      const wanted = query.toLowerCase();
      const found = matchesOf(users, wanted).slice(0, SHOWN);
      // A name that is all there needs no help, and Enter has to send.
      return found.length === 1 && found[0].name.toLowerCase() === wanted ? [] : found;
    },
    row: (user) => [avatar(user), h('span', { text: user.name }), user.kind === 'assistant' ? h('small', { text: t('mention.assistant') }) : guestMark(user)],
    take: ({ name }) => `@${name} `,
  };
}

/** Names that begin so, then names of which another word does. @param {{name: string}[]} users @param {string} wanted in lower case */
export function matchesOf(users, wanted) {
  const begins = ({ name }) => name.toLowerCase().startsWith(wanted);
  const within = ({ name }) => name.toLowerCase().split(/\s+/).slice(1).some((word) => word.startsWith(wanted));
  return [...users.filter(begins), ...users.filter((user) => !begins(user) && within(user))];
}
