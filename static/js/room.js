/**
 * One room as a client lives in it: joins it and joins it again, feeds its frames to the pure store, sends and
 * resends what was written. Made by `Salon.room`; views listen to `change` and read `state`.
 *
 * Events: `change` (the new `RoomState`), `message` (a message newer than any before, live only),
 * `reply_refused` ({code}: a prompt was taken, but no reply will be written), `people` (who is there and who writes).
 */
import { Emitter } from './emitter.js';
import { isRetryable } from './errors.js';
import { NOBODY, TYPING_EVERY_MS, nextEnd, prunePeople, takePeople } from './people.js';
import { createRoom, reduce } from './store.js';

/** Messages in one page of history. */
export const PAGE_MESSAGES = 50;
/** Messages one page holds at most; further back there is the export. */
export const HELD_MAX = 4_000;
/** What is seen is marked as read after so long. */
const READ_MS = 500;
const JOIN_RETRY_MS = 1_000;
const JOIN_RETRY_CAP_MS = 15_000;
/** After a gap the room is joined again at most once in so long. */
const REJOIN_EVERY_MS = 1_000;

export class Room extends Emitter {
  #connection;
  #pending;
  #state;
  #timers = { flush: null, join: null, rejoin: null, people: null, read: null };
  #joinFailures = 0;
  #rejoinedAt = -Infinity;
  #people = NOBODY;
  #typedAt = -Infinity;
  /** The last message marked as read, and the last one told to the server. */
  #read = { seen: 0, told: 0 };

  /**
   * @param {string} slug
   * @param {{connection: import('./connection.js').Connection, pending: import('./pending.js').Pending, me: string}} handles
   */
  constructor(slug, { connection, pending, me }) {
    super();
    this.#connection = connection;
    this.#pending = pending;
    this.#state = createRoom(slug, me);
    for (const entry of pending.list(slug)) this.#show(entry);
  }

  /** @returns {import('./store.js').RoomState} */
  get state() {
    return this.#state;
  }

  get slug() {
    return this.#state.slug;
  }

  /** @returns {import('./people.js').People} who is there and who writes, as far as is known */
  get people() {
    return this.#people;
  }

