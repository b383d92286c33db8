import assert from 'node:assert/strict';
import test from 'node:test';

import { attemptLine, money, standingLine, sumLine, usageLine } from '../../static/js/usage-line.js';

test('an amount shows that it is not nothing', () => {
  assert.equal(money(0, 'USD'), 'USD 0.00');
  assert.equal(money(1, 'USD'), 'below USD 0.0001');
  assert.equal(money(12_300, 'EUR'), 'EUR 0.0123');
  assert.equal(money(1_234_567, 'USD'), 'USD 1.23');
});

test('a reply says what is known of it, and what is only estimated', () => {
  const usage = { input_tokens: 1_200, output_tokens: 34, cached_tokens: 1_000, estimated: false };
  const reply = { usage, cost_micros: 4_110, first_token_ms: 830 };
  assert.equal(usageLine(reply, 'USD'), '1,200 tokens in (1,000 cached) · 34 out · USD 0.0041 · began after 0.8 s');
  const estimated = { usage: { input_tokens: 3, output_tokens: 4, estimated: true }, first_token_ms: 12_400 };
  assert.equal(usageLine(estimated, 'USD'), 'about 3 tokens in · about 4 out · began after 12 s');
  assert.equal(usageLine({ first_token_ms: 12 }, 'USD'), 'began after less than 0.1 s');
  assert.equal(usageLine({}, 'USD'), '');
});

const attempt = (changes) => ({
  room: 'den', attempt: 1, user: { name: 'Ada' }, assistant: { name: 'assistant' }, model: 'large', state: 'complete',
  input_tokens: 10, output_tokens: 2, cached_tokens: 0, estimated: false, cost_micros: null, first_token_ms: null, ...changes,
});

test('an attempt says who asked or where, and how it ended unless well', () => {
  assert.deepEqual(attemptLine(attempt({}), 'USD', { who: true }), { title: 'Ada asked @assistant', line: 'large · 10 tokens in · 2 out' });
  const second = attemptLine(attempt({ attempt: 2, state: 'failed', cost_micros: 20_000 }), 'USD', { who: false });
  assert.deepEqual(second, { title: 'In #den you asked @assistant, attempt 2', line: 'large · failed · 10 tokens in · 2 out · USD 0.0200' });
  const alone = attemptLine(attempt({ room: `direct-${'01a2'.repeat(8)}` }), 'USD', { who: false });
  assert.equal(alone.title, 'In a direct room you asked @assistant');
  assert.equal(attemptLine(attempt({ state: 'running' }), 'USD', { who: true }).line, 'large · runs');
});

test('what is spent stands beside what may be', () => {
  const standing = { cost_micros: 2_500_000, cost_limit_micros: 10_000_000, tokens: 1_000, tokens_limit: null };
  assert.equal(standingLine(standing, 'USD'), 'USD 2.50 of USD 10.00 · 1,000 tokens');
  assert.equal(standingLine({ ...standing, cost_limit_micros: null, tokens_limit: 5_000 }, 'USD'), 'USD 2.50 · 1,000 of 5,000 tokens');
  const sum = { attempts: 1, estimated: 1, input_tokens: 7, output_tokens: 3, cost_micros: 0 };
  assert.equal(sumLine(sum, 'USD'), '1 attempt (1 estimated) · 7 tokens in · 3 out · USD 0.00');
});
