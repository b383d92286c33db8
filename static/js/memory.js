/**
 * What this browser remembers between visits: drafts, the last message read in each room, the last room, and which
 * of its tabs this is. All of it is forgotten at sign-out. Storage may be forbidden; then nothing is remembered.
 */
import { memoryStorage } from './pending.js';

/** The browser's storage of that kind, or one that forgets. @param {'localStorage' | 'sessionStorage'} kind */
export function storageOf(kind) {
  try {
    const storage = globalThis[kind];
    storage.setItem('salon.probe', '1');
    storage.removeItem('salon.probe');
    return storage;
  } catch {
    return memoryStorage();
  }
}

export const local = storageOf('localStorage');
const session = storageOf('sessionStorage');

/**
 * What `Salon` takes so that unsent messages survive a reload and several pages of one browser do not send each other's.
 * @returns {Promise<{storage: Storage, tab: string, living: () => Promise<Set<string>>}>}
 */
export async function keptInBrowser() {
  const tab = await ownTab();
  return { storage: local, tab, living: () => livingTabs(tab) };
}

const LOCK = 'salon.tab.';
/** A page that is loaded anew may find its own lock held for a moment; a copy of a page finds it held for good. */
const LOCK_MS = 400;

/** This page's id, the same after a reload, and no other page's: a tab that was duplicated has its own. */
async function ownTab() {
  const held = session.getItem('salon.tab');
  if (held !== null && (await holdsLock(held))) return held;
  const id = Math.random().toString(36).slice(2);
  session.setItem('salon.tab', id);
  await holdsLock(id);
  return id;
}

/** Holds the lock that says that a page lives, for as long as it does. Without the Web Locks API all pages say so. */
function holdsLock(tab) {
  if (!navigator.locks) return true;
  return new Promise((resolve) => {
    const hold = () => {
      resolve(true);
      return new Promise(() => {});
    };
    navigator.locks.request(LOCK + tab, { signal: AbortSignal.timeout(LOCK_MS) }, hold).catch(() => resolve(false));
  });
}

/**
 * The other pages of this browser that are open now, each of which looks after its own unsent messages. Without the
 * Web Locks API none is known; then two pages may send the same message, which the server stores once.
 * @param {string} tab
 * @returns {Promise<Set<string>>}
 */
async function livingTabs(tab) {
  if (!navigator.locks) return new Set();
  const { held } = await navigator.locks.query();
  const names = held.map(({ name }) => name).filter((name) => name.startsWith(LOCK));
  return new Set(names.map((name) => name.slice(LOCK.length)).filter((name) => name !== tab));
}

/** Says something to the page that is loaded next in this tab. @param {string} note */
export function leaveNote(note) {
  session.setItem('salon.note', note);
}

/** What the page before this one left, once; empty when it left nothing. @returns {string} */
export function takeNote() {
  const note = session.getItem('salon.note') ?? '';
  session.removeItem('salon.note');
  return note;
}

const ACCOUNT = 'salon.account';

/**
 * Whether who is here comes back by a password, which an account does and a guest does not. That is all that stays after signing out:
 * not who it was.
 * @param {boolean} returns
 */
export const knowAccount = (returns) => set(local, ACCOUNT, returns ? 'yes' : '');

/** Whether an account was here last. @returns {boolean} */
export const hadAccount = () => local.getItem(ACCOUNT) !== null;

/**
 * Leaves word of where one is, for the page that this one becomes when it is loaded in another language.
 * @param {{dialog: boolean, pane?: string, name?: string}} place
 */
export function leavePlace(place) {
  session.setItem('salon.place', JSON.stringify(place));
}

/** Where one was, once; null when nothing was left. @returns {{dialog: boolean, pane?: string, name?: string} | null} */
export function takePlace() {
  const place = session.getItem('salon.place');
  session.removeItem('salon.place');
  try {
    return JSON.parse(place);
  } catch {
    return null;
  }
}

const LEAVING = 'salon.leaving';

/**
 * Somebody signs out of this browser, or after all does not, or somebody is there again. Other tabs of the same person are told by the
 * server, at about the same time: what they hold is not to be left either.
 * @param {boolean} leaves
 */
export function signsOut(leaves) {
  set(local, LEAVING, leaves ? 'yes' : '');
}

/** What one user has left in this browser. */
export class Memory {
  #user;

  /** @param {string} user the id */
  constructor(user) {
    this.#user = user;
    globalThis.addEventListener?.('pagehide', () => this.#leaveDrafts());
  }

  /** What this tab wrote and did not send; else what another one left. @param {string} room @returns {string} */
  draft(room) {
    const key = this.#key('draft', room);
    return session.getItem(key) ?? local.getItem(key) ?? '';
  }

  /**
   * Each tab has a draft of its own, so that one takes no other's away by sending; all of them see the one that was written last.
   * @param {string} room @param {string} text
   */
  setDraft(room, text) {
    const key = this.#key('draft', room);
    const others = text === '' && local.getItem(key) !== this.draft(room);
    set(session, key, text);
    if (!others) set(local, key, text);
  }

  /** The page goes: what only this tab has is left to the others, unless one of them has written since; nothing at a sign-out. */
  #leaveDrafts() {
    const leaves = local.getItem(LEAVING) !== null;
    for (const key of Object.keys(session).filter((name) => name.startsWith(this.#key('draft', '')))) {
      if (leaves) session.removeItem(key);
      else if (local.getItem(key) === null) set(local, key, session.getItem(key));
    }
  }

  /** The seq of the last message read in `room`, or null when it was never opened here. @param {string} room */
  readSeq(room) {
    const text = local.getItem(this.#key('read', room));
    return text === null ? null : Number(text);
  }

  /** @param {string} room @param {number} seq */
  setReadSeq(room, seq) {
    if (seq > (this.readSeq(room) ?? 0)) set(local, this.#key('read', room), String(seq));
  }

  /** Starts again at `seq`, when the room's history was replaced. @param {string} room @param {number} seq */
  resetReadSeq(room, seq) {
    set(local, this.#key('read', room), String(seq));
  }

  /** How answers are read: the end is followed, or the question stays near the top. @returns {'follow' | 'question'} */
  reading() {
    return local.getItem(this.#key('reading', 'way')) === 'question' ? 'question' : 'follow';
  }

  /** @param {'follow' | 'question'} way */
  setReading(way) {
    set(local, this.#key('reading', 'way'), way);
  }

  /** Forgets all that this user left here, but not other users'. */
  clear() {
    for (const storage of [local, session]) {
      for (const key of Object.keys(storage)) {
        if (key.startsWith(`salon.${this.#user}.`) || key === `salon.pending.${this.#user}`) storage.removeItem(key);
      }
    }
  }

  #key(kind, room) {
    return `salon.${this.#user}.${kind}.${room}`;
  }
}

function set(storage, key, text) {
  try {
    if (text === '') storage.removeItem(key);
    else storage.setItem(key, text);
  } catch {
    // A full storage: the draft lasts as long as the page.
  }
}
