/**
 * The dialogs that find somebody or something to talk in: public rooms by a search, and people for a direct room.
 */
import { h } from '../dom.js';
import { openDialog, submitting } from './dialog.js';

/** What is written is looked for after this pause. */
const PAUSE_MS = 200;

const open = (opener, slug) => opener.dispatchEvent(new CustomEvent('salon-open', { bubbles: true, detail: { slug } }));

/**
 * @param {{salon: import('../salon.js').Salon}} context
 * @param {HTMLElement} opener which dispatches `salon-open` with the chosen room
 */
export function openBrowseDialog({ salon }, opener) {
  const query = h('input', { id: 'browse-query', type: 'search', maxlength: 100, autocomplete: 'off', placeholder: 'Name, address or topic', 'aria-label': 'Search public rooms' });
  const list = h('ul.found-rooms', { 'aria-busy': 'true' });
  const problem = h('p.problem', { role: 'alert' });
  const more = h('button.quiet', { type: 'button', text: 'More', hidden: true, onclick: () => read(list.lastElementChild?.dataset.slug) });
  let asked = 0;
  let timer = null;
  const read = async (after) => {
    const number = asked += 1;
    let page;
    try {
      page = await salon.api.publicRooms({ q: query.value.trim(), after });
    } catch (refusal) {
      if (number === asked) problem.textContent = refusal.message;
      return;
    }
    // An answer to what is no longer asked.
    if (number !== asked) return;
    problem.textContent = '';
    list.removeAttribute('aria-busy');
    if (after === undefined) list.replaceChildren();
    list.append(...page.rooms.map(line));
    if (list.childElementCount === 0) list.append(h('li.empty', { text: 'No public room is found by that.' }));
    more.hidden = !page.more;
  };
  const line = (room) => h('li', { 'data-slug': room.slug },
    h('button.found-room', { type: 'button', onclick: () => { dialog.close(); open(opener, room.slug); } },
      h('span.found-text', {}, h('strong', { text: room.name }),
        h('small', { text: [room.archived && 'Archived', room.topic || room.slug].filter(Boolean).join(' · ') })),
      h('small.found-count', { text: `${room.members.toLocaleString()} ${room.members === 1 ? 'member' : 'members'}` }),
      h('span.join', { text: room.role === null ? 'Join' : 'Open' })));
  query.addEventListener('input', () => {
    clearTimeout(timer);
    timer = setTimeout(() => read(undefined), PAUSE_MS);
  });
  const dialog = openDialog('Public rooms', h('div.browse-query', {}, query), problem, list, h('footer.browse-more', {}, more));
  read(undefined);
}

/**
 * @param {{salon: import('../salon.js').Salon, book: import('../room-book.js').RoomBook}} context
 * @param {HTMLElement} opener which dispatches `salon-open` with the room
 */
export function openDirectDialog({ salon, book }, opener) {
  const names = h('input', { id: 'direct-names', required: true, maxlength: 640, autocomplete: 'off', spellcheck: 'false', placeholder: 'Ada, Grace' });
  const problem = h('p.problem', { role: 'alert' });
  const begin = (event) => submitting(event, problem, async () => {
    const users = names.value.split(',').map((name) => name.trim()).filter(Boolean);
    const room = await salon.api.direct(users);
    book.put(room);
    dialog.close();
    open(opener, room.slug);
  });
  const dialog = openDialog('Direct message', h('form', { onsubmit: begin },
    h('label', { for: 'direct-names', text: 'To' }), names,
    h('p.hint', { text: 'One name, or up to nine with commas between. The same people always meet in the same room.' }), problem,
    h('footer', {}, h('button.primary', { type: 'submit', id: 'direct-begin', text: 'Begin' }))));
}
