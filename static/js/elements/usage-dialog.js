/**
 * What replies used and cost: of one's own questions, of a room, and of the whole server as a section of its administration. By the
 * lines of `usage-line.js`; the mark on a reply is `usage-mark.js`.
 */
import { h } from '../dom.js';
import { attemptLine, standingLine, sumLine } from '../usage-line.js';
import { clockTime, shortDate } from '../time.js';
import { t } from '../words.js';
import { offerMore, openDialog } from './dialog.js';

/** How the server's sums may be asked for. */
const KEYS = ['day', 'user', 'room', 'model'].map((key) => [key, t(`usage.by_${key}`)]);
const DAYS = ['1', '7', '30', '365'].map((days) => [days, t(`usage.last_${days}`)]);
const DAY_MS = 86_400_000;

/** One's own. @param {import('../salon.js').Salon} salon */
export function openOwnUsageDialog(salon) {
  const read = (before) => salon.api.ownUsage(before);
  open(t('usage.own'), read, { who: false }, salon.api.usageCsvUrl(null));
}

/** A room's, for those who keep order in it. @param {import('../salon.js').Salon} salon @param {{slug: string, name: string}} room */
export function openRoomUsageDialog(salon, room) {
  const read = (before) => salon.api.roomUsage(room.slug, before);
  open(t('usage.room', { name: room.name }), read, { who: true }, salon.api.usageCsvUrl(room.slug));
}

function open(title, read, shown, csv) {
  const list = standings();
  const row = (entry, { currency }) => {
    const { title: said, line } = attemptLine(entry, currency, shown);
    return h('li', { 'data-attempt': entry.id }, h('span.use', {}, h('strong', { text: said }), h('small', { text: line })),
      h('small.when', { text: `${shortDate(Date.parse(entry.asked_at))} ${clockTime(Date.parse(entry.asked_at))}` }));
  };
  const { rows, more, problem, load } = pages(t('usage.attempts'), read, row, (entry) => entry.id, list.show);
  load(null);
  openDialog(title, h('section.uses-section.usage', {}, list.node, rows, more, problem, download(csv))).classList.add('wide');
}

/** The server's, summed up. @param {import('../api.js').Api} api */
export function usageSection(api) {
  const choice = (id, label, options) => h('select', { id, 'aria-label': label, onchange: () => change() },
    ...options.map(([value, text]) => h('option', { value, text })));
  const by = choice('usage-by', t('usage.summed'), KEYS);
  const days = choice('usage-days', t('usage.time'), DAYS);
  days.value = '30';
  const list = standings();
  const from = () => new Date(Date.now() - Number(days.value) * DAY_MS).toISOString();
  const read = (after) => api.adminUsage({ by: by.value, from: from(), after });
  const row = (sum, { currency }) => h('li', { 'data-usage': sum.key },
    h('span.use', {}, h('strong', { text: sum.name || sum.key }), h('small', { text: sumLine(sum, currency) })));
  const { rows, more, problem, load } = pages(t('usage.title'), read, row, ({ key }) => key, list.show);
  const link = download('');
  const change = () => {
    link.firstChild.href = api.adminUsageCsvUrl({ by: by.value, from: from() });
    load(null);
  };
  change();
  return h('section.uses-section.usage', {}, h('h3', { text: t('usage.title') }),
    h('p.hint', { text: t('usage.hint') }),
    list.node, h('p.use-buttons', {}, by, days), rows, more, problem, link);
}

const download = (href) => h('p.use-buttons', {}, h('a.quiet', { href, download: '', text: t('usage.csv') }));

/** What is spent today and this month. */
function standings() {
  const [day, month] = [h('dd'), h('dd')];
  const node = h('dl.spent', { hidden: true }, h('dt', { text: t('today') }), day, h('dt', { text: t('usage.month') }), month);
  const show = ({ spent, currency }) => {
    day.textContent = standingLine(spent.day, currency);
    month.textContent = standingLine(spent.month, currency);
    node.hidden = false;
  };
  return { node, show };
}

/** A list in pages; `told` gets each page. */
function pages(label, read, row, place, told) {
  const problem = h('p.problem', { role: 'alert' });
  const rows = h('ul.uses', { 'aria-label': label });
  const more = h('button.text-button', { type: 'button', text: t('more_lines'), hidden: true });
  let asked = 0;
  const load = async (after) => {
    const turn = ++asked;
    problem.textContent = '';
    try {
      const page = await read(after);
      if (turn !== asked) return;
      told(page);
      if (after === null) rows.replaceChildren();
      rows.append(...page.rows.map((entry) => row(entry, page)));
      if (rows.children.length === 0) rows.append(h('li.empty', { text: t('none_yet') }));
      offerMore(more, page.more, rows);
      more.onclick = () => load(place(page.rows.at(-1)));
    } catch (refusal) {
      problem.textContent = refusal.message;
    }
  };
  return { rows, more, problem, load };
}
