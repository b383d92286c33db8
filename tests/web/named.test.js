/**
 * What the server says in English of somebody whose account was deleted, in the reader's language.
 */
import assert from 'node:assert/strict';
import test from 'node:test';
import { parsed } from '../../static/js/named.js';
import { speak } from '../../static/js/words.js';

const text = JSON.stringify({ messages: [
  { body: 'I am "deleted"', author: { id: '1', name: 'Deleted user', kind: 'deleted' } }, { body: 'hi', author: { id: '2', name: 'Deleted user', kind: 'user' } },
] });

test('who was deleted is called so in the language of the page, whoever else has such a name', async (t) => {
  t.after(() => speak('en'));
  assert.deepEqual(parsed(text), JSON.parse(text));
  for (const [language, name] of [['de', 'Gelöschtes Konto'], ['ar', 'مستخدم محذوف']]) {
    await speak(language);
    assert.deepEqual(parsed(text).messages.map(({ author }) => author.name), [name, 'Deleted user']);
    assert.equal(parsed(text).messages[0].body, 'I am "deleted"');
  }
  assert.throws(() => parsed('{'), SyntaxError);
});
