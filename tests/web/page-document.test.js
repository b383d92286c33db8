/**
 * That `docs/page.md` names tests that there are.
 */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import test from 'node:test';

const at = (path) => new URL(`../../${path}`, import.meta.url);
const around = readFileSync(at('docs/page.md'), 'utf8').split('## Around it')[1];
const lines = around.split('\n').filter((line) => line.startsWith('| ') && !/^\| (What it does|---)/.test(line));

test('every line of what the page does names tests, and they are there', () => {
  assert.ok(lines.length > 20);
  for (const line of lines) {
    const shown = [...line.split('|').at(-2).matchAll(/`([^`]+)`/g)].map(([, name]) => name);
    assert.ok(shown.length > 0, line);
    for (const name of shown) {
      const [module, title] = name.split('::');
      if (title === undefined) assert.ok(existsSync(at(`tests/web/${name}`)), name);
      else assert.match(readFileSync(at(`tests/integration/browser/${module}.rs`), 'utf8'), new RegExp(`fn ${title}\\(`), name);
    }
  }
});
