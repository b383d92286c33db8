/**
 * The pages of a search. One search looks back only so far, so a page may be empty with more behind it. Pure; used by the
 * dialog that searches.
 */
import { plainOf } from './plain.js';
import { t } from './words.js';

/** Pages asked for at once while nothing is found. */
export const PAGES_AT_ONCE = 5;

/**
 * The next page with something on it, or the last one, or an empty one with a `next` when that is too far back.
 * @param {(cursor: string|undefined) => Promise<{results: object[], next: string|null}>} read
 * @param {string|undefined} cursor where to begin
 */
export async function nextFound(read, cursor) {
  let page = await read(cursor);
  for (let pages = 1; page.results.length === 0 && page.next !== null && pages < PAGES_AT_ONCE; pages += 1) {
    page = await read(page.next);
  }
  return page;
}

/** What is said above the results. */
export function foundSoFar(all, more) {
  if (all === 0) return more ? t('found.nothing_yet') : t('found.nothing');
  return more ? t('found.newest', { count: all }) : t('found.all', { count: all });
}

/** Marks around a hit while the text's own marks are taken out: nobody writes these, and they are no letters to Markdown. */
const [FROM, TO] = ['\uE000', '\uE001'];

/**
 * A part of a message that was found, in plain words, with its hits.
 * @param {{text: string, hit: boolean}[]} snippet
 * @returns {{text: string, hit: boolean}[]}
 */
export function plainSnippet(snippet) {
  const written = snippet.map(({ text, hit }) => {
    const own = text.replace(/[\uE000\uE001]/g, '');
    return hit ? `${FROM}${own}${TO}` : own;
  }).join('');
  const pieces = plainOf(written, { cut: true }).split(/([\uE000\uE001])/);
  let hit = false;
  const plain = [];
  for (const text of pieces) {
    if (text === FROM || text === TO) hit = text === FROM;
    else if (text !== '') plain.push({ text, hit });
  }
  return plain;
}
