/**
 * The dialogs about messages: what is pinned in a room, and what a message said before its edits.
 */
import { h } from '../dom.js';
import { clockTime, fullTime, shortDate } from '../time.js';
import { openDialog, readInto, showLines } from './dialog.js';
import { saidIn } from './quote.js';
import { t } from '../words.js';

const when = (text) => {
  const at = Date.parse(text);
  return h('time', { datetime: text, title: fullTime(at), text: `${shortDate(at)} ${clockTime(at)}` });
};

/** Fills a list when it has come. */
const fill = (list, read, row, nothing) => readInto(list, async () => {
  const rows = await read();
  showLines(list, rows.length === 0 ? [h('li.empty', { text: nothing })] : rows.map(row));
});

const waiting = () => h('ul.message-list', { 'aria-busy': 'true' }, h('li.empty', { text: t('reading') }));

/**
 * @param {import('../api.js').Api} api
 * @param {object} room
 * @param {(seq: number) => void} jump
 */
export function openPinsDialog(api, room, jump) {
  const list = waiting();
  const dialog = openDialog(t('pins.title', { name: room.name }), list);
  const row = (message) => h('li', {}, h('button.pinned-message', {
    type: 'button',
    onclick: () => {
      dialog.close();
      jump(message.seq);
    },
  }, h('span.by', {}, h('strong', { text: message.author.name }), when(message.created_at)), h('span.said', { text: saidIn(message) })));
  fill(list, () => api.pins(room.slug), row, t('pins.none'));
}

/**
 * @param {import('../api.js').Api} api
 * @param {string} slug
 * @param {object} message
 */
export function openEditsDialog(api, slug, message) {
  const list = waiting();
  openDialog(t('edits.title'), list);
  const row = ({ body, written_at: writtenAt }) => h('li.former', {}, when(writtenAt), h('p', { dir: 'auto', text: body }));
  fill(list, () => api.edits(slug, message.seq), row, t('edits.none'));
}
