/**
 * Unsent messages: their order, their survival, and what a refusal does to those behind it.
 */
import assert from 'node:assert/strict';
import test from 'node:test';
import { ENTRIES_MAX, IN_FLIGHT_MAX, Pending, TRIES_MAX, memoryStorage } from '../../static/js/pending.js';
import { dice } from './random.js';

function pendingWith(storage = memoryStorage(), more = {}) {
  const clock = { now: 1_000 };
  const pending = new Pending({ storage, user: 'u', tab: 't', now: () => clock.now, ...more });
  return { pending, clock, storage };
}

const ids = (entries) => entries.map(({ clientId }) => clientId);

const add = (pending, ...clientIds) => {
  for (const clientId of clientIds) pending.add({ room: 'lobby', clientId, body: clientId });
};

const retryable = { retryable: true, retryAfterMs: null };

test('what was written survives a reload, in order, and is gone once it was accepted', () => {
  const { pending, storage } = pendingWith();
  add(pending, 'a', 'b', 'c');
  pending.sent('a', '1');
  pending.accepted('b');
  const again = pendingWith(storage).pending;
  assert.deepEqual(ids(again.toSend('lobby')), ['a', 'c']);
});

test('another user of the same browser does not get it', () => {
  const { pending, storage } = pendingWith();
  add(pending, 'a');
  assert.deepEqual(pendingWith(storage, { user: 'v' }).pending.list('lobby'), []);
});

test('a tab that lives keeps its own; the entries of one that died are taken over', () => {
  const { pending, storage } = pendingWith();
  add(pending, 'a');
  assert.deepEqual(pendingWith(storage, { tab: 'x', living: new Set(['t']) }).pending.list('lobby'), []);
  assert.deepEqual(ids(pendingWith(storage, { tab: 'y' }).pending.list('lobby')), ['a']);
});

test('a retryable refusal stops what follows until it was sent again', () => {
  const { pending, clock } = pendingWith();
  add(pending, 'a', 'b', 'c');
  for (const [place, { clientId }] of pending.toSend('lobby').entries()) pending.sent(clientId, String(place));
  assert.deepEqual(pending.toSend('lobby'), []);
  const { outcome, resendInMs } = pending.refused('lobby', 'a', '0', retryable);
  assert.equal(outcome, 'later');
  assert.equal(pending.refused('lobby', 'b', '1', retryable).outcome, 'ignored', 'refused as `behind`');
  assert.deepEqual(pending.toSend('lobby'), [], 'not before its time');
  clock.now += resendInMs;
  assert.deepEqual(ids(pending.toSend('lobby')), ['a', 'b', 'c']);
});

test('a late refusal of an earlier sending means nothing', () => {
  const { pending, clock } = pendingWith();
  add(pending, 'a', 'b');
  pending.sent('a', '1');
  pending.sent('b', '2');
  clock.now += pending.refused('lobby', 'a', '1', retryable).resendInMs;
  pending.sent('a', '3');
  pending.sent('b', '4');
  assert.equal(pending.refused('lobby', 'b', '2', retryable).outcome, 'ignored');
  pending.accepted('a');
  pending.accepted('b');
  assert.deepEqual(pending.list('lobby'), []);
});

test('a refusal for good fails that one alone; Retry sends it again under the same id', () => {
  const { pending } = pendingWith();
  add(pending, 'a', 'b');
  pending.sent('a', '1');
  assert.equal(pending.refused('lobby', 'a', '1', { retryable: false, retryAfterMs: null }).outcome, 'failed');
  assert.deepEqual(ids(pending.toSend('lobby')), ['b']);
  pending.retry('lobby', 'a');
  assert.deepEqual(ids(pending.toSend('lobby')), ['a', 'b']);
  pending.discard('a');
  assert.deepEqual(ids(pending.list('lobby')), ['b']);
});

