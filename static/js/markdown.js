/**
 * Markdown of a reply that is still being written, as a small tree. Pure: no DOM, no HTML strings; `render.js` makes
 * nodes of it. Settled messages do not come here: they use the server's sanitised HTML.
 *
 * It reads CommonMark with tables and strikethrough, as language models write it, and shows what is unfinished (an
 * open fence, half a table, half a link) in its final shape. It never throws and never loses a word.
 *
 * @typedef {import('./inline.js').Inline} Inline
 * @typedef {{type: 'paragraph', inline: Inline[]} | {type: 'heading', level: number, inline: Inline[]}
 *   | {type: 'code', language: string, text: string, open: boolean} | {type: 'rule'}
 *   | {type: 'quote', blocks: Block[]}
 *   | {type: 'list', ordered: boolean, start: number, tight: boolean, items: Block[][]}
 *   | {type: 'table', align: (string | null)[], head: Inline[][], rows: Inline[][][]}} Block
 */
import { parseInline } from './inline.js';

/** Quotes and lists inside each other; deeper ones are text. */
const DEPTH_MAX = 12;

const FENCE = /^( {0,3})(`{3,}|~{3,})[ \t]*([^`\n]*)$/;
const HEADING = /^ {0,3}(#{1,6})(?:[ \t]+(.*?))?(?:[ \t]+#+)?[ \t]*$/;
const RULE = /^ {0,3}(?:(?:\*[ \t]*){3,}|(?:-[ \t]*){3,}|(?:_[ \t]*){3,})$/;
const QUOTE = /^ {0,3}> ?/;
const ITEM = /^( {0,3})([-*+]|\d{1,9}[.)])(?:( +)(.*)|)$/;
const SETEXT = /^ {0,3}(=+|-+)[ \t]*$/;
const DELIMITER_ROW = /^ {0,3}\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*$/;
const INDENTED = /^(?: {4}|\t)/;
/** The last line of an unfinished paragraph when it may yet become something else. */
const MARKER_ONLY = /^ {0,3}(?:-{1,2}|=+|[*+>|]|\d{1,9}[.)]|#{1,6}|`{1,2}|~{1,2})[ \t]*$/;

/**
 * @param {string} text
 * @param {{open?: boolean}} [options] `open`: more may follow
 * @returns {Block[]}
 */
export function parseMarkdown(text, { open = false } = {}) {
  return parseBlocks(linesOf(text), open, 0).map(({ block }) => block);
}

/** A growing text, of which only the end is read again. */
export class GrowingMarkdown {
  #text = '';
  /** @type {{start: number, source: string, block: Block, last: boolean}[]} */
  #pieces = [];

