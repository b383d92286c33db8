/**
 * Which part of the messages that are held is in the document. Pure. Called by `elements/messages.js`, which moves it with the reader.
 */

/** The place of the first message whose seq is at least `seq`. @param {{seq: number}[]} messages @param {number} seq @returns {number} */
export function placeFrom(messages, seq) {
  let low = 0;
  let high = messages.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (messages[middle].seq < seq) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * @param {{seq: number}[]} messages ascending by seq
 * @param {{lowSeq: number | null, highSeq: number | null, most: number, upward: boolean}} wanted the seqs at both ends, null for as far
 *   as there is; `upward`: of too many the upper ones are kept
 * @returns {{low: number, high: number}} places: `low` is the first that is shown, `high` the one after the last
 */
export function shownPart(messages, { lowSeq, highSeq, most, upward }) {
  let low = lowSeq === null ? 0 : placeFrom(messages, lowSeq);
  let high = highSeq === null ? messages.length : placeFrom(messages, highSeq + 1);
  // A history that was replaced may have nothing of that part: then its end is shown.
  if (low >= high) [low, high] = [Math.max(0, messages.length - most), messages.length];
  if (high - low > most) {
    if (upward) high = low + most;
    else low = high - most;
  }
  return { low, high };
}
