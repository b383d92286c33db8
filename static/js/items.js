/**
 * What the message column shows, from a room's state: messages, days, the line above what is new, and what is on its
 * way. Pure. Called by `elements/messages.js`.
 *
 * @typedef {{key: string, type: 'day', label: string} | {key: string, type: 'new', since: number} | {key: string, type: 'context', label: string}
 *   | {key: string, type: 'message', message: object, reply: import('./store.js').Reply | null, place: {position: number, user: object} | null, mine: boolean, namesake: boolean, asked: boolean, continued: boolean, grouped: boolean}
 *   | {key: string, type: 'outgoing', entry: import('./store.js').Outgoing, grouped: boolean}} Item
 */
import { contextLabel, contextMarks } from './context-marks.js';
import { goingOn } from './going-on.js';
import { dayKey, dayName } from './time.js';
import { messageAt } from './store.js';
import { isRunning } from './replies.js';
import { placeOfLine } from './unread.js';

/** Messages of one author within this time share one header. */
export const GROUP_MS = 5 * 60_000;

/**
 * @param {import('./store.js').RoomState} state
 * @param {object[]} messages the part of `state.messages` that is shown
 * @param {{readSeq: number, atEnd: boolean, queue?: Map<number, object>, now?: number}} options `readSeq`: the last one
 *   read where the line above what is new was put, or Infinity; `atEnd`: whether `messages` ends where the room does; `queue`: what
 *   waits for a runner, as `People` has it
 * @returns {Item[]}
 */
export function buildItems(state, messages, { readSeq, atEnd, queue = new Map(), now = Date.now() }) {
  const items = [];
  let previous = null;
  const lineAt = placeOfLine(messages, readSeq, state.me, state.complete && messages[0] === state.messages[0]);
  const contexts = contextMarks(state.messages, state.replies);
  const shared = sharedNames(messages);
  const continued = new Set(state.messages.filter((message) => goingOn(message) !== null).map((message) => message.reply_to));
  for (const [place, message] of messages.entries()) {
    const context = contextLabel(contexts, previous?.seq ?? null, message.seq);
    if (context !== null) items.push({ key: `context-${context}`, type: 'context', label: context });
    const at = Date.parse(message.created_at);
    const mine = message.author.id === state.me;
    const newDay = previous === null || dayKey(previous.at) !== dayKey(at);
    if (newDay) items.push(dayItem(at, now));
    const firstNew = place === lineAt;
    // A line is drawn once: what it says is part of its key.
    if (firstNew) items.push({ key: `new-${at}-${dayKey(now)}`, type: 'new', since: at });
    const grouped = !newDay && !firstNew && context === null && message.kind !== 'assistant' && previous?.author === message.author.id
      && at - previous.at < GROUP_MS;
    const running = isRunning(message);
    items.push({
      key: mine && message.client_id ? message.client_id : `seq-${message.seq}`,
      type: 'message',
      message,
      reply: running ? (state.replies.get(message.seq) ?? null) : null,
      place: running ? (queue.get(message.seq) ?? null) : null,
      mine,
      namesake: shared.has(message.author.name.toLowerCase()),
      asked: message.kind === 'assistant' && isMyPrompt(state, promptOf(state, message)),
      continued: continued.has(message.seq),
      grouped,
    });
    previous = { at, author: message.author.id, seq: message.seq };
  }
  if (atEnd) appendOutgoing(items, state, previous);
  return items;
}

/** Names, in small letters, that more than one of the authors has. */
function sharedNames(messages) {
  const [holders, shared] = [new Map(), new Set()];
  for (const { author: { id, name } } of messages) {
    const key = name.toLowerCase();
    if ((holders.get(key) ?? id) !== id) shared.add(key);
    holders.set(key, id);
  }
  return shared;
}

function dayItem(at, now) {
  const label = dayName(at, now);
  return { key: `day-${dayKey(at)}-${label}`, type: 'day', label };
}

function appendOutgoing(items, state, previous) {
  let last = previous;
  for (const entry of state.outgoing) {
    const grouped = last?.author === state.me && entry.at - last.at < GROUP_MS;
    items.push({ key: entry.clientId, type: 'outgoing', entry, grouped });
    last = { at: entry.at, author: state.me };
  }
}

/** The seq of the message that a reply answers, or null. */
export const promptOf = (state, message) =>
  state.replies.get(message.seq)?.promptSeq ?? message.reply?.prompt_seq ?? message.reply_to ?? null;

const isMyPrompt = (state, seq) => seq !== null && messageAt(state, seq)?.author.id === state.me;

/**
 * The newest running reply that this reader asked for, which the composer's button stops.
 * @param {import('./store.js').RoomState} state
 * @returns {number | null} its seq
 */
export function myRunningReply(state) {
  for (const reply of [...state.replies.values()].reverse()) {
    if (reply.frozen === null && isMyPrompt(state, reply.promptSeq)) return reply.seq;
  }
  return null;
}

/**
 * The replies to a message that are held and not deleted.
 * @param {import('./store.js').RoomState} state
 * @param {number} seq
 */
export const repliesTo = (state, seq) => state.messages.filter(({ kind, reply, deleted_at: gone }) => kind === 'assistant' && reply?.prompt_seq === seq && !gone);
