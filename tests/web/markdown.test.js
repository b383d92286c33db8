/**
 * Markdown while it is being written: every prefix of a document is shown without loss, and the growing reader shows
 * what a reader of the whole text shows.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { hostOf, linkify, parseInline, safeHref } from '../../static/js/inline.js';
import { GrowingMarkdown, parseMarkdown } from '../../static/js/markdown.js';
import { dice } from './random.js';

const DOCUMENT = readFileSync(new URL('./fixtures/long.md', import.meta.url), 'utf8');

/** Every word of the tree, addresses and languages included, in order. */
function wordsOf(node) {
  if (Array.isArray(node)) return node.flatMap(wordsOf);
  const own = [node.text, node.type === 'link' ? null : undefined, node.language, node.href].filter((text) => typeof text === 'string');
  const inside = [node.inline, node.children, node.blocks, node.items, node.head, node.rows].filter(Boolean).flatMap(wordsOf);
  return [...inside, ...own.flatMap((text) => text.match(/[\p{L}\p{N}]+/gu) ?? [])];
}

/** Words of a source that a reader must see: not the numbers of list items, not the names of entities. */
function wordsOfSource(source) {
  return source.replace(/^[ >]*\d{1,9}[.)]?/gm, '').replace(/&\w*;?/g, '').match(/[\p{L}]{2,}/gu) ?? [];
}

const kinds = (text, options) => parseMarkdown(text, options).map(({ type }) => type);

const plain = (nodes) => nodes.map((node) =>
  node.type === 'text' ? node.text : node.type === 'break' ? '|' : `<${node.type}>${node.children ? plain(node.children) : node.text}</>`).join('');

test('every prefix of a long document parses, and loses no word', () => {
  for (let end = 0; end <= DOCUMENT.length; end += 1) {
    const prefix = DOCUMENT.slice(0, end);
    const counts = new Map();
    for (const word of wordsOf(parseMarkdown(prefix, { open: true }))) counts.set(word, (counts.get(word) ?? 0) + 1);
    const joined = [...counts.keys()].join(' ');
    // The address of a link that is not closed yet is not shown; the words before it are.
    for (const word of wordsOfSource(prefix.replace(/\]\([^\s)]*$/, ']'))) {
      assert.ok(counts.has(word) || joined.includes(word), `“${word}” is lost at ${end}: …${prefix.slice(-60)}`);
    }
  }
});

test('a growing text shows what the whole text shows, whatever the pieces', () => {
  for (let seed = 1; seed <= 12; seed += 1) {
    const random = dice(seed);
    const growing = new GrowingMarkdown();
    let before = [];
    for (let end = 0; end < DOCUMENT.length;) {
      end = Math.min(DOCUMENT.length, end + 1 + Math.floor(random() * 30));
      const text = DOCUMENT.slice(0, end);
      const { blocks, kept } = growing.update(text);
      assert.deepEqual(blocks, parseMarkdown(text, { open: true }), `seed ${seed}, ${end}`);
      assert.deepEqual(blocks.slice(0, kept), before.slice(0, kept));
      assert.ok(kept >= before.length - 2, 'only the end is built anew');
      before = blocks;
    }
  }
});

test('a text that is replaced starts anew', () => {
  const growing = new GrowingMarkdown();
  growing.update('one\n\ntwo\n\nthree\n\nfour');
  const { blocks, kept } = growing.update('other');
  assert.equal(kept, 0);
  assert.deepEqual(blocks, parseMarkdown('other', { open: true }));
});

