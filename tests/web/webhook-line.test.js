/**
 * What is said about a webhook in a room's settings.
 */
import assert from 'node:assert/strict';
import test from 'node:test';
import { webhookLine } from '../../static/js/webhook-line.js';

const now = new Date(2026, 10, 25, 18, 0).getTime();
const last = (change) => ({ at: new Date(2026, 10, 25, 14, 5).toISOString(), outcome: 'delivered', status: 204, ...change });
const line = (change) => webhookLine({ enabled: true, disabled_reason: null, failures: 0, last: null, ...change }, now);

test('a webhook says how it does', () => {
  assert.equal(line({}), 'On; nothing sent yet');
  assert.match(line({ last: last() }), /^Delivered Today, /);
  assert.match(line({ failures: 1, last: last({ outcome: 'refused', status: 500 }) }), /^Failing: refused \(500\), last Today, /);
  assert.match(line({ failures: 3, last: last({ outcome: 'timeout', status: null }) }), /^Failing: no answer in time, 3 times in a row, last Today, /);
});

test('one that is off says why', () => {
  assert.equal(line({ enabled: false }), 'Off');
  assert.equal(line({ enabled: false, disabled_reason: 'gone' }), 'Switched off: the receiver wants nothing more');
  assert.equal(line({ enabled: false, disabled_reason: 'failing', failures: 90 }), 'Switched off after three days of failures');
  assert.equal(line({ enabled: false, disabled_reason: 'of a later release' }), 'Off');
});
