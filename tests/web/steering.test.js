/**
 * Who answers in a room, as the store holds it: told once, and newer by each change of the room.
 */
import assert from 'node:assert/strict';
import test from 'node:test';
import { createRoom, reduce } from '../../static/js/store.js';

const room = { slug: 'lobby', role: 'member', version: 4, last_seq: 0, first_seq: 1 };
const joined = (ref, more = {}) => ({ type: 'room.joined', ref, room, epoch: 'e', head: 4, messages: [], replies: [], reset: null, ...more });
const after = (events) => events.reduce((state, event) => reduce(state, event).state, createRoom('lobby', 'me'));
const names = (state) => state.room.assistants?.map(({ name }) => name).join();
const told = (...all) => ({ type: 'local.assistants', assistants: all.map((name) => ({ name })) });
const change = { type: 'room.changed', version: 5, prev: 4, change: 'settings', data: { assistants: [{ name: 'poet' }] } };
const start = [{ type: 'local.joining', ref: '1' }, joined('1')];

test('what a change of the room told is newer than what was asked for', () => {
  assert.equal(names(after(start)), undefined);
  assert.equal(names(after([...start, told('assistant')])), 'assistant');
  assert.equal(names(after([...start, change, told('assistant')])), 'poet');
  assert.equal(names(after([...start, told('assistant'), change])), 'poet');
  assert.equal(after([told('assistant')]).room, null);
});

test('it is kept over a reconnect and asked for anew after a reset', () => {
  const again = [...start, told('assistant'), { type: 'local.disconnected' }, { type: 'local.joining', ref: '2' }];
  assert.equal(names(after([...again, joined('2')])), 'assistant');
  assert.equal(names(after([...again, joined('2', { reset: 'epoch', epoch: 'f' })])), undefined);
});

test('it is asked for anew after a reconnect that missed versions', () => {
  const missed = joined('2', { room: { ...room, version: 6 }, head: 6 });
  const again = [...start, told('assistant'), { type: 'local.disconnected' }, { type: 'local.joining', ref: '2' }, missed];
  assert.equal(names(after(again)), undefined);
  assert.equal(names(after([...again, told('poet')])), 'poet');
});
