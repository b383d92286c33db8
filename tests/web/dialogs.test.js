/**
 * The ways into the dialogs: each is loaded once however often it is asked for, and tells whether it was opened.
 */
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import test from 'node:test';

// The notes are an element's; no test here makes one.
globalThis.HTMLElement ??= class {};
globalThis.customElements ??= { define() {} };
const { asker, opener } = await import('../../static/js/elements/dialogs.js');

test('a second press while a dialog is loaded does not open it twice', async () => {
  const opened = [];
  let come;
  const open = opener(() => new Promise((resolve) => { come = resolve; }), 'open');
  const presses = [open('one'), open('two')];
  come({ open: (who) => opened.push(who) });
  assert.deepEqual(await Promise.all(presses), [true, true]);
  assert.deepEqual(opened, ['one']);
  const later = open('three');
  come({ open: (who) => opened.push(who) });
  assert.equal(await later, true);
  assert.deepEqual(opened, ['one', 'three']);
});

test('a dialog that cannot be loaded says so, and can be asked for again', async (t) => {
  const notes = [];
  globalThis.dispatchEvent = (event) => notes.push(event.type);
  t.after(() => { delete globalThis.dispatchEvent; });
  let works = false;
  const open = opener(async () => {
    if (!works) throw new Error('away');
    return { open() {} };
  }, 'open');
  assert.equal(await open(), false);
  assert.deepEqual(notes, ['salon-note']);
  works = true;
  assert.equal(await open(), true);
});

test('a question that comes while another is loaded is answered with no, and so is one that cannot be put', async () => {
  let come;
  const put = [];
  const ask = asker(opener(() => new Promise((resolve, reject) => { come = { resolve, reject }; }), 'open'));
  const module = { open: (question, deed, answer) => put.push({ question, answer }) };
  const [first, second] = [ask('one?', 'do'), ask('two?', 'do')];
  assert.equal(await second, false);
  come.resolve(module);
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(put.map(({ question }) => question), ['one?']);
  put[0].answer(true);
  assert.equal(await first, true);

  globalThis.dispatchEvent = () => {};
  const lost = ask('three?', 'do');
  come.reject(new Error('away'));
  assert.equal(await lost, false);
  delete globalThis.dispatchEvent;
  const last = ask('four?', 'do');
  come.resolve(module);
  await new Promise((resolve) => setImmediate(resolve));
  put[1].answer(false);
  assert.equal(await last, false);
});

test('nothing is asked or told by the boxes of the browser, which stop the page and speak its language', () => {
  const root = new URL('../../static/js/', import.meta.url);
  const sources = readdirSync(root, { recursive: true }).map(String).filter((path) => path.endsWith('.js'));
  assert.ok(sources.length > 80);
  const boxes = /(?<![\w$#.])(?:(?:window|globalThis|self)\s*\.\s*)?(?:prompt|confirm|alert)\s*\(/;
  assert.match("const name = prompt('?')", boxes);
  assert.match('window.confirm(it)', boxes);
  for (const path of sources) assert.doesNotMatch(readFileSync(new URL(path, root), 'utf8'), boxes, path);
});
