/**
 * The addresses of rooms and of messages within the page: `#/rooms/<slug>` and `#/rooms/<slug>/<seq>`. Anybody may write one
 * by hand, so what is none is null, whatever it holds.
 */

/** @param {string} slug @param {number | null} seq a message of the room @returns {string} */
export function permalink(slug, seq = null) {
  return `#/rooms/${encodeURIComponent(slug)}${seq === null ? '' : `/${seq}`}`;
}

/** @param {string} hash the page's @returns {{slug: string, seq: number | null} | null} */
export function placeOf(hash) {
  const match = /^#\/rooms\/([a-z0-9-]{1,64})(?:\/([1-9][0-9]{0,14}))?$/.exec(hash);
  return match && { slug: match[1], seq: match[2] === undefined ? null : Number(match[2]) };
}
