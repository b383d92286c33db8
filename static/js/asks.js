/**
 * Whether a message will be answered by an assistant, and what waits to be answered, as far as a client can tell. Pure;
 * the server decides. Called by the message column and the composer.
 */
import { steering } from './steering.js';
import { messageAt } from './store.js';

/** Questions shown above the composer at once. */
const WAITING_SHOWN = 3;

/**
 * Whether a text calls an assistant of the room: then its answer follows right below it.
 * @param {string} body
 * @param {object | null} room as in `room.joined`; `assistants` once they were told
 * @returns {boolean}
 */
export function asksAssistant(body, room) {
  if (room?.visibility === 'direct' && !(room.people > 0)) return true;
  const names = room?.assistants?.filter(({ enabled }) => enabled !== false).map(({ name }) => name) ?? ['assistant'];
  const called = body.toLowerCase().match(/(?<![\p{L}\p{N}_])@[\p{L}\p{N}_.-]+/gu) ?? [];
  return called.some((word) => names.some((name) => `@${name.toLowerCase()}` === word.replace(/[.-]+$/, '')));
}

/**
 * The questions that wait for a runner, as the room's queue has them: the reader's own first, then in their order.
 * @param {import('./store.js').RoomState} state
 * @param {import('./people.js').People} people
 * @returns {{shown: {seq: number, position: number, mine: boolean, stops: boolean, user: object, question: string | null}[], more: number}}
 */
export function waitingQuestions(state, { queue }) {
  const all = [...queue].filter(([seq]) => state.replies.get(seq)?.text === '').map(([seq, { position, user }]) => {
    const prompt = state.replies.get(seq).promptSeq;
    const question = prompt === null ? null : messageAt(state, prompt)?.body ?? null;
    const mine = user.id === state.me;
    const { stops } = steering(state.room, messageAt(state, seq)?.author.id, mine);
    return { seq, position, user, mine, stops, question };
  });
  all.sort((one, other) => Number(other.mine) - Number(one.mine) || one.position - other.position);
  return { shown: all.slice(0, WAITING_SHOWN), more: Math.max(0, all.length - WAITING_SHOWN) };
}
