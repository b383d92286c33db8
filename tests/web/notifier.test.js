/**
 * Notifications where the browser refuses them, and where they lead to.
 */
import assert from 'node:assert/strict';
import test from 'node:test';
import { Emitter } from '../../static/js/emitter.js';
import { Notifier, notifies, permission } from '../../static/js/elements/notifier.js';
import { setSetting } from '../../static/js/look.js';

/** A hidden page whose browser makes notifications as told. @returns {() => void} mentions the reader in a room */
function hidden(t, made) {
  const before = { document: globalThis.document, window: globalThis.window, location: globalThis.location };
  globalThis.document = { hidden: true, addEventListener() {} };
  globalThis.window = { focus() {} };
  globalThis.location = { hash: '' };
  globalThis.Notification = class {
    static permission = 'granted';
    constructor() { made(this); }
    close() { this.onclose?.(); }
  };
  setSetting('notify', 'on');
  t.after(() => {
    Object.assign(globalThis, before);
    delete globalThis.Notification;
    delete globalThis.dispatchEvent;
    setSetting('notify', 'off');
  });
  const salon = Object.assign(new Emitter(), { openRoom: () => undefined });
  new Notifier({ salon, book: { muted: () => false, name: (slug) => slug } });
  return () => salon.emit('user', { type: 'user.mentioned', room: 'lobby', last_seq: 5 });
}

test('a press leads to the message, also when its address is the page’s already', (t) => {
  const notes = [];
  const events = [];
  const mention = hidden(t, (note) => notes.push(note));
  globalThis.dispatchEvent = ({ type }) => events.push(type);
  mention();
  mention();
  notes[0].onclick();
  assert.deepEqual([location.hash, events], ['#/rooms/lobby/5', []]);
  notes[1].onclick();
  assert.deepEqual([location.hash, events], ['#/rooms/lobby/5', ['hashchange']]);
});

// The last one: what a browser refuses it refuses for as long as the page is there.
test('a browser that refuses to notify is one that cannot', (t) => {
  const mention = hidden(t, () => { throw new TypeError('Illegal constructor'); });
  assert.deepEqual([permission(), notifies()], ['granted', true]);
  mention();
  assert.deepEqual([permission(), notifies()], ['missing', false]);
});
