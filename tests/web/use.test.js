/**
 * What the lists of tokens and webhooks say of each.
 */
import assert from 'node:assert/strict';
import test from 'node:test';
import { clockTime } from '../../static/js/time.js';
import { hookLine, inOrder, programName, sessionLine, tokenLine, usedLine } from '../../static/js/use.js';

const now = new Date(2026, 4, 12, 15).getTime();
const nine = clockTime(new Date(2026, 4, 12, 9).getTime());
const at = (days) => new Date(2026, 4, 12 + days, 9).toISOString();

test('a token says what it may do, when it ends and when it was used', () => {
  const token = { scope: 'read', created_at: at(-9), expires_at: null, last_used_at: null };
  assert.equal(tokenLine(token, now), 'Reads only · no end · Never used');
  const used = { ...token, scope: 'write', expires_at: at(0), last_used_at: at(-1) };
  assert.equal(tokenLine(used, now), `Reads and writes · ends today at ${nine} · Last used yesterday`);
  assert.match(usedLine({ last_used_at: at(-9) }, now), /^Last used .*3/);
});

test('a session says what made it, since when and from where', () => {
  const firefox = 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0';
  assert.equal(programName(firefox), 'Firefox on Linux');
  const edge = 'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0 Safari/537.36 Edg/130.0';
  assert.equal(programName(edge), 'Edge on Windows');
  assert.equal(programName('curl/8.9.1'), 'curl');
  assert.equal(programName(null), 'A program');
  const session = { created_at: at(-1), last_seen_at: at(0), address: '192.0.2.7' };
  assert.equal(sessionLine(session, now), `Signed in yesterday from 192.0.2.7 · last used today at ${nine}`);
  assert.equal(sessionLine({ ...session, address: null }, now), `Signed in yesterday · last used today at ${nine}`);
});

test('a webhook says who made it', () => {
  const hook = { created_by: { name: 'ada' }, created_at: at(0), last_used_at: null };
  assert.equal(hookLine(hook, now), `Made by ada today at ${nine} · Never used`);
});

test('the session that one uses stands first, then those that were used last', () => {
  const session = (id, hours, current = false) => ({ id, current, last_seen_at: new Date(2026, 4, 12, hours).toISOString() });
  assert.deepEqual(inOrder([session('old', 3), session('new', 9), session('this', 1, true)]).map(({ id }) => id), ['this', 'new', 'old']);
});
