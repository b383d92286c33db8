/**
 * A guest that becomes an account: its session is replaced, so the end of the old one is no end of this page, whichever is heard first.
 */
import assert from 'node:assert/strict';
import test from 'node:test';
import { Salon } from '../../static/js/salon.js';
import { ME } from './model-room.js';
import { World } from './world.js';

const GUEST = { ...ME, kind: 'guest' };
const ACCOUNT = { ...ME, name: 'Lady Ada', kind: 'user' };
const welcome = (user) => ({ type: 'welcome', protocol: 1, user, features: [], heartbeat_ms: 15_000, limits: {} });

/** A connected guest, and the server's answer in the test's hands. */
async function guest() {
  const world = new World();
  const asked = [];
  const answers = [];
  const fetch = (url, { method, body }) => {
    asked.push(`${method} ${new URL(url).pathname} ${body}`);
    return new Promise((resolve) => {
      answers.push((status, json) => resolve(new Response(JSON.stringify(json), { status, headers: { 'content-type': 'application/json' } })));
    });
  };
  const salon = new Salon({ origin: 'http://test', fetch, environment: world.environment() });
  await salon.connect(GUEST);
  world.socket.said(welcome(GUEST));
  salon.room('lobby');
  const told = [];
  salon.on('me', ({ name }) => told.push(name));
  salon.on('signed_out', () => told.push('signed out'));
  return { world, salon, asked, told, answers, answer: (...said) => answers.at(-1)(...said) };
}

test('the page goes on as the account, on a socket of the new session', async () => {
  const { world, salon, asked, told, answer } = await guest();
  const old = world.socket;
  const done = salon.upgradeGuest('Lady Ada', 'correct horse');
  answer(201, { token: 't', user: ACCOUNT });
  await done;
  assert.deepEqual(asked, ['POST /api/me/account {"name":"Lady Ada","password":"correct horse"}']);
  assert.deepEqual([salon.user, told], [ACCOUNT, ['Lady Ada']]);
  assert.notEqual(world.socket, old);
  old.closed(4501);
  world.socket.said(welcome(ACCOUNT));
  assert.equal(salon.status, 'open');
  assert.equal(world.socket.sent[0].type, 'room.join', 'it is in its rooms again');
  assert.deepEqual(told, ['Lady Ada']);
  // What ends after that is an end.
  world.socket.closed(4501);
  assert.deepEqual(told, ['Lady Ada', 'signed out']);
});

test('the end of the old session may be heard before the answer', async () => {
  const { world, salon, told, answer } = await guest();
  const old = world.socket;
  const done = salon.upgradeGuest('Lady Ada', 'correct horse');
  old.closed(4501);
  assert.deepEqual(told, [], 'nobody knows yet what it means');
  answer(201, { token: 't', user: ACCOUNT });
  await done;
  assert.notEqual(world.socket, old);
  world.socket.said(welcome(ACCOUNT));
  assert.equal(salon.status, 'open');
  assert.deepEqual(told, ['Lady Ada']);
});

test('what is refused changes nothing, and a session that ended meanwhile has ended', async () => {
  const { world, salon, told, answer } = await guest();
  const old = world.socket;
  const refused = assert.rejects(salon.upgradeGuest('grace', 'correct horse'), { code: 'name_taken' });
  answer(409, { status: 409, code: 'name_taken', detail: 'This name is taken.' });
  await refused;
  assert.equal(world.socket, old);
  assert.deepEqual([salon.status, salon.user, told], ['open', GUEST, []]);

  const gone = assert.rejects(salon.upgradeGuest('Lady Ada', 'correct horse'), { code: 'unauthenticated' });
  old.closed(4501);
  answer(401, { status: 401, code: 'unauthenticated', detail: 'Sign in first.' });
  await gone;
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(told, ['signed out']);
});

/** The way back fails until the page asks whether it is still signed in, or so often at most. */
function failing(world, asked) {
  for (let count = 0; count < 6 && !asked.some((line) => line.startsWith('GET /api/me')); count += 1) {
    const socket = world.socket;
    socket.closed(1006);
    world.runUntil(() => world.socket !== socket);
  }
}

test('what the old session is told while it is replaced is no end of this page', async () => {
  const settled = () => new Promise((resolve) => { setImmediate(resolve); });
  const during = await guest();
  const done = during.salon.upgradeGuest('Lady Ada', 'correct horse');
  failing(during.world, during.asked);
  assert.equal(during.asked.length, 1, 'nobody asks about a session that is being replaced');
  during.answer(201, { token: 't', user: ACCOUNT });
  await done;
  assert.deepEqual(during.told, ['Lady Ada']);

  for (const late of [false, true]) {
    const { world, salon, asked, told, answers } = await guest();
    failing(world, asked);
    assert.ok(asked[0].startsWith('GET /api/me'));
    const upgraded = salon.upgradeGuest('Lady Ada', 'correct horse');
    const refuse = async () => {
      answers[0](401, { status: 401, code: 'unauthenticated', detail: 'Sign in first.' });
      await settled();
    };
    if (!late) await refuse();
    answers[1](201, { token: 't', user: ACCOUNT });
    await upgraded;
    if (late) await refuse();
    assert.deepEqual(told, ['Lady Ada'], late ? 'told after it' : 'told during it');
  }
});
