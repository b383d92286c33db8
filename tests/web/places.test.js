/**
 * Where one was in a room that was left: the latest place of each, of a bounded number of rooms.
 */
import assert from 'node:assert/strict';
import test from 'node:test';
import { PLACES_MAX, leavePlaceIn, placeIn } from '../../static/js/places.js';

test('a place is kept per room, until one leaves it at its end', () => {
  assert.equal(placeIn('den'), null);
  leavePlaceIn('den', { seq: 3, offset: -10 });
  leavePlaceIn('lobby', { seq: 9, offset: 0 });
  assert.deepEqual(placeIn('den'), { seq: 3, offset: -10 });
  leavePlaceIn('den', null);
  assert.equal(placeIn('den'), null);
  assert.equal(placeIn('lobby').seq, 9);
});

test('of too many rooms the one that was left first is forgotten', () => {
  leavePlaceIn('first', { seq: 1, offset: 0 });
  for (let number = 0; number < PLACES_MAX - 1; number += 1) leavePlaceIn(`room-${number}`, { seq: 1, offset: 0 });
  assert.notEqual(placeIn('first'), null);
  leavePlaceIn('first', { seq: 2, offset: 0 });
  leavePlaceIn('another', { seq: 1, offset: 0 });
  assert.equal(placeIn('first').seq, 2, 'it was left again since');
  assert.equal(placeIn('room-0'), null);
});
