/**
 * The library from one end to the other, over a socket of the test's own: joining, sending through lost connections,
 * gaps, refusals, drained servers.
 */
import assert from 'node:assert/strict';
import test from 'node:test';
import { Salon } from '../../static/js/salon.js';
import { memoryStorage } from '../../static/js/pending.js';
import { ME, ModelRoom, OTHER } from './model-room.js';
import { World } from './world.js';

/** A server of one room behind the fake sockets. It answers only when the test lets it. */
class ModelServer {
  model = new ModelRoom();
  kept = new Map();
  #read = 0;

  constructor(world) {
    this.world = world;
  }

  welcome() {
    this.#read = 0;
    this.world.socket.said({ type: 'welcome', protocol: 1, user: ME, features: ['typing', 'reading'], heartbeat_ms: 15_000, limits: { body_bytes: 16_384 } });
  }

  /** The frames that came since the last call, on the present socket. */
  heard() {
    const frames = this.world.socket.sent.slice(this.#read);
    this.#read = this.world.socket.sent.length;
    return frames;
  }

  /** Answers joins and keeps sends. @param {object[]} [frames] */
  answer(frames = this.heard()) {
    for (const frame of frames) {
      if (frame.type === 'room.join') this.world.socket.said(this.model.joined(frame.ref, frame));
      if (frame.type === 'message.send') this.#keep(frame);
    }
    return frames;
  }

  #keep({ ref, client_id: clientId, body }) {
    const duplicate = this.kept.has(clientId);
    const echo = duplicate ? null : this.model.post(ME, body, { client_id: clientId });
    const { seq, version } = duplicate ? this.kept.get(clientId) : echo.message;
    this.kept.set(clientId, { seq, version });
    this.world.socket.said({ type: 'message.accepted', ref, room: 'lobby', client_id: clientId, seq, version, duplicate, reply_seq: null });
    if (echo !== null) this.world.socket.said(echo);
  }
}

const marks = (frames) => frames.filter(({ type }) => type === 'read.mark').map(({ seq }) => seq);

async function inLobby(storage = memoryStorage()) {
  const world = new World();
  const salon = new Salon({ origin: 'http://test', environment: world.environment(), storage });
  await salon.connect(ME);
  const server = new ModelServer(world);
  server.welcome();
  const room = salon.room('lobby');
  server.answer();
  return { world, salon, server, room, storage };
}

const settle = () => new Promise((resolve) => { setImmediate(resolve); });
const bodies = (room) => room.state.messages.map(({ body }) => body);

test('a message is shown at once, kept once, and its echo takes its place', async () => {
  const { server, room } = await inLobby();
  room.send('hello');
  assert.deepEqual(room.state.outgoing.map(({ body, state }) => [body, state]), [['hello', 'sending']]);
  server.answer();
  assert.deepEqual(room.state.outgoing, []);
  assert.deepEqual(bodies(room), ['hello']);
});

test('sends go out again in order, under the same ids, when the connection was lost before the ack', async () => {
  const { world, server, room } = await inLobby();
  room.send('one');
  room.send('two');
  const [one] = server.heard();
  // The first is committed, but its ack is lost with the connection.
  server.answer([one]);
  room.send('three');
  world.socket.closed(1006);
  await settle();
  room.send('four');
  world.runUntil(() => world.sockets.length === 2);
  server.welcome();
  const [join, ...early] = server.heard();
  assert.equal(early.length, 0, 'nothing is sent before the room is joined');
  assert.deepEqual([join.after, join.epoch], [1, 'e1'], 'from the cursor');
  server.answer([join]);
  const again = server.answer();
  assert.deepEqual(again.map(({ body }) => body), ['two', 'three', 'four']);
  assert.deepEqual(bodies(room), ['one', 'two', 'three', 'four']);
  assert.deepEqual(room.state.outgoing, []);
});

test('an unacked send whose echo is in the answer to the join is not sent again', async () => {
  const { world, server, room } = await inLobby();
  const clientId = room.send('one');
  server.heard();
  server.model.post(ME, 'one', { client_id: clientId });
  world.socket.closed(1006);
  world.runUntil(() => world.sockets.length === 2);
  server.welcome();
  server.answer();
  assert.deepEqual(server.heard(), []);
  assert.deepEqual(bodies(room), ['one']);
  assert.deepEqual(room.state.outgoing, []);
});

