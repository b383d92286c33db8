/**
 * What of a pasted text is code, and the fence it gets.
 */
import assert from 'node:assert/strict';
import test from 'node:test';
import { fenced, looksLikeCode } from '../../static/js/paste.js';

const PYTHON = 'def greet(name):\n    # comment\n    if name:\n        return f"hello {name}"\n';
const YAML = 'services:\n  web:\n    image: salon\n';

test('indented lines of a program are code', () => {
  for (const text of [PYTHON, YAML, 'fn main() {\n\tprintln!("x");\n}', '<ul>\n  <li>one</li>\n</ul>']) assert.ok(looksLikeCode(text), text);
});

test('words, lists and what has a fence already are none', () => {
  for (const text of [
    'One line', 'x = 1', 'Two\nlines of words', '- one\n  - two\n  - three', '1. one\n   2. two',
    '    A quotation, indented,\n    as some people write it', '```\nfn main() {\n    x();\n}\n```', 'Dear Ada (and Bob),\n  how are you\n  today', '',
  ]) assert.ok(!looksLikeCode(text), text);
});

test('a fence stands on lines of its own, and none within one', () => {
  const code = PYTHON.trimEnd();
  assert.equal(fenced(PYTHON, '', ''), `\`\`\`\n${code}\n\`\`\`\n`);
  assert.equal(fenced(PYTHON, 'Look:', '\nWell?'), `\n\`\`\`\n${code}\n\`\`\``);
  assert.equal(fenced(PYTHON.replaceAll('\n', '\r\n'), 'Look:\n', ''), `\`\`\`\n${code}\n\`\`\`\n`);
  assert.equal(fenced(PYTHON, '```python\n', '\n```'), null);
  assert.equal(fenced(`\n\n${PYTHON}\n  \n`, '', ''), `\`\`\`\n${code}\n\`\`\`\n`);
  assert.equal(fenced('Two\nlines', '', ''), null);
});

test('a text of any length takes no time', () => {
  const began = performance.now();
  for (const text of ['a'.repeat(500_000), '  {\n'.repeat(100_000), ' '.repeat(500_000), '<'.repeat(300_000), `${' '.repeat(500_000)}x`, `x${'\n'.repeat(500_000)}x`]) fenced(text, text, '');
  assert.ok(performance.now() - began < 2_000);
});
