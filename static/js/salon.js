/**
 * The client library: everything a program needs to live in Salon's rooms, in a browser or in Node ≥ 20 (which
 * must hand in a `WebSocket`). The bundled page uses nothing else. No package, no build step. `docs/client.md` has an
 * example for a page of another site, which connects by tickets.
 *
 * ```js
 * import { Salon } from './salon.js';
 * const salon = new Salon();
 * await salon.api.guest('ada');               // sets the session cookie
 * await salon.connect();                      // one socket, kept for as long as the session lives
 * const lobby = salon.room('lobby');          // joins it, and joins it again after every reconnect
 * lobby.on('change', (state) => console.log(state.messages.at(-1)?.body));
 * lobby.send('@assistant hello');             // resent under the same id until it is known to be kept
 * ```
 *
 * What the library promises: messages come once and in order; after a lost connection each room goes on from its
 * cursor; a gap is noticed and read again; what was written is neither lost by a reload nor stored twice.
 */
import { Api } from './api.js';
import { SIGNED_OUT } from './backoff.js';
import { Connection } from './connection.js';
import { Emitter } from './emitter.js';
import { Refusal } from './errors.js';
import { Pending, memoryStorage } from './pending.js';
import { Room } from './room.js';

export { Api } from './api.js';
export { Connection } from './connection.js';
export { keptInBrowser } from './memory.js';
export { Refusal, replyFailure, replyRefusal } from './errors.js';
export { Room } from './room.js';
export { createRoom, messageAt, reduce } from './store.js';
export { isRunning } from './replies.js';

/**
 * Events: `status` (of the connection), `welcome` (user, limits), `signed_out` (the session has ended), `room`
 * (`{slug, state}`: any change in any open room), `message` (`{slug, message}`: a new one, live), `user` (a `user.…`
 * frame: what one read, or which rooms one got and lost, on whatever device), `me` (who one is now: a guest has become an account).
 */
export class Salon extends Emitter {
  #socketUrl;
  #environment;
  #storage;
  #tab;
  #living;
  #ticket;
  #connection = null;
  #pending = null;
  #rooms = new Map();
  /** The answer to a guest that becomes an account, while it is on its way. */
  #upgrade = null;

  /**
   * @param {object} [options]
   * @param {string} [options.origin] such as `https://chat.example.org`; the page's own when left out
   * @param {typeof fetch} [options.fetch]
   * @param {object} [options.environment] for `Connection`: WebSocket and, in tests, timers and dice
   * @param {() => Promise<string>} [options.ticket] for a page of another site: makes a ticket (`POST /api/tickets`, by
   *   that site's own server) for each connection. An error with the `status` 401 ends it as `signed_out`
   * @param {Storage} [options.storage] where unsent messages survive a reload; see `keptInBrowser`, which has all three
   * @param {string} [options.tab] this page's id, the same after a reload
   * @param {() => Promise<Set<string>>} [options.living] other pages of this browser that are open now
   */
  constructor({ origin = globalThis.location?.origin, fetch, environment, ticket = null, storage = memoryStorage(), tab = 'only', living } = {}) {
    super();
    /** HTTP: accounts, rooms, members. Of no use to a page of another site, whose requests browsers keep from it. */
    this.api = new Api(`${origin}/api`, fetch);
    /** Who is signed in, once connected. */
    this.user = null;
    /** The bounds of `welcome`. */
    this.limits = { body_bytes: 16 * 1024 };
    this.#socketUrl = `${origin.replace(/^http/, 'ws')}/ws`;
    this.#environment = environment;
    this.#storage = storage;
    this.#tab = tab;
    this.#living = living;
    this.#ticket = ticket;
  }

  /** @returns {import('./connection.js').Status} */
  get status() {
    return this.#connection?.status ?? 'idle';
  }

