/**
 * The line above which an assistant no longer sees what was said.
 */
import assert from 'node:assert/strict';
import test from 'node:test';
import { contextLabel, contextMarks } from '../../static/js/context-marks.js';
import { buildItems } from '../../static/js/items.js';
import { applyDelta, joinReplies, trackReply } from '../../static/js/replies.js';

const ADA = { id: 'ada', name: 'ada', kind: 'user' };
const ASSISTANT = { id: 'a', name: 'assistant', kind: 'assistant' };
const POET = { id: 'p', name: 'poet', kind: 'assistant' };
const at = (seq) => new Date(2026, 4, 12, 9, seq).toISOString();
const post = (seq) => ({ seq, kind: 'user', author: ADA, body: 'x', state: 'complete', created_at: at(seq) });
const reply = (seq, from, more = {}) => ({
  ...post(seq), kind: 'assistant', author: ASSISTANT,
  reply: { prompt_seq: seq - 1, attempt: 1, ...(from === null ? {} : { context_from: from }) }, ...more,
});

test('the latest answer of each assistant tells how far it sees', () => {
  const messages = [post(1), reply(2, 1), post(3), reply(4, 3), post(5), reply(6, 3, { author: POET })];
  assert.deepEqual([...contextMarks(messages)], [[3, ['assistant', 'poet']]]);
  assert.deepEqual([...contextMarks([...messages, post(7), reply(8, null)])], [[3, ['poet']]]);
  assert.equal(contextMarks([post(1), reply(2, null)]).size, 0);
});

test('an answer that tells nothing of it, or is deleted, leaves the line where it is', () => {
  for (const state of ['failed', 'queued', 'interrupted']) {
    assert.deepEqual([...contextMarks([post(1), reply(2, 1), post(3), reply(4, null, { state })])], [[1, ['assistant']]], state);
  }
  assert.deepEqual([...contextMarks([post(1), reply(2, 1), post(3), reply(4, 3, { deleted_at: at(9) })])], [[1, ['assistant']]]);
});

test('however an answer ended, it tells how far it saw', () => {
  for (const state of ['stopped', 'failed', 'interrupted']) {
    assert.deepEqual([...contextMarks([post(1), reply(2, 1), post(3), reply(4, 3, { state })])], [[3, ['assistant']]], state);
  }
});

test('an answer that is being written tells it from its first text on', () => {
  const messages = [post(1), reply(2, 1), post(3), reply(4, null, { state: 'queued' })];
  let replies = trackReply(new Map(), messages[3]);
  assert.deepEqual([...contextMarks(messages, replies)], [[1, ['assistant']]], 'it waits');
  replies = applyDelta(replies, { seq: 4, attempt: 2, chunk: 1, count: 1, text: 'so', context_from: 3 });
  replies = applyDelta(replies, { seq: 4, attempt: 2, chunk: 2, count: 1, text: ' far' });
  assert.deepEqual([...contextMarks(messages, replies)], [[3, ['assistant']]]);
  const told = { seq: 4, prompt_seq: 3, state: 'streaming', attempt: 2, chunks: 2, body: 'so far', context_from: 3 };
  assert.deepEqual([...contextMarks(messages, joinReplies(new Map(), [told]))], [[3, ['assistant']]], 'who comes late sees it too');
  // Begun anew it sees everything.
  replies = applyDelta(replies, { seq: 4, attempt: 3, chunk: 1, count: 1, text: 'all' });
  assert.equal(contextMarks(messages, replies).size, 0);
});

test('the line stands above the first message that is still seen, and never above all', () => {
  const marks = new Map([[5, ['poet']], [6, ['assistant']]]);
  assert.equal(contextLabel(marks, 4, 5), 'poet no longer sees messages above');
  assert.equal(contextLabel(marks, 5, 6), 'assistant no longer sees messages above');
  assert.equal(contextLabel(marks, 3, 9), 'poet and assistant no longer see messages above', 'the message itself may be out of sight');
  assert.equal(contextLabel(marks, null, 5), null);
  assert.equal(contextLabel(marks, 6, 7), null);
});

test('the column holds the line once, and what follows begins anew', () => {
  const messages = [post(1), post(2), post(3), reply(4, 3)];
  const state = { me: 'ada', messages, replies: new Map(), outgoing: [] };
  const options = { readSeq: Infinity, atEnd: true, now: Date.parse(at(9)) };
  const items = buildItems(state, messages, options);
  assert.deepEqual(items.map(({ type }) => type), ['day', 'message', 'message', 'context', 'message', 'message']);
  assert.equal(items[3].label, 'assistant no longer sees messages above');
  assert.deepEqual([items[2].grouped, items[4].grouped], [true, false]);
  // What is above the line is not shown: neither is the line.
  assert.ok(buildItems(state, messages.slice(2), options).every(({ type }) => type !== 'context'));
});