test('random bytes of Markdown never throw', () => {
  const pieces = ['*', '**', '_', '`', '```', '\n', '\n\n', '    ', '- ', '1. ', '> ', '|', '|-|', '[', '](', ')', '![', '<', '&', '\\', '#', '~~', 'a', ' ', '\t', '\r\n', 'http://', '😀', '\u0000', '===', '---'];
  for (let seed = 1; seed <= 3_000; seed += 1) {
    const random = dice(seed);
    const text = Array.from({ length: 40 }, () => pieces[Math.floor(random() * pieces.length)]).join('');
    for (const open of [true, false]) assert.ok(Array.isArray(parseMarkdown(text, { open })));
    const growing = new GrowingMarkdown();
    for (let end = 1; end <= text.length; end += 7) {
      assert.deepEqual(growing.update(text.slice(0, end)).blocks, parseMarkdown(text.slice(0, end), { open: true }), JSON.stringify(text.slice(0, end)));
    }
  }
});

test('hostile texts stay quick', () => {
  const size = 60_000;
  for (const piece of ['[', '*a', '`a``', '> ', '- ', '|', '![](', '<', '**a_', '~~', '\\', '&', '[a](', '_a *b ']) {
    const text = piece.repeat(size / piece.length);
    const begun = performance.now();
    parseMarkdown(text, { open: true });
    assert.ok(performance.now() - begun < 1_500, `${piece}: ${Math.round(performance.now() - begun)} ms`);
  }
});

test('what is unfinished has its final shape', () => {
  const open = { open: true };
  assert.equal(plain(parseInline('**bo', open)), '<strong>bo</>');
  assert.equal(plain(parseInline('***bo', open)), '<em><strong>bo</></>');
  assert.equal(plain(parseInline('a `co', open)), 'a <code>co</>');
  assert.equal(plain(parseInline('a [link](https://exa', open)), 'a <link>link</>');
  assert.equal(plain(parseInline('a **', open)), 'a ');
  assert.equal(plain(parseInline('**bo')), '**bo');
  assert.deepEqual(kinds('```rust\nfn', open), ['code']);
  assert.equal(parseMarkdown('```\na\n``', open)[0].text, 'a');
  assert.deepEqual(kinds('| a | b |', open), ['table']);
  assert.deepEqual(kinds('| a | b |\n|-', open), ['table']);
  assert.deepEqual(kinds('| a | b |'), ['paragraph']);
  assert.deepEqual(kinds('text\n-', open), ['paragraph']);
  assert.deepEqual(kinds('text\n---', open), ['heading']);
});

test('emphasis follows CommonMark', () => {
  for (const [source, shown] of [
    ['a * b * c', 'a * b * c'], ['*a*b', '<em>a</>b'], ['_a_b', '_a_b'], ['snake_case_name', 'snake_case_name'],
    ['**a** *b*', '<strong>a</> <em>b</>'], ['***a***', '<em><strong>a</></>'], ['**a*b*c**', '<strong>a<em>b</>c</>'],
    ['*a **b***', '<em>a <strong>b</></>'], ['~~a~~ ~b~', '<del>a</> ~b~'], ['\\*a\\*', '*a*'], ['`*a*`', '<code>*a*</>'],
    ['``a ` b``', '<code>a ` b</>'], ['a  \nb', 'a|b'], ['a\nb', 'a|b'], ['a\\\nb', 'a|b'], ['&lt;b&gt; &#65;', '<b> A'], ['**a', '**a'],
  ]) assert.equal(plain(parseInline(source)), shown, source);
});

test('links keep only addresses of a harmless scheme; HTML is text; pictures are links', () => {
  for (const address of ['javascript:alert(1)', 'data:text/html,x', 'vbscript:x', 'file:///etc', '//evil.example', ' javascript:x', 'JaVaScRiPt:x', 'java&#115;cript:x']) {
    assert.equal(safeHref(address), null, address);
    const [node] = parseInline(`[x](${address})`);
    assert.ok(node.type !== 'link' || node.href === null, address);
  }
  assert.equal(parseInline('[x](https://a.example/b_(c) "t")')[0].href, 'https://a.example/b_(c)');
  assert.equal(parseInline('![x](https://a.example/p.png)')[0].type, 'link');
  assert.equal(plain(parseInline('<img src=x onerror=alert(1)>')), '<img src=x onerror=alert(1)>');
  assert.equal(parseInline('<https://a.example>')[0].href, 'https://a.example');
  assert.equal(parseInline('see https://a.example/x_y.')[1].href, 'https://a.example/x_y');
  assert.equal(parseInline('(https://a.example/x)')[1].href, 'https://a.example/x');
});

