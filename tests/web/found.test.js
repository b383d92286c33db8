/**
 * The pages of a search that looks back only so far.
 */
import assert from 'node:assert/strict';
import test from 'node:test';
import { foundSoFar, nextFound, PAGES_AT_ONCE, plainSnippet } from '../../static/js/found.js';

/** Reads from these pages, each named by its place; notes what was asked for. */
const reader = (pages) => {
  const asked = [];
  const read = async (cursor) => {
    asked.push(cursor);
    const at = cursor === undefined ? 0 : Number(cursor);
    return { results: pages[at], next: at + 1 < pages.length ? String(at + 1) : null };
  };
  return { asked, read };
};

test('empty pages are passed over', async () => {
  const { asked, read } = reader([[], [], ['found'], ['older']]);
  assert.deepEqual(await nextFound(read, undefined), { results: ['found'], next: '3' });
  assert.deepEqual(asked, [undefined, '1', '2']);
  assert.deepEqual(await nextFound(read, '3'), { results: ['older'], next: null });
});

test('a short page is shown as it is, and the end is the end', async () => {
  const { asked, read } = reader([['one'], []]);
  assert.deepEqual(await nextFound(read, undefined), { results: ['one'], next: '1' });
  assert.deepEqual(await nextFound(read, '1'), { results: [], next: null });
  assert.deepEqual(asked, [undefined, '1']);
});

test('it stops after some pages, and can go on', async () => {
  const { asked, read } = reader(Array.from({ length: 20 }, () => []));
  assert.deepEqual(await nextFound(read, undefined), { results: [], next: String(PAGES_AT_ONCE) });
  assert.equal(asked.length, PAGES_AT_ONCE);
});

test('what is said never claims an end that was not reached', () => {
  assert.match(foundSoFar(0, true), /so far/);
  assert.equal(foundSoFar(0, false), 'Nothing was found.');
  assert.equal(foundSoFar(7, true), 'The newest 7.');
  assert.equal(foundSoFar(7, false), '7 found.');
});

test('a part that was found is in plain words, with its hits', () => {
  const snippet = [{ text: '… **put the ', hit: false }, { text: 'kettle', hit: true }, { text: '** on `', hit: false }, { text: 'now', hit: true }, { text: '`, [Ada](https://x', hit: false }];
  const plain = plainSnippet(snippet);
  assert.equal(plain.filter(({ hit }) => !hit).map(({ text }) => text).join('|').includes('*'), false);
  assert.deepEqual(plain.filter(({ hit }) => hit).map(({ text }) => text), ['kettle', 'now']);
  assert.equal(plain.map(({ text }) => text).join('').startsWith('… put the kettle on now'), true);
  // Words that were found by their beginnings are hits to their ends, with whatever stands between them.
  const begun = [{ text: '- **', hit: false }, { text: 'release** _notes', hit: true }, { text: '_ and ', hit: false }, { text: 'Releases', hit: true }];
  assert.deepEqual(plainSnippet(begun), [
    { text: 'release notes', hit: true }, { text: ' and ', hit: false }, { text: 'Releases', hit: true },
  ]);
  assert.deepEqual(plainSnippet([{ text: 'a\uE000b', hit: false }]), [{ text: 'ab', hit: false }]);
  assert.deepEqual(plainSnippet([{ text: '## ', hit: false }, { text: 'Sea', hit: true }]), [{ text: 'Sea', hit: true }]);
});

/** How a part looks that was cut as the server does, its hits in brackets. */
const looks = (...texts) => plainSnippet(texts.map((text, place) => ({ text, hit: place % 2 === 1 })))
  .map(({ text, hit }) => (hit ? `[${text}]` : text)).join('');

test('code in a part is as it was written, and its marks are gone, wherever it was cut', () => {
  assert.equal(looks('collect::<Vec<_>>() and ', 'kettle', ' x_y_z'), 'collect::<Vec<_>>() and [kettle] x_y_z');
  assert.equal(looks('call `', 'collect', '::<Vec<_>>()` with **care**'), 'call [collect]::<Vec<_>>() with care');
  assert.equal(looks('… lect::<Vec<_>>()` then ', 'kettle', ' and **bold'), '… lect::<Vec<_>>() then [kettle] and bold');
  assert.equal(looks('… text** on the ', 'kettle', ''), '… text on the [kettle]');
  // The server has a part in one line, blocks of code too.
  assert.equal(looks('see: ```rust let v = x.', 'collect', '::<Vec<_>>(); ``` and _so_ on'), 'see: let v = x.[collect]::<Vec<_>>(); and so on');
  assert.equal(looks('```rust let v = ', 'x', ' * 2 * y_z; let w = …'), 'let v = [x] * 2 * y_z; let w = …');
  assert.equal(looks('… let v = ', 'x', '::<_>(); ``` so **bold**'), '… let v = [x]::<_>(); so bold');
  assert.equal(looks('2 * 3 and ', 'x', '* is no mark'), '2 * 3 and [x]* is no mark');
});
