/**
 * Which commands a stroke and some letters mean.
 */
import assert from 'node:assert/strict';
import test from 'node:test';

// The elements that commands lead to are made nowhere here.
globalThis.HTMLElement ??= class {};
globalThis.customElements ??= { define() {} };
const { commandSource, matchingCommands } = await import('../../static/js/elements/commands.js');

const done = [];
const command = (name, label, more = {}) => ({ names: [name], shape: 'plus', label, run: (said) => done.push([name, said]), ...more });
const commands = [
  command('suche', 'Nachrichten suchen', { names: ['suche', 'search'], takes: true }),
  command('settings', 'Room settings…'),
  command('theme dark', 'Theme: Dark'),
  command('theme light', 'Theme: Light'),
  { names: ['ask'], shape: 'spark', label: 'Ask @assistant', takes: true, text: (said) => `@assistant ${said}` },
];
const named = (query) => matchingCommands(commands, query).map(({ names }) => names.at(-1));

test('letters mean what is called so, in either language, and then what is told so', () => {
  assert.deepEqual(named(''), ['search', 'settings', 'theme dark', 'theme light', 'ask']);
  assert.deepEqual(named('s'), ['search', 'settings']);
  assert.deepEqual(named('SUC'), ['search']);
  assert.deepEqual(named('room'), ['settings']);
  assert.deepEqual(named('ro'), []);
  assert.deepEqual(named('theme d'), ['theme dark']);
  assert.deepEqual(named('shrug'), []);
  assert.deepEqual(named(' search'), []);
});

test('behind the whole name of one that takes words stand its words, and no other is meant', () => {
  assert.deepEqual(matchingCommands(commands, 'search Room  "x" ').map(({ said }) => said), ['Room  "x"']);
  assert.deepEqual(named('suche etwas'), ['search']);
  assert.deepEqual(named('settings now'), []);
});

test('only the whole text of one line is one, and a path is none', () => {
  const { begun } = commandSource(() => commands, () => {});
  assert.equal(begun('/', '/'), '');
  assert.equal(begun('/search a/b', '/search a/b'), 'search a/b');
  for (const text of ['/etc/hosts', '//', ' /search', 'a /search', '/search\n', '/a\nb']) assert.equal(begun(text, text), null, text);
  assert.equal(begun('/sea', '/search'), null, 'the caret stands within it');
});

test('what is chosen empties the box and is done, or is written in its place', () => {
  let cleared = 0;
  const source = commandSource(() => commands, () => { cleared += 1; });
  const choose = (query) => source.take(source.matches(query)[0], query);
  assert.equal(choose('search two words'), null);
  assert.deepEqual([done, cleared], [[['suche', 'two words']], 1]);
  assert.equal(choose('ask what?'), '@assistant what?');
  assert.equal(cleared, 1);
});
