/**
 * What the column shows of who wrote.
 */
import assert from 'node:assert/strict';
import test from 'node:test';
import { buildItems } from '../../static/js/items.js';

test('authors of one name are known to be several, however it is written', () => {
  const message = (seq, id, name) => ({ seq, version: seq, kind: 'user', state: 'complete', body: 'x', author: { id, name, kind: 'guest' }, created_at: '2026-01-01T00:00:00.000Z' });
  const messages = [message(1, 'a', 'Bob'), message(2, 'b', 'bob'), message(3, 'c', 'Cy'), message(4, 'a', 'Bob')];
  const state = { messages, me: 'c', replies: new Map(), outgoing: [], complete: true };
  const items = buildItems(state, messages, { readSeq: Infinity, atEnd: true });
  const marked = items.filter(({ type }) => type === 'message').map(({ namesake }) => namesake);
  assert.deepEqual(marked, [true, true, false, true]);
});
