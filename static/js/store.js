/**
 * What is known of one room, as a pure reducer: `reduce(state, event)` returns `{state, rejoin}` and changes
 * nothing. `rejoin: true` means that something was missed: join again with `state.cursor` and `state.epoch`.
 *
 * It holds the client's half of the protocol's rules: the cursor rule for versioned frames, the rule for deltas,
 * upserts by `seq` with the highest version, `partial` frames, resets, history pages, and optimistic sends.
 * Events are server frames as they came, and the client's own, whose types begin with `local.`:
 *
 * - `local.joining` {ref}, `local.refused_join` {ref, code, message}, `local.disconnected`
 * - `local.history` {ref}, `local.history_failed` {ref}
 * - `local.window` {ref, seq}, `local.window_more` {ref, way}, `local.window_failed` {ref}, `local.window_close`
 * - `local.send` {clientId, body, replyTo, at}, `local.refused` {clientId, code, message, retrying},
 *   `local.retry` {clientId}, `local.discard` {clientId}
 * - `local.stop` {seq}, `local.stop_failed` {seq}, `local.trim` {keep}
 *
 * @typedef {object} RoomState
 * @property {string} slug
 * @property {string} me the id of the user who reads
 * @property {'idle' | 'joining' | 'joined' | 'refused' | 'removed'} phase
 * @property {object | null} room as in `room.joined`, with its `assistants` once they are known
 * @property {string | null} epoch
 * @property {number | null} cursor the last version applied
 * @property {number} head the version of the room when it was joined: what comes up to it had happened before
 * @property {object[]} messages ascending by seq, without a hole once the cursor is at the head
 * @property {number} from the lowest seq of the window that is held
 * @property {boolean} complete whether the window begins where history begins
 * @property {Map<number, Reply>} replies every reply that is not settled
 * @property {Outgoing[]} outgoing what this client sent and has not seen come back, in order
 * @property {{ref: string, kept: Map<number, object[]>} | null} history a page that is on its way
 * @property {import('./window.js').Window | null} window a part of the past that is looked at instead
 * @property {{code: string, message: string} | null} refusal why the room is not open
 *
 * @typedef {object} Reply a reply that is being written
 * @property {number} seq
 * @property {number | null} promptSeq
 * @property {number} attempt
 * @property {number} chunks the highest chunk number in `text`
 * @property {number | null} contextFrom the oldest message that its assistant was told of, where older ones were left out; with the first text
 * @property {string} text
 * @property {number | null} told how much of the text was written before one came, or came back; null: all that comes next
 * @property {string | null} frozen what was shown when this reader pressed stop
 *
 * @typedef {object} Outgoing
 * @property {string} clientId
 * @property {string} body
 * @property {number | null} replyTo
 * @property {number} at milliseconds since 1970
 * @property {'sending' | 'failed' | 'sent'} state
 * @property {{code: string, message: string} | null} error
 * @property {number | null} version of an ack, to know when the message itself must have come
 */
import { applyPartial } from './marks.js';
import { applyDelta, joinReplies, trackReply } from './replies.js';
import { changeInWindow, closeWindow, growWindow, openWindow, windowFailed, windowPage } from './window.js';

const IGNORED_WHILE_JOINING = new Set(['message', 'room.changed', 'reply.delta']);

/**
 * @param {string} slug
 * @param {string} me
 * @returns {RoomState}
 */
export function createRoom(slug, me) {
  return {
    slug,
    me,
    phase: 'idle',
    joinRef: null,
    room: null,
    epoch: null,
    cursor: null,
    head: 0,
    messages: [],
    from: 1,
    complete: false,
    replies: new Map(),
    outgoing: [],
    history: null,
    window: null,
    refusal: null,
  };
}

/**
 * @param {RoomState} state
 * @param {object} event a server frame or a `local.…` event
 * @returns {{state: RoomState, rejoin: boolean}}
 */
export function reduce(state, event) {
  if (state.phase !== 'joined' && IGNORED_WHILE_JOINING.has(event.type)) return { state, rejoin: false };
  const handler = HANDLERS[event.type];
  if (handler === undefined) return { state, rejoin: false };
  const next = handler(state, event);
  return next === REJOIN ? { state, rejoin: true } : { state: next, rejoin: false };
}

/** What a handler returns when something was missed. */
const REJOIN = Symbol('rejoin');

