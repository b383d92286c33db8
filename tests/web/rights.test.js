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
  assert.equal(may({ role: 'moderator', archived: false }, false), 'reacts replies deletes pins readsEdits');
});

test('in an archived room messages are only deleted', () => {
  assert.equal(may({ role: 'member', archived: true }, true), 'deletes readsEdits');
  assert.equal(may({ role: 'owner', archived: true }, false), 'deletes readsEdits');
});

test('who asked, and who keeps order, has an answer written another way', () => {
  const answer = { seq: 2, version: 2, kind: 'assistant', body: 'hi' };
  const steers = (room, asked) => rights(answer, false, room, asked).steers;
  assert.equal(steers({ role: 'member' }, true), true);
  assert.equal(steers({ role: 'member' }, false), false);
  assert.equal(steers({ role: 'reader' }, true), false);
  assert.equal(steers({ role: 'moderator' }, false), true);
  assert.equal(steers({ role: 'owner', archived: true }, true), false);
  assert.equal(rights(said, true, { role: 'owner' }, true).steers, false);
});
