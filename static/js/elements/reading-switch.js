/**
 * How answers are read: the end is followed, or the question stays near the top and the answer fills the page below it.
 * One button changes between the two; what was chosen is remembered. Made by `<salon-room>`.
 */
import { h, icon } from '../dom.js';
import { t } from '../words.js';

/** @param {import('../memory.js').Memory} memory @returns {HTMLElement} */
export function readingSwitch(memory) {
  const button = h('button.reading', { type: 'button', onclick: () => {
    memory.setReading(memory.reading() === 'question' ? 'follow' : 'question');
    show();
  } });
  const show = () => {
    const way = memory.reading();
    button.dataset.reading = way;
    button.title = t(`reading_way.${way}`);
    button.setAttribute('aria-label', t(`reading_way.${way}`));
    button.replaceChildren(icon(way === 'question' ? 'top' : 'end'));
  };
  show();
  return button;
}
