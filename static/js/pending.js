/**
 * What was written and is not yet known to be kept, in order, per room; held in storage so that a reload or a
 * crash of the tab loses nothing. Called by `Room`. It decides what may be sent now; it sends nothing itself.
 *
 * The server refuses what follows a retryably refused send (`behind`) until that one comes again, so the order is
 * kept by sending again from the first refused one on, each under its own `client_id`: nothing can double.
 *
 * @typedef {object} Entry
 * @property {string} room the slug
 * @property {string} clientId
 * @property {string} body
 * @property {number | null} replyTo
 * @property {number} at milliseconds since 1970
 * @property {boolean} failed refused for good: waits for Retry or Discard
 * @property {string} tab which page owns it
 */

/** Entries kept for one user; above it the oldest failed ones are forgotten first. */
export const ENTRIES_MAX = 200;
/** Sends without an answer at once; the rest waits its turn. */
export const IN_FLIGHT_MAX = 32;
/** After so many retryable refusals in a row the send is shown as failed and waits for the reader. */
export const TRIES_MAX = 8;
const RETRY_MS = 500;
const RETRY_CAP_MS = 10_000;

export class Pending {
  #storage;
  #key;
  #tab;
  #now;
  /** What is not worth keeping: clientId → {ref, tries}. A ref means that an answer is awaited. */
  #flights = new Map();
  #blockedUntil = new Map();

  /**
   * @param {object} options
   * @param {Storage} options.storage
   * @param {string} options.user the id of the user, whose entries are no other's
   * @param {string} options.tab this page's id, the same after a reload
   * @param {Set<string>} [options.living] tabs that look after their own entries
   * @param {() => number} [options.now]
   */
  constructor({ storage, user, tab, living = new Set(), now = () => Date.now() }) {
    this.#storage = storage;
    this.#key = `salon.pending.${user}`;
    this.#tab = tab;
    this.#now = now;
    this.adopt(living);
  }

