/**
 * The dialogs that find somebody or something to talk in: public rooms by a search, and people for a direct room.
 */
import { h } from '../dom.js';
import { placeOf } from '../permalink.js';
import { inviteToken } from '../roles.js';
import { offerMore, openDialog, readInto, showLines, submitting } from './dialog.js';
import { peoplePicker } from './people-picker.js';
import { meet } from './person-dialog.js';
import { mayBegin } from '../viewport.js';
import { t } from '../words.js';

/** What is written is looked for after this pause. */
const PAUSE_MS = 200;

const open = (opener, slug) => opener.dispatchEvent(new CustomEvent('salon-open', { bubbles: true, detail: { slug } }));

/**
 * @param {{salon: import('../salon.js').Salon}} context
 * @param {HTMLElement} opener which dispatches `salon-open` with the chosen room
 */
export function openBrowseDialog({ salon }, opener) {
  const query = h('input', { autofocus: mayBegin(), id: 'browse-query', role: 'searchbox', enterkeyhint: 'search', maxlength: 100, autocomplete: 'off', placeholder: t('browse.example'), 'aria-label': t('browse.label') });
  const list = h('ul.found-rooms', { 'aria-busy': 'true' });
  const problem = h('p.problem', { role: 'alert' });
  const more = h('button.quiet', { type: 'button', text: t('more'), hidden: true, onclick: () => readMore() });
  let asked = 0;
  let timer = null;
  const read = async (after) => {
    const number = asked += 1;
    let page;
    try {
      page = await salon.api.publicRooms({ q: query.value.trim(), after });
    } catch (refusal) {
      if (number === asked) throw refusal;
      return;
    }
    // An answer to what is no longer asked.
    if (number !== asked) return;
    showLines(list, page.rooms.map(line), after !== undefined);
    if (list.childElementCount === 0) list.append(h('li.empty', { text: t('browse.none') }));
    offerMore(more, page.more, list);
  };
  const begin = () => readInto(list, () => read(undefined).catch((refusal) => {
    more.hidden = true;
    throw refusal;
  }));
  const readMore = () => {
    problem.textContent = '';
    read(list.lastElementChild?.dataset.slug).catch((refusal) => { problem.textContent = refusal.message; });
  };
  const line = (room) => h('li', { 'data-slug': room.slug },
    h('button.found-room', { type: 'button', onclick: () => { dialog.close(); open(opener, room.slug); } },
      h('span.found-text', {}, h('strong', { dir: 'auto', text: room.name }),
        h('small', { dir: 'auto', text: [room.archived && t('archived'), room.topic || room.slug].filter(Boolean).join(' · ') })),
      h('small.found-count', { text: t('browse.members', { count: room.members }) }),
      h('span.join', { text: room.role === null ? t('join') : t('open') })));
  query.addEventListener('input', () => {
    clearTimeout(timer);
    timer = setTimeout(begin, PAUSE_MS);
  });
  const dialog = openDialog(t('list.public'), h('div.browse-query', {}, query), problem, list,
    h('div.buttons.browse-more', {}, h('button.quiet', { type: 'button', id: 'browse-link', text: t('link.open'), onclick: () => { dialog.close(); openLinkDialog(); } }), more));
  begin();
}

/** Takes the link of an invite or of a room, as somebody sent it. */
export function openLinkDialog() {
  const link = h('input', { autofocus: mayBegin(), id: 'link-address', required: true, maxlength: 2048, autocomplete: 'off', spellcheck: 'false', dir: 'ltr', placeholder: `${location.origin}/#/invite/…` });
  const problem = h('p.problem', { role: 'alert' });
  const follow = (event) => submitting(event, problem, async () => {
    const hash = link.value.trim().replace(/^[^#]*/, '');
    if (inviteToken(hash) === null && placeOf(hash) === null) {
      problem.textContent = t('link.bad');
      return;
    }
    dialog.close();
    location.hash = hash;
  });
  const dialog = openDialog(t('link.title'), h('form', { onsubmit: follow },
    h('label', { for: 'link-address', text: t('link.label') }), link, problem,
    h('div.buttons', {}, h('button.primary', { type: 'submit', id: 'link-go', text: t('open') }))));
}

/**
 * @param {object} context as `<salon-app>` makes it
 * @param {HTMLElement} opener which dispatches `salon-open` with the room
 */
export function openDirectDialog(context, opener) {
  const names = h('input', { autofocus: mayBegin(), id: 'direct-names', required: true, maxlength: 640, autocomplete: 'off', spellcheck: 'false', placeholder: t('direct.example') });
  const people = peoplePicker(context, names, { many: true });
  const problem = h('p.problem', { role: 'alert' });
  const begin = (event) => submitting(event, problem, async () => {
    await meet(context, people.chosen(), opener);
    dialog.close();
  });
  const alone = async () => {
    problem.textContent = '';
    try {
      await meet(context, { names: [context.config?.assistant?.name ?? 'assistant'] }, opener);
      dialog.close();
    } catch (refusal) {
      problem.textContent = refusal.message;
    }
  };
  const dialog = openDialog(t('direct.title'), h('form', { onsubmit: begin },
    h('label', { for: 'direct-names', text: t('direct.to') }), names,
    people.element, h('p.hint', { text: t('direct.hint') }), problem,
    h('div.buttons', {}, h('button.quiet', { type: 'button', id: 'direct-assistant', text: t('direct.assistant'), onclick: alone }), h('button.primary', { type: 'submit', id: 'direct-begin', text: t('direct.begin') }))));
}