const HANDLERS = {
  'room.joined': joined,
  message: (state, frame) => versioned(state, frame, () => {
    const partial = frame.partial === true;
    return changeInWindow(upsert(state, frame.message, partial), frame.message, partial);
  }),
  'room.changed': (state, frame) => versioned(state, frame, () => changed(state, frame)),
  'room.removed': (state, frame) => ({
    ...state,
    phase: 'removed',
    history: null,
    refusal: { code: frame.reason, message: '' },
  }),
  'reply.delta': (state, frame) => {
    const replies = applyDelta(state.replies, frame);
    if (replies === null) return REJOIN;
    return replies === state.replies ? state : { ...state, replies };
  },
  'message.page': (state, frame) => (state.window?.ref === frame.ref ? windowPage(state, frame) : page(state, frame)),
  'message.accepted': accepted,
  'local.joining': (state, { ref }) => ({ ...state, phase: 'joining', joinRef: ref }),
  'local.refused_join': (state, { ref, code, message }) =>
    ref === state.joinRef ? { ...state, phase: 'refused', refusal: { code, message } } : state,
  'local.disconnected': (state) =>
    state.phase === 'removed' ? state : { ...state, phase: 'idle', joinRef: null, history: null },
  'local.history': (state, { ref }) => ({ ...state, history: { ref, kept: new Map() } }),
  'local.history_failed': (state, { ref }) =>
    state.history?.ref === ref ? { ...state, history: null } : state,
  'local.window': openWindow,
  'local.window_more': growWindow,
  'local.window_failed': windowFailed,
  'local.window_close': closeWindow,
  'local.send': sending,
  'local.refused': (state, { clientId, code, message, retrying }) =>
    withOutgoing(state, clientId, { state: retrying ? 'sending' : 'failed', error: { code, message } }),
  'local.retry': (state, { clientId }) => withOutgoing(state, clientId, { state: 'sending', error: null }),
  'local.discard': (state, { clientId }) => withoutOutgoing(state, clientId),
  'local.stop': (state, { seq }) => withFrozen(state, seq, state.replies.get(seq)?.text ?? null),
  'local.stop_failed': (state, { seq }) => withFrozen(state, seq, null),
  'local.trim': trim,
  // What a change of the room told is newer.
  'local.assistants': (state, { assistants }) =>
    state.room === null || state.room.assistants !== undefined ? state : { ...state, room: { ...state.room, assistants } },
};

/** The cursor rule: version ≤ cursor: ignore; prev ≤ cursor: apply; prev > cursor: something was missed. */
function versioned(state, frame, apply) {
  if (frame.version <= state.cursor) return state;
  if (frame.prev > state.cursor) return REJOIN;
  return settleOutgoing({ ...apply(), cursor: frame.version });
}

function joined(state, frame) {
  if (frame.ref !== state.joinRef) return state;
  const fresh = state.cursor === null || frame.reset !== null || frame.epoch !== state.epoch;
  let next = {
    ...state,
    phase: 'joined',
    // What the missed versions told of who answers is not told again: it is asked for anew.
    room: fresh || frame.room.version !== state.cursor ? frame.room : { ...frame.room, assistants: state.room?.assistants },
    epoch: frame.epoch,
    head: frame.head ?? frame.room.version,
    refusal: null,
    history: null,
  };
  if (fresh) {
    const from = frame.messages[0]?.seq ?? frame.room.last_seq + 1;
    next = { ...next, messages: [], replies: new Map(), window: null, from, complete: from <= frame.room.first_seq };
  }
  for (const message of frame.messages) next = upsert(next, message, false);
  return settleOutgoing({
    ...next,
    cursor: frame.room.version,
    replies: joinReplies(next.replies, frame.replies),
  });
}

/** Keeps the highest version per seq; a seq below the window is left to the page that will bring it. */
function upsert(state, message, partial) {
  const place = placeOf(state.messages, message.seq);
  const held = state.messages[place]?.seq === message.seq ? state.messages[place] : null;
  if (held === null && (partial || message.seq < state.from)) return keep(state, message, partial);
  if (held !== null && message.version <= held.version) return state;
  const whole = partial ? applyPartial(held, message) : message;
  const messages = state.messages.slice();
  messages.splice(place, held === null ? 0 : 1, whole);
  return dropEchoed({ ...state, messages, replies: trackReply(state.replies, whole, whole.version > state.head) }, whole);
}