  /**
   * Looks after the entries of pages that have gone.
   * @param {Set<string>} living tabs that look after their own entries
   * @returns {Entry[]} those that are this page's from now on and were not
   */
  adopt(living) {
    const orphaned = (entry) => entry.tab !== this.#tab && !living.has(entry.tab);
    const entries = this.#read();
    const adopted = entries.filter(orphaned).map((entry) => ({ ...entry, tab: this.#tab }));
    if (adopted.length > 0) this.#write(entries.map((entry) => (orphaned(entry) ? { ...entry, tab: this.#tab } : entry)));
    return adopted;
  }

  /** @param {string} room @returns {Entry[]} in the order they were written */
  list(room) {
    return this.#read().filter((entry) => entry.room === room && entry.tab === this.#tab);
  }

  /** @returns {string[]} the rooms that have any */
  rooms() {
    return [...new Set(this.#read().filter((entry) => entry.tab === this.#tab).map((entry) => entry.room))];
  }

  /**
   * @param {{room: string, clientId: string, body: string, replyTo?: number | null}} send
   * @returns {Entry}
   */
  add({ room, clientId, body, replyTo = null }) {
    const entry = { room, clientId, body, replyTo, at: this.#now(), failed: false, tab: this.#tab };
    const entries = [...this.#read(), entry];
    while (entries.length > ENTRIES_MAX) entries.splice(Math.max(0, entries.findIndex(({ failed }) => failed)), 1);
    this.#write(entries);
    return entry;
  }

  /**
   * What may be sent to `room` now, in order.
   * @param {string} room
   * @returns {Entry[]}
   */
  toSend(room) {
    if ((this.#blockedUntil.get(room) ?? 0) > this.#now()) return [];
    const waiting = this.list(room).filter((entry) => !entry.failed);
    const free = IN_FLIGHT_MAX - waiting.filter((entry) => this.#flights.get(entry.clientId)?.ref).length;
    return waiting.filter((entry) => !this.#flights.get(entry.clientId)?.ref).slice(0, Math.max(0, free));
  }

  /** Whether nothing before it is to be sent to the room. @param {string} room @param {string} clientId */
  isFirst(room, clientId) {
    return this.list(room).find((entry) => !entry.failed)?.clientId === clientId;
  }

  /** Remembers that an answer to `ref` is awaited. @param {string} clientId @param {string} ref */
  sent(clientId, ref) {
    this.#flights.set(clientId, { ref, tries: this.#flights.get(clientId)?.tries ?? 0 });
  }

  /** It is kept by the server: forget it. @param {string} clientId */
  accepted(clientId) {
    this.#flights.delete(clientId);
    const entries = this.#read();
    const rest = entries.filter((entry) => entry.clientId !== clientId);
    if (rest.length !== entries.length) this.#write(rest);
  }

  /** Forgets it on the reader's wish. @param {string} clientId */
  discard(clientId) {
    this.accepted(clientId);
  }

  /**
   * The server said no.
   * @param {string} room
   * @param {string} clientId
   * @param {string} ref of the send that was refused; an answer to an earlier sending of it means nothing
   * @param {{retryable: boolean, retryAfterMs: number | null}} refusal
   * @returns {{outcome: 'ignored' | 'failed' | 'later', resendInMs: number}}
   */
  refused(room, clientId, ref, { retryable, retryAfterMs }) {
    const flight = this.#flights.get(clientId);
    if (flight?.ref !== ref) return { outcome: 'ignored', resendInMs: 0 };
    const tries = flight.tries + 1;
    if (!retryable || tries >= TRIES_MAX) {
      this.#flights.delete(clientId);
      this.#write(this.#read().map((entry) => (entry.clientId === clientId ? { ...entry, failed: true } : entry)));
      return { outcome: 'failed', resendInMs: 0 };
    }
    const resendInMs = Math.max(retryAfterMs ?? 0, Math.min(RETRY_CAP_MS, RETRY_MS * 2 ** (tries - 1)));
    this.#blockedUntil.set(room, this.#now() + resendInMs);
    this.#flights.set(clientId, { ref: null, tries });
    this.#takeBackAfter(room, clientId);
    return { outcome: 'later', resendInMs };
  }

  /** The reader wants it sent again. @param {string} room @param {string} clientId */
  retry(room, clientId) {
    this.#flights.delete(clientId);
    this.#blockedUntil.delete(room);
    this.#write(this.#read().map((entry) => (entry.clientId === clientId ? { ...entry, failed: false } : entry)));
  }

  /** No answer will come on this socket any more: all is to be sent again, in order. */
  disconnected() {
    for (const [clientId, { tries }] of this.#flights) this.#flights.set(clientId, { ref: null, tries });
  }

  /** What was pipelined behind a refused send is refused too: it follows again after it. */
  #takeBackAfter(room, clientId) {
    const entries = this.list(room);
    const place = entries.findIndex((entry) => entry.clientId === clientId);
    for (const { clientId: later } of entries.slice(place + 1)) {
      const flight = this.#flights.get(later);
      if (flight !== undefined) this.#flights.set(later, { ref: null, tries: flight.tries });
    }
  }

  #read() {
    try {
      const entries = JSON.parse(this.#storage.getItem(this.#key) ?? '[]');
      return Array.isArray(entries) ? entries : [];
    } catch {
      return [];
    }
  }

  #write(entries) {
    try {
      if (entries.length === 0) this.#storage.removeItem(this.#key);
      else this.#storage.setItem(this.#key, JSON.stringify(entries));
    } catch {
      // A full or forbidden storage: what is on the screen still goes out, it only does not survive a reload.
      this.#storage = memoryStorage(this.#key, JSON.stringify(entries));
    }
  }
}

/**
 * A storage that forgets, for pages and programs without one.
 * @param {string} [key]
 * @param {string} [value]
 * @returns {Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>}
 */
export function memoryStorage(key, value) {
  const items = new Map(key === undefined ? [] : [[key, value]]);
  return {
    getItem: (name) => items.get(name) ?? null,
    setItem: (name, text) => void items.set(name, text),
    removeItem: (name) => void items.delete(name),
  };
}
