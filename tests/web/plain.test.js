/**
 * Markdown as plain words in one line.
 */
import assert from 'node:assert/strict';
import test from 'node:test';
import { excerpt } from '../../static/js/elements/quote.js';
import { gist } from '../../static/js/news.js';
import { plainOf } from '../../static/js/plain.js';
import { lastOf, previewOf } from '../../static/js/room-line.js';

const ALL = '### Part 0\n\nSome **bold**, *soft* and ~~old~~ `code` with a [link](https://example.org/).\n\n- one\n- two\n\n> said\n\n---\n\n|a|b|\n|-|-|\n|1|2|\n\n```js\nlet x;\n```';

test('the words are there and the marks are not', () => {
  assert.equal(plainOf(ALL), 'Part 0 Some bold, soft and old code with a link. one two said a b 1 2 let x;');
  assert.equal(plainOf('a\\*b  \nc'), 'a*b c');
  assert.equal(plainOf('<b>no</b> html'), '<b>no</b> html', 'HTML is text');
  assert.equal(plainOf(''), '');
});

test('what is no mark stays', () => {
  for (const text of ['2 * 3 * 4', 'snake_case_name', 'C# and C++', '#general', 'a | b', '-1 degree', '5 > 3']) assert.equal(plainOf(text), text);
});

test('what was cut off in the middle of a mark has no half of it', () => {
  assert.equal(plainOf('see **the bo', { cut: true }), 'see the bo');
  assert.equal(plainOf('see [the do](https://exa', { cut: true }), 'see the do');
  assert.equal(plainOf('see *'), 'see *', 'somebody wrote that');
});

test('a long text is read no further than is of use', () => {
  const long = plainOf('word '.repeat(100_000));
  assert.ok(long.length < 2_001, `${long.length}`);
});

test('previews, quotes and notifications have plain words', () => {
  const last = lastOf({ seq: 1, author: { name: 'assistant' }, body: ALL, created_at: '2026-01-01T00:00:00.000Z' });
  const { who, what: preview } = previewOf({ last, people: 0 }, 'ada');
  assert.equal(who, 'assistant');
  assert.match(preview, /^Part 0 Some bold, soft and old code with a link/);
  assert.doesNotMatch(preview, /[#*`~[\]]/);
  assert.match(excerpt(ALL), /^Part 0 Some bold, soft and old code/);
  assert.match(gist(ALL), /^Part 0 Some bold, soft and old code/);
});
