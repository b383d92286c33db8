/**
 * The part of the messages that is in the document, as it moves with the reader and as what is held changes under it.
 */
import assert from 'node:assert/strict';
import test from 'node:test';
import { placeFrom, shownPart } from '../../static/js/shown.js';

const from = (first, last) => Array.from({ length: last - first + 1 }, (_, place) => ({ seq: first + place }));
const part = (messages, more) => {
  const { low, high } = shownPart(messages, { lowSeq: null, highSeq: null, most: 10, upward: false, ...more });
  return messages.slice(low, high).map(({ seq }) => seq);
};

test('a place is found where a seq is and where it would be', () => {
  const messages = [{ seq: 2 }, { seq: 4 }, { seq: 6 }];
  assert.deepEqual([1, 2, 3, 6, 7].map((seq) => placeFrom(messages, seq)), [0, 0, 1, 2, 3]);
  assert.equal(placeFrom([], 1), 0);
});

test('of too many the end is shown, or the beginning to who reads upward', () => {
  assert.deepEqual(part(from(1, 3), {}), [1, 2, 3]);
  assert.deepEqual(part(from(1, 30), {}), from(21, 30).map(({ seq }) => seq));
  assert.deepEqual(part(from(1, 30), { lowSeq: 5, upward: true }), from(5, 14).map(({ seq }) => seq));
  assert.deepEqual(part(from(1, 30), { lowSeq: 5, highSeq: 7 }), [5, 6, 7]);
});

test('when nothing of that part is held any more, the end is shown instead of nothing', () => {
  const newer = part(from(100, 130), { lowSeq: 40, highSeq: 50 });
  assert.deepEqual(newer, from(121, 130).map(({ seq }) => seq));
  assert.deepEqual(part(from(1, 5), { lowSeq: 40, highSeq: 50 }), [1, 2, 3, 4, 5]);
  assert.deepEqual(part(from(1, 5), { lowSeq: 40, upward: true }), [1, 2, 3, 4, 5]);
  assert.deepEqual(part([], { lowSeq: 40, highSeq: 50 }), []);
});
