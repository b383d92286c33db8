/**
 * That the page is as high as what is seen of it when a keyboard covers the window.
 */
import assert from 'node:assert/strict';
import test from 'node:test';
import { followKeyboard } from '../../static/js/viewport.js';

test('a keyboard that covers the window makes the page smaller, zooming does not', () => {
  const held = new Map();
  const root = { style: { setProperty: (name, value) => held.set(name, value), removeProperty: (name) => held.delete(name) } };
  let resized;
  const viewport = { height: 800, scale: 1, addEventListener: (_, listen) => { resized = listen; } };
  globalThis.innerHeight = 800;
  globalThis.scrollTo = () => {};
  followKeyboard(viewport, root);
  assert.equal(held.size, 0);
  viewport.height = 480.4;
  resized();
  assert.equal(held.get('--seen-height'), '480px');
  Object.assign(viewport, { height: 300, scale: 2 });
  resized();
  assert.equal(held.get('--seen-height'), '480px', 'zoomed in');
  Object.assign(viewport, { height: 800, scale: 1 });
  resized();
  assert.equal(held.size, 0);
  followKeyboard(null, root);
});
