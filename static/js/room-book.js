/**
 * The rooms one knows of, and how much is unread in each. The list comes over HTTP; rooms that are open on the socket
 * count live. Made by `<salon-app>`, read by the room list and the title.
 *
 * Events: `change`.
 */
import { Emitter } from './emitter.js';
import { byActivity, lastOf, titleOf } from './room-line.js';

/** Rooms that are kept joined to count what is new in them; the others count when the list is read again. */
const WATCHED_MAX = 20;
/** Messages kept of a room that is only watched. */
const WATCHED_KEEP = 60;
/** Messages kept of the open room while nobody looks at the page. */
const HIDDEN_KEEP = 500;
/** The list is read again this often while the page is visible. */
const RELOAD_MS = 60_000;

export class RoomBook extends Emitter {
  #salon;
  #memory;
  #rooms = new Map();
  /** The join that each room's counts came with. */
  #counted = new Map();
  /** The slug of the room that is shown, or null. */
  current = null;
  /** Whether the list has come. */
  loaded = false;
  /** Whether there are more rooms than were read. */
  more = false;
  /** How many pages of the list are read. */
  #pages = 1;

  /** @param {import('./salon.js').Salon} salon @param {import('./memory.js').Memory} memory */
  constructor(salon, memory) {
    super();
    this.#salon = salon;
    this.#memory = memory;
    salon.on('room', ({ slug, state }) => this.#roomChanged(slug, state));
    salon.on('user', (frame) => this.#userFrame(frame));
    salon.on('message', ({ slug, message }) => this.#messageCame(slug, message));
    salon.on('welcome', () => this.loaded && this.load());
    setInterval(() => !document.hidden && salon.status === 'open' && this.load(), RELOAD_MS);
  }

  /** Reads the list; a failure leaves the one there is. */
  async load() {
    const rooms = [];
    let next = null;
    try {
      for (let page = 0; page < this.#pages && (page === 0 || next !== null); page += 1) {
        const read = await this.#salon.api.rooms(next);
        rooms.push(...read.rooms);
        next = read.next ?? null;
      }
    } catch {
      return;
    }
    this.more = next !== null;
    const open = [...this.#rooms.values()].filter(({ slug }) => this.#salon.openRoom(slug)?.state.phase === 'joined');
    const listed = new Map(rooms.map((room) => [room.slug, room]));
    // What an open room knows is newer, but for what only the list tells.
    for (const room of open) {
      const { muted, last } = listed.get(room.slug) ?? room;
      listed.set(room.slug, { ...room, muted, last: (last?.seq ?? 0) > (room.last?.seq ?? 0) ? last : room.last });
    }
    this.#rooms = listed;
    for (const slug of this.#salon.roomsWithUnsent()) if (this.#rooms.has(slug)) this.#salon.room(slug);
    for (const room of this.mine().slice(0, WATCHED_MAX)) this.#salon.room(room.slug);
    this.loaded = true;
    this.emit('change');
  }

  /** Reads one page more, from now on. */
  loadMore() {
    this.#pages += 1;
    return this.load();
  }

  /** @returns {object[]} the rooms one is a member of, the latest message first */
  mine() {
    return byActivity([...this.#rooms.values()].filter(({ role }) => role !== null));
  }

  /** @returns {object[]} public rooms one has not joined, by name */
  others() {
    return byName([...this.#rooms.values()].filter(({ role }) => role === null));
  }

  /** Where to begin: the last room, else the lobby, else any. @returns {string | null} */
  first() {
    const last = this.#memory.draft('last-room');
    if (this.#rooms.has(last)) return last;
    if (this.#rooms.has('lobby')) return 'lobby';
    return this.mine()[0]?.slug ?? null;
  }

  /** Shows a room, joining it. @param {string} slug */
  open(slug) {
    if (slug !== this.current) this.#salon.openRoom(this.current ?? '')?.trim(WATCHED_KEEP);
    this.current = slug;
    this.#memory.setDraft('last-room', slug);
    this.#salon.room(slug);
    this.emit('change');
  }

  /** A room one is no longer in. @param {string} slug */
  forget(slug) {
    this.#salon.closeRoom(slug);
    this.#rooms.delete(slug);
    if (this.current === slug) this.current = null;
    this.emit('change');
  }

  /** Takes a room that was made or changed. @param {object} room */
  put(room) {
    // An answer about one room tells neither what was said last nor whether it is muted.
    this.#rooms.set(room.slug, { last: null, muted: false, ...this.#rooms.get(room.slug), ...room });
    this.emit('change');
  }

  /** Whether one wants to be left alone by a room. @param {string} slug */
  muted(slug) {
    return this.#rooms.get(slug)?.muted ?? false;
  }

  /** Mutes a room, or no more, on every device. @param {string} slug @param {boolean} muted @throws {Refusal} */
  async mute(slug, muted) {
    await this.#salon.api.mute(slug, muted);
    const room = this.#rooms.get(slug);
    if (room !== undefined) this.put({ ...room, muted });
  }

  /** @param {string | null} slug @returns {string | null} */
  name(slug) {
    const room = this.#rooms.get(slug);
    return room === undefined ? slug : titleOf(room, this.#salon.user.name);
  }

  /** Everything up to `seq` was seen. @param {string} slug @param {number} seq */
  read(slug, seq) {
    const room = this.#rooms.get(slug);
    if (room !== undefined && seq >= room.last_seq && room.mentions > 0) this.#rooms.set(slug, { ...room, mentions: 0 });
    // The server is told even of what this browser has read before: it may not know.
    if (seq > (room?.last_read_seq ?? 0)) this.#salon.openRoom(slug)?.markRead(seq);
    if (seq <= (this.#memory.readSeq(slug) ?? 0)) return;
    this.#memory.setReadSeq(slug, seq);
    this.emit('change');
  }

  /** The last message read in a room, on any device; null where that is not known. @param {string} slug */
  readSeq(slug) {
    const [here, anywhere] = [this.#memory.readSeq(slug), this.#rooms.get(slug)?.last_read_seq ?? null];
    return here === null ? anywhere : Math.max(here, anywhere ?? 0);
  }

  /** @param {object} room @returns {number} */
  unread(room) {
    const read = this.readSeq(room.slug);
    return read === null || room.role === null ? 0 : Math.max(0, room.last_seq - read);
  }

  /** Unread messages that mention one. @param {object} room @returns {number} */
  mentions(room) {
    return this.unread(room) === 0 ? 0 : Math.min(room.mentions ?? 0, this.unread(room));
  }

  /** @returns {number} over all rooms */
  mentionsTotal() {
    return this.mine().reduce((sum, room) => sum + this.mentions(room), 0);
  }

  /** @returns {number} over all rooms that are not muted */
  unreadTotal() {
    return this.mine().reduce((sum, room) => sum + (room.muted ? 0 : this.unread(room)), 0);
  }

  /** A room that is joined counts for itself, and later. */
  #mentioned(frame, room) {
    if (this.#salon.openRoom(frame.room)?.state.phase === 'joined') return;
    if (room === undefined) {
      if (this.loaded) this.load();
      return;
    }
    this.put({ ...room, last_seq: Math.max(room.last_seq, frame.last_seq), mentions: frame.mentions });
  }

  #userFrame(frame) {
    if (frame.type === 'user.rooms') {
      if (this.loaded) this.load();
      return;
    }
    const room = this.#rooms.get(frame.room);
    if (frame.type === 'user.muted' && room !== undefined) this.put({ ...room, muted: frame.muted });
    if (frame.type === 'user.mentioned') this.#mentioned(frame, room);
    if (frame.type !== 'user.read' || room === undefined) return;
    this.#memory.setReadSeq(frame.room, frame.seq);
    this.put({ ...room, last_read_seq: Math.max(frame.seq, room.last_read_seq ?? 0), mentions: frame.mentions });
  }

  #messageCame(slug, message) {
    const room = this.#rooms.get(slug);
    if (room === undefined || !message.mentions?.includes(this.#salon.user?.id)) return;
    if (message.seq > (this.readSeq(slug) ?? 0)) this.put({ ...room, mentions: (room.mentions ?? 0) + 1 });
  }

  /** The messages to keep of a room; of the one that is looked at, the column keeps what it needs. */
  #keepOf(slug) {
    if (slug !== this.current) return WATCHED_KEEP;
    return globalThis.document?.hidden ? HIDDEN_KEEP : Infinity;
  }

  #roomChanged(slug, state) {
    if (state.phase === 'removed') {
      if (this.#rooms.delete(slug)) this.emit('change');
      return;
    }
    if (state.phase !== 'joined') return;
    const lastSeq = Math.max(state.room.last_seq, state.messages.at(-1)?.seq ?? 0);
    const held = this.#rooms.get(slug);
    // A join tells how far one has read; what came since is newer than that.
    const joined = this.#counted.get(slug) !== state.joinRef;
    this.#counted.set(slug, state.joinRef);
    const counts = joined || held === undefined ? state.room : held;
    const newest = state.messages.at(-1);
    const last = newest?.seq === lastSeq ? lastOf(newest) : held?.last ?? null;
    if (!joined && isSame(held, state.room, lastSeq, last)) return;
    const read = this.#memory.readSeq(slug);
    // A room that is new to this browser has unread what the server says; one whose history was replaced has nothing.
    if (read === null) this.#memory.resetReadSeq(slug, counts.last_read_seq ?? lastSeq);
    else if (read > lastSeq) this.#memory.resetReadSeq(slug, lastSeq);
    const keep = this.#keepOf(slug);
    if (state.messages.length > keep * 2) queueMicrotask(() => this.#salon.openRoom(slug)?.trim(keep));
    const { last_read_seq: readTo = null, mentions = 0 } = counts;
    this.put({ ...state.room, last_seq: lastSeq, last_read_seq: readTo, mentions, last, muted: held?.muted ?? false });
  }
}

/** Whether a line of the list would say the same. */
function isSame(held, room, lastSeq, last) {
  return held?.last_seq === lastSeq && held.last?.text === last?.text && held.last?.deleted === last?.deleted
    && ['name', 'role', 'topic', 'archived', 'visibility'].every((key) => held[key] === room[key]);
}

const byName = (rooms) => rooms.sort((one, other) => one.name.localeCompare(other.name));
