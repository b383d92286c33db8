/**
 * People one may write to or add, and whom of them a name means.
 */
import assert from 'node:assert/strict';
import test from 'node:test';
import { knownPeople, meant, peopleOf } from '../../static/js/known-people.js';

const user = (id, name, kind = 'user') => ({ id, name, kind });
const page = (...users) => ({ members: users.map((one) => ({ user: one })) });

test('people of one’s rooms are known once, by name, and neither oneself nor assistants', () => {
  const [me, bob, guest] = [user('me', 'Ada'), user('b', 'bob'), user('g', 'Ada', 'guest')];
  const known = peopleOf([page(me, bob, user('x', 'assistant', 'assistant')), page(guest, bob, user('y', 'gone', 'deleted'))], 'me');
  assert.deepEqual(known, [guest, bob]);
});

test('the members of the first rooms are read, and a room that cannot be read leaves the others', async () => {
  const asked = [];
  const api = {
    membersPage: async (slug) => {
      asked.push(slug);
      if (slug === 'room-1') throw new Error('gone');
      return page(user(slug, slug));
    },
  };
  const book = { mine: () => Array.from({ length: 9 }, (_, number) => ({ slug: `room-${number}` })) };
  const known = await knownPeople({ salon: { api, user: user('me', 'Ada') }, book });
  assert.deepEqual(asked, ['room-0', 'room-1', 'room-2', 'room-3', 'room-4']);
  assert.deepEqual(known.map(({ id }) => id), ['room-0', 'room-2', 'room-3', 'room-4']);
});

test('a name means an account, or the only guest that is called so', () => {
  const known = [user('1', 'Bob', 'guest'), user('2', 'Eve'), user('3', 'eve', 'guest'), user('4', 'Cy', 'guest'), user('5', 'cy', 'guest')];
  assert.deepEqual(meant(['bob', 'eve', 'stranger'], known), { names: ['eve', 'stranger'], ids: ['1'] });
  assert.throws(() => meant(['CY'], known), /Several guests are called “CY”/);
});
