/**
 * How much of a message's room is left, in the characters that people count by; the limit is one of bytes. Pure.
 */
const encoder = new TextEncoder();
const bytesOf = (text) => encoder.encode(text).length;

/**
 * @param {string} text
 * @param {number} limit in bytes of UTF-8
 * @returns {{left: number, over: number}} characters: so many like those there are still fit, so many of its end are too many
 */
export function spaceIn(text, limit) {
  const used = bytesOf(text);
  if (used > limit) return { left: 0, over: beyond(text, used - limit) };
  const characters = [...text].length;
  return { left: characters === 0 ? limit : Math.floor((limit - used) / (used / characters)), over: 0 };
}

/** How many characters of the end take so many bytes. */
function beyond(text, bytes) {
  let [count, taken] = [0, 0];
  for (const character of [...text].reverse()) {
    if (taken >= bytes) break;
    taken += bytesOf(character);
    count += 1;
  }
  return count;
}
