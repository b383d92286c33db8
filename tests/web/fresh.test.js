/**
 * Which words of a growing text are new, and for how long.
 */
import assert from 'node:assert/strict';
import test from 'node:test';
import { FRESH_MS, FreshWords, STEPS } from '../../static/js/fresh.js';

/** What is pale, by its step. @param {FreshWords} words @param {string} text @param {number} now */
const pale = (words, text, now) => words.steps(now).map(({ step, from, to }) => [step, text.slice(text.length - from, text.length - to)]);

test('what came is pale, the newest the most, and then no more', () => {
  const words = new FreshWords();
  const step = FRESH_MS / STEPS;
  words.grew('', 'one ', 0);
  words.grew('one ', 'one two ', step);
  words.grew('one two ', 'one two three', 2 * step);
  assert.deepEqual(pale(words, 'one two three', 2 * step), [[2, 'one '], [1, 'two '], [0, 'three']]);
  assert.deepEqual(pale(words, 'one two three', FRESH_MS), [[3, 'two '], [2, 'three']]);
  assert.deepEqual(pale(words, 'one two three', FRESH_MS + 2 * step), []);
});

test('what is of one step is one part', () => {
  const words = new FreshWords();
  words.grew('', 'a', 0);
  words.grew('a', 'ab', 1);
  assert.deepEqual(pale(words, 'ab', 2), [[0, 'ab']]);
});

test('only what differs is new, and what takes another shape is new as a whole', () => {
  const words = new FreshWords();
  words.grew('known ', 'known words', 0);
  assert.deepEqual(pale(words, 'known words', 1), [[0, 'words']]);
  words.grew('words', '| words', 100);
  assert.deepEqual(pale(words, 'known | words', 100), [[0, '| words']]);
  // A mark at the end that was taken for a letter goes.
  words.grew('words', 'words*', 101);
  words.grew('words*', 'words', 102);
  assert.deepEqual(pale(words, 'known | words', 102), [[0, '| words']]);
});

test('nothing grew, and what is cleared is new no more', () => {
  const words = new FreshWords();
  words.grew('same', 'same', 0);
  assert.deepEqual(words.steps(0), []);
  words.grew('', 'new', 0);
  words.clear();
  assert.deepEqual(words.steps(0), []);
});
