/**
 * A part of the past beside the present: opened around a message, grown both ways, changed by frames, and one with the present
 * when they meet.
 */
import assert from 'node:assert/strict';
import test from 'node:test';
import { createRoom, reduce } from '../../static/js/store.js';
import { viewOf } from '../../static/js/window.js';

const ME = { id: 'me', name: 'ada', kind: 'user' };

const message = (seq, version = seq, body = `m${seq}`) => ({
  seq, version, body, kind: 'user', author: ME, state: 'complete', created_at: '2026-01-31T12:00:00.000Z',
});

const range = (from, to) => Array.from({ length: to - from + 1 }, (_, place) => message(from + place));

/** A room of a hundred messages of which the last ten are held. */
function present() {
  let state = createRoom('lobby', ME.id);
  ({ state } = reduce(state, { type: 'local.joining', ref: 'j' }));
  const room = { slug: 'lobby', version: 100, last_seq: 100, first_seq: 1 };
  ({ state } = reduce(state, {
    type: 'room.joined', ref: 'j', room, epoch: 'e', head: 100, messages: range(91, 100), replies: [], reset: null,
  }));
  return state;
}

const apply = (state, ...events) => events.reduce((held, event) => reduce(held, event).state, state);
const page = (ref, messages, older, newer) => ({ type: 'message.page', ref, room: 'lobby', messages, more: older, older, newer });
const seqs = (state) => viewOf(state).messages.map(({ seq }) => seq);

test('a message far back is shown with what stands around it', () => {
  const opened = apply(present(), { type: 'local.window', ref: 'w', seq: 50 });
  assert.deepEqual(seqs(opened), range(91, 100).map(({ seq }) => seq), 'the present until the page comes');
  const state = apply(opened, page('w', range(48, 52), true, true));
  assert.deepEqual(seqs(state), [48, 49, 50, 51, 52]);
  assert.equal(viewOf(state).complete, false);
  assert.equal(state.messages.length, 10, 'the present is kept');
  const closed = apply(state, { type: 'local.window_close' });
  assert.equal(viewOf(closed), closed);
});

test('it grows both ways and meets the present', () => {
  let state = apply(present(), { type: 'local.window', ref: 'w', seq: 85 }, page('w', range(84, 86), true, true));
  state = apply(state, { type: 'local.window_more', ref: 'o', way: 'older' }, page('o', range(1, 83), false, true));
  assert.equal(viewOf(state).complete, true);
  assert.equal(state.window.newer, true);
  state = apply(state, { type: 'local.window_more', ref: 'n', way: 'newer' }, page('n', range(87, 95), true, true));
  assert.equal(state.window, null);
  assert.deepEqual(seqs(state), range(1, 100).map(({ seq }) => seq));
  assert.deepEqual([state.from, state.complete], [1, true]);
});

test('changes reach what is held, and what is on its way', () => {
  let state = apply(present(), { type: 'local.window', ref: 'w', seq: 50 });
  const frame = (version, changed, partial = false) => ({ type: 'message', room: 'lobby', version, prev: version - 1, message: changed, partial });
  state = apply(state, frame(101, message(50, 101, 'edited meanwhile')), page('w', range(48, 52), true, true));
  assert.equal(viewOf(state).messages[2].body, 'edited meanwhile');
  state = apply(state, frame(102, { seq: 51, version: 102, body: '' }, true));
  assert.deepEqual(viewOf(state).messages[3], { ...message(51), version: 102, body: '' });
  state = apply(state, frame(103, message(101, 103)));
  assert.deepEqual([seqs(state).length, state.messages.at(-1).seq], [5, 101], 'what is new belongs to the present');
});

test('what does not come leaves what there is', () => {
  const failed = apply(present(), { type: 'local.window', ref: 'w', seq: 500 }, { type: 'local.window_failed', ref: 'w' });
  assert.equal(failed.window, null);
  let state = apply(present(), { type: 'local.window', ref: 'w', seq: 50 }, page('w', range(48, 52), true, true));
  state = apply(state, { type: 'local.window_more', ref: 'n', way: 'newer' }, { type: 'local.window_failed', ref: 'n' });
  assert.deepEqual([seqs(state).length, state.window.loading], [5, null]);
  const late = apply(state, page('n', range(53, 60), true, true));
  assert.equal(late, state, 'an answer nobody waits for');
});

test('what retention removed is dropped, and history begins there', () => {
  const frame = { type: 'room.changed', room: 'lobby', version: 101, prev: 100, change: 'settings', data: { first_seq: 95 } };
  const state = apply(present(), frame);
  assert.deepEqual([seqs(state)[0], state.from, state.complete, state.room.first_seq], [95, 95, true, 95]);
  const days = apply(state, { ...frame, version: 102, prev: 101, data: { retention_days: 30 } });
  assert.deepEqual([days.room.retention_days, days.messages.length], [30, 6]);
});
