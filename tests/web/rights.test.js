/**
 * What may be done to a message, by role, and in a room that takes nothing new.
 */
import assert from 'node:assert/strict';
import test from 'node:test';
import { rights } from '../../static/js/elements/message-tools.js';

const said = { seq: 1, version: 1, kind: 'user', body: 'hello' };
const may = (room, mine, message = said) => Object.entries(rights(message, mine, room)).filter(([, yes]) => yes).map(([deed]) => deed).join(' ');

test('what may be done follows the role', () => {
  assert.equal(may(null, true), 'readsEdits');
  assert.equal(may({ role: 'reader' }, false), '');
  assert.equal(may({ role: 'member' }, false), 'reacts replies');
  assert.equal(may({ role: 'member' }, true), 'reacts replies edits deletes readsEdits');
  const again = { ...said, body: '@poet Please answer again: nothing of the answer arrived.', reply_to: 7 };
  assert.equal(may({ role: 'member' }, true, again), 'reacts replies deletes readsEdits', 'words of the server’s are not edited');
  assert.equal(may({ role: 'moderator', archived: false }, false), 'reacts replies deletes pins readsEdits');
});

test('in an archived room messages are only deleted', () => {
  assert.equal(may({ role: 'member', archived: true }, true), 'deletes readsEdits');
  assert.equal(may({ role: 'owner', archived: true }, false), 'deletes readsEdits');
});

const answer = { seq: 2, version: 2, kind: 'assistant', body: 'hi', author: { id: 'a', name: 'assistant' } };
const deeds = (room, asked) => {
  const { stops, again, selects } = rights(answer, false, room, asked);
  return [stops && 'stops', again && 'again', selects && 'selects'].filter(Boolean).join(' ');
};

test('who asked, and who keeps order, steers an answer', () => {
  assert.equal(deeds({ role: 'member' }, true), 'stops again selects');
  assert.equal(deeds({ role: 'member' }, false), '');
  assert.equal(deeds({ role: 'reader' }, true), '');
  assert.equal(deeds({ role: 'moderator' }, false), 'stops again selects');
  assert.equal(deeds({ role: 'owner', archived: true }, true), 'stops');
  assert.equal(deeds(null, true), '');
  const { again, stops } = rights(said, true, { role: 'owner' }, true);
  assert.deepEqual([again, stops], [false, false]);
});

test('a room says who steers the answers of its assistant', () => {
  const room = (role, more) => ({ role, assistants: [{ id: 'a', enabled: true, may_prompt: 'member', may_stop: 'moderator', may_regenerate: 'moderator', ...more }] });
  assert.equal(deeds(room('member', { may_regenerate: 'member' }), false), 'again selects');
  assert.equal(deeds(room('member', { may_stop: 'member' }), false), 'stops');
  assert.equal(deeds(room('moderator', { may_stop: 'owner', may_regenerate: 'owner' }), false), '');
  assert.equal(deeds(room('member', { may_prompt: 'moderator' }), true), 'stops selects', 'who may not ask does not ask again');
  assert.equal(deeds(room('owner', { enabled: false }), true), 'stops selects');
  assert.equal(deeds({ role: 'owner', assistants: [] }, true), 'stops selects', 'it was taken away');
  const direct = { ...room('member', { may_prompt: 'owner' }), visibility: 'direct', people: 0 };
  assert.equal(deeds(direct, true), 'stops again selects', 'in its direct room it always answers');
});
