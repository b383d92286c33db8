/**
 * Which buttons a role gets for the members of a room, and how invites are told of.
 */
import assert from 'node:assert/strict';
import test from 'node:test';
import { inviteLine, inviteToken, invitable, invitation, memberRights, timeLeft } from '../../static/js/roles.js';

const room = (role, visibility = 'public', people = 0) => ({ role, visibility, people });
const member = (role, kind = 'user') => ({ role, user: { kind } });
const may = (own, other, self = false) => {
  const { roles, removes, bans, gives } = memberRights(own, other, self);
  return [roles.length > 0 && `roles:${roles.length}`, removes && 'removes', bans && 'bans', gives && 'gives'].filter(Boolean).join(' ');
};

test('owners do all, moderators what is below them, others nothing', () => {
  for (const role of ['owner', 'moderator', 'member', 'reader']) {
    assert.equal(may(room('owner'), member(role)), 'roles:4 removes bans gives', role);
    assert.equal(may(room('member'), member(role)), '', role);
    assert.equal(may(room('reader'), member(role)), '', role);
    assert.equal(may(room(null), member(role)), '', role);
  }
  assert.equal(may(room('moderator'), member('owner')), '');
  assert.equal(may(room('moderator'), member('moderator')), 'roles:3 removes');
  assert.equal(may(room('moderator'), member('member')), 'roles:3 removes bans');
});

test('a program has no role to choose beyond writing and reading, and no room is given to it', () => {
  const of = (kind, role = 'member') => memberRights(room('owner'), member(role, kind), false);
  assert.deepEqual([of('bot').roles, of('bot').gives, of('bot').bans], [['member', 'reader'], false, true]);
  assert.deepEqual(of('bot', 'moderator').roles, ['moderator', 'member', 'reader'], 'what it was given once is shown');
  assert.deepEqual([of('assistant').roles, of('assistant').gives], [[], false]);
  assert.deepEqual(memberRights(room('member'), member('member', 'bot'), false).roles, []);
});

test('everybody leaves, but two stay in their direct room, which takes nobody else', () => {
  assert.equal(may(room('owner'), member('owner'), true), 'removes');
  assert.equal(may(room('reader'), member('reader'), true), 'removes');
  assert.equal(may(room('member', 'direct', 2), member('member'), true), '');
  assert.equal(may(room('owner', 'direct', 0), member('member', 'assistant')), 'removes');
});

test('one invites into roles below one’s own, owners moderators too', () => {
  assert.deepEqual(invitable('owner'), ['member', 'reader', 'moderator']);
  assert.deepEqual(invitable('moderator'), ['member', 'reader']);
  assert.deepEqual(invitable('member'), []);
});

test('an invite is told of in a line', () => {
  const now = Date.parse('2026-01-31T12:00:00.000Z');
  const invite = { role: 'member', uses: 1, max_uses: 10, expires_at: '2026-02-02T13:00:00.000Z', works: true };
  assert.equal(inviteLine(invite, now), 'Member · 1 of 10 used · ends in 2 days');
  assert.match(inviteLine({ ...invite, works: false }, now), /asleep/);
  assert.equal(timeLeft('2026-01-31T13:20:00.000Z', now), '1 hour');
  assert.equal(timeLeft('2026-02-07T11:59:59.000Z', now), '7 days');
  assert.equal(timeLeft('2026-01-31T12:00:30.000Z', now), 'less than a minute');
});

test('an invite says as what one comes where that is no member', () => {
  const of = (role) => invitation({ name: 'The Den', by: { name: 'Ada' }, role });
  assert.equal(of('member'), 'Ada invites you to The Den.');
  assert.match(of('reader'), /to The Den, to read along/);
  assert.match(of('moderator'), /as a moderator/);
});

test('a token is taken from an address of its form only', () => {
  const token = '0a'.repeat(32);
  assert.equal(inviteToken(`#/invite/${token}`), token);
  for (const other of ['', '#/', '#/invite/', `#/invite/${token}0`, `#/invite/${token.toUpperCase()}`, `#/rooms/${token}`]) {
    assert.equal(inviteToken(other), null, other);
  }
});
