/**
 * The dialog that leads to a room by a few letters of its name: Ctrl or ⌘ with K. Rooms with news come first.
 */
import { h, icon } from '../dom.js';
import { switchable } from '../switching.js';
import { permalink } from '../permalink.js';
import { shapeOf, titleOf } from '../room-line.js';
import { t } from '../words.js';
import { openDialog } from './dialog.js';
import { openBrowseDialog } from './find-dialogs.js';

/**
 * @param {{salon: import('../salon.js').Salon, book: import('../room-book.js').RoomBook}} context
 * @param {HTMLElement} opener which dispatches `salon-open` with the chosen room
 */
export function openSwitcher(context, opener) {
  const { salon, book } = context;
  const list = h('ul.switch-list', { id: 'switch-list', role: 'listbox', 'aria-label': t('list.rooms') });
  const input = h('input', {
    id: 'switch-query', type: 'text', role: 'combobox', maxlength: 100, autocomplete: 'off', spellcheck: 'false',
    'aria-expanded': 'true', 'aria-controls': 'switch-list', 'aria-autocomplete': 'list',
    'aria-label': t('switch.label'), placeholder: t('switch.label'),
  });
  let found = [];
  let chosen = 0;

  const write = () => document.querySelector('#composer-input')?.focus();
  /** Whoever goes somewhere by keys goes on with them: there, one writes. */
  const go = (room) => {
    dialog.close();
    if (location.hash === permalink(room.slug)) write();
    else addEventListener('hashchange', write, { once: true });
    opener.dispatchEvent(new CustomEvent('salon-open', { bubbles: true, detail: { slug: room.slug } }));
  };
  const line = (room, place) => h('li.switch-line', {
    id: `switch-${place}`, role: 'option', 'data-slug': room.slug, 'aria-selected': String(place === chosen),
    onclick: () => go(room),
  }, icon(shapeOf(room)),
  h('span.room-name', { dir: 'auto', text: titleOf(room, salon.user.name) }),
  book.unread(room) > 0 && h('span.badge', { text: book.unread(room) > 99 ? '99+' : book.unread(room) }),
  room.role === null && h('small', { text: t('join') }));
  const draw = () => {
    list.replaceChildren(...found.map(line));
    none.hidden = found.length > 0;
    if (found.length > 0) input.setAttribute('aria-activedescendant', `switch-${chosen}`);
    else input.removeAttribute('aria-activedescendant');
    list.children[chosen]?.scrollIntoView({ block: 'nearest' });
  };
  const look = () => {
    found = switchable([...book.mine(), ...book.others()], input.value, {
      name: (room) => titleOf(room, salon.user.name), news: (room) => book.mentions(room) * 1_000 + book.unread(room), current: book.current,
    });
    chosen = 0;
    draw();
  };
  const step = (by) => {
    if (found.length === 0) return;
    chosen = (chosen + by + found.length) % found.length;
    draw();
  };
  const browse = h('button.text-button', { type: 'button', text: t('browse.label'), onclick: () => { dialog.close(); openBrowseDialog(context, opener); } });
  const none = h('p.switch-none', { role: 'status', hidden: true }, h('span', { text: t('list.none_found') }), ' ', browse);
  input.addEventListener('input', look);
  input.addEventListener('keydown', (event) => {
    // The keys of an input method choose among its words.
    if (event.isComposing || event.keyCode === 229) return;
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (by === undefined && event.key !== 'Enter') return;
    event.preventDefault();
    if (by !== undefined) step(by);
    else if (found[chosen] !== undefined) go(found[chosen]);
  });
  const dialog = openDialog(t('switch.title'), h('div.switch', {}, input, list, none));
  dialog.classList.add('switcher');
  look();
  input.focus();
}
