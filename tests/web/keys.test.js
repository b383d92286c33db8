/**
 * Which key does what, and that the list of keys tells of all of them.
 */
import assert from 'node:assert/strict';
import test from 'node:test';
import { DEEDS, KEYS, command, messageCommand, savesAlone, writes } from '../../static/js/keys.js';
import en from '../../static/js/words/en.js';

const press = (key, ...held) => ({
  key, ctrlKey: held.includes('ctrl'), metaKey: held.includes('meta'), altKey: held.includes('alt'), shiftKey: held.includes('shift'),
});

test('keys that act everywhere', () => {
  assert.equal(command(press('k', 'ctrl')), 'switch');
  assert.equal(command(press('K', 'meta')), 'switch');
  assert.equal(command(press('F', 'ctrl', 'shift')), 'search');
  assert.equal(command(press('f', 'meta', 'shift')), 'search');
  assert.equal(command(press('/', 'ctrl')), 'help');
  assert.equal(command(press('/', 'ctrl', 'shift')), 'help', 'where the stroke needs Shift');
  assert.equal(command(press('F6')), 'forward');
  assert.equal(command(press('F6', 'shift')), 'back');
  assert.equal(command(press('PageUp', 'alt')), 'previous');
  for (const other of [press('f', 'ctrl'), press('F', 'shift'), press('F', 'ctrl', 'alt', 'shift'), press('PageUp'), press('PageUp', 'alt', 'shift'), press('PageUp', 'ctrl', 'alt'), press('PageDown', 'alt'), press('k'), press('k', 'ctrl', 'alt'), press('k', 'ctrl', 'shift'), press('/'), press('F6', 'ctrl'), press('F5')]) {
    assert.equal(command(other), null, JSON.stringify(other));
  }
});

test('keys on a message, of which letters may be off', () => {
  assert.deepEqual(messageCommand(press('ArrowDown'), false), { move: 'next' });
  assert.deepEqual(messageCommand(press('Home'), false), { move: 'first' });
  assert.deepEqual(messageCommand(press('r'), true), { deed: 'reply' });
  assert.deepEqual(messageCommand(press('Delete'), true), { deed: 'delete' });
  assert.equal(messageCommand(press('r'), false), null);
  for (const held of ['ctrl', 'meta', 'alt', 'shift']) assert.equal(messageCommand(press('c', held), true), null, held);
  assert.equal(messageCommand(press('constructor'), true), null);
});

test('the list of keys tells of every key on a message, in words that there are', () => {
  const rows = KEYS.flatMap((group) => group.rows);
  assert.ok(rows.some(({ keys }) => keys.join() === 'Alt,PageUp'));
  for (const key of Object.keys(DEEDS)) {
    assert.ok(rows.some(({ keys }) => keys.length === 1 && keys[0].toLowerCase() === key.toLowerCase()), key);
  }
  for (const { keys, says } of rows) {
    assert.ok(says in en, says);
    for (const key of keys) assert.ok(key === 'Mod' || key.length === 1 || `key.${key.toLowerCase()}` in en, key);
  }
});

test('what is typed where no box is goes to the composer, and nothing else does', () => {
  for (const key of ['c', 'C', '?', 'ä', 'ж', '🙂']) assert.ok(writes(press(key)), key);
  assert.ok(writes(press('C', 'shift')));
  for (const key of ['@', '{', '~', 'ç', '€']) assert.ok(writes(press(key, 'alt')), `${key}, as a Mac writes it`);
  for (const other of [press('7', 'alt'), press('@', 'alt', 'ctrl'), press(' ', 'alt'), press(' '), press('Enter'), press('Tab'), press('F6'), press('Dead'), press('c', 'ctrl'), press('c', 'meta'), press('c', 'alt')]) {
    assert.ok(!writes(other), JSON.stringify(other));
  }
});

test('Ctrl or ⌘ with S saves an edit alone, and the list tells of it', () => {
  for (const saves of [press('s', 'ctrl'), press('S', 'meta')]) assert.ok(savesAlone(saves));
  for (const other of [press('s'), press('s', 'ctrl', 'shift'), press('s', 'ctrl', 'alt'), press('s', 'ctrl', 'meta'), press('d', 'ctrl')]) {
    assert.ok(!savesAlone(other), JSON.stringify(other));
  }
  const writing = KEYS.find(({ title }) => title === 'help.writing').rows.map(({ keys }) => keys.join());
  assert.ok(writing.includes('Mod,S') && writing.includes('Mod,Enter'));
});
