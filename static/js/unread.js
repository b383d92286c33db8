/**
 * Where the line above what is new stands, and which messages count as seen. Pure. Called by `elements/messages.js`.
 *
 * The line is put above the first message that was not read when the room was opened, and stays there, whatever is read
 * or written, until the reader leaves: the room, or the window after having read everything.
 *
 * @typedef {object} Mark
 * @property {number} readSeq the last message that had been read where the line was put; Infinity: there is no line
 * @property {number} seenSeq the last message that the reader has had in sight
 */

/** No line. */
export const NO_LINE = Infinity;

/**
 * The mark of a room that is opened.
 * @param {number | null} read the last message read on any device, null where that is not known
 * @param {number} last the room's last message
 * @returns {Mark}
 */
export function openMark(read, last) {
  return read === null || read >= last ? { readSeq: NO_LINE, seenSeq: last } : { readSeq: read, seenSeq: read };
}

/**
 * The reader has everything in sight, up to `last`.
 * @param {Mark} mark @param {number} last @returns {Mark} the same when nothing changed
 */
export function seenMark(mark, last) {
  return last <= mark.seenSeq ? mark : { ...mark, seenSeq: last };
}

/**
 * Something came. Who looks at the end needs no line. For others it is put above what came when everything before was
 * seen: for who is away in any case, for who reads further up when there is none yet.
 * @param {Mark} mark
 * @param {{before: number, last: number, mine: boolean, present: boolean, looking: boolean}} came `before`: the last
 *   message until now; `mine`: what came is the reader's own; `present`: the end is in sight of somebody who looks;
 *   `looking`: somebody looks at the page
 * @returns {Mark}
 */
export function cameMark(mark, { before, last, mine, present, looking }) {
  const allSeen = mark.seenSeq >= before;
  if (present || mine) return allSeen ? seenMark(mark, last) : mark;
  const places = allSeen && (!looking || mark.readSeq === NO_LINE);
  return places ? { readSeq: before, seenSeq: mark.seenSeq } : mark;
}

/**
 * How many messages the reader has not had in sight.
 * @param {Mark} mark @param {number} last
 */
export const unseenCount = ({ seenSeq }, last) => Math.max(0, last - seenSeq);

/**
 * The place of the first message that is new: where the line stands.
 * @param {object[]} messages what is shown, ascending
 * @param {number} readSeq
 * @param {string} me whose own are never new
 * @param {boolean} complete whether the first of them is the first that there is
 * @returns {number} -1 where no line is to be shown
 */
export function placeOfLine(messages, readSeq, me, complete) {
  if (readSeq === NO_LINE || messages.length === 0) return -1;
  const place = messages.findIndex(({ seq, author }) => seq > readSeq && author.id !== me);
  // Above the first that is held one does not know.
  return messages[0].seq <= readSeq + 1 || complete ? place : -1;
}
