import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NAMED_MAX, applyPartial, reactedBy } from '../../static/js/marks.js';

const message = { seq: 1, version: 1, body: 'hello' };

test('reactions come, are counted and go again, and nothing of the message is lost', () => {
  let held = message;
  const change = (version, reaction) => {
    held = applyPartial(held, { seq: 1, version, reaction });
  };
  change(2, { emoji: '👍', count: 1, added: 'ada' });
  change(3, { emoji: '🎉', count: 1, added: 'ada' });
  change(4, { emoji: '👍', count: 2, added: 'bob' });
  assert.deepEqual(held, {
    seq: 1, version: 4, body: 'hello',
    reactions: [{ emoji: '👍', count: 2, users: ['ada', 'bob'] }, { emoji: '🎉', count: 1, users: ['ada'] }],
  });
  change(5, { emoji: '👍', count: 1, removed: 'ada' });
  change(6, { emoji: '👍', count: 0, removed: 'bob' });
  assert.deepEqual(held.reactions, [{ emoji: '🎉', count: 1, users: ['ada'] }]);
  change(7, { emoji: '🎉', count: 0, removed: 'ada' });
  assert.deepEqual(held, { ...message, version: 7 });
  assert.deepEqual(message, { seq: 1, version: 1, body: 'hello' }, 'what was held is not changed in place');
});

test('only the first are named, and who goes makes room for the next', () => {
  const users = Array.from({ length: NAMED_MAX }, (_, number) => `user ${number}`);
  const full = { ...message, reactions: [{ emoji: '👍', count: NAMED_MAX, users }] };
  const more = applyPartial(full, { seq: 1, version: 2, reaction: { emoji: '👍', count: NAMED_MAX + 1, added: 'late' } });
  assert.deepEqual(more.reactions, [{ emoji: '👍', count: NAMED_MAX + 1, users }]);
  const gone = { emoji: '👍', count: NAMED_MAX, removed: 'user 3', next: 'late' };
  const [kind] = applyPartial(more, { seq: 1, version: 3, reaction: gone }).reactions;
  assert.deepEqual(kind.users, [...users.filter((user) => user !== 'user 3'), 'late']);
  const unnamed = { emoji: '👍', count: NAMED_MAX, removed: 'late', next: 'user 19' };
  assert.deepEqual(applyPartial(more, { seq: 1, version: 3, reaction: unnamed }).reactions[0].users, users);
});

test('a pin comes and goes', () => {
  const pinned = applyPartial(message, { seq: 1, version: 2, pinned: { at: 'then', by: 'ada' } });
  assert.deepEqual(pinned, { ...message, version: 2, pinned: { at: 'then', by: 'ada' } });
  assert.deepEqual(applyPartial(pinned, { seq: 1, version: 3, pinned: null }), { ...message, version: 3 });
});

test('who reacted is told in words', () => {
  const names = new Map([['a', 'Ada'], ['b', 'Bob']]);
  const tell = (count, users) => reactedBy({ emoji: '👍', count, users }, names, 'me');
  assert.equal(tell(1, ['me']), '👍 by you');
  assert.equal(tell(2, ['a', 'me']), '👍 by Ada and you');
  assert.equal(tell(3, ['a', 'x', 'b']), '👍 by Ada, Bob and 1 other');
  assert.equal(tell(40, ['x', 'a']), '👍 by Ada and 39 others');
  assert.equal(tell(2, ['x', 'y']), '👍 by 2 others');
});
