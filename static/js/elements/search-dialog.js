/**
 * The dialog that searches what was said in one's rooms. A result is a link to its message; at the foot is the export of the
 * room that is open.
 */
import { h } from '../dom.js';
import { avatar } from '../avatar.js';
import { clockTime, fullTime } from '../time.js';
import { foundSoFar, nextFound } from '../found.js';
import { openDialog, submitting } from './dialog.js';

/**
 * @param {{salon: import('../salon.js').Salon}} context
 * @param {object} room the open one
 */
export function openSearchDialog({ salon }, room) {
  const words = h('input', {
    id: 'search-words', type: 'search', required: true, maxlength: 256, autocomplete: 'off', spellcheck: 'false',
    placeholder: 'kettle "a phrase" -without', 'aria-describedby': 'search-hint',
  });
  const author = h('input', { id: 'search-author', maxlength: 64, autocomplete: 'off', spellcheck: 'false', placeholder: 'Anybody' });
  const here = h('input', { id: 'search-here', type: 'checkbox' });
  const problem = h('p.problem', { role: 'alert' });
  const list = h('ol.found', { 'aria-label': 'Found messages' });
  const count = h('p.hint', { role: 'status' });
  const more = h('button.quiet', { type: 'button', id: 'search-more', text: 'Show older ones', hidden: true });
  let asked = null;

  const show = async (cursor) => {
    const page = await nextFound((at) => salon.api.search({ ...asked, cursor: at }), cursor);
    if (cursor === undefined) list.replaceChildren();
    list.append(...page.results.map((result) => row(result)));
    count.textContent = foundSoFar(list.children.length, page.next !== null);
    more.hidden = page.next === null;
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
    asked = { q: words.value, author: author.value.trim(), room: here.checked ? room.slug : undefined };
    await show(undefined);
  });
  const row = ({ room: { slug, name }, seq, author: by, created_at: at, snippet }) => h('li', {},
    h('a', { href: `#/rooms/${encodeURIComponent(slug)}/${seq}`, 'data-seq': seq, onclick: () => dialog.close() },
      h('span.found-head', {}, avatar(by), h('strong', { text: by.name }), h('span', { text: name }),
        h('time', { datetime: at, title: fullTime(Date.parse(at)), text: when(Date.parse(at)) })),
      h('span.found-text', { dir: 'auto' }, ...snippet.map(({ text, hit }) => (hit ? h('mark', { text }) : text)))));

  const link = (format, text) => h('a', { href: salon.api.exportUrl(room.slug, format), download: '', text });
  const dialog = openDialog('Search messages',
    h('form.search-form', { onsubmit: find, role: 'search' },
      h('label', { for: 'search-words', text: 'Words' }), words,
      h('p.hint', { id: 'search-hint', text: 'Whole words; “a phrase” in quotes; -word for what must not be there.' }),
      h('label', { for: 'search-author', text: 'By' }), author,
      h('label.check', {}, here, `Only in ${room.name}`), problem,
      h('footer', {}, h('button.primary', { type: 'submit', id: 'search-go', text: 'Search' }))),
    h('div.found-list', {}, count, list, more),
    h('p.export', {}, `Everything said in ${room.name}: `, link('markdown', 'Markdown'), ', ', link('ndjson', 'NDJSON')));
  dialog.classList.add('wide');
  words.focus();
}

/** The day, and for today the time. */
function when(at) {
  const day = new Date(at).toLocaleDateString(undefined, { day: 'numeric', month: 'short', year: 'numeric' });
  return day === new Date().toLocaleDateString(undefined, { day: 'numeric', month: 'short', year: 'numeric' }) ? clockTime(at) : day;
}
