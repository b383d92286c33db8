/**
 * A secret that is shown this once, with a button that copies it.
 */
import { h, announce } from '../dom.js';
import { copy } from '../render.js';
import { t } from '../words.js';

/**
 * @param {string} secret
 * @param {string} sentence what it is for
 * @returns {HTMLElement}
 */
export function secretBox(secret, sentence) {
  const field = h('input.secret-value', { readonly: true, dir: 'ltr', value: secret, 'aria-label': t('secret'), spellcheck: 'false' });
  field.addEventListener('focus', () => field.select());
  const button = h('button.primary', {
    type: 'button', text: t('copy'),
    onclick: async () => {
      const done = await copy(secret);
      button.textContent = done ? t('copied') : t('secret.by_hand');
      if (done) announce(t('copied'));
      else field.focus();
    },
  });
  return h('div.secret', { role: 'group', 'aria-label': t('secret.once') },
    h('p', {}, h('strong', { text: t('secret.now') }), sentence),
    h('div.secret-line', {}, field, button));
}
