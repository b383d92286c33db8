/**
 * A box for names with the people below it whom the page knows: who is pressed is meant by id, whatever others are called. Made by
 * the dialogs that begin a direct room and that list members.
 */
import { h, icon } from '../dom.js';
import { avatar, guestMark } from '../avatar.js';
import { knownPeople, meant } from '../known-people.js';
import { t } from '../words.js';
import { matchesOf } from './mention-source.js';

/** People that are offered at once. */
const SHOWN = 6;

/**
 * @param {{salon: import('../salon.js').Salon, book: import('../room-book.js').RoomBook}} context
 * @param {HTMLInputElement} input required; names in it are parted by commas where several are meant
 * @param {{many: boolean, leaves?: (user: object) => boolean}} options `leaves`: who is not offered
 * @returns {{element: HTMLElement, chosen: () => {names: string[], ids: string[]}, clear: () => void, refresh: () => void}} `chosen` throws where a name
 *   is that of several
 */
export function peoplePicker(context, input, { many, leaves = () => false }) {
  const picked = new Map();
  const chips = h('div.picked-people');
  const list = h('ul.offered-people', { 'aria-label': t('people.offered') });
  let known = [];
  let reading = null;

  const written = () => (many ? input.value.split(',') : [input.value]).map((name) => name.trim());
  const draw = () => {
    input.required = picked.size === 0;
    chips.replaceChildren(...[...picked.values()].map((user) => h('button.picked-person', {
      type: 'button', 'aria-label': t('remove_of', { name: user.name }), onclick: () => { picked.delete(user.id); draw(); input.focus(); },
    }, avatar(user), h('span', { text: user.name }), guestMark(user), icon('close'))));
    const offered = known.filter((user) => !picked.has(user.id) && !leaves(user));
    const matches = matchesOf(offered, written().at(-1).toLowerCase()).slice(0, SHOWN);
    list.replaceChildren(...matches.map((user) => h('li', {}, h('button.offered-person', {
      type: 'button', 'data-user': user.id, onclick: () => pick(user),
    }, avatar(user), h('span', { text: user.name }), guestMark(user)))));
  };
  const pick = (user) => {
    if (!many) picked.clear();
    picked.set(user.id, user);
    const others = written().slice(0, -1).filter(Boolean);
    input.value = others.length === 0 ? '' : `${others.join(', ')}, `;
    draw();
    input.focus();
  };
  const read = async () => {
    known = await knownPeople(context);
    draw();
  };
  if (many) reading = read();
  // Who only looks at a list of members asks for nobody.
  input.addEventListener('focus', () => { reading ??= read(); });
  input.addEventListener('input', () => {
    // Who is written is meant in the place of who was pressed.
    if (!many && input.value.trim() !== '') picked.clear();
    draw();
  });
  return {
    element: h('div.people-picker', {}, chips, list),
    chosen: () => {
      const { names, ids } = meant(written().filter(Boolean), known);
      return { names, ids: [...new Set([...picked.keys(), ...ids])] };
    },
    clear: () => {
      picked.clear();
      input.value = '';
      draw();
    },
    refresh: draw,
  };
}
