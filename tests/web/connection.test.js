/**
 * The connection with a socket, a clock and dice of the test's own: waits, close codes, silence, answers.
 */
import assert from 'node:assert/strict';
import test from 'node:test';
import { BASE_MS, CAP_MS, fullJitter, mayReturn } from '../../static/js/backoff.js';
import { Connection, DEADLINE_MS } from '../../static/js/connection.js';
import { World } from './world.js';

function connected(more) {
  const world = new World();
  const connection = new Connection('ws://test/ws', { ...world.environment(), ...more });
  const seen = [];
  for (const name of ['status', 'welcome', 'frame', 'failed', 'ended']) connection.on(name, (detail) => seen.push([name, detail]));
  connection.start();
  return { world, connection, seen };
}

const welcome = { type: 'welcome', protocol: 1, heartbeat_ms: 15_000, limits: {} };

test('full jitter lies between nothing and the ceiling, which doubles up to the cap', () => {
  for (const failures of [0, 1, 4, 50]) {
    assert.equal(fullJitter(failures, { random: () => 0 }), 0);
    const ceiling = Math.min(CAP_MS, BASE_MS * 2 ** failures);
    assert.equal(fullJitter(failures, { random: () => 0.999999 }), Math.floor(0.999999 * ceiling));
  }
});

test('4500 to 4999 do not return, all others do', () => {
  for (const code of [1000, 1006, 1009, 1012, 4000, 4008, 4009, 4499]) assert.equal(mayReturn(code), true, String(code));
  for (const code of [4500, 4501, 4999]) assert.equal(mayReturn(code), false, String(code));
});

test('a lost connection comes back after its wait, and waits longer each time it fails', () => {
  const { world, connection } = connected({ random: () => 0.5 });
  const waits = [];
  for (let count = 0; count < 8; count += 1) {
    world.socket.closed(1006);
    assert.equal(connection.status, 'waiting');
    const before = world.now;
    world.runUntil(() => connection.status === 'connecting');
    waits.push(world.now - before);
  }
  assert.deepEqual(waits, [250, 500, 1_000, 2_000, 4_000, 7_500, 7_500, 7_500]);
});

test('only a connection that lasted makes the waits short again', () => {
  const { world, connection } = connected({ random: () => 0.5 });
  world.socket.closed(1006);
  world.runUntil(() => connection.status === 'connecting');
  world.socket.said(welcome);
  world.socket.closed(1011);
  let before = world.now;
  world.runUntil(() => connection.status === 'connecting');
  assert.equal(world.now - before, 500);
  world.socket.said(welcome);
  world.run(10_000);
  world.socket.closed(1011);
  before = world.now;
  world.runUntil(() => connection.status === 'connecting');
  assert.equal(world.now - before, 250);
});

test('a session that has ended is not tried again', () => {
  const { world, connection, seen } = connected();
  world.socket.said(welcome);
  world.socket.closed(4501);
  world.run(120_000);
  assert.equal(connection.status, 'ended');
  assert.equal(world.sockets.length, 1);
  assert.deepEqual(seen.at(-1), ['ended', { code: 4501 }]);
});

test('drain waits as long as it is told, whether the server closes before or not', () => {
  for (const closes of [true, false]) {
    const { world, connection } = connected({ random: () => 0 });
    world.socket.said(welcome);
    world.socket.said({ type: 'drain', reconnect_after_ms: 3_000 });
    world.run(500);
    if (closes) world.socket.closed(1012);
    world.run(2_400);
    assert.equal(world.sockets.length, 1);
    world.run(200);
    assert.equal(world.sockets.length, 2);
    assert.equal(connection.status, 'connecting');
    world.run(5_000);
    assert.equal(world.sockets.length, 2, 'once only');
  }
});

test('retryNow does not wait; while connected it does nothing', () => {
  const { world, connection } = connected({ random: () => 0.99 });
  world.socket.closed(1006);
  connection.retryNow();
  assert.equal(world.sockets.length, 2);
  world.socket.said(welcome);
  connection.retryNow();
  assert.equal(world.sockets.length, 2);
});

test('silence asks for a pong, and none means a dead connection', () => {
  const { world, connection } = connected({ random: () => 0 });
  world.socket.said(welcome);
  world.run(15_000);
  assert.equal(world.socket.sent.at(-1).type, 'ping');
  world.socket.said({ type: 'pong' });
  world.run(15_000);
  assert.equal(connection.status, 'open');
  world.run(8_000);
  assert.notEqual(connection.status, 'open');
  assert.equal(world.sockets[0].closedWith, 4000);
});

/** The pings among what a socket sent. */
const pings = (socket) => socket.sent.filter(({ type }) => type === 'ping').length;
const asking = (connection, frame = { type: 'message.send' }) => connection.request(frame, { deadlineMs: 60_000 }).catch(({ code }) => code);

test('who waits for an answer is not left with a silent socket: four seconds, a ping, and four more', async () => {
  const { world, connection } = connected({ random: () => 0.5 });
  world.socket.said(welcome);
  world.run(9_000);
  const asked = asking(connection);
  world.run(3_900);
  assert.equal(pings(world.socket), 0);
  world.run(200);
  assert.equal(pings(world.socket), 1);
  world.run(3_800);
  assert.equal(connection.status, 'open');
  world.run(200);
  assert.equal(connection.status, 'waiting');
  assert.equal(world.sockets[0].closedWith, 4000);
  assert.equal(await asked, 'disconnected');
  assert.equal(world.sockets.length, 1, 'it comes back after a wait with full jitter');
  world.run(250);
  assert.equal(world.sockets.length, 2);
});