  /**
   * @param {string} text the whole text so far
   * @param {{open?: boolean}} [options]
   * @returns {{blocks: Block[], kept: number}} `kept`: how many leading blocks are the same as before
   */
  update(text, { open = true } = {}) {
    const grown = text.startsWith(this.#text) ? this.#pieces : [];
    // The last block may change with every character, and may still become a part of the one before it.
    const settled = grown.slice(0, Math.max(0, grown.length - 2));
    const from = grown[settled.length]?.start ?? 0;
    const fresh = this.#read(text, from, open);
    this.#text = text;
    this.#pieces = [...settled, ...fresh];
    let kept = settled.length;
    while (kept < grown.length && samePiece(grown[kept], this.#pieces[kept])) {
      this.#pieces[kept] = grown[kept];
      kept += 1;
    }
    return { blocks: this.#pieces.map(({ block }) => block), kept };
  }

  #read(text, from, open) {
    const lines = linesOf(text.slice(from));
    const starts = [];
    let offset = from;
    for (const part of text.slice(from).split('\n')) {
      starts.push(offset);
      offset += part.length + 1;
    }
    const read = parseBlocks(lines, open, 0);
    return read.map(({ block, line }, place) => {
      const start = starts[line];
      const next = read[place + 1];
      return { start, source: text.slice(start, next && starts[next.line]), block, last: open && next === undefined };
    });
  }
}

const samePiece = (before, after) =>
  after !== undefined && before.start === after.start && before.source === after.source && before.last === after.last;

const linesOf = (text) => text.split('\n').map((line) => (line.endsWith('\r') ? line.slice(0, -1) : line));

const isBlank = (line) => /^[ \t]*$/.test(line);

/** Reads lines as blocks, each with the line it begins at. */
function parseBlocks(lines, open, depth) {
  const blocks = [];
  let at = 0;
  while (at < lines.length) {
    if (isBlank(lines[at])) {
      at += 1;
      continue;
    }
    const { block, next } = readBlock(lines, at, open, depth);
    blocks.push({ block, line: at });
    at = next;
  }
  return blocks;
}

function readBlock(lines, at, open, depth) {
  const line = lines[at];
  if (FENCE.test(line)) return readFence(lines, at, open);
  const heading = HEADING.exec(line);
  if (heading !== null) {
    const inline = parseInline(heading[2] ?? '', { open: open && at === lines.length - 1 });
    return { block: { type: 'heading', level: heading[1].length, inline }, next: at + 1 };
  }
  if (RULE.test(line)) return { block: { type: 'rule' }, next: at + 1 };
  if (depth < DEPTH_MAX && QUOTE.test(line)) return readQuote(lines, at, open, depth);
  if (depth < DEPTH_MAX && ITEM.test(line)) return readList(lines, at, open, depth);
  if (INDENTED.test(line)) return readIndented(lines, at);
  return readTable(lines, at, open) ?? readParagraph(lines, at, open);
}

function readFence(lines, at, open) {
  const [, indent, fence, info] = FENCE.exec(lines[at]);
  const closing = new RegExp(`^ {0,3}\\${fence[0]}{${fence.length},}[ \\t]*$`);
  const body = [];
  let next = at + 1;
  while (next < lines.length && !closing.test(lines[next])) {
    body.push(lines[next].replace(new RegExp(`^ {0,${indent.length}}`), ''));
    next += 1;
  }
  const closed = next < lines.length;
  if (!closed && open && /^ {0,3}(?:`{1,}|~{1,})$/.test(body.at(-1) ?? '')) body.pop();
  if (!closed && body.at(-1) === '') body.pop();
  const language = info.trim().split(/\s/)[0] ?? '';
  return {
    block: { type: 'code', language, text: body.join('\n'), open: open && !closed },
    next: closed ? next + 1 : next,
  };
}

function readIndented(lines, at) {
  const body = [];
  let next = at;
  while (next < lines.length && (INDENTED.test(lines[next]) || isBlank(lines[next]))) {
    body.push(lines[next].replace(INDENTED, ''));
    next += 1;
  }
  while (isBlank(body.at(-1))) body.pop();
  return { block: { type: 'code', language: '', text: body.join('\n'), open: false }, next };
}

function readQuote(lines, at, open, depth) {
  const inner = [];
  let next = at;
  let fenced = false;
  while (next < lines.length) {
    const quoted = QUOTE.test(lines[next]);
    const lazy = !quoted && !fenced && !isBlank(inner.at(-1) ?? '') && continuesParagraph(lines[next]);
    if (!quoted && !lazy) break;
    const line = lines[next].replace(QUOTE, '');
    if (FENCE.test(line)) fenced = !fenced;
    inner.push(line);
    next += 1;
  }
  const blocks = parseBlocks(inner, open && next === lines.length, depth + 1).map(({ block }) => block);
  return { block: { type: 'quote', blocks }, next };
}

function readList(lines, at, open, depth) {
  const [, , marker] = ITEM.exec(lines[at]);
  const kind = marker.at(-1);
  const items = [];
  let next = at;
  let loose = false;
  while (next < lines.length) {
    const match = ITEM.exec(lines[next]);
    if (match === null || match[2].at(-1) !== kind || RULE.test(lines[next])) break;
    const item = readItem(lines, next, match);
    const end = skipBlank(lines, item.next);
    const follows = end < lines.length && ITEM.exec(lines[end])?.[2].at(-1) === kind && !RULE.test(lines[end]);
    const blocks = parseBlocks(item.lines, open && end >= lines.length, depth + 1);
    loose ||= (follows && end > item.next) || blocks.some(({ line }) => line > 0 && isBlank(item.lines[line - 1]));
    items.push(blocks.map(({ block }) => block));
    next = follows ? end : item.next;
    if (!follows) break;
  }
  const ordered = /\d/.test(marker);
  return { block: { type: 'list', ordered, start: ordered ? parseInt(marker, 10) : 1, tight: !loose, items }, next };
}

/** One item: the rest of its first line, and the lines that belong to it, without their indentation. */
function readItem(lines, at, [, indent, marker, space = ' ', rest = '']) {
  const width = indent.length + marker.length + (space.length > 4 || rest === '' ? 1 : space.length);
  const body = [space.length > 4 ? ' '.repeat(space.length - 1) + rest : rest];
  let next = at + 1;
  let end = next;
  while (next < lines.length) {
    const line = lines[next];
    const inside = line.startsWith(' '.repeat(width)) || (line.startsWith('\t') && width <= 4);
    const lazy = !inside && !isBlank(body.at(-1)) && continuesParagraph(line);
    if (!isBlank(line) && !inside && !lazy) break;
    body.push(inside ? line.slice(line.startsWith('\t') ? 1 : width) : line.trimStart());
    next += 1;
    if (!isBlank(line)) end = next;
  }
  return { lines: body.slice(0, end - at), next: end };
}

function skipBlank(lines, at) {
  let next = at;
  while (next < lines.length && isBlank(lines[next])) next += 1;
  return next;
}

function readTable(lines, at, open) {
  if (!lines[at].includes('|')) return null;
  const head = cellsOf(lines[at]);
  const second = lines[at + 1];
  const begun = open && /^ {0,3}\|/.test(lines[at]);
  if (second === undefined) {
    if (!begun) return null;
  } else if (!DELIMITER_ROW.test(second) || cellsOf(second).length !== head.length) {
    const unfinished = begun && at + 2 === lines.length && /^[ \t]*[|:\- \t]*$/.test(second);
    if (!unfinished) return null;
  }
  const align = cellsOf(second ?? '').map(alignment);
  const rows = [];
  let next = Math.min(at + 2, lines.length);
  while (next < lines.length && !isBlank(lines[next]) && !beginsBlock(lines[next])) {
    rows.push(cellsOf(lines[next]));
    next += 1;
  }
  const inline = (cells, last) =>
    cells.map((cell, place) => parseInline(cell, { open: last && place === cells.length - 1 }));
  const endsHere = open && next === lines.length;
  return {
    block: {
      type: 'table',
      align: head.map((_, place) => align[place] ?? null),
      head: inline(head, endsHere && rows.length === 0),
      rows: rows.map((row, place) => inline(row, endsHere && place === rows.length - 1)),
    },
    next,
  };
}

function cellsOf(line) {
  const inner = line.trim().replace(/^\|/, '').replace(/(^|[^\\])\|$/, '$1');
  return inner.split(/(?<!\\)\|/).map((cell) => cell.trim().replaceAll('\\|', '|'));
}

function alignment(cell) {
  const [left, right] = [cell.startsWith(':'), cell.length > 1 && cell.endsWith(':')];
  return left && right ? 'center' : right ? 'right' : left ? 'left' : null;
}

function readParagraph(lines, at, open) {
  const body = [lines[at].trimStart()];
  let next = at + 1;
  while (next < lines.length && !isBlank(lines[next])) {
    const line = lines[next];
    const last = open && next === lines.length - 1;
    if (last && MARKER_ONLY.test(line)) {
      next += 1;
      break;
    }
    const underline = SETEXT.exec(line);
    if (underline !== null) {
      const level = underline[1].startsWith('=') ? 1 : 2;
      return { block: { type: 'heading', level, inline: parseInline(body.join('\n').trim()) }, next: next + 1 };
    }
    if (beginsBlock(line)) break;
    body.push(line.trimStart());
    next += 1;
  }
  const text = body.join('\n');
  const ends = open && next === lines.length;
  return { block: { type: 'paragraph', inline: parseInline(ends ? text : text.trimEnd(), { open: ends }) }, next };
}

/** Whether a line ends the paragraph before it. */
function beginsBlock(line) {
  if (FENCE.test(line) || HEADING.test(line) || RULE.test(line) || QUOTE.test(line)) return true;
  const item = ITEM.exec(line);
  return item !== null && !isBlank(item[4] ?? '') && (!/\d/.test(item[2]) || /^1[.)]$/.test(item[2]));
}

const continuesParagraph = (line) => !isBlank(line) && !beginsBlock(line) && !ITEM.test(line);
