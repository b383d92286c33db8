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
