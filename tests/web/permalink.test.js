/**
 * Addresses of rooms and messages: what was made is read, and nothing else ever throws.
 */
import assert from 'node:assert/strict';
import test from 'node:test';
import { permalink, placeOf } from '../../static/js/permalink.js';
import { dice } from './random.js';

test('an address that was made is read', () => {
  for (const slug of ['lobby', 'a', '0-1', 'x'.repeat(64)]) {
    for (const seq of [null, 1, 42, 999_999_999_999_999]) assert.deepEqual(placeOf(permalink(slug, seq)), { slug, seq });
  }
});

test('what is no address is null', () => {
  for (const hash of ['', '#', '#/', '#/rooms/', '#/rooms/%zz', '#/rooms/%', '#/rooms/a/0', '#/rooms/a/01', '#/rooms/a/1/', '#/rooms/a/1e3',
    '#/rooms/a/9999999999999999', '#/rooms/A', '#/rooms/..', `#/rooms/${'x'.repeat(65)}`, '#/rooms/a\n', '#/invite/a']) {
    assert.equal(placeOf(hash), null, hash);
  }
});

test('any text at all is an address or null', () => {
  const parts = ['#/rooms/', 'lobby', '/', '1', '0', '%', '%2F', '%ff', '-', '?', '#', '\ud800', '\0', '\n', 'é', '999999999999', ' ', '..', '__proto__'];
  for (let seed = 1; seed <= 2000; seed += 1) {
    const roll = dice(seed);
    const hash = Array.from({ length: Math.floor(roll() * 7) }, () => parts[Math.floor(roll() * parts.length)]).join('');
    const place = placeOf(hash);
    if (place !== null) assert.equal(permalink(place.slug, place.seq), hash, `seed ${seed}`);
  }
});
