/**
 * Which way a message runs.
 */
import assert from 'node:assert/strict';
import test from 'node:test';
import { wayOf } from '../../static/js/bidi.js';

test('a message runs as its first letter does, whomever it calls', () => {
  assert.equal(wayOf('hello'), 'ltr');
  assert.equal(wayOf('ما هذا؟'), 'rtl');
  assert.equal(wayOf('@assistant ما هذا؟'), 'rtl');
  assert.equal(wayOf('  @assistant @bob, שלום'), 'rtl');
  assert.equal(wayOf('@ليلى hello'), 'ltr');
  assert.equal(wayOf('1. «نعم» and more'), 'rtl');
  assert.equal(wayOf('hello @ليلى'), 'ltr');
  for (const text of ['', '@assistant', '12:30 🙂']) assert.equal(wayOf(text), 'auto');
});
