/**
 * The message that another one answers, shown above it in a line. One that is not held is read once over HTTP.
 */
import { h } from '../dom.js';
import { askedIn } from '../going-on.js';
import { plainOf } from '../plain.js';
import { messageAt } from '../store.js';
import { t } from '../words.js';

/** Characters of a quoted text that are shown. */
const EXCERPT_CHARS = 120;
/** Messages that were read for quotes, per room; they change seldom. */
const read = new Map();

/** The beginning of a text, in one line. @param {string} body */
export function excerpt(body) {
  const asked = askedIn(body);
  if (asked !== null) return t(asked);
  const line = plainOf(body);
  const characters = [...line];
  return characters.length <= EXCERPT_CHARS ? line : `${characters.slice(0, EXCERPT_CHARS).join('')}…`;
}

/** What is said of a message in one line. @param {object} message */
export const saidIn = (message) => (message.deleted_at ? t('message.deleted') : excerpt(message.body));

/**
 * @param {import('../room.js').Room} room
 * @param {import('../api.js').Api} api
 * @param {number} seq the message that is answered
 * @param {() => void} jump
 * @returns {HTMLElement}
 */
export function quoteOf(room, api, seq, jump) {
  const author = h('strong');
  const text = h('span', { dir: 'auto' });
  const quote = h('button.quote', { type: 'button', title: t('quote.show'), onclick: jump }, author, text);
  const fill = (message) => {
    author.textContent = message.author.name;
    text.textContent = saidIn(message);
  };
  const held = messageAt(room.state, seq);
  if (held !== null) {
    fill(held);
    return quote;
  }
  text.textContent = '…';
  const key = `${room.slug} ${seq}`;
  if (!read.has(key)) read.set(key, api.message(room.slug, seq));
  read.get(key).then(fill, () => {
    read.delete(key);
    text.textContent = t('quote.earlier');
  });
  return quote;
}
