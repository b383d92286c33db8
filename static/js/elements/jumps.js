/**
 * The two buttons over the message column: to the latest message, with how many are new, and to the start of the one above. Made and
 * told what to show by `<salon-messages>`; they know no room.
 */
import { h, icon, iconButton } from '../dom.js';
import { t } from '../words.js';

/** So much of the newest message above the view makes it a long one. */
const LONG_PX = 200;

export class Jumps {
  /** @param {HTMLElement} scroller @param {{toLatest: () => void, toPrevious: () => void}} lead */
  constructor(scroller, { toLatest, toPrevious }) {
    this.latest = h('button.jump', { id: 'jump-latest', type: 'button', hidden: true, onclick: toLatest });
    this.previous = iconButton('up', t('messages.previous'), toPrevious, 'jump');
    this.previous.id = 'jump-previous';
    this.previous.hidden = true;
    this.element = h('div.jumps', {}, this.previous, this.latest);
    // The buttons lie over the column; the wheel goes on scrolling there.
    this.element.addEventListener('wheel', ({ deltaY }) => scroller.scrollBy(0, deltaY), { passive: true });
  }

  /**
   * @param {{show: boolean, count: number, previous: {line: HTMLElement, hidden: number} | null, last: Element}} now `previous`: the
   *   message that begins above the view; `last`: what stands below the newest
   */
  update({ show, count, previous, last }) {
    this.latest.hidden = !show;
    // At the end it is of use for an answer that is longer than the view.
    const long = previous !== null && previous.hidden > LONG_PX && previous.line.nextElementSibling === last;
    this.previous.hidden = previous === null || !(show || long);
    // Of a message that is read it is its start, else that of the one above.
    const reads = previous !== null && previous.hidden < previous.line.offsetHeight;
    const where = t(reads ? 'messages.previous' : 'messages.previous_above');
    if (this.previous.title !== where) [this.previous.title, this.previous.ariaLabel] = [where, where];
    const label = count > 0 ? t('messages.jump_new', { count }) : t('messages.jump');
    if (this.latest.dataset.label === label) return;
    this.latest.dataset.label = label;
    this.latest.replaceChildren(icon('down'), h('span', { text: label }));
  }
}
