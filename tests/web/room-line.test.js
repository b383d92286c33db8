/**
 * A room as one line of the list.
 */
import assert from 'node:assert/strict';
import test from 'node:test';
import { byActivity, lastOf, previewOf, titleOf } from '../../static/js/room-line.js';

const message = (more = {}) => ({ seq: 3, author: { id: 'b', name: 'bob' }, body: 'hello', created_at: '2026-01-01T00:00:00.000Z', ...more });

/** As it is read. */
const line = (of, me) => {
  const { who, what } = previewOf(of, me);
  return who === '' ? what : `${who}: ${what}`;
};

test('the preview is the beginning of the last message', () => {
  assert.equal(lastOf(undefined), null);
  const last = lastOf(message({ body: '🙂'.repeat(130) }));
  assert.deepEqual([last.seq, last.author, [...last.text].length, last.deleted], [3, 'bob', 120, false]);
  const gone = lastOf(message({ deleted_at: '2026-01-01T00:00:01.000Z', body: 'left over' }));
  assert.deepEqual([gone.text, gone.deleted], ['', true]);
});

test('the preview says who spoke, and nothing of what was deleted', () => {
  const room = (more) => ({ topic: 'The sea', people: 0, last: lastOf(message(more)) });
  assert.equal(line({ topic: 'The sea', last: null }, 'ada'), 'The sea');
  assert.equal(line(room({ body: 'one\n\n two' }), 'ada'), 'bob: one two');
  assert.equal(line(room(), 'b'), 'You: hello');
  assert.equal(line(room(), 'bob'), 'bob: hello', 'somebody else of one’s own name');
  assert.equal(line({ ...room(), people: 2 }, 'ada'), 'hello');
  assert.equal(line(room({ deleted_at: 'x' }), 'ada'), 'bob: Message deleted');
  assert.equal(line(room({ body: '' }), 'ada'), 'bob: …');
});

test('a direct room goes by the names of the others', () => {
  assert.equal(titleOf({ name: 'ada, bob, eve', people: 3 }, 'bob'), 'ada, eve');
  assert.equal(titleOf({ name: 'ada', people: 2 }, 'ada'), 'ada');
  assert.equal(titleOf({ name: 'ada, bob', people: 0 }, 'bob'), 'ada, bob');
});

test('rooms come in order of activity', () => {
  const room = (name, made, said) => ({ name, created_at: made, last: said === undefined ? null : { created_at: said } });
  const rooms = [
    room('old', '2026-01-01T00:00:00Z'), room('spoken', '2026-01-01T00:00:00Z', '2026-01-03T00:00:00Z'),
    room('new', '2026-01-02T00:00:00Z'), room('as old', '2026-01-01T00:00:00Z'),
  ];
  assert.deepEqual(byActivity(rooms).map(({ name }) => name), ['spoken', 'new', 'as old', 'old']);
});

test('no part of a name is taken for one’s own', () => {
  assert.equal(titleOf({ name: 'Adam, Bob', people: 2 }, 'Ada'), 'Adam, Bob');
  assert.equal(titleOf({ name: 'Bob, Jr, Ada', people: 2 }, 'Ada'), 'Bob, Jr');
  assert.equal(titleOf({ name: 'Bob, Ada, Eve', people: 3 }, 'Ada'), 'Bob, Eve');
});
