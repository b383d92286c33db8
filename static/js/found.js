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
/** An underscore that is none of Markdown's, and one that is, meanwhile. */
const [PLAIN, PAIRED] = ['\uE002', '\uE003'];
const OURS = /[\uE000-\uE003]/g;
/** Words between underscores. All others are of names and of code: half a pair is nobody's emphasis. */
const EMPHASIS = /(^|[\s(*~"'\uE000\uE001])(_{1,3})(\S|\S[^\n]*?\S)\2(?=$|[\s).,;:!?*~"'\uE000\uE001])/g;

/**
 * A part of a message that was found, in plain words, with its hits.
 * @param {{text: string, hit: boolean}[]} snippet
 * @returns {{text: string, hit: boolean}[]}
 */
export function plainSnippet(snippet) {
  const written = snippet.map(({ text, hit }) => {
    const own = text.replace(OURS, '');
    return hit ? `${FROM}${own}${TO}` : own;
  }).join('');
  const pieces = plainOf(keepUnderscores(begun(written)), { cut: true }).replaceAll(PLAIN, '_').split(/([\uE000\uE001])/);
  let hit = false;
  const plain = [];
  for (const text of pieces) {
    if (text === FROM || text === TO) hit = text === FROM;
    else if (text !== '') plain.push({ text, hit });
  }
  return plain;
}

const keepUnderscores = (text) => text
  .replace(EMPHASIS, (all, before, mark, words) => before + PAIRED.repeat(mark.length) + words + PAIRED.repeat(mark.length))
  .replaceAll('_', PLAIN).replaceAll(PAIRED, '_');

/**
 * The part with its code in marks that are whole. The server has it in one line and may begin or end in the middle of code, of which
 * one half of the marks is then missing; of other marks that are closed and not opened the half goes.
 */
function begun(text) {
  const [, cut, rest] = /^(… |)([^]*)$/.exec(text);
  const blocks = rest.split(/`{3,}/);
  // What closes a block stands alone; what opens one has mostly its language behind it.
  const inCode = cut !== '' && blocks.length % 2 === 0 && /^(\s|$)/.test(blocks[1]);
  return cut + blocks.map((part, place) => {
    if ((place % 2 === 1) === inCode) return spans(part, cut !== '' && place === 0);
    const code = place === 0 ? part : part.replace(/^[\w+#.-]+ /, '');
    return code.trim() === '' ? ' ' : ` ${BLOCK} ${code.trim()} ${BLOCK} `;
  }).join('');
}

/** Code that is longer than a word; nobody writes as many. */
const BLOCK = '`'.repeat(9);

/** @param {string} text outside of blocks of code @param {boolean} cut off at its beginning */
function spans(text, cut) {
  if (!cut) return text;
  const closed = (mark) => {
    const found = [...text.matchAll(/`+|\*+/g)].filter(([run]) => run === mark);
    const at = found[0]?.index;
    return found.length % 2 === 1 && /\S/.test(text[at - 1] ?? ' ') && !/[\p{L}\p{N}]/u.test(text[at + mark.length] ?? ' ') ? at : -1;
  };
  if (closed('`') >= 0) return `\`${text}`;
  const mark = ['**', '*'].find((one) => closed(one) >= 0);
  return mark === undefined ? text : text.slice(0, closed(mark)) + text.slice(closed(mark) + mark.length);
}
