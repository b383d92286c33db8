/**
 * Emoji by name: which there are, and which of them a few letters mean, in the reader's language and in English. Pure but for
 * `loadEmoji`, which reads the names when they are first wanted. Called by the composer's suggestions and the choice of reactions.
 *
 * @typedef {{emoji: string, name: string, names: string[]}} Emoji `name`: what it is called in the reader's language; `names`: all of
 *   its names, as `plainOf` has them
 */
import { language } from './words.js';

/** Case, accents and what joins words make no difference. @param {string} text */
const plain = (text) => text.toLowerCase().normalize('NFD').replace(/\p{M}/gu, '').replace(/[_-](?=\p{L}|$)/gu, ' ');

/**
 * @param {string} english as `words/emoji/en.js` has them
 * @param {string | null} [own] the names of another language, in the same places
 * @returns {Emoji[]}
 */
export function emojiOf(english, own = null) {
  const cells = (text) => text.trim().split(/[,\n]/);
  const others = own === null ? [] : cells(own);
  return cells(english).map((cell, place) => {
    const space = cell.indexOf(' ');
    const names = [others[place], cell.slice(space + 1)].filter(Boolean).flatMap((some) => some.split('/'));
    return { emoji: cell.slice(0, space), name: names[0], names: names.map(plain) };
  });
}

let loading = null;

/** All of them, in the language that is spoken. @returns {Promise<Emoji[]>} */
export function loadEmoji() {
  const names = async (tag) => (await import(`./words/emoji/${tag}.js`)).default;
  const tag = language();
  loading ??= Promise.all([names('en'), tag === 'en' ? null : names(tag)]).then(([english, own]) => emojiOf(english, own));
  // What did not come is asked for again.
  loading.catch(() => { loading = null; });
  return loading;
}

/** Those that are meant, the best first: called so, then beginning so, then with a word that does. @param {Emoji[]} all @param {string} query */
export function findEmoji(all, query) {
  const wanted = plain(query).trim();
  const rank = ({ names }) => {
    if (names.includes(wanted)) return 0;
    if (names.some((name) => name.startsWith(wanted))) return 1;
    return names.some((name) => name.includes(` ${wanted}`)) ? 2 : 3;
  };
  return all.map((one) => [rank(one), one]).filter(([found]) => found < 3).sort(([one], [other]) => one - other).map(([, one]) => one);
}

/**
 * The `:…` that ends a text and asks for an emoji: of two signs at least, behind no letter or figure (`12:30`, `http://`), not in code.
 * @param {string} before what is written before the caret
 * @returns {string | null}
 */
export function emojiBegun(before) {
  const begun = /(?:^|[^\p{L}\p{M}\p{N}:])(:((?:[+-]\p{N}|\p{L}[\p{L}\p{M}\p{N}_+-])[\p{L}\p{M}\p{N}_+-]{0,30}))$/u.exec(before);
  return begun === null || inCode(before) ? null : begun[2];
}

/** Whether a text ends within code: a fence that is not closed, or a `` ` `` of its last paragraph. @param {string} before */
export function inCode(before) {
  let fence = null;
  let open = [];
  for (const line of before.split('\n')) {
    const mark = /^ {0,3}(`{3,}|~{3,})(.*)$/.exec(line);
    if (fence !== null) {
      if (mark !== null && mark[1].startsWith(fence) && mark[2].trim() === '') fence = null;
    } else if (mark !== null && !(mark[1].startsWith('`') && mark[2].includes('`'))) {
      fence = mark[1];
      open = [];
    } else if (line.trim() === '') {
      open = [];
    } else {
      // A run of `` ` `` is closed by the next one as long.
      for (const [run] of line.matchAll(/`+/g)) {
        if (open.length === 0) open = [run];
        else if (open[0] === run) open = [];
      }
    }
  }
  return fence !== null || open.length > 0;
}
