/**
 * Who is there and who writes, as frames tell it and time takes it away.
 */
import assert from 'node:assert/strict';
import test from 'node:test';
import { NOBODY, TYPING_MS, hereLine, nextEnd, prunePeople, queueLine, seenLine, takePeople, typingLine } from '../../static/js/people.js';

const ADA = { id: 'a', name: 'ada', kind: 'user' };
const user = (name) => ({ id: name, name, kind: 'user' });
const typing = (name) => ({ type: 'typing', room: 'lobby', user: user(name) });
const take = (people, frames, now = 0) => frames.reduce((all, frame) => takePeople(all, frame, ADA.id, now), people);

test('who is there is what was told last', () => {
  const told = { type: 'presence', room: 'lobby', count: 1200, users: [ADA, user('bob')] };
  const people = take(NOBODY, [{ ...told, count: 7 }, told]);
  assert.deepEqual([people.count, people.users.length, hereLine(people)], [1200, 2, '1,200 online']);
  assert.equal(hereLine(NOBODY), '');
  assert.equal(take(people, [{ type: 'room.removed', room: 'lobby' }]), NOBODY);
});

test('what waits for the assistant is what was told last', () => {
  const waiting = [{ seq: 7, position: 1, user: ADA }, { seq: 9, position: 4, user: user('bob') }];
  const people = take(NOBODY, [{ type: 'reply.queue', room: 'lobby', waiting }]);
  assert.equal(queueLine(people.queue.get(7)), 'Queued, next · asked by ada');
  assert.equal(queueLine(people.queue.get(9)), 'Queued, 3 ahead · asked by bob');
  assert.equal(queueLine(null), 'Thinking');
  assert.equal(take(people, [{ type: 'reply.queue', room: 'lobby', waiting: [] }]).queue.size, 0);
});

test('at most three who write are named', () => {
  const lines = ['bob', 'eve', 'dan', 'kim'].map((_, index, names) =>
    typingLine(take(NOBODY, names.slice(0, index + 1).map(typing))));
  assert.deepEqual(lines, [
    'bob is writing…',
    'bob and eve are writing…',
    'bob, eve and dan are writing…',
    'Several people are writing…',
  ]);
});

test('one is not told that one writes oneself', () => {
  assert.equal(take(NOBODY, [{ type: 'typing', room: 'lobby', user: ADA }]), NOBODY);
});

test('a name runs out by itself, later when it comes again', () => {
  let people = take(NOBODY, [typing('bob'), typing('eve')], 1_000);
  people = take(people, [typing('bob')], 4_000);
  assert.equal(nextEnd(people), 1_000 + TYPING_MS);
  assert.equal(prunePeople(people, 1_000 + TYPING_MS - 1), people);
  people = prunePeople(people, 1_000 + TYPING_MS);
  assert.equal(typingLine(people), 'bob is writing…');
  people = prunePeople(people, 4_000 + TYPING_MS);
  assert.deepEqual([typingLine(people), nextEnd(people)], ['', null]);
});

test('a message ends the writing of its author alone', () => {
  const people = take(NOBODY, [typing('bob'), typing('eve'), { type: 'message', room: 'lobby', message: { author: user('bob') } }]);
  assert.equal(typingLine(people), 'eve is writing…');
});

test('what was written before a message may come behind it', () => {
  const message = { type: 'message', room: 'lobby', message: { author: user('bob') } };
  let people = take(NOBODY, [message, typing('bob'), typing('eve')], 1_000);
  assert.equal(typingLine(people), 'eve is writing…');
  people = take(people, [typing('bob')], 2_600);
  assert.equal(typingLine(people), 'eve and bob are writing…');
  const many = Array.from({ length: 500 }, (_, number) => ({ ...message, message: { author: user(`user ${number}`) } }));
  assert.ok(take(NOBODY, many).spoke.length <= 20);
});

test('one sees who has seen one\'s own last word', () => {
  const read = (name, seq) => ({ type: 'read', room: 'lobby', user: name, seq });
  const messages = [{ seq: 1, author: user('bob') }, { seq: 2, author: ADA }];
  const people = take(NOBODY, [read('bob', 1), read('stranger', 2), read(ADA.id, 2)]);
  assert.equal(seenLine(people, { messages, me: ADA.id }), '');
  const seen = take(people, [read('bob', 2)]);
  assert.equal(seenLine(seen, { messages, me: ADA.id }), 'Seen by bob');
  assert.equal(seenLine(seen, { messages: messages.slice(0, 1), me: ADA.id }), '', 'another spoke last');
  const alike = { id: 'other', name: 'Ada', kind: 'guest' };
  const both = take(NOBODY, [read('other', 2)]);
  assert.equal(seenLine({ ...both, users: [ADA, alike] }, { messages, me: ADA.id }), 'Seen by Ada (guest)');
  const many = take(NOBODY, ['w', 'x', 'y', 'z'].flatMap((name) => [read(name, 2)]));
  const known = { ...many, users: ['w', 'x', 'y', 'z'].map(user) };
  assert.equal(seenLine(known, { messages, me: ADA.id }), 'Seen by 4');
});

test('a crowd is not remembered without end', () => {
  const crowd = Array.from({ length: 500 }, (_, number) => typing(`user ${number}`));
  assert.ok(take(NOBODY, crowd).typing.length <= 20);
});
