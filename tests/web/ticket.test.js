/**
 * A page of another site: each connection has a ticket of its own, who one is comes with the welcome, and a site that
 * says that nobody is signed in is not asked again.
 */
import assert from 'node:assert/strict';
import test from 'node:test';
import { memoryStorage } from '../../static/js/pending.js';
import { Salon } from '../../static/js/salon.js';
import { ME } from './model-room.js';
import { World } from './world.js';

const welcome = { type: 'welcome', protocol: 1, user: ME, features: [], heartbeat_ms: 15_000, limits: {} };
const turn = () => new Promise((resolve) => setImmediate(resolve));

function elsewhere(ticket, more = {}) {
  const world = new World();
  const fetch = () => assert.fail('a page of another site asks nothing over HTTP');
  const salon = new Salon({ origin: 'https://chat.test', ticket, fetch, environment: world.environment(), ...more });
  return { world, salon };
}

test('each connection has a ticket of its own', async () => {
  let made = 0;
  const { world, salon } = elsewhere(async () => `t/${(made += 1)}`);
  const connected = salon.connect();
  await turn();
  assert.equal(world.socket.url, 'wss://chat.test/ws?ticket=t%2F1');
  world.socket.said(welcome);
  await connected;
  assert.deepEqual(salon.user, ME);
  salon.room('lobby');
  assert.equal(world.socket.sent.at(-1).type, 'room.join');
  world.socket.closed(1006);
  world.run(1_000);
  await turn();
  assert.equal(world.socket.url, 'wss://chat.test/ws?ticket=t%2F2');
});

test('a ticket that cannot be made is tried again; one that nobody may have is not', async () => {
  const failures = [new Error('away'), Object.assign(new Error('who?'), { status: 401 })];
  const { world, salon } = elsewhere(async () => { throw failures.shift(); });
  const connected = assert.rejects(salon.connect(), { code: 'unauthenticated', status: 401 });
  await turn();
  assert.equal(salon.status, 'waiting');
  world.run(1_000);
  await turn();
  await connected;
  assert.equal(salon.status, 'ended');
  assert.equal(world.sockets.length, 0);
});

test('a ticket that comes too late opens nothing', async () => {
  let give;
  const { world, salon } = elsewhere(() => new Promise((resolve) => { give = resolve; }));
  salon.connect();
  await turn();
  salon.disconnect();
  give('late');
  await turn();
  assert.equal(world.sockets.length, 0);
});

test('what a page that has gone could not send is sent by this one', async () => {
  const storage = memoryStorage();
  storage.setItem(`salon.pending.${ME.id}`, JSON.stringify([
    { room: 'lobby', clientId: 'c1', body: 'left behind', replyTo: null, at: 1, failed: false, tab: 'gone' },
  ]));
  const tabs = new Set(['gone']);
  const { world, salon } = elsewhere(async () => 't', { storage, tab: 'here', living: async () => tabs });
  const connected = salon.connect();
  await turn();
  world.socket.said(welcome);
  await connected;
  const lobby = salon.room('lobby');
  assert.deepEqual(lobby.state.outgoing, []);
  tabs.clear();
  world.socket.closed(1006);
  world.run(1_000);
  await turn();
  world.socket.said(welcome);
  await turn();
  assert.deepEqual(lobby.state.outgoing.map(({ body }) => body), ['left behind']);
});

test('which other pages there are is known at the welcome, not when connecting began', async () => {
  const storage = memoryStorage();
  const key = `salon.pending.${ME.id}`;
  const tabs = new Set();
  const { world, salon } = elsewhere(async () => 't', { storage, tab: 'here', living: async () => new Set(tabs) });
  const connected = salon.connect();
  await turn();
  tabs.add('newcomer');
  storage.setItem(key, JSON.stringify([{ room: 'lobby', clientId: 'c1', body: 'mine', replyTo: null, at: 1, failed: false, tab: 'newcomer' }]));
  world.socket.said(welcome);
  await connected;
  assert.deepEqual(salon.roomsWithUnsent(), []);
  assert.equal(JSON.parse(storage.getItem(key))[0].tab, 'newcomer');
});

test('a welcome that is looked into when the page has gone already is nobody’s', async () => {
  let tell;
  const { world, salon } = elsewhere(async () => 't', { living: () => new Promise((resolve) => { tell = resolve; }) });
  salon.connect();
  await turn();
  world.socket.said(welcome);
  salon.disconnect();
  tell(new Set());
  await turn();
  assert.equal(salon.user, null);
});
