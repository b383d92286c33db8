/**
 * The dialog from which a member takes away everything said in a room.
 */
import { h, icon } from '../dom.js';
import { titleOf } from '../room-line.js';
import { t } from '../words.js';
import { openDialog } from './dialog.js';

/**
 * @param {{salon: import('../salon.js').Salon}} context
 * @param {object} room
 */
export function openExportDialog({ salon }, room) {
  const way = (format, title, hint) => h('a.export-way', {
    href: salon.api.exportUrl(room.slug, format), download: '', 'data-format': format,
  }, icon('download'), h('span', {}, h('strong', { text: title }), h('small', { text: hint })));
  openDialog(t('export.title', { name: titleOf(room, salon.user.name) }),
    h('div.export-ways', {}, h('p.hint', { text: t('export.hint') }),
      way('markdown', t('export.markdown'), t('export.markdown_hint')),
      way('ndjson', t('export.ndjson'), t('export.ndjson_hint'))));
}