  /** Everything up to `seq` was seen: told to the server soon, many at once as one. @param {number} seq */
  markRead(seq) {
    if (seq <= this.#read.seen || !this.#connection.can('reading')) return;
    this.#read.seen = seq;
    this.#timers.read ??= setTimeout(() => this.#tellRead(), READ_MS);
  }

  #tellRead() {
    this.#timers.read = null;
    if (this.#state.phase !== 'joined' || this.#read.seen <= this.#read.told) return;
    this.#read.told = this.#read.seen;
    this.#connection.tell({ type: 'read.mark', room: this.slug, seq: this.#read.seen });
  }

  /** One writes something here: the others see it for a few seconds. */
  typing() {
    const now = Date.now();
    if (this.#state.phase !== 'joined' || now - this.#typedAt < TYPING_EVERY_MS || !this.#connection.can('typing')) return;
    this.#typedAt = now;
    this.#connection.tell({ type: 'typing', room: this.slug });
  }

  /** Joins, or joins again from the cursor: after a reconnect, after a gap, after a long sleep. */
  join() {
    clearTimeout(this.#timers.join);
    clearTimeout(this.#timers.rejoin);
    this.#timers.rejoin = null;
    if (this.#connection.status !== 'open') return;
    const ref = this.#connection.nextRef();
    const { cursor, epoch, slug } = this.#state;
    this.#apply({ type: 'local.joining', ref });
    const from = cursor === null ? {} : { after: cursor, epoch };
    this.#connection.request({ type: 'room.join', ref, room: slug, ...from }).catch((refusal) => {
      if (isRetryable(refusal.code)) this.#joinLater(ref, refusal);
      else this.#apply({ type: 'local.refused_join', ref, code: refusal.code, message: refusal.message });
    });
  }

  /** Takes a frame of this room; `Salon` calls it, in the order of the socket. @param {object} frame */
  receive(frame) {
    const newest = this.#state.messages.at(-1)?.seq ?? this.#state.from - 1;
    const live = this.#state.phase === 'joined';
    if (frame.type === 'message.accepted') this.#pending.accepted(frame.client_id);
    this.#apply(frame);
    this.#setPeople(takePeople(this.#people, frame, this.#state.me, Date.now()));
    for (const message of messagesOf(frame)) {
      if (message.client_id && message.author?.id === this.#state.me) this.#pending.accepted(message.client_id);
    }
    if (frame.type === 'room.joined' && this.#state.phase === 'joined') {
      this.#joinFailures = 0;
      if (frame.reset) this.#read.seen = 0;
      // What was told before may be lost: the server says how far it knows.
      this.#read.told = frame.room.last_read_seq ?? this.#read.told;
      this.#tellRead();
      this.#flush();
    }
    if (live && frame.type === 'message' && frame.message.seq > newest) this.emit('message', frame.message);
    if (frame.type === 'message.accepted') {
      if (frame.reply_refused) this.emit('reply_refused', { code: frame.reply_refused });
      this.#flush();
    }
  }

  /** The socket is gone; `join` follows on the next one. */
  disconnected() {
    this.#apply({ type: 'local.disconnected' });
    this.#setPeople(NOBODY);
  }

  /**
   * Sends a message, now or when there is a connection; it is shown at once.
   * @param {string} body
   * @param {{replyTo?: number | null}} [options]
   * @returns {string} its client id
   */
  send(body, { replyTo = null } = {}) {
    const clientId = randomId();
    const { at } = this.#pending.add({ room: this.slug, clientId, body, replyTo });
    this.#apply({ type: 'local.send', clientId, body, replyTo, at });
    this.#typedAt = -Infinity;
    this.#flush();
    return clientId;
  }

  /** Takes over a message that another page wrote and could not send. @param {import('./pending.js').Entry} entry */
  restore(entry) {
    // Where pages cannot see each other, each may take over what another still shows.
    if (!this.#state.outgoing.some(({ clientId }) => clientId === entry.clientId)) this.#show(entry);
    this.#flush();
  }

  /** Sends a failed message again, under the same id. @param {string} clientId */
  retrySend(clientId) {
    this.#pending.retry(this.slug, clientId);
    this.#apply({ type: 'local.retry', clientId });
    this.#flush();
  }

  /** Forgets a message that was not sent. @param {string} clientId */
  discardSend(clientId) {
    this.#pending.discard(clientId);
    this.#apply({ type: 'local.discard', clientId });
    // The server may hold back what follows until that one comes again; joining again releases it.
    if (this.#pending.list(this.slug).length > 0) this.join();
  }

  /**
   * Asks for the page above what is held.
   * @returns {Promise<boolean>} whether one came
   */
  async loadOlder() {
    const { phase, complete, history, from, messages, slug, window } = this.#state;
    if (window !== null) return window.older && this.#growWindow('older', { before: window.messages[0].seq });
    if (phase !== 'joined' || complete || history !== null || messages.length >= HELD_MAX) return false;
    const ref = this.#connection.nextRef();
    this.#apply({ type: 'local.history', ref });
    try {
      await this.#connection.request({ type: 'message.history', ref, room: slug, before: from, limit: PAGE_MESSAGES });
      return true;
    } catch {
      this.#apply({ type: 'local.history_failed', ref });
      return false;
    }
  }

  /**
   * Looks at the past around a message instead of the present.
   * @param {number} seq
   * @returns {Promise<boolean>} whether it is there
   */
  async showAround(seq) {
    const ref = this.#connection.nextRef();
    this.#apply({ type: 'local.window', ref, seq });
    return this.#windowPage(ref, { around: seq });
  }

  /** Asks for the page below what is held of the past. @returns {Promise<boolean>} whether one came */
  async loadNewer() {
    const { window } = this.#state;
    return window !== null && window.newer && this.#growWindow('newer', { after: window.messages.at(-1).seq });
  }

  /** Looks at the present again. */
  showPresent() {
    this.#apply({ type: 'local.window_close' });
  }

  /** Stops a reply; what is shown of it freezes at once. @param {number} seq */
  async stop(seq) {
    this.#apply({ type: 'local.stop', seq });
    try {
      await this.#connection.request({ type: 'reply.stop', room: this.slug, seq });
    } catch (refusal) {
      if (refusal.code !== 'reply_settled') this.#apply({ type: 'local.stop_failed', seq });
      throw refusal;
    }
  }

  /** Has a stopped, failed or interrupted reply written again. @param {number} seq */
  async retryReply(seq) {
    await this.#connection.request({ type: 'reply.retry', room: this.slug, seq });
  }

  /** Takes who answers here, as `api.assistants` told; what the room tells of it from now on is newer. @param {object[]} assistants */
  setAssistants(assistants) {
    this.#apply({ type: 'local.assistants', assistants });
  }

  /** Has a settled reply written another way; what it says is kept. @param {number} seq */
  async regenerate(seq) {
    await this.#connection.request({ type: 'reply.regenerate', room: this.slug, seq });
  }

  /** Makes one of a reply's texts its message, for everybody. @param {number} seq @param {number} variant */
  async selectVariant(seq, variant) {
    await this.#connection.request({ type: 'reply.select', room: this.slug, seq, variant });
  }

  /** Asks for the rest of a stopped, failed or interrupted reply. @param {number} seq */
  async continueReply(seq) {
    const frame = { type: 'reply.continue', room: this.slug, seq, client_id: randomId() };
    await this.#connection.request(frame);
  }

  /**
   * Gives a message of one's own another text.
   * @param {number} seq @param {string} body @param {number} ifVersion the version whose text was edited
   * @param {boolean} resend whether what answers it is written again
   */
  async edit(seq, body, ifVersion, resend = false) {
    await this.#connection.request({ type: 'message.edit', room: this.slug, seq, body, if_version: ifVersion, resend });
  }

  /** Deletes a message. @param {number} seq */
  async delete(seq) {
    await this.#connection.request({ type: 'message.delete', room: this.slug, seq });
  }

  /** Reacts to a message, or takes that back. @param {number} seq @param {string} emoji @param {boolean} on */
  async react(seq, emoji, on) {
    await this.#connection.request({ type: on ? 'reaction.add' : 'reaction.remove', room: this.slug, seq, emoji });
  }

  /** Pins a message, or unpins it. @param {number} seq @param {boolean} on */
  async pin(seq, on) {
    await this.#connection.request({ type: on ? 'message.pin' : 'message.unpin', room: this.slug, seq });
  }

  /** Forgets the oldest messages beyond `keep`. @param {number} keep */
  trim(keep) {
    this.#apply({ type: 'local.trim', keep });
  }

  /** Ends this socket's subscription; the membership stays. */
  close() {
    clearTimeout(this.#timers.flush);
    clearTimeout(this.#timers.join);
    clearTimeout(this.#timers.rejoin);
    clearTimeout(this.#timers.people);
    clearTimeout(this.#timers.read);
    this.#tellRead();
    this.#connection.request({ type: 'room.leave', room: this.slug }).catch(() => {});
  }

  #apply(event) {
    const { state, rejoin } = reduce(this.#state, event);
    const changed = state !== this.#state;
    this.#state = state;
    if (changed) this.emit('change', state);
    if (rejoin) this.#missed();
  }

  /** Something is missing: joins again, at once the first time; were every answer to miss something too, no more often than this. */
  #missed() {
    const wait = this.#rejoinedAt + REJOIN_EVERY_MS - Date.now();
    if (wait > 0) {
      this.#timers.rejoin ??= setTimeout(() => this.#rejoin(), wait);
    } else {
      this.#rejoin();
    }
  }

  #rejoin() {
    this.#rejoinedAt = Date.now();
    this.join();
  }

  #setPeople(people) {
    if (people === this.#people) return;
    this.#people = people;
    clearTimeout(this.#timers.people);
    const end = nextEnd(people);
    if (end !== null) {
      this.#timers.people = setTimeout(() => this.#setPeople(prunePeople(this.#people, Date.now())), Math.max(0, end - Date.now()) + 1);
    }
    this.emit('people', people);
  }

  async #growWindow(way, place) {
    if (this.#state.phase !== 'joined' || this.#state.window.loading !== null) return false;
    const ref = this.#connection.nextRef();
    this.#apply({ type: 'local.window_more', ref, way });
    return this.#windowPage(ref, place);
  }

  async #windowPage(ref, place) {
    try {
      await this.#connection.request({ type: 'message.history', ref, room: this.slug, ...place, limit: PAGE_MESSAGES });
      return true;
    } catch {
      this.#apply({ type: 'local.window_failed', ref });
      return false;
    }
  }

  #joinLater(ref, refusal) {
    if (this.#state.joinRef !== ref || refusal.code === 'disconnected') return;
    const wait = Math.min(JOIN_RETRY_CAP_MS, JOIN_RETRY_MS * 2 ** this.#joinFailures) * (0.5 + Math.random() / 2);
    this.#joinFailures += 1;
    this.#timers.join = setTimeout(() => this.join(), Math.max(wait, refusal.retryAfterMs ?? 0));
  }

  #show({ clientId, body, replyTo, at, failed }) {
    this.#apply({ type: 'local.send', clientId, body, replyTo, at });
    if (failed) {
      const message = 'This message was not sent.';
      this.#apply({ type: 'local.refused', clientId, code: 'failed', message, retrying: false });
    }
  }

  #flush() {
    if (this.#state.phase !== 'joined' || this.#connection.status !== 'open') return;
    for (const { clientId, body, replyTo } of this.#pending.toSend(this.slug)) {
      const ref = this.#connection.nextRef();
      const answers = replyTo === null ? {} : { reply_to: replyTo };
      this.#pending.sent(clientId, ref);
      this.#connection
        .request({ type: 'message.send', ref, room: this.slug, client_id: clientId, body, ...answers })
        .catch((refusal) => this.#refused(clientId, ref, refusal));
    }
  }

  #refused(clientId, ref, refusal) {
    if (refusal.code === 'disconnected') return;
    // An open socket that does not answer a send: a new one settles what became of it.
    if (refusal.code === 'deadline') {
      this.#connection.restart();
      return;
    }
    const { retryable, retryAfterMs, code, message } = refusal;
    // Nothing earlier is owed here, yet the server waits for something: joining again says where this client stands.
    const held = code === 'behind' && this.#pending.isFirst(this.slug, clientId);
    const rejoin = code === 'not_joined' || held;
    const { outcome, resendInMs } = this.#pending.refused(this.slug, clientId, ref, {
      retryable: retryable || rejoin,
      retryAfterMs,
    });
    if (outcome === 'ignored') return;
    this.#apply({ type: 'local.refused', clientId, code, message, retrying: outcome === 'later' });
    // Given up: it will not come again by itself, and the server holds back what follows until it does or the room is joined.
    if (rejoin || (outcome === 'failed' && retryable)) this.join();
    if (outcome === 'later') {
      clearTimeout(this.#timers.flush);
      this.#timers.flush = setTimeout(() => this.#flush(), resendInMs + 1);
    }
  }
}

function messagesOf(frame) {
  return frame.type === 'message' ? [frame.message] : frame.type === 'room.joined' ? frame.messages : [];
}

/** A UUID; `crypto.randomUUID` is missing on pages served over plain HTTP. */
function randomId() {
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
