/**
 * Whom one may write to or add: people of one's own rooms, whom the page reads when it is asked, and which of them a name that
 * was written means. Guests may be called alike, so they are meant by their ids. Called by `elements/people-picker.js`.
 */
import { t } from './words.js';

/** Rooms whose members are read: those with the latest messages. */
const ROOMS_READ = 5;

/**
 * @param {{salon: import('./salon.js').Salon, book: import('./room-book.js').RoomBook}} context
 * @returns {Promise<object[]>} the first members of the rooms one was in last, by name; oneself and assistants are not among them
 */
export async function knownPeople({ salon, book }) {
  const pages = book.mine().slice(0, ROOMS_READ).map(({ slug }) => salon.api.membersPage(slug).catch(() => ({ members: [] })));
  return peopleOf(await Promise.all(pages), salon.user.id);
}

/** Each once, without oneself. @param {{members: {user: object}[]}[]} pages @param {string} me */
export function peopleOf(pages, me) {
  const people = new Map(pages.flatMap(({ members }) => members).map(({ user }) => [user.id, user]));
  people.delete(me);
  return [...people.values()].filter(({ kind }) => kind !== 'assistant' && kind !== 'deleted').sort((one, other) => one.name.localeCompare(other.name));
}

/**
 * Whom the names mean: an account by its name, which nobody else has; a guest, where no account is known by that name, by its id.
 * @param {string[]} names as they were written
 * @param {object[]} known
 * @returns {{names: string[], ids: string[]}}
 * @throws {Error} where several guests are called so
 */
export function meant(names, known) {
  const found = { names: [], ids: [] };
  for (const name of names) {
    const called = known.filter((user) => user.name.toLowerCase() === name.toLowerCase());
    const guests = called.filter(({ kind }) => kind === 'guest');
    if (guests.length < called.length || guests.length === 0) found.names.push(name);
    else if (guests.length === 1) found.ids.push(guests[0].id);
    else throw new Error(t('people.several', { name }));
  }
  return found;
}
