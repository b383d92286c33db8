/**
 * The picture of the tab counts.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { faviconOf } from '../../static/js/favicon.js';

const drawn = (news) => decodeURIComponent(faviconOf(news).replace('data:image/svg+xml,', ''));
const count = (news) => />([^<>]*)<\/text>/.exec(drawn(news))?.[1];

test('without news it is the file', () => {
  assert.equal(faviconOf({ unread: 0, mentions: 0 }), '/icon.svg');
  readFileSync(new URL('../../static/icon.svg', import.meta.url));
});

test('it shows how much is unread, and before that how much mentions one, in another colour', () => {
  assert.equal(count({ unread: 3, mentions: 0 }), '3');
  assert.equal(count({ unread: 12, mentions: 0 }), '9+');
  assert.equal(count({ unread: 12, mentions: 2 }), '2');
  const ground = (news) => /rx="10" fill="([^"]*)"/.exec(drawn(news))[1];
  assert.notEqual(ground({ unread: 1, mentions: 0 }), ground({ unread: 1, mentions: 1 }));
});
