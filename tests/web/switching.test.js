/**
 * Which rooms the switcher offers, and which messages are worth a notification.
 */
import assert from 'node:assert/strict';
import test from 'node:test';
import { gist, newsOf } from '../../static/js/news.js';
import { OFFERED_MAX, switchable } from '../../static/js/switching.js';

const rooms = [
  { slug: 'lobby', name: 'Lobby' }, { slug: 'cafe', name: 'Café of friends' }, { slug: 'dev-tools', name: 'Development tools' }, { slug: 'old', name: 'Good old days' },
];
const offered = (query, { news = () => 0, current = 'lobby' } = {}) =>
  switchable(rooms, query, { name: ({ name }) => name, news, current }).map(({ slug }) => slug);

test('without a word: the other rooms, those with news first', () => {
  assert.deepEqual(offered(''), ['cafe', 'dev-tools', 'old']);
  assert.deepEqual(offered('', { news: ({ slug }) => (slug === 'old' ? 3 : 0) }), ['old', 'cafe', 'dev-tools']);
});

test('a word finds names and addresses, whatever their case and accents, the best first', () => {
  assert.deepEqual(offered('CAFE'), ['cafe']);
  assert.deepEqual(offered('lob'), ['lobby'], 'the open one too, when it is asked for');
  assert.deepEqual(offered('dvt'), ['dev-tools'], 'letters in that order');
  assert.equal(offered('o')[0], 'old', 'a beginning before a middle');
  assert.deepEqual(offered('xyz'), []);
});

test('there is an end to what is offered', () => {
  const many = Array.from({ length: 30 }, (_, number) => ({ slug: `r${number}`, name: `Room ${number}` }));
  assert.equal(switchable(many, 'room', { name: ({ name }) => name, news: () => 0, current: null }).length, OFFERED_MAX);
});

const about = { me: 'ada', room: { visibility: 'public' }, muted: false, authorOf: (seq) => (seq === 1 ? 'ada' : 'bo') };
const message = (change) => ({ seq: 9, kind: 'user', author: { id: 'bo', name: 'Bo' }, body: 'hi', ...change });

test('mentions, replies and direct messages are news; one’s own and those of muted rooms are none', () => {
  assert.equal(newsOf(message({ mentions: ['ada'] }), about), 'mention');
  assert.equal(newsOf(message({ reply_to: 1 }), about), 'reply');
  assert.equal(newsOf(message({ reply_to: 2 }), about), null);
  assert.equal(newsOf(message({}), about), null);
  assert.equal(newsOf(message({}), { ...about, room: { visibility: 'direct' } }), 'direct');
  assert.equal(newsOf(message({ mentions: ['ada'] }), { ...about, muted: true }), null);
  assert.equal(newsOf(message({ author: { id: 'ada' }, mentions: ['ada'] }), about), null);
  assert.equal(newsOf(message({ mentions: ['ada'], deleted_at: 'then' }), about), null);
});

test('a notification shows the beginning in one line', () => {
  assert.equal(gist(' a\n\n b '), 'a b');
  assert.equal([...gist('🎉'.repeat(500))].length, 141);
});
