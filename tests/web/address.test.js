/**
 * Every name of a room gets an address offered that the server takes.
 */
import assert from 'node:assert/strict';
import test from 'node:test';
import { ADDRESS_CHARS, addressOf } from '../../static/js/address.js';

test('letters of the Latin alphabet lose their accents, and simple others are written in it', () => {
  assert.equal(addressOf('Reading Group 2'), 'reading-group-2');
  assert.equal(addressOf('  Café — Zürich & Straße! '), 'cafe-zurich-strasse');
  assert.equal(addressOf('Łódź, Ærø'), 'lodz-aero');
  assert.equal(addressOf('Чай и хлеб'), 'chai-i-khleb');
  assert.equal(addressOf('Ada مرحبا'), 'ada');
});

test('a name in another script has letters by chance, no name none', () => {
  assert.equal(addressOf('مرحبا', () => 0), 'room-aaaaa');
  assert.equal(addressOf('読書会', () => 0.9999), 'room-99999');
  assert.match(addressOf('🐈'), /^room-[a-z2-9]{5}$/);
  assert.equal(addressOf('   '), '');
});

test('whatever is called so has an address of the form', () => {
  for (const name of ['-', 'a'.repeat(63) + ' b', '— x', 'x\u0000y', 'İstanbul', '𝔊𝔬𝔱𝔥𝔦𝔠', 'ǅ', '\ud800']) {
    const address = addressOf(name);
    assert.match(address, /^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/, JSON.stringify(name));
    assert.ok(address.length <= ADDRESS_CHARS, address);
  }
});
