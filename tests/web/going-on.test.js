/**
 * Messages by which somebody had an assistant go on, as the server writes them.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { askedIn, goingOn } from '../../static/js/going-on.js';
import { saidIn } from '../../static/js/elements/quote.js';
import { gist } from '../../static/js/news.js';
import { previewOf } from '../../static/js/room-line.js';

const server = readFileSync(new URL('../../src/chat/messages.rs', import.meta.url), 'utf8');
/** As `continuation_text` of the server writes it. */
const written = (sentence, quote = '') => {
  const format = [...server.matchAll(/format!\("(@\{assistant\} [^"]+)"\)/g)].map(([, text]) => text).find((text) => text.includes(sentence));
  return format.replace('{assistant}', 'poet').replaceAll('\\n', '\n').replace('{quote}', quote);
};
const message = (body, more = {}) => ({ kind: 'user', body, reply_to: 7, ...more });

test('what the server writes to go on is known by its words, and what it quotes', () => {
  const body = written('Please go on', '> ## The sea\n> \n> is **wide**\n');
  assert.deepEqual(goingOn(message(body)), { quote: '## The sea\n\nis **wide**' });
  assert.deepEqual(goingOn(message(body.trimEnd())), { quote: '## The sea\n\nis **wide**' });
  assert.deepEqual(goingOn(message(written('Please answer again'))), { quote: '' });
});

test('words of a person’s own are theirs', () => {
  const body = written('Please go on', '> x\n');
  for (const other of [
    message(body, { reply_to: null }), message(body, { kind: 'assistant' }), message(body, { edited_at: 'x' }), message(body, { deleted_at: 'x' }),
    message(`${body}\nand be brief`), message(`Well, ${body}`), message('@poet please go on'), { kind: 'user', reply_to: 7 },
  ]) assert.equal(goingOn(other), null);
});

test('in one line it is called what it is, in a list that has its beginning too', () => {
  const body = written('Please go on', `> ${'The sea is wide. '.repeat(20)}\n`);
  assert.equal(askedIn(body), 'message.asked_on');
  assert.equal(askedIn(written('Please answer again')), 'message.asked_again');
  const cut = [...body].slice(0, 120).join('');
  assert.equal(askedIn(cut, { cut: true }), 'message.asked_on');
  assert.equal(askedIn(`${body}\nand be brief`), null, 'words of a person’s own go on');
  assert.equal(askedIn('@poet please go on'), null);
  assert.equal(askedIn('@poet please go on', { cut: true }), null);

  const last = { author_id: 'b', author: 'bob', text: cut, deleted: false };
  assert.deepEqual(previewOf({ last, people: 0 }, 'a'), { who: 'bob', what: 'Asked to go on' });
  assert.equal(gist(body), 'Asked to go on');
  assert.equal(saidIn(message(body)), 'Asked to go on');
});
