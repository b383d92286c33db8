/**
 * What `/` offers at the very start of the composer: what the room's head and menu and the list of rooms offer to this person, by a
 * word. A source of `suggestions.js`. A command is done only when it is chosen in the open list; whatever matches none is a text.
 *
 * @typedef {object} Command
 * @property {string[]} names in small letters: in the reader's language, and in English
 * @property {string} shape
 * @property {string} label
 * @property {(said: string) => void} [run] `said`: the words behind its name
 * @property {(said: string) => string} [text] what is written in its place, to be sent or not
 * @property {boolean} [takes] whether there may be words behind its name
 */
import { h, icon } from '../dom.js';
import { SETTINGS, setSetting } from '../look.js';
import { t } from '../words.js';
import {
  openAccountDialog, openBrowseDialog, openDirectDialog, openHelpDialog, openOwnUsageDialog, openRoomDialog, openSwitcher,
} from './dialogs.js';
import { menuEntries } from './room-menu.js';

/**
 * @param {() => Command[]} commands what may be done now
 * @param {() => void} clear empties the box
 * @returns {import('./suggestions.js').Source}
 */
export function commandSource(commands, clear) {
  return {
    label: t('command'),
    composes: true,
    // A path has more than one stroke, and a command one line.
    begun: (before, all) => (before === all ? /^\/([^\s/]*(?: [^\n]*)?)$/.exec(all)?.[1] ?? null : null),
    matches: (query) => matchingCommands(commands(), query),
    row: ({ shape, label, names, said }) => [icon(shape), h('span', { text: label }), h('small', { dir: 'auto', text: said || `/${names[0]}` })],
    take: ({ text, run, said }) => {
      if (text !== undefined) return text(said);
      clear();
      run(said);
      return null;
    },
  };
}

/**
 * The commands that are meant, those called so before those of which a word is; behind its whole name one that takes words has them.
 * @param {Command[]} commands
 * @param {string} query what stands behind the stroke
 * @returns {(Command & {said: string})[]}
 */
export function matchingCommands(commands, query) {
  const wanted = query.toLowerCase();
  const asked = commands.filter(({ takes }) => takes).flatMap((one) => {
    const name = one.names.find((some) => wanted.startsWith(`${some} `));
    return name === undefined ? [] : [{ ...one, said: query.slice(name.length).trim() }];
  });
  if (asked.length > 0) return asked;
  const called = ({ names }) => names.some((name) => name.startsWith(wanted));
  // Of the words that tell of it, two letters mean nothing yet.
  const told = ({ label }) => wanted.length > 2 && label.toLowerCase().split(/\s+/).some((word) => word.startsWith(wanted));
  const others = commands.filter((one) => !called(one) && told(one));
  return [...commands.filter(called), ...others].map((one) => ({ ...one, said: '' }));
}

/**
 * @param {object} context as `<salon-app>` makes it
 * @param {object} room as the reader sees it
 * @param {HTMLElement} opener
 * @param {[string, string, string, () => void][]} first what the head of the room offers: shape, key of its words, name, deed
 * @param {(said: string) => void} search
 * @returns {Command[]}
 */
export function commandsOf(context, room, opener, first, search) {
  const { salon } = context;
  const command = ([shape, key, name, run]) => ({ names: [t(`command.${name}`), name], shape, label: t(key), run });
  const menu = menuEntries(context, room, opener);
  // What takes one out stands last.
  const leave = menu.filter(([, , name]) => name === 'leave');
  const entries = [
    ...first, ...menu.filter((entry) => !leave.includes(entry)),
    // Of a room it is for those who keep order there, one's own for everybody.
    !menu.some(([, , name]) => name === 'usage') && ['usage', 'usage.own_open', 'usage', () => openOwnUsageDialog(salon)],
    ['more', 'switch.title', 'go', () => openSwitcher(context, opener)],
    ['plus', 'room.new', 'new', () => openRoomDialog(context, opener)],
    ['chat', 'direct.title', 'direct', () => openDirectDialog(context, opener)],
    ['compass', 'list.public', 'rooms', () => openBrowseDialog(context, opener)],
    ['person', 'account.title', 'account', () => openAccountDialog(context)],
    ['help', 'help.title', 'keys', () => openHelpDialog()],
  ].filter(Boolean).map(command).map((one) => (one.names.includes('search') ? { ...one, takes: true, run: search } : one));
  const themes = SETTINGS.theme.map((theme) => {
    const look = t(`settings.theme_${theme}`);
    return { names: [`${t('command.theme')} ${look.toLowerCase()}`, `theme ${theme}`], shape: 'spark', label: `${t('settings.theme')}: ${look}`, run: () => setSetting('theme', theme) };
  });
  return [...asking(room), ...entries, ...themes, ...leave.map(command)];
}

/** A question to the room's assistant, to be written behind its name; where one is alone with it, it needs none. */
function asking(room) {
  if (room.visibility === 'direct' && !(room.people > 0)) return [];
  const [assistant] = room.assistants?.filter(({ enabled }) => enabled !== false) ?? [{ name: 'assistant' }];
  if (assistant === undefined) return [];
  const { name } = assistant;
  return [{ names: [t('command.ask'), 'ask'], shape: 'spark', label: t('command.ask_one', { name }), takes: true, text: (said) => `@${name} ${said}` }];
}