test('plain text becomes text and links, character for character', () => {
  const text = 'Look: https://a.example/?q=1&r=2, **not bold** <b>\nnext (http://b.example).';
  const nodes = linkify(text);
  assert.equal(nodes.map((node) => (node.type === 'text' ? node.text : node.children[0].text)).join(''), text);
  assert.deepEqual(nodes.filter(({ type }) => type === 'link').map(({ href }) => href), ['https://a.example/?q=1&r=2', 'http://b.example']);
});

test('blocks: lists, quotes, tables, code', () => {
  const [list] = parseMarkdown('3. a\n4. b\n   - c\n\n   d');
  assert.deepEqual([list.ordered, list.start, list.items.length, list.tight], [true, 3, 2, false]);
  assert.deepEqual(list.items[1].map(({ type }) => type), ['paragraph', 'list', 'paragraph']);
  assert.equal(parseMarkdown('- a\n- b')[0].tight, true);
  assert.equal(parseMarkdown('- a\n\n- b')[0].tight, false);
  assert.deepEqual(kinds('- a\n* b'), ['list', 'list']);
  assert.deepEqual(kinds('a\n2. b'), ['paragraph']);
  assert.deepEqual(parseMarkdown('> a\nb\n> - c')[0].blocks.map(({ type }) => type), ['paragraph', 'list']);
  const [table] = parseMarkdown('a | b\n:-: | -:\n`x\\|y` | 2 | 3');
  assert.deepEqual(table.align, ['center', 'right']);
  assert.equal(table.rows[0][0][0].text, 'x|y');
  assert.deepEqual(parseMarkdown('~~~js x\na\n\n b\n~~~'), [{ type: 'code', language: 'js', text: 'a\n\n b', open: false }]);
  assert.deepEqual(parseMarkdown('    a\n\n    b'), [{ type: 'code', language: '', text: 'a\n\nb', open: false }]);
  assert.deepEqual(kinds('# a #\n***\nb\n==='), ['heading', 'rule', 'heading']);
  assert.deepEqual(kinds('a\r\n\r\nb'), ['paragraph', 'paragraph']);
});

test('an address that is none has no host, and breaks nothing', () => {
  assert.equal(hostOf('https://example.org:8443/a?b#c'), 'example.org:8443');
  for (const address of ['http://localhost:PORT/x', 'http://[', 'https://exa%mple.com/', 'mailto:a@example.org', '']) {
    assert.equal(hostOf(address), '', address);
  }
});

test('an address that begins with www. is a link, in settled words and in growing ones', () => {
  const shape = (nodes) => nodes.map(({ type, text, href, children }) => (type === 'link' ? [href, children[0].text] : text));
  for (const [text, wanted] of [
    ['see www.example.com/a_b.', ['see ', ['https://www.example.com/a_b', 'www.example.com/a_b'], '.']],
    ['(Www.example.org)', ['(', ['https://Www.example.org', 'Www.example.org'], ')']],
    ['https://www.example.com/x', [['https://www.example.com/x', 'https://www.example.com/x']]],
    ['me@www.example.com', ['me@www.example.com']], ['awww.example.com', ['awww.example.com']], ['www.example', ['www.example']],
    ['www. and http:// alone', ['www. and http:// alone']],
  ]) {
    assert.deepEqual(shape(linkify(text)), wanted, text);
    assert.deepEqual(shape(parseInline(text)), wanted, text);
  }
  assert.deepEqual(shape(parseInline('go to www.example.c', { open: true })), ['go to ', ['https://www.example.c', 'www.example.c']]);
  assert.equal(parseInline('`www.example.com`')[0].type, 'code');
});
