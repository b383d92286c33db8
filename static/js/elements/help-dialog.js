/**
 * The dialog that lists every key: Ctrl or ⌘ with /.
 */
import { h } from '../dom.js';
import { KEYS } from '../keys.js';
import { t } from '../words.js';
import { openDialog } from './dialog.js';

const apple = /Mac|iPhone|iPad/.test(globalThis.navigator?.platform ?? '');

/** A key as it is written on this machine's keyboard. @param {string} name */
const cap = (name) => h('kbd', { text: name === 'Mod' ? (apple ? '⌘' : t('key.ctrl')) : name.length > 1 ? t(`key.${name.toLowerCase()}`) : name.toUpperCase() });

/** The keys together with what each does. */
export function openHelpDialog() {
  const row = ({ keys, says }) => h('div.key-row', {}, h('dt', {}, ...keys.flatMap((name, place) => (place === 0 ? [cap(name)] : [' + ', cap(name)]))), h('dd', { text: t(says) }));
  const group = ({ title, rows, hint }) => h('section.key-group', {}, h('h3', { text: t(title) }),
    hint && h('p.hint', { text: t(hint) }), h('dl', {}, ...rows.map(row)));
  openDialog(t('help.title'), h('div.keys-help', {}, ...KEYS.map(group))).classList.add('wide');
}
