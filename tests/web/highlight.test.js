/**
 * Colours of code: no character is lost, common languages have their comments, strings and keywords told apart, and
 * nothing takes long, whatever is written.
 */
import assert from 'node:assert/strict';
import test from 'node:test';
import { CODE_MAX, highlight } from '../../static/js/highlight.js';
import { dice } from './random.js';

const LANGUAGES = ['js', 'ts', 'python', 'rust', 'go', 'c', 'cpp', 'java', 'kotlin', 'c#', 'php', 'ruby', 'sh', 'sql', 'lua', 'json', 'yaml', 'toml', 'html', 'css', 'diff', 'dockerfile', 'swift'];

/** The pieces of a kind. */
const of = (code, language, kind) => highlight(code, language).filter((piece) => piece.kind === kind).map(({ text }) => text);

test('what the pieces say is what was written', () => {
  const bits = ['"', "'", '`', '"""', '/*', '*/', '//', '#', '--', '<!--', '-->', '\\', '\n', ' ', '{', '}', '(', 'fn', 'x', '1', '0x', '$', '@', '<', '>', '=', ':', '[[', 'r#"', '😀', '\t'];
  for (let seed = 1; seed <= 400; seed += 1) {
    const random = dice(seed);
    const code = Array.from({ length: 60 }, () => bits[Math.floor(random() * bits.length)]).join('');
    for (const language of LANGUAGES) {
      const pieces = highlight(code, language);
      assert.equal(pieces.map(({ text }) => text).join(''), code, `${language} ${JSON.stringify(code)}`);
    }
  }
});

test('a language has its comments, strings and keywords', () => {
  assert.deepEqual(of('let a = "x // y"; // z', 'js', 'comment'), ['// z']);
  assert.deepEqual(of('let a = `x ${y}`;', 'ts', 'string'), ['`x ${y}`']);
  assert.deepEqual(of('def f(x):\n  return None # no', 'py', 'keyword'), ['def', 'return']);
  assert.deepEqual(of('def f():\n  """long\ntext"""', 'python', 'string'), ['"""long\ntext"""']);
  assert.deepEqual(of("fn f<'a>(x: &'a str) -> char { 'x' }", 'rust', 'string'), ["'x'"]);
  assert.deepEqual(of('println!("a"); r#"b"c"#', 'rust', 'string'), ['"a"', 'r#"b"c"#']);
  assert.deepEqual(of('SELECT a FROM b -- c', 'sql', 'keyword'), ['SELECT', 'FROM']);
  assert.deepEqual(of('export A=$B # c', 'sh', 'meta'), ['$B']);
  assert.deepEqual(of('echo a#b', 'sh', 'comment'), []);
  assert.deepEqual(of('{"a": "b", "c": [1, true]}', 'json', 'call'), ['"a"', '"c"']);
  assert.deepEqual(of('a: b\nc: "d" # e', 'yaml', 'call'), ['a', 'c']);
  assert.deepEqual(of('[part]\na = 1', 'toml', 'meta'), ['[part]']);
  assert.deepEqual(of('<a href="b">c</a>', 'html', 'tag'), ['<a', '>', '</a', '>']);
  assert.deepEqual(of('@@ 1 @@\n+a\n-b\n c', 'diff', 'added'), ['+a']);
  assert.deepEqual(of('parse(x) + Row', 'go', 'call'), ['parse']);
  assert.deepEqual(of('0xff + 12.5e3', 'js', 'number'), ['0xff', '12.5e3']);
});

test('an unknown language, and too much of a known one, stay plain', () => {
  assert.equal(highlight('anything', 'klingon'), null);
  assert.equal(highlight('anything', ''), null);
  assert.equal(highlight('a'.repeat(CODE_MAX + 1), 'js'), null);
  assert.equal(highlight('constructor', '__proto__'), null);
});

test('the longest code of any kind is read at once', () => {
  const pieces = ['a', '"', "'", '`', '/*', '"""', '#', '<', '-', '$', '@', 'r#', '\\', '[[', '&', '!', ' ', '1', '.', '\n', 'r########"'];
  for (const language of LANGUAGES) {
    for (const piece of pieces) {
      const code = piece.repeat(CODE_MAX / piece.length);
      const begun = performance.now();
      highlight(code, language);
      const took = performance.now() - begun;
      assert.ok(took < 500, `${language}: ${JSON.stringify(piece)} took ${took} ms`);
    }
  }
});
