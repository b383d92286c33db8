/**
 * The dialog that searches what was said: in the room that is open, or in all of one's rooms. A result is a link to its message.
 */
import { h } from '../dom.js';
import { avatar } from '../avatar.js';
import { titleOf } from '../room-line.js';
import { clockTime, fullTime, shortDate } from '../time.js';
import { foundSoFar, nextFound, plainSnippet } from '../found.js';
import { offerMore, openDialog, submitting } from './dialog.js';
import { t } from '../words.js';

/**
 * @param {{salon: import('../salon.js').Salon}} context
 * @param {object | null} room the open one
 * @param {string} [said] what is searched for at once
 */
export function openSearchDialog({ salon }, room, said = '') {
  const words = h('input', {
    id: 'search-words', role: 'searchbox', enterkeyhint: 'search', required: true, maxlength: 256, autocomplete: 'off', spellcheck: 'false',
    placeholder: t('search.example'), 'aria-describedby': 'search-hint',
  });
  const author = h('input', { id: 'search-author', maxlength: 64, autocomplete: 'off', spellcheck: 'false', placeholder: t('search.anybody') });
  const here = h('input', { id: 'search-here', type: 'checkbox', checked: room !== null });
  const after = h('input', { id: 'search-after', type: 'date' });
  const before = h('input', { id: 'search-before', type: 'date' });
  const ideas = h('div.search-ideas', { hidden: true });
  const problem = h('p.problem', { role: 'alert' });
  const list = h('ol.found', { 'aria-label': t('search.found') });
  const count = h('p.hint', { role: 'status' });
  const more = h('button.quiet', { type: 'button', id: 'search-more', text: t('search.older'), hidden: true });
  let asked = null;

  const show = async (cursor) => {
    const page = await nextFound((at) => salon.api.search({ ...asked, cursor: at }), cursor);
    if (cursor === undefined) list.replaceChildren();
    list.append(...page.results.map((result) => row(result)));
    count.textContent = foundSoFar(list.children.length, page.next !== null);
    offerMore(more, page.next !== null, list);
    showIdeas(list.children.length === 0 && page.next === null);
    more.onclick = () => again(page.next);
  };
  const again = async (cursor) => {
    more.disabled = true;
    try {
      await show(cursor);
    } catch (refusal) {
      problem.textContent = refusal.message;
    }
    more.disabled = false;
  };
  const find = (event) => submitting(event, problem, async () => {
    asked = {
      q: words.value, author: author.value.trim(), room: here.checked ? room.slug : undefined,
      after: dayTime(after.value, 0), before: dayTime(before.value, 1),
    };
    await show(undefined);
  });
  /** What else may be looked for, where nothing was found. */
  const showIdeas = (nothing) => {
    const idea = (key, change) => h('button.quiet', { type: 'button', 'data-idea': key, text: t(`search.idea_${key}`), onclick: () => { change(); form.requestSubmit(); } });
    const { q } = asked;
    const plain = q.replace(/"/g, '');
    const fewer = plain.split(/\s+/).filter((word) => word !== '' && !word.startsWith('-'));
    const offered = [
      asked.room !== undefined && idea('everywhere', () => { here.checked = false; }),
      asked.author !== '' && idea('anybody', () => { author.value = ''; }),
      (after.value !== '' || before.value !== '') && idea('any_time', () => { after.value = ''; before.value = ''; }),
      plain !== q && idea('no_quotes', () => { words.value = plain; }),
      fewer.length > 1 && idea('fewer', () => { words.value = fewer.slice(0, -1).join(' '); }),
    ].filter(Boolean);
    ideas.hidden = !nothing || offered.length === 0;
    ideas.replaceChildren(h('p.hint', { text: t('search.ideas') }), ...offered);
  };
  const row = ({ room: { slug, name }, seq, author: by, created_at: at, snippet }) => h('li', {},
    h('a', { href: `#/rooms/${encodeURIComponent(slug)}/${seq}`, 'data-seq': seq, onclick: () => dialog.close() },
      h('span.found-head', {}, avatar(by), h('strong', { text: by.name }), h('span', { text: name }),
        h('time', { datetime: at, title: fullTime(Date.parse(at)), text: when(Date.parse(at)) })),
      h('span.found-text', { dir: 'auto' }, ...plainSnippet(snippet).map(({ text, hit }) => (hit ? h('mark', { text }) : text)))));

  const form = h('form.search-form', { onsubmit: find, role: 'search' },
    h('label', { for: 'search-words', text: t('search.words') }), words,
    h('p.hint', { id: 'search-hint', text: t('search.hint') }),
    room !== null && h('label.check', {}, here, h('span', { text: t('search.only', { name: titleOf(room, salon.user.name) }) })),
    h('details.search-narrow', {}, h('summary', { text: t('more') }),
      h('label', { for: 'search-author', text: t('search.by') }), author,
      h('div.search-days', {}, h('label', { for: 'search-after', text: t('search.after') }), h('label', { for: 'search-before', text: t('search.before') }), after, before)), problem,
    h('div.buttons', {}, h('button.primary', { type: 'submit', id: 'search-go', text: t('search.go') })));
  const dialog = openDialog(t('search.title'),
    form,
    h('div.found-list', {}, count, ideas, list, more));
  dialog.classList.add('wide');
  words.focus();
  words.value = said;
  if (said !== '') form.requestSubmit();
}

/** The beginning of a day of the reader's, or of the one so many days after it, as the server wants times. */
function dayTime(value, days) {
  if (value === '') return undefined;
  const [year, month, day] = value.split('-').map(Number);
  return new Date(year, month - 1, day + days).toISOString();
}

/** The day, and for today the time. */
function when(at) {
  const day = shortDate(at);
  return day === shortDate(Date.now()) ? clockTime(at) : day;
}
