/**
 * Messages by which somebody had an assistant go on: the server writes them in that person's name, with the end of the answer as a
 * quote (`src/chat/messages.rs`). Pure; `<salon-message>` shows them as a line, and what is said of them in one line calls this too.
 */

const GO_ON = /^@\S+ Please go on exactly where this broke off:\n\n((?:>[^\n]*(?:\n|$))+)$/;
/** Of a text that was cut nobody knows what follows. */
const GO_ON_BEGUN = /^@\S+ Please go on exactly where this broke off:\s+>/;
const AGAIN = /^@\S+ Please answer again: nothing of the answer arrived\.$/;

/**
 * What a message asks to go on with, or null where it is anything else.
 * @param {{kind: string, body?: string, reply_to?: number | null, edited_at?: string, deleted_at?: string}} message
 * @returns {{quote: string} | null} `quote`: the end of the answer; empty where nothing of it had come
 */
export function goingOn({ kind, body = '', reply_to: answered = null, edited_at: edited, deleted_at: deleted }) {
  if (kind !== 'user' || answered === null || edited || deleted) return null;
  if (AGAIN.test(body)) return { quote: '' };
  const quoted = GO_ON.exec(body)?.[1];
  return quoted === undefined ? null : { quote: quoted.replace(/^> ?/gm, '').trimEnd() };
}

/**
 * How such a message is called where a text has one line, or null where the text is anything else.
 * @param {string} text @param {{cut?: boolean}} [options] `cut`: it went on
 * @returns {'message.asked_on' | 'message.asked_again' | null} of the catalogues
 */
export function askedIn(text, { cut = false } = {}) {
  if (AGAIN.test(text)) return 'message.asked_again';
  return (cut ? GO_ON_BEGUN : GO_ON).test(text) ? 'message.asked_on' : null;
}
