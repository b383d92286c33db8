/**
 * The store against the protocol's rules: whatever is lost, repeated or reordered on the way, what is held in the end
 * is what the server has.
 */
import assert from 'node:assert/strict';
import test from 'node:test';
import { createRoom, messageAt, reduce } from '../../static/js/store.js';
import { ME, ModelRoom, OTHER } from './model-room.js';
import { dice } from './random.js';

/** A client of one model room: applies events and answers its own rejoins. */
class Reader {
  state = createRoom('lobby', ME.id);
  rejoins = 0;
  #refs = 0;

  constructor(model) {
    this.model = model;
  }

  apply(event) {
    const { state, rejoin } = reduce(this.state, event);
    this.state = state;
    if (rejoin) {
      this.rejoins += 1;
      this.join();
    }
  }

  join(page) {
    this.#refs += 1;
    const ref = String(this.#refs);
    const { cursor, epoch } = this.state;
    this.apply({ type: 'local.joining', ref });
    this.apply(this.model.joined(ref, { after: cursor, epoch }, page));
  }

  bodies() {
    return this.state.messages.map(({ seq, body, state }) => `${seq} ${state} ${body}`);
  }
}

const bodiesOf = (model) => [...model.messages.values()].sort((one, other) => one.seq - other.seq)
  .map(({ seq, body, state }) => `${seq} ${state} ${body}`);

function reader(model, page) {
  const client = new Reader(model);
  client.join(page);
  return client;
}

test('a frame at or below the cursor is ignored, one that continues it is applied', () => {
  const model = new ModelRoom();
  const client = reader(model);
  const first = model.post(OTHER, 'one');
  client.apply(first);
  client.apply({ ...first, message: { ...first.message, body: 'twice' } });
  assert.deepEqual(client.bodies(), ['1 complete one']);
  assert.equal(client.state.cursor, 1);
});

test('a frame of before the cursor does not take it back', () => {
  const model = new ModelRoom();
  const client = reader(model);
  const first = model.post(OTHER, 'one');
  client.apply(first);
  client.apply(model.edit(1, 'two'));
  client.apply(first);
  assert.equal(client.state.cursor, 2);
  assert.deepEqual(client.bodies(), ['1 complete two']);
});

test('a page that was read after a frame wins over it', () => {
  const model = new ModelRoom();
  for (let count = 1; count <= 30; count += 1) model.post(OTHER, `m${count}`);
  const client = reader(model, 10);
  client.apply({ type: 'local.history', ref: 'h' });
  client.apply(model.edit(7, 'once'));
  const twice = model.edit(7, 'twice');
  client.apply(model.page('h', client.state.from, 15));
  assert.equal(messageAt(client.state, 7).body, 'twice');
  client.apply(twice);
  assert.equal(client.state.cursor, 32);
});

test('a gap joins again and applies nothing before the answer', () => {
  const model = new ModelRoom();
  let state = reduce(createRoom('lobby', ME.id), { type: 'local.joining', ref: '1' }).state;
  state = reduce(state, model.joined('1')).state;
  model.post(OTHER, 'lost');
  const gap = reduce(state, model.post(OTHER, 'late'));
  assert.equal(gap.rejoin, true);
  assert.equal(gap.state, state, 'nothing of the frame is applied');
  const joining = reduce(gap.state, { type: 'local.joining', ref: '2' }).state;
  assert.equal(reduce(joining, model.post(OTHER, 'ignored')).state, joining);
  const rejoined = reduce(joining, model.joined('2', { after: 0, epoch: 'e1' })).state;
  assert.equal(rejoined.messages.length, 3);
  assert.equal(rejoined.cursor, 3);
});

test('an answer to an earlier join is not the one that is waited for', () => {
  const model = new ModelRoom();
  let state = reduce(createRoom('lobby', ME.id), { type: 'local.joining', ref: '1' }).state;
  state = reduce(state, { type: 'local.joining', ref: '2' }).state;
  assert.equal(reduce(state, model.joined('1')).state.phase, 'joining');
  assert.equal(reduce(state, model.joined('2')).state.phase, 'joined');
});

test('prev below the cursor is applied: superseded versions are skipped', () => {
  const model = new ModelRoom();
  const client = reader(model);
  client.apply(model.post(OTHER, 'one'));
  model.edit(1, 'two');
  const third = model.edit(1, 'three');
  client.apply({ ...third, prev: 1 });
  assert.equal(client.rejoins, 0);
  assert.deepEqual(client.bodies(), ['1 complete three']);
});

test('a reset drops what is held', () => {
  const model = new ModelRoom();
  for (let count = 0; count < 5; count += 1) model.post(OTHER, `old ${count}`);
  const client = reader(model);
  const restored = new ModelRoom();
  restored.epoch = 'e2';
  restored.post(OTHER, 'restored');
  client.model = restored;
  client.join();
  assert.deepEqual(client.bodies(), ['1 complete restored']);
  assert.equal(client.state.epoch, 'e2');
  assert.equal(client.state.cursor, 1);
});

test('a partial frame changes only its fields, and only of what is held', () => {
  const model = new ModelRoom();
  const client = reader(model);
  client.apply(model.post(OTHER, 'text'));
  client.apply({ type: 'message', room: 'lobby', version: 2, prev: 1, partial: true, message: { seq: 1, version: 2, edited_at: 'then' } });
  assert.equal(messageAt(client.state, 1).body, 'text');
  assert.equal(messageAt(client.state, 1).edited_at, 'then');
  client.apply({ type: 'message', room: 'lobby', version: 3, prev: 2, partial: true, message: { seq: 9, version: 3 } });
  assert.equal(client.state.messages.length, 1);
  assert.equal(client.state.cursor, 3, 'it moves the cursor all the same');
});

test('history pages join on above, and what changed meanwhile wins by version', () => {
  const model = new ModelRoom();
  for (let count = 1; count <= 30; count += 1) model.post(OTHER, `m${count}`);
  const client = reader(model, 10);
  assert.equal(client.state.from, 21);
  client.apply(model.edit(3, 'outside, not asked for'));
  assert.equal(client.state.messages.length, 10);
  client.apply({ type: 'local.history', ref: 'h' });
  const page = model.page('h', client.state.from, 15);
  client.apply(model.edit(7, 'edited while the page travels'));
  client.apply(model.edit(25, 'edited in the window'));
  client.apply(page);
  assert.equal(messageAt(client.state, 7).body, 'edited while the page travels');
  assert.equal(client.state.from, 6);
  assert.equal(client.state.complete, false);
  client.apply({ type: 'local.history', ref: 'h2' });
  client.apply(model.page('h2', client.state.from, 15));
  assert.equal(client.state.complete, true);
  assert.deepEqual(client.bodies(), bodiesOf(model));
});

test('a page that was asked for before a reconnect is not taken', () => {
  const model = new ModelRoom();
  for (let count = 1; count <= 30; count += 1) model.post(OTHER, `m${count}`);
  const client = reader(model, 10);
  client.apply({ type: 'local.history', ref: 'h' });
  const page = model.page('h', client.state.from, 10);
  client.apply({ type: 'local.disconnected' });
  client.apply(page);
  assert.equal(client.state.messages.length, 10);
});

test('deltas: append, ignore what is held, replace from chunk 1, reset by a higher attempt', () => {
  const model = new ModelRoom();
  const client = reader(model);
  client.apply(model.post(ME, 'prompt'));
  client.apply(model.prompt(OTHER, 'ask'));
  client.join();
  const seq = model.lastSeq;
  const [one, two] = [model.delta(seq, 'Hel'), model.delta(seq, 'lo')];
  client.apply(one);
  client.apply(one);
  client.apply(two);
  client.apply(one);
  assert.equal(client.state.replies.get(seq).text, 'Hello', 'held already, though it begins at chunk 1');
  client.apply({ ...one, chunk: 1, count: 3, text: 'Hello!' });
  assert.equal(client.state.replies.get(seq).text, 'Hello!');
  client.apply({ ...one, attempt: 2, text: 'Anew' });
  assert.equal(client.state.replies.get(seq).text, 'Anew');
  client.apply({ ...one, attempt: 1, chunk: 4, text: 'late' });
  assert.equal(client.state.replies.get(seq).text, 'Anew');
  assert.equal(client.state.replies.get(999), undefined);
  client.apply({ ...one, seq: 999 });
  assert.equal(client.state.replies.get(999), undefined);
});

test('a delta that does not continue joins again, and the join brings the text', () => {
  const model = new ModelRoom();
  const client = reader(model);
  model.prompt(OTHER, 'ask');
  client.join();
  const seq = model.lastSeq;
  client.apply(model.delta(seq, 'a'));
  model.delta(seq, 'b');
  client.apply(model.delta(seq, 'c'));
  assert.equal(client.rejoins, 1);
  assert.equal(client.state.replies.get(seq).text, 'abc');
});

test('a settled reply takes no more deltas; a retry takes them again from its own attempt', () => {
  const model = new ModelRoom();
  const client = reader(model);
  model.prompt(OTHER, 'ask');
  client.join();
  const seq = model.lastSeq;
  const late = model.delta(seq, 'part');
  client.apply(late);
  client.apply(model.settle(seq, 'stopped'));
  client.apply({ ...late, chunk: 2 });
  assert.equal(client.state.replies.size, 0);
  client.apply(model.retry(seq));
  client.apply({ ...late, chunk: 2 });
  assert.equal(client.state.replies.get(seq).text, '', 'a late delta of the first attempt');
  client.apply(model.delta(seq, 'again'));
  assert.equal(client.state.replies.get(seq).text, 'again');
});

test('a body that does not fit the join comes as a delta; the held text stays until then', () => {
  const model = new ModelRoom();
  const client = reader(model);
  model.prompt(OTHER, 'ask');
  client.join();
  const seq = model.lastSeq;
  client.apply(model.delta(seq, 'held'));
  model.delta(seq, ' and more');
  client.apply({ type: 'local.joining', ref: 'x' });
  const answer = model.joined('x', { after: client.state.cursor, epoch: 'e1' });
  answer.replies[0].body = null;
  client.apply(answer);
  assert.equal(client.state.replies.get(seq).text, 'held');
  client.apply({ type: 'reply.delta', room: 'lobby', seq, attempt: 1, chunk: 1, count: 2, text: 'held and more' });
  assert.equal(client.state.replies.get(seq).text, 'held and more');
});

test('stop freezes what is shown; the settled message replaces it', () => {
  const model = new ModelRoom();
  const client = reader(model);
  model.prompt(ME, 'ask');
  client.join();
  const seq = model.lastSeq;
  client.apply(model.delta(seq, 'seen'));
  client.apply({ type: 'local.stop', seq });
  client.apply(model.delta(seq, ' unseen'));
  assert.equal(client.state.replies.get(seq).frozen, 'seen');
  client.apply({ type: 'local.stop_failed', seq });
  assert.equal(client.state.replies.get(seq).frozen, null);
  client.apply(model.settle(seq, 'stopped'));
  assert.equal(client.state.replies.has(seq), false);
});

test('an optimistic send goes when its echo comes, before or after the ack', () => {
  for (const ackFirst of [true, false]) {
    const model = new ModelRoom();
    const client = reader(model);
    client.apply({ type: 'local.send', clientId: 'c1', body: 'mine', at: 0 });
    const echo = model.post(ME, 'mine', { client_id: 'c1' });
    const ack = { type: 'message.accepted', room: 'lobby', client_id: 'c1', seq: 1, version: 1, duplicate: false, reply_seq: null };
    if (ackFirst) {
      client.apply(ack);
      assert.equal(client.state.outgoing[0].state, 'sent');
      assert.equal(client.state.cursor, 0, 'an ack never moves the cursor');
    }
    client.apply(echo);
    assert.deepEqual(client.state.outgoing, []);
    if (!ackFirst) client.apply(ack);
    assert.deepEqual(client.state.outgoing, []);
    assert.equal(client.state.messages.length, 1);
  }
});

test('the same client id by another author is not the echo', () => {
  const model = new ModelRoom();
  const client = reader(model);
  client.apply({ type: 'local.send', clientId: 'c1', body: 'mine', at: 0 });
  client.apply(model.post(OTHER, 'theirs', { client_id: 'c1' }));
  assert.equal(client.state.outgoing.length, 1);
});

test('an acked send that was superseded before it was seen is no longer waited for', () => {
  const model = new ModelRoom();
  const client = reader(model);
  client.apply({ type: 'local.send', clientId: 'c1', body: 'mine', at: 0 });
  model.post(ME, 'mine');
  client.apply({ type: 'message.accepted', room: 'lobby', client_id: 'c1', seq: 1, version: 1 });
  client.join();
  assert.deepEqual(client.state.outgoing, []);
});

test('settings, roles and the end of a room', () => {
  const model = new ModelRoom();
  const client = reader(model);
  client.apply(model.change({ name: 'Salon' }));
  assert.equal(client.state.room.name, 'Salon');
  client.apply({ type: 'room.changed', room: 'lobby', version: 2, prev: 1, change: 'role', user: ME, role: 'owner', data: {} });
  assert.equal(client.state.room.role, 'owner');
  client.apply({ type: 'room.removed', room: 'lobby', version: 3, reason: 'removed' });
  assert.equal(client.state.phase, 'removed');
});

test('trim keeps the newest and knows that there is more above', () => {
  const model = new ModelRoom();
  for (let count = 1; count <= 20; count += 1) model.post(OTHER, `m${count}`);
  const client = reader(model);
  assert.equal(client.state.complete, true);
  client.apply({ type: 'local.trim', keep: 5 });
  assert.deepEqual([client.state.messages.length, client.state.from, client.state.complete], [5, 16, false]);
});

test('any loss, repetition and reordering of frames ends in what the server has', () => {
  for (let seed = 1; seed <= 400; seed += 1) checkRandomRun(seed);
});

function checkRandomRun(seed) {
  const random = dice(seed);
  const model = new ModelRoom();
  const client = reader(model);
  const wire = [];
  const roll = (count) => Math.floor(random() * count);
  for (let step = 0; step < 60; step += 1) {
    const running = [...model.replies.keys()];
    const settled = [...model.messages.values()].filter(({ state, deleted_at: deletedAt }) => state === 'stopped' && !deletedAt);
    const there = [...model.messages.values()].filter(({ state, deleted_at: deletedAt }) => state !== 'queued' && !deletedAt);
    const some = there[roll(there.length)]?.seq;
    const kind = roll(some === undefined ? 9 : 14);
    if (kind <= 2) wire.push(model.post(random() < 0.5 ? ME : OTHER, `m${step}`));
    else if (kind === 3) { model.prompt(ME, `ask ${step}`); wire.push(...model.frames.slice(-2)); }
    else if (kind <= 5 && running.length > 0) wire.push(model.delta(running[roll(running.length)], `w${step} `));
    else if (kind === 6 && running.length > 0) wire.push(model.settle(running[0], random() < 0.5 ? 'stopped' : 'complete'));
    else if (kind === 7 && settled.length > 0) wire.push(model.retry(settled[0].seq));
    else if (kind === 8 && model.lastSeq > 0) wire.push(model.change({ name: `name ${step}` }));
    else if (kind === 9) wire.push(model.edit(some, `edit ${step}`));
    else if (kind === 10 && random() < 0.3) wire.push(model.delete(some));
    else if (kind > 10) wire.push(model.react(some, roll(2) === 0 ? '👍' : '🎉', roll(2) === 0 ? 'me' : 'other'));
    while (wire.length > 0 && random() < 0.6) {
      const place = random() < 0.2 ? roll(wire.length) : 0;
      const frame = wire[place];
      if (random() < 0.75) wire.splice(place, 1);
      if (random() < 0.8) client.apply(frame);
      if (random() < 0.03) { client.apply({ type: 'local.disconnected' }); client.join(); }
    }
    checkGrowing(client, model, seed);
    checkCursor(client, model, seed);
  }
  client.apply({ type: 'local.disconnected' });
  client.join();
  assert.deepEqual(client.bodies(), bodiesOf(model), `seed ${seed}`);
  assert.equal(client.state.cursor, model.version, `seed ${seed}`);
  assert.deepEqual(client.state.messages, [...model.messages.values()], `seed ${seed}: word for word`);
  for (const [seq, reply] of model.replies) assert.equal(client.state.replies.get(seq).text, reply.body, `seed ${seed}`);
  assert.equal(client.state.replies.size, model.replies.size, `seed ${seed}`);
}

/** What is shown of a running reply is always a prefix of what the server has of that attempt. */
function checkGrowing(client, model, seed) {
  for (const [seq, { attempt, text }] of client.state.replies) {
    const reply = model.replies.get(seq);
    if (reply?.attempt === attempt) assert.ok(reply.body.startsWith(text), `seed ${seed}: ${text} | ${reply.body}`);
  }
}

/** Everything up to the cursor is held, unless a later version of the same message is still to come. */
function checkCursor(client, model, seed) {
  for (const { seq, version } of model.messages.values()) {
    if (version <= client.state.cursor) assert.equal(messageAt(client.state, seq)?.version, version, `seed ${seed}: seq ${seq}`);
  }
}

test('one client id is one message on its way, however often it is said', () => {
  const client = reader(new ModelRoom());
  client.apply({ type: 'local.send', clientId: 'c1', body: 'once', at: 1 });
  const { state } = client;
  client.apply({ type: 'local.send', clientId: 'c1', body: 'once', at: 1 });
  assert.equal(client.state, state);
  assert.equal(state.outgoing.length, 1);
});

test('what was written before one came, or came back, is told apart from what comes', () => {
  const model = new ModelRoom();
  const { seq } = model.prompt(OTHER, '@assistant go').message;
  const present = reader(model);
  present.apply(model.delta(seq, 'one'));
  assert.equal(present.state.replies.get(seq).told, 0);
  const late = reader(model);
  assert.equal(late.state.replies.get(seq).told, 3);
  late.apply(model.delta(seq, ' two'));
  assert.equal(late.state.replies.get(seq).told, 3, 'what comes is new');
  // Who missed a part joins again and is told of it.
  model.delta(seq, ' three');
  present.join();
  assert.deepEqual([present.state.replies.get(seq).text, present.state.replies.get(seq).told], ['one two three', 13]);
  // A text that does not fit the answer to the join follows as one delta.
  const joined = model.joined('1');
  const long = new Reader(model);
  long.apply({ type: 'local.joining', ref: '1' });
  long.apply({ ...joined, replies: joined.replies.map((reply) => ({ ...reply, body: null })) });
  long.apply({ type: 'reply.delta', room: 'lobby', seq, attempt: 1, chunk: 1, count: 3, text: 'one two three' });
  assert.equal(long.state.replies.get(seq).told, 13);
});

test('the text of a reply that began before one came is not news, also where it follows the answer to the join', () => {
  const model = new ModelRoom();
  model.post(OTHER, 'before');
  const late = new Reader(model);
  late.apply({ type: 'local.joining', ref: '1' });
  const page = model.joined('1');
  const created = model.prompt(OTHER, '@assistant go');
  const { seq } = created.message;
  for (const text of ['one', ' two']) model.delta(seq, text);
  // The page was read before; what happened up to the head follows as frames, then the text so far.
  late.apply({ ...page, head: model.version });
  for (const frame of model.frames.slice(1)) late.apply(frame);
  assert.equal(late.state.replies.get(seq).told, null);
  late.apply({ type: 'reply.delta', room: 'lobby', seq, attempt: 1, chunk: 1, count: 2, text: 'one two' });
  assert.deepEqual([late.state.replies.get(seq).text, late.state.replies.get(seq).told], ['one two', 7]);
  late.apply(model.delta(seq, ' three'));
  assert.equal(late.state.replies.get(seq).told, 7, 'what comes then is new');
  // One that begins while one is there is new from its first word.
  const next = model.prompt(OTHER, '@assistant again');
  for (const frame of model.frames.slice(-2)) late.apply(frame);
  late.apply(model.delta(next.message.seq, 'four'));
  assert.equal(late.state.replies.get(next.message.seq).told, 0);
});
