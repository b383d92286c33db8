/**
 * The running replies of a room: a pure part of `store.js`. A reply is here from the frame that creates it (or
 * puts it back to `queued`) until the frame that settles it; in between its text grows by deltas.
 */

/** The states of a message after which no delta counts. */
const SETTLED = new Set(['complete', 'stopped', 'failed', 'interrupted']);

/** @param {object} message @returns {boolean} whether it is a reply that is waiting or being written */
export const isRunning = (message) => message.kind === 'assistant' && !SETTLED.has(message.state);

/**
 * Takes a message's new state into account.
 * @param {Map<number, import('./store.js').Reply>} replies
 * @param {object} message
 * @param {boolean} [isNews] not of what had happened before one came: then the text that comes first is no news either
 */
export function trackReply(replies, message, isNews = true) {
  const held = replies.get(message.seq);
  if (!isRunning(message)) {
    if (held === undefined) return replies;
    const rest = new Map(replies);
    rest.delete(message.seq);
    return rest;
  }
  // 0 when the attempt is not told: the first delta, of whatever attempt, then counts as a higher one.
  const attempt = message.reply?.attempt ?? held?.attempt ?? 0;
  if (held !== undefined && held.attempt >= attempt) return replies;
  return new Map(replies).set(message.seq, {
    seq: message.seq,
    promptSeq: message.reply?.prompt_seq ?? message.reply_to ?? held?.promptSeq ?? null,
    attempt,
    chunks: 0,
    text: '',
    contextFrom: null,
    told: isNews ? 0 : null,
    frozen: null,
  });
}

/**
 * The rule for a delta.
 * @param {Map<number, import('./store.js').Reply>} replies
 * @param {{seq: number, attempt: number, chunk: number, count: number, text: string, context_from?: number}} delta
 * @returns {Map<number, import('./store.js').Reply> | null} the same map when it is to be ignored; null when
 *   something was missed
 */
export function applyDelta(replies, { seq, attempt, chunk, count, text, context_from: contextFrom = null }) {
  let reply = replies.get(seq);
  if (reply === undefined || attempt < reply.attempt) return replies;
  if (attempt > reply.attempt) reply = { ...reply, attempt, chunks: 0, text: '', contextFrom: null, told: 0, frozen: null };
  const last = chunk + count - 1;
  if (last <= reply.chunks) return replies;
  if (chunk !== 1 && chunk !== reply.chunks + 1) return null;
  const whole = chunk === 1 ? text : reply.text + text;
  const from = chunk === 1 ? contextFrom : reply.contextFrom;
  return new Map(replies).set(seq, { ...reply, chunks: last, text: whole, contextFrom: from, told: reply.told ?? whole.length });
}

/**
 * What `room.joined` tells of the running replies, over what is held.
 * @param {Map<number, import('./store.js').Reply>} held
 * @param {object[]} told
 */
export function joinReplies(held, told) {
  const replies = new Map(held);
  for (const { seq, prompt_seq: promptSeq, attempt, chunks, body, context_from: contextFrom = null } of told) {
    const before = replies.get(seq);
    const same = before?.attempt === attempt;
    if (same && body !== null && before.chunks >= chunks) {
      // What comes after all that was told is news.
      if (before.told === null) replies.set(seq, { ...before, told: before.text.length });
      continue;
    }
    // A body that does not fit the page follows as one delta from chunk 1; until then the held text may stay.
    if (same && body === null) {
      replies.set(seq, { ...before, told: null });
      continue;
    }
    replies.set(seq, {
      seq,
      promptSeq,
      attempt,
      chunks: body === null ? 0 : chunks,
      text: body ?? '',
      contextFrom,
      told: body?.length ?? null,
      frozen: same ? before.frozen : null,
    });
  }
  return replies;
}
