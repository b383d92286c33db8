/**
 * Emoji by name: the lists of all languages fit together, a few letters find the right ones, and none is asked for in code.
 */
import assert from 'node:assert/strict';
import test, { afterEach } from 'node:test';
import { emojiBegun, emojiOf, findEmoji, inCode, loadEmoji } from '../../static/js/emoji.js';
import { OFFERED } from '../../static/js/marks.js';
import { LANGUAGES, speak } from '../../static/js/words.js';
import ar from '../../static/js/words/emoji/ar.js';
import de from '../../static/js/words/emoji/de.js';
import en from '../../static/js/words/emoji/en.js';

afterEach(() => speak('en'));

const found = (all, query) => findEmoji(all, query).map(({ emoji }) => emoji);

test('every language names every emoji, in the same places', () => {
  assert.deepEqual(Object.keys({ en, de, ar }).sort(), Object.keys(LANGUAGES).sort());
  const rows = (text) => text.trim().split('\n').map((row) => row.split(','));
  const counts = (text) => rows(text).map((row) => row.length);
  for (const names of [de, ar]) {
    assert.deepEqual(counts(names), counts(en));
    for (const row of rows(names)) for (const cell of row) assert.match(cell, /^[\p{L}\p{M}/ -]+$/u);
  }
  const all = emojiOf(en, de);
  assert.equal(all.length, 150);
  assert.equal(new Set(all.map(({ emoji }) => emoji)).size, 150, 'each is there once');
  for (const emoji of OFFERED) assert.ok(all.some((one) => one.emoji === emoji), emoji);
});

test('each is what the server takes for a reaction: drawn, and short', () => {
  for (const { emoji, names } of emojiOf(en)) {
    assert.match(emoji, /^\p{Emoji_Presentation}$|^\p{Emoji}\u{FE0F}$/u, emoji);
    assert.ok(Buffer.byteLength(emoji) <= 48);
    assert.ok(names.every((name) => name.length > 0 && name === name.trim()));
  }
});

test('a few letters find those called so, then those that begin so, then those with such a word', () => {
  const all = emojiOf(en);
  assert.deepEqual(found(all, 'heart').slice(0, 3), ['❤️', '😍', '🥰']);
  assert.ok(found(all, 'heart').includes('💔'));
  assert.deepEqual(found(all, 'thumbs_u'), ['👍']);
  assert.deepEqual(found(all, '+1'), ['👍']);
  assert.deepEqual(found(all, 'TADA'), ['🎉']);
  assert.deepEqual(found(all, 'nothing such'), []);
});

test('names are those of the language and the English ones; accents make no difference', () => {
  const german = emojiOf(en, de);
  for (const query of ['schlüss', 'schluss', 'key']) assert.ok(found(german, query).includes('🔑'), query);
  assert.equal(german.find(({ emoji }) => emoji === '🔑').name, 'schlüssel');
  const arabic = emojiOf(en, ar);
  for (const query of ['صاروخ', 'rocket']) assert.deepEqual(found(arabic, query), ['🚀']);
  assert.equal(found(arabic, 'شكرًا')[0], '🙏');
});

test('they are read once, in the language that is spoken', async () => {
  await speak('de');
  const all = await loadEmoji();
  assert.equal(all.find(({ emoji }) => emoji === '🚀').name, 'rakete');
  assert.equal(await loadEmoji(), all);
});

test('a colon and two signs ask for one, behind a blank or a mark', () => {
  for (const [text, query] of [[':ro', 'ro'], ['see :ro', 'ro'], ['(:ro', 'ro'], ['one\n:tada', 'tada'], ['!:+1', '+1'], [':قل', 'قل'], ['🚀:ro', 'ro']]) {
    assert.equal(emojiBegun(text), query, text);
  }
  for (const text of [':', ':r', '12:30', 'at :30', 'a:ro', 'http://', 'std::ro', ':ro ', ':ro:', '٣:قل', '`:ro', '```\n:ro', ':-D', 'great :-P', ':-o', ':+D']) {
    assert.equal(emojiBegun(text), null, text);
  }
});

test('where a text ends within code', () => {
  for (const text of ['`', 'a `b', '``a ` b', '```', '```js\ncode', '~~~\n```\n', '````\n```\n', '```\ncode\n``` js\n', 'a `b\nc']) assert.ok(inCode(text), text);
  for (const text of ['', 'a', '`a` b', '``a`` b', '```\ncode\n```\n', '~~~\n```\n~~~\n', 'a `b\n\nc', '```\na\n````\nb', '``` `not a fence` ```']) assert.ok(!inCode(text), text);
});
