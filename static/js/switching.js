/**
 * Which rooms the switcher offers for what was typed, and in which order. Pure.
 */

/** Rooms that are offered at once. */
export const OFFERED_MAX = 8;

const plain = (text) => text.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase();

/** How well a name fits: its beginning, the beginning of a word, anywhere, its letters in that order; 0 for not at all. */
function fit(name, wanted) {
  if (wanted === '') return 1;
  const at = name.indexOf(wanted);
  if (at === 0) return 4;
  if (at > 0) return /[\p{L}\p{N}]/u.test(name[at - 1]) ? 2 : 3;
  let place = -1;
  for (const letter of wanted) {
    place = name.indexOf(letter, place + 1);
    if (place < 0) return 0;
  }
  return 1;
}

/**
 * @param {object[]} rooms in the order of the list
 * @param {string} query
 * @param {{name: (room: object) => string, news: (room: object) => number, current: string | null}} about
 * @returns {object[]} the best first; the open room is where one is already, so it is left out until it is asked for
 */
export function switchable(rooms, query, { name, news, current }) {
  const wanted = plain(query.trim());
  return rooms
    .filter(({ slug }) => wanted !== '' || slug !== current)
    .map((room, place) => ({ room, place, fits: Math.max(fit(plain(name(room)), wanted), fit(room.slug, wanted)), news: news(room) }))
    .filter(({ fits }) => fits > 0)
    .sort((one, other) => other.fits - one.fits || other.news - one.news || one.place - other.place)
    .slice(0, OFFERED_MAX)
    .map(({ room }) => room);
}
