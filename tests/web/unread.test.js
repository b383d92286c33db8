/**
 * The line above what is new: where it stands, when it is put, and that it stays.
 */
import assert from 'node:assert/strict';
import test from 'node:test';
import { buildItems } from '../../static/js/items.js';
import { createRoom } from '../../static/js/store.js';
import { NO_LINE, cameMark, openMark, placeOfLine, seenMark, unseenCount } from '../../static/js/unread.js';
import { ME, OTHER } from './model-room.js';

const said = (seq, author = OTHER) => ({ seq, version: seq, kind: 'user', author, body: 'x', state: 'complete', created_at: '2026-01-01T10:00:00.000Z' });
const messages = (...seqs) => seqs.map((seq) => said(seq));
const here = { mine: false, present: true, looking: true };

test('a room opens with the line below what was read', () => {
  assert.deepEqual(openMark(5, 9), { readSeq: 5, seenSeq: 5 });
  assert.equal(unseenCount(openMark(5, 9), 9), 4);
  assert.equal(openMark(9, 9).readSeq, NO_LINE);
  assert.equal(openMark(null, 9).readSeq, NO_LINE);
});

test('the line stays whatever is read or written while one is there', () => {
  let mark = seenMark(openMark(5, 9), 9);
  assert.equal(unseenCount(mark, 9), 0);
  mark = cameMark(mark, { before: 9, last: 10, ...here });
  mark = cameMark(mark, { before: 10, last: 11, mine: true, present: false, looking: true });
  mark = cameMark(mark, { before: 11, last: 12, ...here, present: false });
  assert.equal(mark.readSeq, 5);
  assert.equal(unseenCount(mark, 12), 1);
});

test('who is away finds a new line above what came meanwhile, once', () => {
  const away = { mine: false, present: false, looking: false };
  let mark = seenMark(openMark(5, 9), 9);
  mark = cameMark(mark, { before: 9, last: 10, ...away });
  assert.deepEqual(mark, { readSeq: 9, seenSeq: 9 });
  mark = cameMark(mark, { before: 10, last: 11, ...away });
  assert.equal(mark.readSeq, 9);
  // Who reads further up gets one only where there is none.
  assert.equal(cameMark(openMark(9, 9), { before: 9, last: 10, ...here, present: false }).readSeq, 9);
  // Who looks at the end needs none.
  assert.equal(cameMark(openMark(9, 9), { before: 9, last: 10, ...here }).readSeq, NO_LINE);
});

test('the line stands above the first that is new and not one’s own, where that is known', () => {
  assert.equal(placeOfLine(messages(4, 5, 6, 7), 5, ME.id, false), 2);
  assert.equal(placeOfLine([said(5), said(6, ME), said(7)], 5, ME.id, false), 2);
  assert.equal(placeOfLine([said(5), said(6, ME)], 5, ME.id, false), -1);
  assert.equal(placeOfLine(messages(6, 7), 5, ME.id, false), 0);
  assert.equal(placeOfLine(messages(8, 9), 5, ME.id, false), -1, 'what was read is not held');
  assert.equal(placeOfLine(messages(8, 9), 5, ME.id, true), 0, 'what was read is no more');
  assert.equal(placeOfLine(messages(4, 5), NO_LINE, ME.id, true), -1);
  assert.equal(placeOfLine([], 5, ME.id, true), -1);
});

test('the column has the day, the line with its time, and what follows is not grouped with what was read', () => {
  const state = { ...createRoom('lobby', ME.id), messages: messages(4, 5, 6, 7), complete: false };
  const items = buildItems(state, state.messages, { readSeq: 5, atEnd: true, now: Date.parse('2026-01-01T11:00:00.000Z') });
  assert.deepEqual(items.map(({ type }) => type), ['day', 'message', 'message', 'new', 'message', 'message']);
  assert.equal(items[3].since, Date.parse('2026-01-01T10:00:00.000Z'));
  assert.deepEqual(items.filter(({ type }) => type === 'message').map(({ grouped }) => grouped), [false, true, false, true]);
});

test('a line whose words change with the day is another line', () => {
  const state = { ...createRoom('lobby', ME.id), messages: messages(4, 5, 6, 7), complete: false };
  const keys = (readSeq, now) => buildItems(state, state.messages, { readSeq, atEnd: true, now: Date.parse(now) })
    .filter(({ type }) => type !== 'message').map(({ key }) => key);
  const today = keys(5, '2026-01-01T11:00:00.000Z');
  assert.equal(today.length, 2);
  assert.deepEqual(keys(5, '2026-01-01T11:30:00.000Z'), today);
  const tomorrow = keys(5, '2026-01-02T11:00:00.000Z');
  assert.deepEqual(tomorrow.filter((key) => today.includes(key)), []);
});

test('the line above what is new is another line when it tells another time', () => {
  const timed = messages(4, 5, 6, 7).map((message, place) => ({ ...message, created_at: `2026-01-01T10:0${place}:00.000Z` }));
  const state = { ...createRoom('lobby', ME.id), messages: timed, complete: false };
  const keyOf = (readSeq) => buildItems(state, timed, { readSeq, atEnd: true, now: Date.parse('2026-01-01T11:00:00.000Z') })
    .find(({ type }) => type === 'new').key;
  assert.notEqual(keyOf(4), keyOf(5));
});
