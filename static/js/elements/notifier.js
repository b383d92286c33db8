/**
 * Notifications of the browser, for what is said to the reader while the page is hidden: mentions, replies, direct messages, and
 * the end of an answer one asked for. Permission is asked for by a press in the account's dialog and nowhere else; a muted
 * room notifies of nothing. Also the picture of the tab, which shows how much is new.
 */
import { faviconOf } from '../favicon.js';
import { promptOf } from '../items.js';
import { setSetting, setting } from '../look.js';
import { gist, newsOf } from '../news.js';
import { permalink } from '../permalink.js';
import { messageAt } from '../store.js';
import { t } from '../words.js';

/** Whether this browser lets no page notify, though it has the means: Chrome for Android, which tells only who tries. */
let refuses = false;

/** Whether the browser can notify, and may: `granted`, `denied`, `default`, or `missing`. */
export const permission = () => (refuses ? 'missing' : globalThis.Notification?.permission ?? 'missing');

/** Whether notifications are on here. */
export const notifies = () => permission() === 'granted' && setting('notify') === 'on';

/** Turns them on; only a press may ask. @returns {Promise<boolean>} */
export async function turnOn() {
  if (permission() === 'missing') return false;
  const answer = await Notification.requestPermission();
  setSetting('notify', answer === 'granted' ? 'on' : 'off');
  return answer === 'granted';
}

export class Notifier {
  #salon;
  #book;
  #running = new Map();
  #shown = new Set();

  /** @param {{salon: import('../salon.js').Salon, book: import('../room-book.js').RoomBook}} context */
  constructor({ salon, book }) {
    this.#salon = salon;
    this.#book = book;
    salon.on('message', ({ slug, message }) => this.#came(slug, message));
    salon.on('room', ({ slug, state }) => this.#changed(slug, state));
    salon.on('user', (frame) => frame.type === 'user.mentioned' && this.#mentioned(frame));
    document.addEventListener('visibilitychange', () => !document.hidden && this.clear());
  }

  #came(slug, message) {
    const state = this.#salon.openRoom(slug)?.state;
    if (state === undefined) return;
    const kind = newsOf(message, {
      me: state.me, room: state.room, muted: this.#book.muted(slug), authorOf: (seq) => messageAt(state, seq)?.author?.id ?? null,
    });
    if (kind === null) return;
    this.#show(slug, message.seq, t(`notify.${kind}`, { name: message.author.name, room: this.#book.name(slug) }), gist(message.body ?? ''));
  }

  /** The end of an answer that one waited for. */
  #changed(slug, state) {
    const mine = new Set([...state.replies.values()].filter(({ promptSeq }) => messageAt(state, promptSeq)?.author?.id === state.me).map(({ seq }) => seq));
    for (const seq of this.#running.get(slug) ?? []) {
      const message = mine.has(seq) ? null : messageAt(state, seq);
      if (message === null || message.state !== 'complete' || this.#book.muted(slug) || promptOf(state, message) === null) continue;
      this.#show(slug, seq, t('notify.answer', { name: message.author.name, room: this.#book.name(slug) }), gist(message.body ?? ''));
    }
    this.#running.set(slug, mine);
  }

  /** A mention in a room that is not followed here, of which nothing is known but that. */
  #mentioned({ room: slug, last_seq: seq }) {
    if (this.#salon.openRoom(slug)?.state.phase === 'joined' || this.#book.muted(slug)) return;
    this.#show(slug, seq, t('notify.mentioned_in', { room: this.#book.name(slug) }), '');
  }

  #show(slug, seq, title, body) {
    if (!document.hidden || !notifies()) return;
    // The tag keeps several windows of one browser from telling the same twice.
    const note = noteOf(title, { body, tag: `salon ${slug} ${seq}`, icon: '/icon.svg' });
    if (note === null) return;
    this.#shown.add(note);
    note.onclose = () => this.#shown.delete(note);
    note.onclick = () => {
      window.focus();
      const hash = permalink(slug, seq);
      // A hash that is there already does not change, and yet one wants to be led to the message.
      if (location.hash === hash) dispatchEvent(new Event('hashchange'));
      else location.hash = hash;
      note.close();
    };
  }

  /** Whoever looks at the page needs no notification of it; and of who has gone nothing stays on the screen. */
  clear() {
    for (const note of this.#shown) note.close();
    this.#shown.clear();
  }
}

/** A notification, or null where the browser refuses them all. */
function noteOf(title, options) {
  try {
    return new Notification(title, options);
  } catch {
    refuses = true;
    return null;
  }
}

/** The picture of the tab. @param {{unread: number, mentions: number}} news */
export function showIcon(news) {
  const href = faviconOf(news);
  const link = document.querySelector('link[rel="icon"]');
  if (link !== null && link.getAttribute('href') !== href) link.setAttribute('href', href);
}
