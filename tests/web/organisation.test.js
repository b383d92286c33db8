import assert from 'node:assert/strict';
import { test } from 'node:test';

import { remember, returned } from '../../static/js/organisation.js';

function storage() {
  const kept = new Map();
  return {
    getItem: (key) => kept.get(key) ?? null,
    setItem: (key, value) => kept.set(key, value),
    removeItem: (key) => kept.delete(key),
  };
}

test('whoever comes back is where it left', () => {
  const tab = storage();
  remember('#/invite/abc', tab);
  assert.deepEqual(returned('', tab), { problem: '', place: '#/invite/abc' });
  assert.deepEqual(returned('', tab), { problem: '', place: null }, 'once');
});

test('an address that names a place wins, and only places are places', () => {
  const tab = storage();
  remember('#/rooms/lobby', tab);
  assert.deepEqual(returned('#/rooms/den', tab), { problem: '', place: null });
  remember('#sign-in=sign_in_refused', tab);
  assert.deepEqual(returned('', tab), { problem: '', place: null });
});

test('what went wrong is a sentence of ours, whatever the address says', () => {
  const tab = storage();
  remember('#/rooms/lobby', tab);
  const told = returned('#sign-in=sign_in_refused', tab);
  assert.match(told.problem, /not let in/);
  assert.equal(told.place, '#/rooms/lobby');
  assert.deepEqual(returned('#sign-in=evil_text', tab), { problem: 'Signing in did not work.', place: '' });
  assert.equal(returned('#sign-in=constructor', tab).problem, 'Signing in did not work.');
  assert.deepEqual(returned('#sign-in=<b>', tab), { problem: '', place: null });
});

test('a browser that keeps nothing signs in all the same', () => {
  const refuses = () => { throw new Error('no'); };
  const tab = { getItem: refuses, setItem: refuses, removeItem: refuses };
  remember('#/rooms/lobby', tab);
  assert.deepEqual(returned('', tab), { problem: '', place: null });
});
