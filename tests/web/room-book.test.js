/**
 * The list of rooms as it follows what is listed, said and changed.
 */
import assert from 'node:assert/strict';
import test from 'node:test';
import { Emitter } from '../../static/js/emitter.js';
import { Memory } from '../../static/js/memory.js';
import { RoomBook } from '../../static/js/room-book.js';

const ME = { id: 'a', name: 'ada' };
const at = (minute) => `2026-01-31T12:${String(minute).padStart(2, '0')}:00.000Z`;
const room = (slug, more = {}) => ({
  slug, name: slug, visibility: 'public', topic: '', archived: false, people: 0, role: 'member', version: 1, last_seq: 0,
  first_seq: 1, last_read_seq: 0, mentions: 0, created_at: at(0), ...more,
});
const listed = (slug, minute, more = {}) => room(slug, {
  last_seq: minute, last: { seq: minute, author: 'bob', text: `in ${slug}`, created_at: at(minute), deleted: false }, muted: false, ...more,
});
const said = (seq, body, more = {}) => ({ seq, version: seq, author: { id: 'b', name: 'bob' }, body, state: 'complete', created_at: at(seq), ...more });

class FakeSalon extends Emitter {
  user = ME;
  status = 'open';
  list = [];
  page = 100;
  asked = [];
  states = new Map();
  api = {
    rooms: async (after) => {
      const from = after === null ? 0 : Number(after);
      const next = from + this.page < this.list.length ? String(from + this.page) : null;
      return { rooms: this.list.slice(from, from + this.page), next };
    },
    mute: async (slug, muted) => { this.asked.push([slug, muted]); },
  };

  openRoom(slug) {
    const state = this.states.get(slug);
    return state && { state, trim() {}, markRead() {} };
  }
  room(slug) { return this.openRoom(slug); }
  closeRoom(slug) { this.states.delete(slug); }
  roomsWithUnsent() { return []; }

  /** A room as its socket shows it now. */
  shows(slug, more, messages = []) {
    const state = { slug, phase: 'joined', joinRef: 'j', room: room(slug, more), messages };
    this.states.set(slug, state);
    this.emit('room', { slug, state });
  }
}

async function bookOf(test, ...rooms) {
  // The book reads the list again by itself, which no test here waits for.
  test.mock.method(globalThis, 'setInterval', () => 0);
  const salon = new FakeSalon();
  salon.list = rooms;
  const book = new RoomBook(salon, new Memory(`${test.name}`));
  await book.load();
  return { salon, book, order: () => book.mine().map(({ slug }) => slug) };
}

const find = (book, slug) => book.mine().find((held) => held.slug === slug);

test('a room in which something is said comes first, with its words', async (t) => {
  const { salon, book, order } = await bookOf(t, listed('one', 3), listed('two', 2));
  assert.deepEqual(order(), ['one', 'two']);
  salon.shows('two', { last_seq: 4 }, [said(4, 'news')]);
  assert.deepEqual(order(), ['two', 'one']);
  assert.equal(find(book, 'two').last.text, 'news');
  salon.shows('two', { last_seq: 4 }, [said(4, '', { version: 5, deleted_at: at(9) })]);
  assert.deepEqual([find(book, 'two').last.deleted, find(book, 'two').last.text], [true, '']);
  await book.load();
  assert.deepEqual(order(), ['two', 'one'], 'an older list takes nothing back');
});

test('a topic and an archive are shown when they come', async (t) => {
  const { salon, book } = await bookOf(t, listed('one', 3));
  salon.shows('one', { last_seq: 3 });
  let told = 0;
  book.on('change', () => { told += 1; });
  salon.shows('one', { last_seq: 3 });
  assert.equal(told, 0, 'nothing is different');
  salon.shows('one', { last_seq: 3, topic: 'The sea', archived: true });
  const { topic, archived, last } = find(book, 'one');
  assert.deepEqual([told, topic, archived, last.text], [1, 'The sea', true, 'in one']);
});

test('a muted room counts only where it mentions one', async (t) => {
  const { salon, book } = await bookOf(t, listed('one', 3, { mentions: 1 }), listed('two', 2));
  assert.deepEqual([book.unreadTotal(), book.mentionsTotal()], [5, 1]);
  await book.mute('one', true);
  assert.deepEqual(salon.asked, [['one', true]]);
  assert.deepEqual([book.muted('one'), book.unreadTotal(), book.mentionsTotal()], [true, 2, 1]);
  salon.shows('one', { last_seq: 4, mentions: 1 }, [said(4, 'more')]);
  book.put(room('one', { last_seq: 4 }));
  assert.deepEqual([book.muted('one'), find(book, 'one').last.text], [true, 'more'], 'what comes of the room does not tell');
  salon.list = [listed('one', 4), listed('two', 2)];
  await book.load();
  assert.equal(book.muted('one'), false, 'another device has it back');
});