/** While a page is on its way, what comes for seqs that it may hold waits for it. */
function keep(state, message, partial) {
  if (state.history === null) return state;
  const kept = new Map(state.history.kept);
  kept.set(message.seq, [...(kept.get(message.seq) ?? []), { message, partial }]);
  return { ...state, history: { ...state.history, kept } };
}

function page(state, frame) {
  if (state.history?.ref !== frame.ref) return state;
  const { kept } = state.history;
  let next = {
    ...state,
    history: null,
    from: Math.min(state.from, frame.messages[0]?.seq ?? state.from),
    complete: !frame.more,
  };
  for (const message of frame.messages) {
    next = upsert(next, message, false);
    for (const later of kept.get(message.seq) ?? []) next = upsert(next, later.message, later.partial);
  }
  return next;
}

function changed(state, frame) {
  switch (frame.change) {
    case 'settings':
      return withoutRemoved({ ...state, room: { ...state.room, ...frame.data } });
    case 'role':
      return frame.user?.id === state.me ? { ...state, room: { ...state.room, role: frame.role } } : { ...state };
    case 'deleted':
      return { ...state, phase: 'removed', refusal: { code: 'deleted', message: '' } };
    default:
      return { ...state };
  }
}

/** The room's retention removed what is below its `first_seq`. */
function withoutRemoved(state) {
  const first = state.room.first_seq;
  if (first === undefined || state.from > first) return state;
  return { ...state, messages: state.messages.filter(({ seq }) => seq >= first), from: first, complete: true };
}

/** An ack shows that the message is kept; the message itself comes as a frame of its own, before or after. */
function accepted(state, frame) {
  const next = withOutgoing(state, frame.client_id, { state: 'sent', error: null, version: frame.version });
  return settleOutgoing(next);
}

/** An acked send whose version the cursor has passed was seen, or superseded: it is no longer waited for. */
function settleOutgoing(state) {
  const outgoing = state.outgoing.filter(
    (entry) => entry.state !== 'sent' || state.cursor === null || entry.version > state.cursor,
  );
  return outgoing.length === state.outgoing.length ? state : { ...state, outgoing };
}

/** A client id is its author's own: another author's message with the same one is not the echo. */
function dropEchoed(state, message) {
  if (message.client_id === undefined || message.author?.id !== state.me) return state;
  return withoutOutgoing(state, message.client_id);
}

/** One client id is one message, however often it is said that it goes out. */
function sending(state, { clientId, body, replyTo = null, at }) {
  if (state.outgoing.some((entry) => entry.clientId === clientId)) return state;
  const entry = { clientId, body, replyTo, at, state: 'sending', error: null, version: null };
  return { ...state, outgoing: [...state.outgoing, entry] };
}

function withOutgoing(state, clientId, change) {
  if (!state.outgoing.some((entry) => entry.clientId === clientId)) return state;
  const outgoing = state.outgoing.map((entry) => (entry.clientId === clientId ? { ...entry, ...change } : entry));
  return { ...state, outgoing };
}

function withoutOutgoing(state, clientId) {
  const outgoing = state.outgoing.filter((entry) => entry.clientId !== clientId);
  return outgoing.length === state.outgoing.length ? state : { ...state, outgoing };
}

function withFrozen(state, seq, frozen) {
  const reply = state.replies.get(seq);
  if (reply === undefined) return state;
  return { ...state, replies: new Map(state.replies).set(seq, { ...reply, frozen }) };
}

/** Drops the oldest; they come back as history pages when they are asked for. */
function trim(state, { keep: count }) {
  if (state.messages.length <= count || state.history !== null) return state;
  const messages = state.messages.slice(-count);
  return { ...state, messages, from: messages[0].seq, complete: false };
}

/** Where `seq` is, or would be, in messages that ascend by seq; most come at the end. */
function placeOf(messages, seq) {
  let low = 0;
  let high = messages.length;
  if (high === 0 || messages[high - 1].seq < seq) return high;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (messages[middle].seq < seq) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * @param {RoomState} state
 * @param {number} seq
 * @returns {object | null} the message of that seq, when it is held
 */
export function messageAt(state, seq) {
  const message = state.messages[placeOf(state.messages, seq)];
  return message?.seq === seq ? message : null;
}
