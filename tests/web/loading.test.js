/**
 * What a browser loads: every module is named in `index.html`, so that none waits for the one that imports it, and all of it
 * together is small. Dialogs and the other languages are not among it.
 */
import assert from 'node:assert/strict';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import test from 'node:test';
import { gzipSync } from 'node:zlib';

const STATIC = new URL('../../static/', import.meta.url);
/** All that is loaded before one reads and writes, compressed; a dialog comes when it is first opened. */
const ALL_BYTES = 150_000;

const read = (path) => readFileSync(new URL(path, STATIC), 'utf8');

/**
 * A file as the server sends it: without the comments that have lines of their own, not indented (`src/http/asset_forms.rs`), and the
 * style sheet with its parts in their place (`src/http/page_files.rs`).
 */
function asSent(path) {
  if (!/\.(?:js|css)$/.test(path)) return readFileSync(new URL(path.slice(1), STATIC));
  const whole = read(path.slice(1)).replace(/^@import "([^"]+)";$/gm, (_, part) => read(`css/${part}`));
  return whole.replace(/^[ \t]*\/\*[^]*?\*\/[ \t]*$/gm, (comment) => comment.replace(/[^\n]/g, '')).replace(/^[ \t]*\/\/.*$/gm, '').replace(/^ +/gm, '');
}

const asSentButIndented = (path) => read(path.slice(1)).replace(/^[ \t]*\/\*[^]*?\*\/[ \t]*$/gm, '').replace(/^[ \t]*\/\/.*$/gm, '');

/** What `main.js` imports, and what that imports. */
function modules() {
  const found = new Set();
  const follow = (path) => {
    if (found.has(path)) return;
    found.add(path);
    // `main.js` waits for the reader's language before it imports the rest.
    for (const [, target] of read(path.slice(1)).matchAll(/^(?:import|export|await import)\b[^;]*?['"](\.[^'"]+)['"]\)?;/gm)) {
      follow(new URL(target, `http://page${path}`).pathname);
    }
  };
  follow('/js/main.js');
  return [...found];
}

test('the page names its modules at once', () => {
  const needed = modules().filter((path) => path !== '/js/main.js').sort();
  assert.ok(needed.length > 40, 'the imports were followed');
  const lines = needed.map((path) => `    <link rel="modulepreload" href="${path}">\n`).join('');
  const page = read('index.html');
  const wanted = page.replace(/(?: *<link rel="modulepreload"[^\n]*\n)+/, () => lines);
  if (process.env.SALON_WRITE_DOCUMENTS === '1') writeFileSync(new URL('index.html', STATIC), wanted);
  else assert.ok(page === wanted, 'index.html names other modules: SALON_WRITE_DOCUMENTS=1 node --test tests/web/loading.test.js writes it anew');
});

test('all that is loaded to read and write is small', () => {
  const styles = [...read('index.html').matchAll(/(?:href|src)="(\/(?:css|js|icon)[^"]*\.(?:css|svg|js))"/g)].map(([, path]) => path);
  // The largest catalogue: nobody loads two.
  const catalogues = readdirSync(new URL('js/words/', STATIC)).filter((name) => name.endsWith('.js')).map((name) => `/js/words/${name}`);
  const sizeOf = (path) => gzipSync(asSent(path)).length;
  const largestWords = Math.max(...catalogues.map(sizeOf));
  const files = [...new Set(['/index.html', '/js/main.js', ...styles, ...modules()])];
  const sizes = files.map((path) => [path, sizeOf(path)]);
  const sum = sizes.reduce((total, [, size]) => total + size, largestWords);
  const largest = sizes.sort(([, one], [, other]) => other - one).slice(0, 8).map(([path, size]) => `${path} ${size}`).join(', ');
  assert.ok(sum <= ALL_BYTES, `${sum} bytes compressed; the largest: ${largest}`);
});

test('no string of several lines has one that begins with a space', () => {
  const all = readdirSync(new URL('js/', STATIC), { recursive: true }).filter((name) => name.endsWith('.js'));
  assert.ok(all.length > 60, 'the scripts were found');
  for (const name of all) {
    let open = false;
    for (const line of asSentButIndented(`/js/${name}`).split('\n')) {
      assert.ok(!open || !line.startsWith(' '), `${name}: ${line}`);
      // Quotes of the other kinds, and expressions, may hold the sign.
      const code = line.replace(/\\./g, '').replace(/'[^']*'|"[^"]*"/g, '').replace(/(?<=[=(,:\s])\/(?:\[[^\]]*\]|[^/[])+\//g, '');
      if ((code.match(/`/g)?.length ?? 0) % 2 === 1) open = !open;
    }
    assert.equal(open, false, name);
  }
});
