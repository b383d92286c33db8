/**
 * Which messages will be answered, what waits for an answer, and whom an `@` offers.
 */
import assert from 'node:assert/strict';
import test from 'node:test';
import { asksAssistant, waitingQuestions } from '../../static/js/asks.js';
import { matchesOf } from '../../static/js/elements/mention-source.js';
import { createRoom, reduce } from '../../static/js/store.js';
import { ME, ModelRoom, OTHER } from './model-room.js';

test('a message asks when it calls an assistant of the room, or is for it alone', () => {
  const room = { visibility: 'public' };
  for (const body of ['@assistant why?', 'why, @Assistant.', '(@assistant)', 'a\n@assistant']) assert.equal(asksAssistant(body, room), true, body);
  for (const body of ['assistant', 'me@assistant.org', '@assistants', '@ada', '']) assert.equal(asksAssistant(body, room), false, body);
  const assistants = [{ name: 'poet', enabled: true }, { name: 'assistant', enabled: false }];
  assert.equal(asksAssistant('@poet and @assistant', { ...room, assistants }), true);
  assert.equal(asksAssistant('@assistant', { ...room, assistants }), false);
  assert.equal(asksAssistant('hello', { visibility: 'direct', people: 0 }), true);
  assert.equal(asksAssistant('hello', { visibility: 'direct', people: 2 }), false);
});

test('what waits is told, one’s own first, with the words of the question', () => {
  const model = new ModelRoom();
  const waiting = [OTHER, OTHER, ME, OTHER].map((author, place) => model.prompt(author, `question ${place}`).message.seq);
  let state = reduce(createRoom('lobby', ME.id), { type: 'local.joining', ref: '1' }).state;
  state = reduce(state, model.joined('1')).state;
  const queue = new Map(waiting.map((seq, place) => [seq, { position: place + 1, user: place === 2 ? ME : OTHER }]));
  const { shown, more } = waitingQuestions(state, { queue });
  assert.deepEqual(shown.map(({ seq, position, mine, question }) => [seq, position, mine, question]), [
    [waiting[2], 3, true, 'question 2'], [waiting[0], 1, false, 'question 0'], [waiting[1], 2, false, 'question 1'],
  ]);
  assert.equal(more, 1);
  // Who may take one out is as the room says of its assistant.
  const stops = (room) => waitingQuestions({ ...state, room: { ...state.room, ...room } }, { queue }).shown.map((one) => one.stops);
  const { id } = state.messages.find(({ seq }) => seq === waiting[0]).author;
  assert.deepEqual(stops({ role: 'member' }), [true, false, false]);
  assert.deepEqual(stops({ role: 'moderator' }), [true, true, true]);
  assert.deepEqual(stops({ role: 'moderator', assistants: [{ id, may_stop: 'owner' }] }), [true, false, false]);
  assert.deepEqual(stops({ role: 'member', assistants: [{ id, may_stop: 'member' }] }), [true, true, true]);
  // One that has begun, or is settled, waits no more, whatever was told last.
  state = reduce(state, model.delta(waiting[2], 'It')).state;
  state = reduce(state, model.settle(waiting[0], 'stopped')).state;
  assert.deepEqual(waitingQuestions(state, { queue }).shown.map(({ seq }) => seq), [waiting[1], waiting[3]]);
});

test('an @ offers the names that begin so, then those of which another word does', () => {
  const users = ['assistant', 'Bob Adams', 'Ada Lovelace', 'adam', 'Grace'].map((name) => ({ name }));
  assert.deepEqual(matchesOf(users, 'ada').map(({ name }) => name), ['Ada Lovelace', 'adam', 'Bob Adams']);
  assert.deepEqual(matchesOf(users, '').length, users.length);
  assert.deepEqual(matchesOf(users, 'x'), []);
});
