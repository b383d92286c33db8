/**
 * A secret that is shown this once, with a button that copies it.
 */
import { h, announce } from '../dom.js';
import { copy } from '../render.js';

/**
 * @param {string} secret
 * @param {string} sentence what it is for
 * @returns {HTMLElement}
 */
export function secretBox(secret, sentence) {
  const field = h('input.secret-value', { readonly: true, value: secret, 'aria-label': 'Secret', spellcheck: 'false' });
  field.addEventListener('focus', () => field.select());
  const button = h('button.primary', {
    type: 'button', text: 'Copy',
    onclick: async () => {
      const done = await copy(secret);
      button.textContent = done ? 'Copied' : 'Copy it by hand';
      if (done) announce('Copied');
      else field.focus();
    },
  });
  return h('div.secret', { role: 'group', 'aria-label': 'Shown this once' },
    h('p', {}, h('strong', { text: 'Copy it now: it is not shown again. ' }), sentence),
    h('div.secret-line', {}, field, button));
}
