/**
 * A part of a room's past, away from what is held of its present: what a link to an old message opens. Pure; `store.js` calls
 * it. It grows both ways by pages, follows changes of what it holds, and becomes one with the present when they meet.
 *
 * @typedef {object} Window
 * @property {number} seq the message it was opened for
 * @property {'around' | 'older' | 'newer' | null} loading which page is on its way
 * @property {string | null} ref of that page
 * @property {object[]} messages ascending by seq, without a hole
 * @property {boolean} older whether there are messages below it
 * @property {boolean} newer whether there are messages above it
 * @property {Map<number, {message: object, partial: boolean}[]>} kept what came for seqs that the page may hold
 */

/** @param {object} state @param {{ref: string, seq: number}} event */
export const openWindow = (state, { ref, seq }) => ({
  ...state,
  window: { seq, loading: 'around', ref, messages: [], older: false, newer: false, kept: new Map() },
});

/** @param {object} state */
export const closeWindow = (state) => (state.window === null ? state : { ...state, window: null });

/** @param {object} state @param {{ref: string, way: 'older' | 'newer'}} event */
export const growWindow = (state, { ref, way }) =>
  state.window === null ? state : { ...state, window: { ...state.window, loading: way, ref, kept: new Map() } };

/** A page did not come: without the first one there is no window. @param {object} state @param {{ref: string}} event */
export function windowFailed(state, { ref }) {
  if (state.window?.ref !== ref) return state;
  if (state.window.loading === 'around') return { ...state, window: null };
  return { ...state, window: { ...state.window, loading: null, ref: null } };
}

/** @param {object} state @param {object} frame a `message.page` with the window's `ref` */
export function windowPage(state, frame) {
  const { loading, kept, ...window } = state.window;
  let messages = merge(window.messages, frame.messages);
  for (const message of frame.messages) {
    for (const later of kept.get(message.seq) ?? []) messages = withChange(messages, later.message, later.partial) ?? messages;
  }
  const older = loading === 'newer' ? window.older : frame.older;
  const newer = loading === 'older' ? window.newer : frame.newer;
  return met({ ...state, window: { ...window, messages, older, newer, loading: null, ref: null, kept: new Map() } });
}

/** A `message` frame: what is held changes; what a page on its way may hold waits for it. */
export function changeInWindow(state, message, partial) {
  const { window } = state;
  if (window === null) return state;
  const messages = withChange(window.messages, message, partial);
  if (messages !== null) return { ...state, window: { ...window, messages } };
  if (window.loading === null) return state;
  const kept = new Map(window.kept);
  kept.set(message.seq, [...(kept.get(message.seq) ?? []), { message, partial }]);
  return { ...state, window: { ...window, kept } };
}

/** What the message column shows: the window while there is one, else the present. @param {object} state */
export function viewOf(state) {
  const { window } = state;
  if (window === null || window.messages.length === 0) return state;
  const { messages, older, loading } = window;
  return { ...state, messages, complete: !older, history: loading === null ? null : {}, outgoing: [] };
}

/** Where the window reaches the present, the two are one. */
function met(state) {
  const { window, from, messages } = state;
  const last = window.messages.at(-1)?.seq;
  if (last === undefined || messages.length === 0 || last < from - 1) return state;
  const below = window.messages.filter(({ seq }) => seq < from);
  return {
    ...state,
    messages: merge(below, messages),
    from: below[0]?.seq ?? from,
    complete: below.length === 0 ? state.complete : !window.older,
    history: null,
    window: null,
  };
}

/** Both lists, ascending, the highest version of each. */
function merge(one, other) {
  const held = new Map(one.map((message) => [message.seq, message]));
  for (const message of other) {
    if ((held.get(message.seq)?.version ?? -1) < message.version) held.set(message.seq, message);
  }
  return [...held.values()].sort((a, b) => a.seq - b.seq);
}

/** The list with one of its messages changed; null when it does not hold it. */
function withChange(messages, message, partial) {
  const place = messages.findIndex(({ seq }) => seq === message.seq);
  if (place === -1) return null;
  if (message.version <= messages[place].version) return messages;
  return messages.with(place, partial ? { ...messages[place], ...message } : message);
}