test('a reload sends what was written and not yet kept', async () => {
  const { room, storage } = await inLobby();
  room.send('one');
  room.send('two');
  const after = await inLobby(storage);
  assert.deepEqual(after.room.state.outgoing.map(({ body }) => body), ['one', 'two']);
  after.server.answer();
  assert.deepEqual(bodies(after.room), ['one', 'two']);
});

test('a gap is noticed, and the room goes on from its cursor', async () => {
  const { world, server, room } = await inLobby();
  world.socket.said(server.model.post(OTHER, 'one'));
  server.model.post(OTHER, 'lost');
  world.socket.said(server.model.post(OTHER, 'three'));
  const [join] = server.heard();
  assert.deepEqual([join.type, join.after], ['room.join', 1]);
  world.socket.said(server.model.post(OTHER, 'before the answer: ignored, and in it'));
  server.answer([join]);
  assert.equal(room.state.messages.length, 4);
});

test('a refusal for good fails the message; Retry uses the same id', async () => {
  const { world, server, room } = await inLobby();
  const clientId = room.send('no');
  const [{ ref }] = server.heard();
  world.socket.said({ type: 'error', ref, room: 'lobby', client_id: clientId, code: 'forbidden', message: 'No.' });
  await settle();
  assert.deepEqual(room.state.outgoing.map(({ state, error }) => [state, error.code]), [['failed', 'forbidden']]);
  room.retrySend(clientId);
  const [again] = server.answer();
  assert.equal(again.client_id, clientId);
  assert.deepEqual(bodies(room), ['no']);
});

test('a retryable refusal is sent again by itself, with what was behind it, in order', async () => {
  const { world, server, room } = await inLobby();
  room.send('one');
  room.send('two');
  for (const { ref, client_id: clientId, body } of server.heard()) {
    const code = body === 'one' ? 'busy' : 'behind';
    world.socket.said({ type: 'error', ref, room: 'lobby', client_id: clientId, code, message: 'Later.', retry_after_ms: 1 });
  }
  await settle();
  assert.deepEqual(room.state.outgoing.map(({ state }) => state), ['sending', 'sending']);
  const deadline = Date.now() + 5_000;
  while (room.state.outgoing.length > 0 && Date.now() < deadline) {
    await new Promise((resolve) => { setTimeout(resolve, 20); });
    server.answer();
  }
  assert.deepEqual(bodies(room), ['one', 'two']);
});

test('a send that is given up clears the way for the next: the room is joined again', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout', 'Date'] });
  const { world, server, room } = await inLobby();
  const clientId = room.send('one');
  let joined = false;
  const refuse = () => {
    for (const frame of server.heard()) {
      if (frame.type === 'room.join') {
        joined = true;
        server.answer([frame]);
        continue;
      }
      const { ref, client_id: id, body } = frame;
      const code = body === 'one' ? 'busy' : 'behind';
      world.socket.said({ type: 'error', ref, room: 'lobby', client_id: id, code, message: 'Later.', retry_after_ms: 1 });
    }
  };
  for (let second = 0; !joined && second < 120; second += 1) {
    refuse();
    await settle();
    t.mock.timers.tick(1_000);
  }
  assert.ok(joined);
  const outgoing = room.state.outgoing.find((send) => send.clientId === clientId);
  assert.equal(outgoing.state, 'failed');
  room.send('two');
  server.answer();
  assert.deepEqual(bodies(room), ['two']);
});

test('a send that was refused, then seen in the room, is not sent again; what the server holds back for it is freed by joining', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout', 'Date'] });
  const { world, server, room } = await inLobby();
  const refuse = ({ ref, client_id: id }, code) =>
    world.socket.said({ type: 'error', ref, room: 'lobby', client_id: id, code, message: 'Later.', retry_after_ms: 1 });
  room.send('one');
  const [one] = server.heard();
  refuse(one, 'outcome_unknown');
  // It was kept after all.
  world.socket.said(server.model.post(ME, 'one', { client_id: one.client_id }));
  await settle();
  room.send('two');
  t.mock.timers.tick(10_000);
  const frames = server.heard();
  assert.deepEqual(frames.map((frame) => frame.body), ['two']);
  refuse(frames[0], 'behind');
  await settle();
  const again = server.heard();
  assert.deepEqual(again.map((frame) => frame.type), ['room.join']);
  server.answer(again);
  await settle();
  t.mock.timers.tick(10_000);
  server.answer();
  assert.deepEqual(bodies(room), ['one', 'two']);
});

