/**
 * What those who listen are told of answers: never that one is still being written when it is not.
 */
import assert from 'node:assert/strict';
import test from 'node:test';
import { Emitter } from '../../static/js/emitter.js';
import { ReplyNews } from '../../static/js/elements/reply-news.js';

const running = (...seqs) => ({ messages: [], replies: new Map(seqs.map((seq) => [seq, { seq, text: 'so far' }])) });
const ended = (seq, state) => ({ messages: [{ seq, state }], replies: new Map() });

/** Both regions as one list of what was said. */
function listener(t) {
  const said = [];
  const region = { textContent: '', replaceChildren() {}, append(sentence) { said.push(sentence); } };
  globalThis.document = { hidden: false, getElementById: () => region };
  t.after(() => { delete globalThis.document; });
  t.mock.timers.enable({ apis: ['setInterval'] });
  const salon = Object.assign(new Emitter(), { states: new Map(), openRoom: (slug) => salon.states.has(slug) ? { state: salon.states.get(slug) } : undefined });
  const book = { current: 'one' };
  new ReplyNews({ salon, book });
  const shows = (slug, state) => {
    salon.states.set(slug, state);
    salon.emit('room', { slug, state });
  };
  return { book, shows, later: () => t.mock.timers.tick(7_000), heard: () => said.splice(0) };
}

test('a long answer is told of from time to time, and how it ended', (t) => {
  const { shows, later, heard } = listener(t);
  shows('one', running(2));
  later();
  later();
  const [begun, ...still] = heard();
  assert.equal(still.length, 2);
  assert.equal(still[0], still[1]);
  assert.notEqual(begun, still[0]);
  shows('one', ended(2, 'complete'));
  assert.equal(heard().length, 1);
  later();
  assert.deepEqual(heard(), []);
});

test('an answer that ended while another room was open is not still being written', (t) => {
  const { book, shows, later, heard } = listener(t);
  shows('one', running(2));
  later();
  const [, still] = heard();
  book.current = 'other';
  shows('one', ended(2, 'complete'));
  later();
  assert.deepEqual(heard(), [], 'nothing is said of a room that is not the open one');
  book.current = 'one';
  later();
  const end = heard();
  assert.equal(end.length, 1);
  assert.notEqual(end[0], still);
  later();
  assert.deepEqual(heard(), []);
});
