/**
 * What is said of answers to those who listen instead of look: once that one is being written, about every seven seconds that it
 * still is, and once how it ended. Never for each of its words. `<salon-app>` starts it.
 */
import { alarm, announce } from '../dom.js';
import { messageAt } from '../store.js';
import { t } from '../words.js';

/** A long answer is worth a word this often. */
const PROGRESS_MS = 7_000;

/** How the end of an answer is said, by its state. */
const ENDS = { complete: 'reply.complete', stopped: 'reply.stopped' };

export class ReplyNews {
  #salon;
  #book;
  #slug = null;
  #running = new Set();
  #timer = null;

  /** @param {{salon: import('../salon.js').Salon, book: import('../room-book.js').RoomBook}} context */
  constructor({ salon, book }) {
    this.#salon = salon;
    this.#book = book;
    salon.on('room', ({ slug, state }) => slug === this.#book.current && this.#changed(slug, state));
  }

  /** @returns {boolean} whether something was said */
  #changed(slug, state) {
    const running = new Set([...state.replies.values()].filter(({ text }) => text !== '').map(({ seq }) => seq));
    const before = slug === this.#slug ? this.#running : new Set();
    [this.#slug, this.#running] = [slug, running];
    const ended = [...before].find((seq) => !running.has(seq));
    const begun = [...running].some((seq) => !before.has(seq));
    if (begun) announce(t('reply.begun'));
    else if (ended !== undefined) this.#ended(messageAt(state, ended)?.state);
    if (running.size === 0) {
      clearInterval(this.#timer);
      this.#timer = null;
    } else {
      this.#timer ??= setInterval(() => this.#progress(), PROGRESS_MS);
    }
    return begun || ended !== undefined;
  }

  #ended(state) {
    if (state === 'failed' || state === 'interrupted') alarm(t('reply.failed'));
    else announce(t(ENDS[state] ?? 'reply.complete'));
  }

  /** Said only while the room is the open one. */
  #progress() {
    if (this.#book.current !== this.#slug || document.hidden) return;
    // While another room was the open one nobody listened here: the answer may have ended.
    const state = this.#salon.openRoom(this.#slug)?.state;
    if (state !== undefined && !this.#changed(this.#slug, state) && this.#running.size > 0) announce(t('reply.still'), true);
  }
}