test('a room that may not be entered says so and is not tried again', async () => {
  const { world, salon, server } = await inLobby();
  const closed = salon.room('secret');
  const [{ ref }] = server.heard();
  world.socket.said({ type: 'error', ref, room: 'secret', code: 'room_not_found', message: 'No.' });
  await settle();
  assert.equal(closed.state.phase, 'refused');
  assert.equal(closed.state.refusal.code, 'room_not_found');
  assert.deepEqual(server.heard(), []);
});

test('history is asked for once at a time, from the first message held', async () => {
  const { world, server, room } = await inLobby();
  for (let count = 1; count <= 80; count += 1) server.model.post(OTHER, `m${count}`);
  world.socket.closed(1006);
  world.runUntil(() => world.sockets.length === 2);
  server.model.epoch = 'e2';
  server.welcome();
  server.answer();
  assert.equal(room.state.from, 31);
  const asked = room.loadOlder();
  assert.equal(await room.loadOlder(), false);
  const [{ ref, before, limit }] = server.heard();
  assert.deepEqual([before, limit], [31, 50]);
  world.socket.said(server.model.page(ref, before, limit));
  assert.equal(await asked, true);
  assert.deepEqual([room.state.messages.length, room.state.complete], [80, true]);
});

test('what was seen is marked once, and again when the server does not know it', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const { world, server, room } = await inLobby();
  server.heard();
  room.markRead(1);
  room.markRead(3);
  t.mock.timers.tick(600);
  assert.deepEqual(marks(server.heard()), [3]);
  room.markRead(2);
  t.mock.timers.tick(600);
  assert.deepEqual(marks(server.heard()), []);
  world.socket.closed(1006);
  world.runUntil(() => world.sockets.length === 2);
  server.welcome();
  const [join] = server.heard();
  const joined = server.model.joined(join.ref, join);
  world.socket.said({ ...joined, room: { ...joined.room, last_read_seq: 1 } });
  assert.deepEqual(marks(server.heard()), [3]);
});

test('typing is said at most once in three seconds, and anew after a message', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout', 'Date'] });
  const { server, room } = await inLobby();
  const said = () => server.heard().filter(({ type }) => type === 'typing').length;
  for (let second = 0; second < 9; second += 1) {
    room.typing();
    t.mock.timers.tick(1_000);
  }
  assert.equal(said(), 3);
  room.send('hello');
  room.typing();
  assert.equal(said(), 1);
});

test('an ended session is told', async () => {
  const { world, salon } = await inLobby();
  let told = null;
  salon.on('signed_out', (detail) => { told = detail; });
  world.socket.closed(4501);
  assert.deepEqual(told, { ended: true });
});

test('were every answer to miss something, the room would be joined once a second, not for each frame', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout', 'Date'] });
  const { world, server, room } = await inLobby();
  const joins = (frames) => frames.filter(({ type }) => type === 'room.join').length;
  // A reply of which a piece is missing again and again.
  const said = server.model.post(OTHER, '', { kind: 'assistant', state: 'queued', reply: { attempt: 1, prompt_seq: 8 } });
  world.socket.said(said);
  const { seq } = said.message;
  let asked = 0;
  for (let piece = 0; piece < 300; piece += 1) {
    world.socket.said({ type: 'reply.delta', room: 'lobby', seq, attempt: 1, chunk: 5 + piece, count: 1, text: 'x' });
    asked += joins(server.answer());
    t.mock.timers.tick(10);
    asked += joins(server.answer());
  }
  assert.ok(asked >= 2 && asked <= 4, `${asked} joins in three seconds`);
  assert.equal(room.state.phase, 'joined');
});

test('a message that another page took over and that came back is shown once', async () => {
  const storage = memoryStorage();
  const world = new World();
  const living = async () => new Set();
  const salon = new Salon({ origin: 'http://test', environment: world.environment(), storage, tab: 'here', living });
  await salon.connect(ME);
  const server = new ModelServer(world);
  server.welcome();
  const room = salon.room('lobby');
  server.answer();
  room.send('once');
  const key = `salon.pending.${ME.id}`;
  storage.setItem(key, JSON.stringify(JSON.parse(storage.getItem(key)).map((entry) => ({ ...entry, tab: 'other' }))));
  salon.probe();
  await settle();
  assert.equal(JSON.parse(storage.getItem(key))[0].tab, 'here', 'it was taken back');
  assert.deepEqual(room.state.outgoing.map(({ body }) => body), ['once']);
  server.answer();
  assert.deepEqual([bodies(room), room.state.outgoing], [['once'], []]);
});