test('a ping that was sent while nobody waited is waited for less long once somebody does', () => {
  const { world, connection } = connected();
  world.socket.said(welcome);
  world.run(15_000);
  assert.equal(pings(world.socket), 1);
  world.run(1_000);
  asking(connection);
  world.run(3_900);
  assert.equal(connection.status, 'open');
  world.run(200);
  assert.notEqual(connection.status, 'open');
  assert.equal(pings(world.sockets[0]), 1, 'one is on its way at a time');
});

test('a server that is slow to answer is not given up while it says anything else, or answers pings', () => {
  const { world, connection } = connected();
  world.socket.said(welcome);
  asking(connection);
  for (let second = 0; second < 14; second += 1) {
    world.run(1_000);
    world.socket.said({ type: 'presence', room: 'lobby' });
  }
  assert.equal(pings(world.socket), 0, 'what it says is sign enough');
  asking(connection);
  for (let count = 1; count <= 3; count += 1) {
    world.run(7_900);
    assert.equal(pings(world.socket), count);
    world.socket.said({ type: 'pong' });
  }
  assert.equal(connection.status, 'open');
  assert.equal(world.sockets.length, 1);
});

test('once all is answered silence is watched as if nobody had asked', async () => {
  const { world, connection } = connected();
  world.socket.said(welcome);
  const asked = connection.request({ type: 'a' });
  world.run(3_000);
  world.socket.said({ type: 'ok', ref: world.socket.sent.at(-1).ref });
  assert.equal((await asked).type, 'ok');
  world.run(14_900);
  assert.equal(pings(world.socket), 0);
  world.run(200);
  assert.equal(pings(world.socket), 1);
});

test('a probe asks at once, once, and waits four seconds; without a connection it tries to have one', () => {
  const { world, connection } = connected({ random: () => 0.99 });
  world.socket.said(welcome);
  connection.probe();
  world.run(2_000);
  connection.probe();
  assert.equal(pings(world.socket), 1);
  world.socket.said({ type: 'pong' });
  world.run(4_000);
  assert.equal(connection.status, 'open');
  connection.probe();
  world.run(3_000);
  // Whoever probes again does not put off the end.
  connection.probe();
  world.run(1_100);
  assert.equal(connection.status, 'waiting');
  connection.probe();
  assert.equal(connection.status, 'connecting');
});

test('a line on which answers take longer than that is waited for longer, until a ping is answered in time', () => {
  const { world, connection } = connected({ random: () => 0 });
  const silentAfter = () => {
    const from = world.now;
    asking(connection);
    world.runUntil(() => connection.status !== 'open');
    const after = world.now - from;
    world.run(10);
    world.socket.said(welcome);
    return after;
  };
  world.socket.said(welcome);
  assert.deepEqual([silentAfter(), silentAfter(), silentAfter(), silentAfter()], [8_000, 16_000, 31_000, 31_000]);
  connection.probe();
  world.run(6_000);
  world.socket.said({ type: 'pong' });
  assert.equal(silentAfter(), 31_000, 'late is not in time');
  connection.probe();
  world.socket.said({ type: 'pong' });
  assert.equal(silentAfter(), 8_000);
});

test('a page that slept hears first what came meanwhile', () => {
  const { world, connection } = connected();
  world.socket.said(welcome);
  connection.probe();
  // Its timers are late, and the answer waits behind them.
  world.sleep(60_000);
  assert.equal(connection.status, 'open');
  world.socket.said({ type: 'pong' });
  world.run(5_000);
  assert.equal(connection.status, 'open');
  connection.probe();
  world.sleep(60_000);
  world.run(1_000);
  assert.notEqual(connection.status, 'open', 'when nothing came it is over');
});

test('a socket that is never welcomed is given up', () => {
  const { world, seen } = connected({ random: () => 0 });
  world.run(10_100);
  assert.equal(world.sockets.length, 2);
  assert.ok(seen.some(([name]) => name === 'failed'));
});

test('what a socket says after it was given up is not heard', () => {
  const { world, seen } = connected({ random: () => 0 });
  world.socket.said(welcome);
  const old = world.socket;
  old.closed(1006);
  world.run(10);
  const count = seen.length;
  old.onmessage?.({ data: JSON.stringify({ type: 'message' }) });
  assert.equal(seen.length, count);
});

test('answers find their requests by ref, in any order; an error refuses', async () => {
  const { world, connection } = connected();
  world.socket.said(welcome);
  const [one, two] = [connection.request({ type: 'a' }), connection.request({ type: 'b' })];
  const [first, second] = world.socket.sent.map(({ ref }) => ref);
  world.socket.said({ type: 'error', ref: second, code: 'busy', message: 'Busy.', retry_after_ms: 70 });
  world.socket.said({ type: 'ok', ref: first });
  assert.equal((await one).type, 'ok');
  await assert.rejects(two, { code: 'busy', retryAfterMs: 70, retryable: true });
});

test('a request has a deadline, and ends with its connection', async () => {
  const { world, connection } = connected();
  await assert.rejects(connection.request({ type: 'early' }), { code: 'disconnected' });
  world.socket.said(welcome);
  const late = connection.request({ type: 'a' }, { deadlineMs: 5_000 });
  world.run(5_000);
  await assert.rejects(late, { code: 'deadline' });
  const cut = connection.request({ type: 'b' });
  world.socket.closed(4008);
  await assert.rejects(cut, { code: 'disconnected' });
  assert.ok(DEADLINE_MS > 0);
});

test('a frame that is not JSON is passed over', () => {
  const { world, connection } = connected();
  world.socket.said(welcome);
  world.socket.onmessage({ data: '{' });
  assert.equal(connection.status, 'open');
});

test('stop closes for good', () => {
  const { world, connection } = connected();
  world.socket.said(welcome);
  connection.stop();
  world.run(120_000);
  assert.equal(world.sockets.length, 1);
  assert.equal(connection.status, 'idle');
});