  /**
   * Opens the socket for the user of the session, or of the tickets, and keeps it open. Resolves once it is known who that is.
   * @param {{id: string, name: string, kind: string}} [user] as `api.me()` told, when that is known already
   * @throws {Refusal} when nobody is signed in
   */
  async connect(user) {
    const known = user ?? (this.#ticket === null ? (await this.api.me()).user : null);
    if (known !== null) this.#become(known, await this.#others());
    const connection = new Connection(this.#ticket === null ? this.#socketUrl : () => this.#ticketUrl(), this.#environment);
    this.#connection = connection;
    connection.on('status', (status) => this.#statusChanged(status));
    connection.on('welcome', (frame) => this.#welcomed(frame));
    connection.on('frame', (frame) => this.#received(frame));
    connection.on('failed', ({ failures }) => failures % 3 === 2 && this.#checkSession());
    connection.on('ended', ({ code }) => this.#ended(code));
    connection.start();
    if (known === null) await this.#firstWelcome();
  }

  /**
   * The guest that one is becomes an account, with all that it has. The server ends the session, with its sockets, for one that
   * nobody else can have: this page goes on with it at once, other pages of this browser when they are loaded anew.
   * @param {string} name @param {string} password
   * @throws {Refusal} `name_taken` and what else speaks against it; then nothing has changed
   */
  async upgradeGuest(name, password) {
    this.#upgrade = this.api.upgradeGuest(name, password);
    try {
      this.user = (await this.#upgrade).user;
    } finally {
      this.#upgrade = null;
    }
    // The old socket is let go before it is ended; if it was ended already, this begins anew.
    this.#connection?.restart();
    this.#connection?.retryNow();
    this.#connection?.start();
    this.emit('me', this.user);
  }

  /** While the session is being replaced its end may be heard first: what the answer says counts. */
  async #ended(code) {
    if (this.#upgrade !== null && (await this.#upgrade.then(() => true, () => false))) return;
    this.emit('signed_out', { ended: code === SIGNED_OUT });
  }

  #become(user, others) {
    this.user = user;
    this.#pending = new Pending({ storage: this.#storage, user: user.id, tab: this.#tab, living: others });
  }

  async #ticketUrl() {
    return `${this.#socketUrl}?ticket=${encodeURIComponent(await this.#ticket())}`;
  }

  #firstWelcome() {
    return new Promise((resolve, reject) => {
      const ends = [
        this.on('welcome', () => done(resolve)),
        this.on('signed_out', () => done(reject, new Refusal('unauthenticated', 'Nobody is signed in.', { status: 401 }))),
      ];
      const done = (settle, detail) => {
        for (const end of ends) end();
        settle(detail);
      };
    });
  }

  /** Closes the socket and forgets every room. Unsent messages stay in storage. */
  disconnect() {
    this.#connection?.stop();
    this.#connection = null;
    this.#rooms.clear();
    this.user = null;
  }

  /**
   * The room of that slug, joined now or as soon as there is a connection. Joining a public room makes one a member.
   * @param {string} slug
   * @returns {Room}
   */
  room(slug) {
    const held = this.#rooms.get(slug);
    if (held !== undefined) return held;
    const room = new Room(slug, { connection: this.#connection, pending: this.#pending, me: this.user.id });
    this.#rooms.set(slug, room);
    room.on('change', (state) => this.emit('room', { slug, state }));
    room.on('message', (message) => this.emit('message', { slug, message }));
    room.join();
    return room;
  }

  /** @param {string} slug @returns {Room | undefined} the room, when it is open here */
  openRoom(slug) {
    return this.#rooms.get(slug);
  }

  /** Ends the subscription of a room and forgets it. @param {string} slug */
  closeRoom(slug) {
    this.#rooms.get(slug)?.close();
    this.#rooms.delete(slug);
  }

  /** The rooms in which something waits to be sent. @returns {string[]} */
  roomsWithUnsent() {
    return this.#pending?.rooms() ?? [];
  }

  /** Connects at once instead of waiting: "Try now", the browser's `online` event. */
  retryNow() {
    this.#connection?.retryNow();
  }

  /** After a long sleep: makes sure that the socket lives and reads what every room missed. */
  resync() {
    this.#connection?.probe();
    if (this.status === 'open') for (const room of this.#rooms.values()) room.join();
  }

  /** Asks for a sign of life, when the network may have changed or somebody looks again; and looks who else is still there. */
  probe() {
    this.#connection?.probe();
    if (this.status === 'open') this.#adopt();
  }

  #received(frame) {
    if (frame.type.startsWith('user.')) this.emit('user', frame);
    else this.#rooms.get(frame.room?.slug ?? frame.room)?.receive(frame);
  }

  #statusChanged(status) {
    if (status !== 'open') {
      this.#pending?.disconnected();
      for (const room of this.#rooms.values()) room.disconnected();
    }
    this.emit('status', status);
  }

  async #welcomed(frame) {
    this.limits = { ...this.limits, ...frame.limits };
    if (this.user === null && !(await this.#introduced(frame.user))) return;
    this.emit('welcome', frame);
    for (const room of this.#rooms.values()) room.join();
    this.#adopt();
  }

  /** With tickets it is the welcome that says who this is. @returns {Promise<boolean>} whether this is still the connection */
  async #introduced(user) {
    const connection = this.#connection;
    // Read now: since connecting began, other pages may have come.
    const others = await this.#others();
    if (this.#connection !== connection) return false;
    if (this.user === null) this.#become(user, others);
    return true;
  }

  /** The other pages of this browser that are open now. @returns {Promise<Set<string>>} */
  async #others() {
    return (await this.#living?.()) ?? new Set();
  }

  /** What a page wrote that has gone since, and could not send: this one sends it. */
  async #adopt() {
    const living = await this.#living?.();
    if (living === undefined || this.#pending === null) return;
    for (const entry of this.#pending.adopt(living)) this.#rooms.get(entry.room)?.restore(entry);
  }

  /** A refused upgrade looks like any lost connection: ask whether there still is a session. */
  async #checkSession() {
    // While it is being replaced nothing is known of it, and once it was, what was asked with the old one says nothing.
    if (this.#ticket !== null || this.#upgrade !== null) return;
    const { user } = this;
    try {
      await this.api.me();
    } catch (refusal) {
      if (refusal.status !== 401 || this.#connection === null || this.#upgrade !== null || this.user !== user) return;
      this.#connection.stop();
      this.emit('signed_out', { ended: true });
    }
  }
}