test('the server names the time; without one the waits grow; at the bound the reader decides', () => {
  const { pending, clock } = pendingWith();
  add(pending, 'a');
  pending.sent('a', '0');
  assert.equal(pending.refused('lobby', 'a', '0', { retryable: true, retryAfterMs: 7_000 }).resendInMs, 7_000);
  const waits = [];
  for (let count = 1; count < TRIES_MAX; count += 1) {
    clock.now += 60_000;
    pending.sent('a', String(count));
    const { outcome, resendInMs } = pending.refused('lobby', 'a', String(count), retryable);
    if (outcome === 'failed') assert.equal(count, TRIES_MAX - 1);
    else waits.push(resendInMs);
  }
  assert.deepEqual(waits, [...waits].sort((one, other) => one - other));
  assert.equal(pending.list('lobby')[0].failed, true);
});

test('a lost connection makes everything unsent again, in order', () => {
  const { pending } = pendingWith();
  add(pending, 'a', 'b');
  pending.sent('a', '1');
  pending.sent('b', '2');
  pending.disconnected();
  assert.deepEqual(ids(pending.toSend('lobby')), ['a', 'b']);
});

test('flights and entries are bounded', () => {
  const { pending } = pendingWith();
  for (let count = 0; count < ENTRIES_MAX + 10; count += 1) add(pending, `m${count}`);
  assert.equal(pending.list('lobby').length, ENTRIES_MAX);
  assert.equal(pending.toSend('lobby').length, IN_FLIGHT_MAX);
});

test('a storage that refuses still sends', () => {
  const full = { getItem: () => null, setItem: () => { throw new Error('full'); }, removeItem: () => {} };
  const { pending } = pendingWith(full);
  add(pending, 'a');
  assert.deepEqual(ids(pending.toSend('lobby')), ['a']);
});

test('whatever is refused and cut, a server with the rule of P10 stores all, once, in order', () => {
  for (let seed = 1; seed <= 300; seed += 1) checkOrder(dice(seed), seed);
});

/** A server that refuses at random and, after a refusal, all that follows until that one comes again. */
function checkOrder(random, seed) {
  const { pending, clock } = pendingWith();
  const written = Array.from({ length: 12 }, (_, place) => `m${place}`);
  const stored = [];
  let blockedBy = null;
  let refs = 0;
  add(pending, ...written);
  for (let round = 0; round < 500 && pending.list('lobby').length > 0; round += 1) {
    const answers = [];
    for (const { clientId } of pending.toSend('lobby')) {
      refs += 1;
      const ref = String(refs);
      pending.sent(clientId, ref);
      const behind = blockedBy !== null && blockedBy !== clientId;
      const refused = behind || (!stored.includes(clientId) && random() < 0.15);
      if (refused && !behind) blockedBy = clientId;
      if (!refused) {
        blockedBy = null;
        if (!stored.includes(clientId)) stored.push(clientId);
      }
      answers.push({ clientId, ref, refused });
    }
    const cutAt = random() < 0.2 ? Math.floor(random() * (answers.length + 1)) : answers.length;
    for (const { clientId, ref, refused } of answers.slice(0, cutAt)) {
      if (!refused) pending.accepted(clientId);
      else if (pending.refused('lobby', clientId, ref, retryable).outcome === 'failed') pending.retry('lobby', clientId);
    }
    if (cutAt < answers.length) {
      pending.disconnected();
      blockedBy = null;
    }
    clock.now += 20_000;
  }
  assert.deepEqual(stored, written, `seed ${seed}`);
}

test('what a page left behind is taken over by one that lives, once', () => {
  const storage = memoryStorage();
  const gone = pendingWith(storage, { tab: 'gone' }).pending;
  gone.add({ room: 'lobby', clientId: 'c1', body: 'one' });
  const living = new Set(['gone']);
  const { pending } = pendingWith(storage, { tab: 'here', living });
  assert.deepEqual(pending.adopt(living), []);
  assert.deepEqual(pending.adopt(new Set()).map(({ clientId }) => clientId), ['c1']);
  assert.deepEqual(pending.adopt(new Set()), []);
  assert.deepEqual(pending.list('lobby').map(({ clientId }) => clientId), ['c1']);
  assert.deepEqual(gone.list('lobby'), []);
});
