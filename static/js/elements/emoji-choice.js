/**
 * The choice among all emoji, over the page: a box that finds them by name above a grid of them. What is chosen becomes a reaction. The
 * browser closes it (`popover`) and gives the focus back; nothing of the page moves.
 */
import { h } from '../dom.js';
import { findEmoji, loadEmoji } from '../emoji.js';
import { mayBegin } from '../viewport.js';
import { direction, t } from '../words.js';
import { showNote } from './banner.js';

/** To what it stands beside, and to the edges of the window. */
const GAP_PX = 6;

/**
 * @param {HTMLElement} message which has the focus afterwards
 * @param {HTMLElement} beside the buttons it comes from
 * @param {(emoji: string) => void} choose
 */
export async function openEmojiChoice(message, beside, choose) {
  const all = await loadEmoji().catch(() => null);
  if (all === null) return showNote(t('dialog.not_loaded'));
  // Whom the keyboard led there goes on with it there.
  const keyed = message.dataset.keyed !== undefined;
  const take = (emoji) => {
    choice.hidePopover();
    message.focus({ preventScroll: true });
    choose(emoji);
  };
  const grid = h('div.emoji-grid', { role: 'group', 'aria-label': t('emoji') });
  const none = h('p.hint', { role: 'status' });
  const find = h('input', {
    // Escape closes at once: a box for searching would only be emptied.
    type: 'text', role: 'searchbox', id: 'emoji-find', 'aria-label': t('emoji.find'), placeholder: t('emoji.find'), autocomplete: 'off', spellcheck: 'false', enterkeyhint: 'go',
    oninput: () => draw(), onkeydown: (event) => key(event),
  });
  const choice = h('div.emoji-choice', {
    popover: 'auto', role: 'dialog', 'aria-label': t('emoji.more'),
    ontoggle: ({ newState }) => newState === 'closed' && end(),
  }, find, grid, none);

  const draw = () => {
    const found = find.value.trim() === '' ? all : findEmoji(all, find.value);
    grid.replaceChildren(...found.map(({ emoji, name }, place) => h('button', {
      type: 'button', text: emoji, 'aria-label': name, title: name, tabindex: place === 0 ? 0 : -1, onclick: () => take(emoji),
    })));
    none.textContent = found.length === 0 ? t('emoji.none') : '';
  };
  const go = (button) => {
    if (button === undefined) return;
    for (const one of grid.children) one.tabIndex = one === button ? 0 : -1;
    button.focus();
  };
  /** The keys of the box and, one stop of the Tab key, of the grid. */
  const key = (event) => {
    if (event.isComposing || event.keyCode === 229 || event.ctrlKey || event.metaKey || event.altKey) return;
    const buttons = [...grid.children];
    const at = buttons.indexOf(event.target);
    if (at < 0) {
      if (event.key === 'ArrowDown') go(buttons[0]);
      else if (event.key === 'Enter') buttons[0]?.click();
      else return;
    } else {
      const step = stepOf(event.key, buttons);
      if (step === null) {
        // What is typed on the grid finds.
        if ([...event.key].length === 1 && event.key !== ' ') find.focus();
        return;
      }
      if (at + step < 0) find.focus();
      else go(buttons[Math.min(at + step, buttons.length - 1)]);
    }
    event.preventDefault();
  };
  grid.addEventListener('keydown', key);

  const place = () => {
    const [at, box] = [beside, choice].map((one) => one.getBoundingClientRect());
    const above = at.top - box.height - GAP_PX;
    const below = Math.min(at.bottom + GAP_PX, innerHeight - box.height - GAP_PX);
    choice.style.top = `${Math.max(GAP_PX, above >= GAP_PX ? above : below)}px`;
    choice.style.left = `${Math.max(GAP_PX, Math.min(at.left, innerWidth - box.width - GAP_PX))}px`;
  };
  const end = () => {
    removeEventListener('resize', place);
    choice.remove();
    if (keyed && document.activeElement === message) message.dataset.keyed = '';
  };
  draw();
  document.body.append(choice);
  choice.showPopover();
  place();
  addEventListener('resize', place);
  (mayBegin() ? find : grid.firstElementChild).focus({ preventScroll: true });
  return undefined;
}

/** How many places an arrow goes. @param {string} key @param {HTMLElement[]} buttons */
function stepOf(key, buttons) {
  const forward = direction() === 'rtl' ? -1 : 1;
  const columns = buttons.filter(({ offsetTop }) => offsetTop === buttons[0].offsetTop).length;
  return { ArrowRight: forward, ArrowLeft: -forward, ArrowDown: columns, ArrowUp: -columns }[key] ?? null;
}
