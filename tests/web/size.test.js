/**
 * How much of a message's room is left, as people count.
 */
import assert from 'node:assert/strict';
import test from 'node:test';
import { spaceIn } from '../../static/js/size.js';

test('what is too long is counted in the characters that are to go', () => {
  assert.deepEqual(spaceIn('abcdefgh', 5), { left: 0, over: 3 });
  assert.deepEqual(spaceIn('abcde', 5), { left: 0, over: 0 });
  // Four bytes each, and one character.
  assert.deepEqual(spaceIn('ab😀😀', 5), { left: 0, over: 2 });
  assert.deepEqual(spaceIn('ab😀😀', 6), { left: 0, over: 1 });
});

test('what is left is so many characters like those that are there', () => {
  assert.equal(spaceIn('abc', 10).left, 7);
  assert.equal(spaceIn('مرحبا', 20).left, 5);
  assert.equal(spaceIn('', 10).left, 10);
});
