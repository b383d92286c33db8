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

test('an answer that somebody went on with is known to be so, until that is deleted', () => {
  const author = (id) => ({ id, name: id, kind: 'guest' });
  const at = { version: 1, created_at: '2026-01-01T00:00:00.000Z' };
  const answer = { ...at, seq: 2, kind: 'assistant', state: 'stopped', body: 'half', author: author('x'), reply: { prompt_seq: 1 } };
  const ask = (more) => ({ ...at, seq: 3, kind: 'user', state: 'complete', author: author('a'), body: '@x Please go on exactly where this broke off:\n\n> half\n', reply_to: 2, ...more });
  const continued = (messages) => {
    const state = { messages, me: 'a', replies: new Map(), outgoing: [], complete: true };
    return buildItems(state, messages, { readSeq: Infinity, atEnd: true }).find(({ message }) => message?.seq === 2).continued;
  };
  assert.equal(continued([answer]), false);
  assert.equal(continued([answer, ask({})]), true);
  assert.equal(continued([answer, ask({ body: 'and what of this?' })]), false);
  assert.equal(continued([answer, ask({ deleted_at: at.created_at, body: '' })]), false);
});
