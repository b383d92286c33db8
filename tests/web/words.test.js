/**
 * The words of the page: every language says the same things, and no element says anything of its own.
 */
import assert from 'node:assert/strict';
import { copyFileSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { afterEach } from 'node:test';
import ar from '../../static/js/words/ar.js';
import de from '../../static/js/words/de.js';
import en from '../../static/js/words/en.js';
import { LANGUAGES, direction, joined, languageOf, numeral, pieces, speak, t } from '../../static/js/words.js';

const catalogues = { en, de, ar };
const root = new URL('../../static/js/', import.meta.url);
const sources = readdirSync(root, { recursive: true }).map(String).filter((path) => path.endsWith('.js') && !path.startsWith('words/') && path !== 'highlight.js');
const read = (path) => readFileSync(new URL(path, root), 'utf8');
const paramsOf = (said) => {
  const text = typeof said === 'string' ? said : said.other;
  return [...new Set([...text.matchAll(/\{(\w+)\}/g)].map(([, name]) => name))].sort();
};

afterEach(() => speak('en'));

test('every language has a catalogue, and says what the English one says, with the same parameters', () => {
  assert.deepEqual(Object.keys(catalogues).sort(), Object.keys(LANGUAGES).sort());
  for (const [tag, words] of Object.entries(catalogues)) {
    const own = Object.keys(words).filter((key) => !key.startsWith('error.'));
    assert.deepEqual(own.sort(), Object.keys(en).sort(), tag);
    for (const key of own) assert.deepEqual(paramsOf(words[key]), paramsOf(en[key]), `${tag}: ${key}`);
  }
});

test('what the server says in English is said in every other language', () => {
  const errors = (words) => Object.keys(words).filter((key) => key.startsWith('error.')).sort();
  assert.deepEqual(errors(en), []);
  assert.ok(errors(de).length > 20);
  assert.deepEqual(errors(ar), errors(de));
});

test('every plural has every form of its language, and no form a parameter that the others lack', () => {
  for (const [tag, words] of Object.entries(catalogues)) {
    const forms = new Intl.PluralRules(tag).resolvedOptions().pluralCategories.slice().sort();
    for (const [key, said] of Object.entries(words)) {
      if (typeof said === 'string') continue;
      assert.deepEqual(Object.keys(said).sort(), forms, `${tag}: ${key}`);
      for (const text of Object.values(said)) for (const name of paramsOf(text)) assert.ok(paramsOf(said).includes(name), `${tag}: ${key}`);
    }
  }
});

test('every key that is asked for is there, and every key is asked for', () => {
  const all = sources.map(read).join('\n');
  const asked = new Set([...all.matchAll(/\b(?:t|pieces)\(\s*'([\w.]+)'/g)].map(([, key]) => key));
  for (const key of asked) assert.ok(key in en, key);
  // Keys that are put together: `t(`audit.${act}`)`.
  const families = [...all.matchAll(/\b(?:t|says)\(`([\w.]+?)\$\{/g)].map(([, start]) => start);
  const quoted = new Set([...all.matchAll(/'([\w.]+)'/g)].map(([, key]) => key));
  const unused = Object.keys(en).filter((key) => !quoted.has(key) && !families.some((start) => key.startsWith(start)));
  assert.deepEqual(unused, []);
});

test('no element says anything that is not in the catalogue', () => {
  const found = sources.flatMap((path) => literals(read(path)).filter(isSaid).map((text) => `${path}: ${text}`));
  assert.deepEqual(found, []);
});

test('the scan for words finds what is said', () => {
  const said = (code) => literals(code).filter(isSaid);
  assert.deepEqual(said("h('p', { text: 'Hello there' })"), ['Hello there']);
  assert.deepEqual(said("h('p', { title: 'Hello' })"), ['Hello']);
  assert.deepEqual(said('h(`p`, { text: `${name} is here now` })'), ['  is here now'.trim()]);
  assert.deepEqual(said("h('p.hint', { text: t('hello.there') }, 'ok') // 'Not this one'"), []);
});

/** Names, keys of a keyboard, and what is said to programs. A `Refusal` has a code, by which its sentence is said. */
const NOT_SAID = /^(Salon|This message was not sent\.|English|Deutsch|app signed-out|icon icon-|noopener noreferrer nofollow ugc|ask again|not all|textarea, dialog input|Enter|Escape|Tab|Arrow\w+|Page(?:Up|Down)|Home|End|Delete|Shift|Alt|Mod|F6|Edge|Opera|Firefox|Chrome|Safari|Android|iPhone|iPad|Windows|Mac OS|macOS|Linux|Refusal|NotAllowedError|DELETE|PATCH|GET|POST|PUT|SALON-MESSAGE|K|R|E|A|C|G|P|B|KB|MB|GB|Edg.|OPR.|Firefox.|Chrome.|Safari.)$/;

/** Whether a literal is a word or sentence for people. */
function isSaid(text) {
  if (NOT_SAID.test(text) || !/\p{L}/u.test(text)) return false;
  if (/^[\w-]*[.#[:@/<>=]|^--|[{};]|^M[\d.]/.test(text)) return false;
  return /^\p{Lu}\p{Ll}/u.test(text) || /\p{Ll}{2,} \p{Ll}{2,}/u.test(text) || /\p{Ll}…/u.test(text);
}

/** The texts of a module's string literals, without comments, errors with codes and imports. */
function literals(code) {
  const bare = code.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|[\s;,)])\/\/[^\n]*/g, '$1').replace(/^import .*$/gm, '')
    .replace(/new (Type|Range)?(Error|Refusal)\([^)]*\)/g, '').replace(/classList\.\w+\([^)]*\)/g, '').replace(/\bh\(`[^`]*`/g, '');
  return [...bare.matchAll(/'((?:[^'\\\n]|\\.)*)'|`((?:[^`\\]|\\.)*)`/g)].flatMap(([, plain, template]) =>
    plain !== undefined ? [plain] : template.split(/\$\{[^}]*\}/).map((part) => part.trim()).filter(Boolean));
}

test('numbers, plurals, lists and directions are those of the language', async () => {
  assert.equal(t('browse.members', { count: 1 }), '1 member');
  assert.equal(t('browse.members', { count: 1200 }), '1,200 members');
  await speak('de', ['de-DE']);
  assert.equal(t('browse.members', { count: 1200 }), '1.200 Mitglieder');
  assert.equal(joined(['Ada', 'Bo', 'Cy']), 'Ada, Bo und Cy');
  assert.equal(numeral(0.5), '0,5');
  await speak('ar');
  assert.equal(direction(), 'rtl');
  const said = [0, 1, 2, 3, 11, 100].map((count) => t('browse.members', { count }).replace(/[\d٠-٩]+/, '#'));
  assert.deepEqual(said, ['لا أعضاء', 'عضو واحد', 'عضوان', '# أعضاء', '# عضوًا', '# عضو']);
});

test('nodes stand among words where the language puts them', async () => {
  const node = { is: 'a node' };
  assert.deepEqual(pieces('empty.call', { assistant: node }), ['Mention ', node, ' anywhere in a message and it answers in the room.']);
  await speak('de');
  assert.equal(pieces('empty.call', { assistant: node })[1], node);
});

test('the setting chooses the language, then the browser, then English', () => {
  assert.equal(languageOf('', ['fr-FR', 'de-AT', 'en']), 'de');
  assert.equal(languageOf('ar', ['de']), 'ar');
  assert.equal(languageOf('', ['fr', 'xx']), 'en');
  assert.equal(languageOf('constructor', []), 'en');
  assert.equal(t('no.such.key'), 'no.such.key');
});

test('a page of another site is spoken to in English, and the bundled page in nothing until its language was chosen', async (t) => {
  const speaker = async (app, query) => {
    globalThis.document = { querySelector: (css) => (css === 'salon-app' ? app : null) };
    t.after(() => { delete globalThis.document; });
    return import(`../../static/js/words.js?${query}`);
  };
  const foreign = await speaker(null, 'foreign');
  assert.equal(foreign.t('copy'), en.copy);
  const bundled = await speaker({}, 'bundled');
  assert.equal(bundled.t('copy'), 'copy');
  await bundled.speak('de');
  assert.equal(bundled.t('copy'), de.copy);
});

test('a copy of the library without its catalogues works all the same', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'salon-words-'));
  t.after(() => rmSync(folder, { recursive: true }));
  copyFileSync(new URL('words.js', root), join(folder, 'words.mjs'));
  assert.equal((await import(join(folder, 'words.mjs'))).t('copy'), 'copy');
});

test('nothing is said twice under one name', () => {
  for (const language of Object.keys(catalogues)) {
    const named = [...read(`words/${language}.js`).matchAll(/'([\w.]+)': /g)].map(([, name]) => name);
    assert.ok(named.length > 500, language);
    assert.deepEqual(named.filter((name, at) => named.indexOf(name) !== at), [], language);
  }
});
