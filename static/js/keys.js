/**
 * The keys of the page, in one table: `keyboard.js` acts on them, the help dialog lists them. Pure.
 *
 * `Mod` is Ctrl, or ⌘ on a Mac. Keys of one letter act on the message that the keyboard led to, and only there: who clicked on one
 * and types wants to write.
 */

/** One letter on a message, and the tool of the message that it presses; of one that costs something, to which it leads. */
export const DEEDS = { r: 'reply', e: 'edit', a: 'react', c: 'copy', g: 'regenerate', p: 'pin', Delete: 'delete' };

const MOVES = { ArrowDown: 'next', ArrowUp: 'previous', Home: 'first', End: 'last' };

const row = (says, ...keys) => ({ keys, says });

/** What the help dialog lists. */
export const KEYS = [
  {
    title: 'help.everywhere',
    rows: [
      row('help.switch', 'Mod', 'K'), row('help.search', 'Mod', 'Shift', 'F'), row('help.help', 'Mod', '/'), row('help.regions', 'F6'), row('help.regions_back', 'Shift', 'F6'),
      row('help.message_start', 'Alt', 'PageUp'), row('help.close', 'Escape'),
    ],
  },
  {
    title: 'help.writing',
    rows: [
      row('help.send', 'Enter'), row('help.line', 'Shift', 'Enter'), row('help.edit_last', 'ArrowUp'),
      row('help.save_ask', 'Mod', 'Enter'), row('help.save', 'Mod', 'S'), row('help.mention', '@'), row('help.emoji', ':'), row('help.command', '/'),
    ],
  },
  {
    title: 'help.messages', hint: 'help.messages_hint',
    rows: [
      row('help.next', 'ArrowDown'), row('help.previous', 'ArrowUp'), row('help.first', 'Home'), row('help.last', 'End'),
      row('help.reply', 'R'), row('help.edit', 'E'), row('help.react', 'A'), row('help.copy', 'C'), row('help.regenerate', 'G'),
      row('help.pin', 'P'), row('help.delete', 'Delete'),
    ],
  },
];

/**
 * What a press of a key asks for, whatever has the focus.
 * @param {{key: string, ctrlKey: boolean, metaKey: boolean, altKey: boolean, shiftKey: boolean}} event
 * @returns {'switch' | 'search' | 'help' | 'forward' | 'back' | 'previous' | null}
 */
export function command({ key, ctrlKey, metaKey, altKey, shiftKey }) {
  const mod = (ctrlKey || metaKey) && !(ctrlKey && metaKey) && !altKey;
  if (mod && !shiftKey && key.toLowerCase() === 'k') return 'switch';
  if (mod && shiftKey && key.toLowerCase() === 'f') return 'search';
  // On many keyboards the stroke is on a key that needs Shift.
  if (mod && key === '/') return 'help';
  if (key === 'F6' && !ctrlKey && !metaKey && !altKey) return shiftKey ? 'back' : 'forward';
  if (key === 'PageUp' && altKey && !ctrlKey && !metaKey && !shiftKey) return 'previous';
  return null;
}

/**
 * Whether a press keeps the text of an edit, and has no answer written again.
 * @param {{key: string, ctrlKey: boolean, metaKey: boolean, altKey: boolean, shiftKey: boolean}} event
 * @returns {boolean}
 */
export const savesAlone = ({ key, ctrlKey, metaKey, altKey, shiftKey }) =>
  ctrlKey !== metaKey && !altKey && !shiftKey && key.toLowerCase() === 's';

/**
 * What a press on a message that has the focus asks for.
 * @param {{key: string, ctrlKey: boolean, metaKey: boolean, altKey: boolean, shiftKey: boolean}} event
 * @param {boolean} letters whether single letters act
 * @returns {{move: 'next' | 'previous' | 'first' | 'last'} | {deed: string} | null}
 */
export function messageCommand({ key, ctrlKey, metaKey, altKey, shiftKey }, letters) {
  if (ctrlKey || metaKey || altKey || shiftKey) return null;
  if (Object.hasOwn(MOVES, key)) return { move: MOVES[key] };
  const name = key.length === 1 ? key.toLowerCase() : key;
  return letters && Object.hasOwn(DEEDS, name) ? { deed: DEEDS[name] } : null;
}

/** The tool that a letter only leads to, to be pressed there: what it does costs something and asks nothing. */
export const LED_TO = 'regenerate';

/**
 * Whether a key writes something: typed where there is no box it is meant for the composer. The space bar scrolls. On a Mac signs are
 * written with ⌥, as `@` is on a German keyboard; with a letter or a figure Alt asks for something else.
 * @param {{key: string, ctrlKey: boolean, metaKey: boolean, altKey: boolean}} event
 * @returns {boolean}
 */
export function writes({ key, ctrlKey, metaKey, altKey }) {
  return [...key].length === 1 && key !== ' ' && !ctrlKey && !metaKey && !(altKey && /^[a-z0-9]$/i.test(key));
}