test('a refused mute changes nothing', async (t) => {
  const { salon, book } = await bookOf(t, listed('one', 3));
  salon.api.mute = async () => { throw new Error('no'); };
  await assert.rejects(book.mute('one', true));
  assert.equal(book.muted('one'), false);
});

test('a direct room is called by the others', async (t) => {
  const { book } = await bookOf(t, listed('d-1', 3, { name: 'ada, bob', visibility: 'direct', people: 2 }));
  assert.deepEqual([book.name('d-1'), book.name('unknown'), book.name(null)], ['bob', 'unknown', null]);
});

test('a room that is asked for again keeps its words and stays muted', async (t) => {
  const { book, order } = await bookOf(t, listed('d-1', 3, { visibility: 'direct', people: 2, muted: true }), listed('two', 2));
  book.put(room('d-1', { visibility: 'direct', people: 2, last_seq: 3 }));
  assert.deepEqual([order(), book.muted('d-1'), find(book, 'd-1').last.text], [['d-1', 'two'], true, 'in d-1']);
  book.put(room('new'));
  assert.deepEqual([book.muted('new'), find(book, 'new').last], [false, null]);
});

test('rooms of further pages come when they are asked for, and stay', async (t) => {
  const { salon, book, order } = await bookOf(t);
  salon.list = [listed('one', 5), listed('two', 4), listed('three', 3), listed('four', 2), listed('five', 1)];
  salon.page = 2;
  await book.load();
  assert.deepEqual([order(), book.more], [['one', 'two'], true]);
  await book.loadMore();
  assert.deepEqual([order(), book.more], [['one', 'two', 'three', 'four'], true]);
  await book.loadMore();
  assert.deepEqual([order().length, book.more], [5, false]);
  await book.load();
  assert.equal(order().length, 5);
});

test('a mention and a mute in another window are shown before the list is read again', async (t) => {
  const { salon, book } = await bookOf(t, listed('one', 3, { last_read_seq: 3 }), listed('two', 2, { last_read_seq: 2 }));
  salon.shows('two', { last_seq: 2, last_read_seq: 2 }, []);
  salon.emit('user', { type: 'user.mentioned', room: 'one', last_seq: 5, unread: 2, mentions: 1 });
  assert.deepEqual([book.unread(find(book, 'one')), book.mentions(find(book, 'one'))], [2, 1]);
  salon.emit('user', { type: 'user.mentioned', room: 'two', last_seq: 9, unread: 7, mentions: 3 });
  assert.equal(book.mentions(find(book, 'two')), 0, 'what is joined counts by itself');
  salon.emit('user', { type: 'user.muted', room: 'one', muted: true });
  assert.deepEqual([book.muted('one'), book.muted('two')], [true, false]);
  salon.list.push(listed('three', 1, { last_read_seq: 0, mentions: 1 }));
  const read = new Promise((resolve) => { book.on('change', resolve); });
  salon.emit('user', { type: 'user.mentioned', room: 'three', last_seq: 1, unread: 1, mentions: 1 });
  await read;
  assert.equal(book.mentions(find(book, 'three')), 1);
});

test('of the open room all is kept while one looks, and a bounded part while the page is hidden', async (t) => {
  const { salon, book } = await bookOf(t, listed('one', 3));
  const trims = [];
  salon.openRoom = (slug) => ({ state: salon.states.get(slug), trim: (keep) => trims.push([slug, keep]), markRead() {} });
  const say = async (count) => {
    salon.shows('one', { last_seq: count }, Array.from({ length: count }, (_, place) => said(place + 1, 'word')));
    await Promise.resolve();
    return trims.splice(0);
  };
  globalThis.document = { hidden: false };
  t.after(() => { delete globalThis.document; });
  book.open('one');
  trims.splice(0);
  assert.deepEqual(await say(1_001), []);
  globalThis.document.hidden = true;
  assert.deepEqual(await say(1_000), []);
  assert.deepEqual(await say(1_002), [['one', 500]]);
});

test('opening the room that is open forgets nothing of it', async (t) => {
  const { salon, book } = await bookOf(t, listed('one', 3), listed('two', 2));
  const trims = [];
  salon.openRoom = (slug) => ({ state: salon.states.get(slug), trim: (keep) => trims.push([slug, keep]), markRead() {} });
  book.open('one');
  trims.splice(0);
  book.open('one');
  assert.deepEqual(trims, []);
  book.open('two');
  assert.deepEqual(trims.map(([slug]) => slug), ['one']);
});
