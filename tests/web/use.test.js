/**
 * What the lists of tokens and webhooks say of each.
 */
import assert from 'node:assert/strict';
import test from 'node:test';
import { hookLine, tokenLine, usedLine } from '../../static/js/use.js';

const now = new Date(2026, 4, 12, 15).getTime();
const at = (days) => new Date(2026, 4, 12 + days, 9).toISOString();

test('a token says what it may do, when it ends and when it was used', () => {
  const token = { scope: 'read', created_at: at(-9), expires_at: null, last_used_at: null };
  assert.equal(tokenLine(token, now), 'Reads only · no end · Never used');
  const used = { ...token, scope: 'write', expires_at: at(0), last_used_at: at(-1) };
  assert.equal(tokenLine(used, now), 'Reads and writes · ends today · Last used yesterday');
  assert.match(usedLine({ last_used_at: at(-9) }, now), /^Last used .*3/);
});

test('a webhook says who made it', () => {
  const hook = { created_by: { name: 'ada' }, created_at: at(0), last_used_at: null };
  assert.equal(hookLine(hook, now), 'Made by ada today · Never used');
});
