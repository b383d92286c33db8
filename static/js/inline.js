/**
 * Inline Markdown as a small tree: the part of `markdown.js` that looks inside one paragraph, heading or cell.
 * Pure. HTML is text here, pictures are links, and only links of a harmless scheme keep their address.
 *
 * With `open`, the text is still being written: what is begun and not ended yet (strong, code, a link) is given
 * its final shape, and a marker that has only just begun is not shown.
 *
 * @typedef {{type: 'text', text: string} | {type: 'code', text: string} | {type: 'break'}
 *   | {type: 'strong' | 'em' | 'del', children: Inline[]}
 *   | {type: 'link', href: string | null, children: Inline[]}} Inline
 */

/** Emphasis markers looked at in one piece of text, link text looked through for its end, links in links. */
const DELIMITERS_MAX = 1_000;
const LINK_TEXT_MAX = 2_000;
const LINK_DEPTH_MAX = 4;

const ESCAPABLE = /[!-/:-@[-`{-~]/;
const AUTOLINK = /^<((?:https?:\/\/|mailto:)[^\s<>]+)>/i;
/** What looks like an address in a text: with its scheme, or as a host that begins with `www.` and has one more dot. */
const BARE = String.raw`(?:https?:\/\/[^\s<>"\x60]|www\.[\p{L}\p{N}-]+\.[\p{L}\p{N}])[^\s<>"\x60]*`;
const BARE_URL = new RegExp(`^${BARE}`, 'iu');
const BARE_URLS = new RegExp(`(?:(?=h)|(?<![\\p{L}\\p{N}@./_-]))${BARE}`, 'giu');
const ENTITY = /^&(?:#(\d{1,7})|#x([0-9a-f]{1,6})|(amp|lt|gt|quot|apos|nbsp|copy|hellip|mdash|ndash|rarr|larr|times));/i;
const NAMED = {
  amp: '&', lt: '<', gt: '>', quot: '"', apos: "'", nbsp: '\u00a0', copy: '©', hellip: '…', mdash: '—', ndash: '–',
  rarr: '→', larr: '←', times: '×',
};

/**
 * An address that a link may have, or null.
 * @param {string} address
 */
export function safeHref(address) {
  return /^(?:https?:\/\/|mailto:)[^\s]/i.test(address) ? address : null;
}

/** Where what looks like an address leads. @param {string} url */
const hrefOf = (url) => safeHref(/^www\./i.test(url) ? `https://${url}` : url);

/** The host that an address leads to; empty where it has none, or is no address at all. @param {string} href @returns {string} */
export function hostOf(href) {
  try {
    return new URL(href).host;
  } catch {
    // Such as `http://localhost:PORT/`: anybody may write it, and it leads nowhere.
    return '';
  }
}

/**
 * @param {string} text
 * @param {{open?: boolean, depth?: number}} [options]
 * @returns {Inline[]}
 */
export function parseInline(text, { open = false, depth = 0 } = {}) {
  return new InlineParser(text, open, depth).parse();
}

/**
 * Text without Markdown, but with its addresses as links: a message that has no other form.
 * @param {string} text
 * @returns {Inline[]}
 */
export function linkify(text) {
  const nodes = [];
  let rest = 0;
  for (const match of text.matchAll(BARE_URLS)) {
    const url = trimUrl(match[0]);
    if (match.index > rest) nodes.push({ type: 'text', text: text.slice(rest, match.index) });
    nodes.push({ type: 'link', href: hrefOf(url), children: [{ type: 'text', text: url }] });
    rest = match.index + url.length;
  }
  if (rest < text.length) nodes.push({ type: 'text', text: text.slice(rest) });
  return nodes;
}

class InlineParser {
  constructor(text, open, depth) {
    this.text = text;
    this.open = open;
    this.depth = depth;
    this.at = 0;
    this.plain = '';
    this.nodes = [];
    this.delimiters = 0;
    this.unclosedCode = new Set();
  }

  parse() {
    while (this.at < this.text.length) {
      if (!this.#special()) this.#take(1);
    }
    this.#endPlain();
    return mergeText(resolveEmphasis(this.nodes, this.open));
  }

  #take(count) {
    this.plain += this.text.slice(this.at, this.at + count);
    this.at += count;
  }

  #endPlain() {
    if (this.plain !== '') this.nodes.push({ type: 'text', text: this.plain });
    this.plain = '';
  }

  #push(node, length) {
    this.#endPlain();
    this.nodes.push(node);
    this.at += length;
    return true;
  }

  #special() {
    switch (this.text[this.at]) {
      case '\\': return this.#escape();
      case '`': return this.#code();
      case '*': case '_': case '~': return this.#delimiter();
      case '[': return this.#link(0);
      case '!': return this.text[this.at + 1] === '[' && this.#link(1);
      case '<': return this.#autolink(AUTOLINK);
      case 'h': case 'H': return /[^\p{L}\p{N}]|^$/u.test(this.text[this.at - 1] ?? '') && this.#bareUrl();
      case 'w': case 'W': return !/[\p{L}\p{N}@./_-]/u.test(this.text[this.at - 1] ?? '') && this.#bareUrl();
      case '&': return this.#entity();
      case ' ': case '\n': return this.#lineEnd();
      default: return false;
    }
  }

  #escape() {
    const next = this.text[this.at + 1];
    if (next === '\n') return this.#push({ type: 'break' }, 2);
    if (next === undefined || !ESCAPABLE.test(next)) return false;
    this.plain += next;
    this.at += 2;
    return true;
  }

  /** In a chat a new line is a new line, with two spaces before it or none; the server renders it so too. */
  #lineEnd() {
    const match = /^( *)\n/.exec(this.text.slice(this.at, this.at + 64));
    if (match === null) return false;
    return this.#push({ type: 'break' }, match[0].length);
  }

  #code() {
    const run = /^`+/.exec(this.text.slice(this.at))[0];
    const start = this.at + run.length;
    const end = this.unclosedCode.has(run.length) ? -1 : findRun(this.text, run, start);
    if (end >= 0) return this.#push({ type: 'code', text: codeText(this.text.slice(start, end)) }, end + run.length - this.at);
    this.unclosedCode.add(run.length);
    if (this.open) {
      const rest = this.text.slice(start).replace(/`+$/, '');
      if (rest === '') this.#endPlain();
      else this.#push({ type: 'code', text: rest }, 0);
      this.at = this.text.length;
    } else {
      this.#take(run.length);
    }
    return true;
  }

  #delimiter() {
    const character = this.text[this.at];
    const run = this.#runLength(character);
    this.delimiters += 1;
    if (this.delimiters > DELIMITERS_MAX || (character === '~' && run !== 2)) {
      this.#take(run);
      return true;
    }
    const before = this.text[this.at - 1] ?? ' ';
    const after = this.text[this.at + run] ?? ' ';
    const left = flanks(after, before);
    const right = flanks(before, after);
    const word = character === '_';
    return this.#push({
      type: 'delimiter',
      character,
      count: run,
      run,
      canOpen: left && (!word || !right || isPunctuation(before)),
      canClose: right && (!word || !left || isPunctuation(after)),
    }, run);
  }

  #runLength(character) {
    let end = this.at;
    while (this.text[end] === character) end += 1;
    return end - this.at;
  }

  /** `[text](address "title")`, or a picture, which becomes a link to it. */
  #link(offset) {
    if (this.depth >= LINK_DEPTH_MAX) return false;
    const start = this.at + offset + 1;
    const end = closingBracket(this.text, start);
    if (end < 0 || this.text[end + 1] !== '(') return false;
    const target = /^\(\s*(<[^<>\n]*>|[^\s()<>]*(?:\([^\s()]*\)[^\s()<>]*)*)(?:\s+(?:"[^"]*"|'[^']*'|\([^()]*\)))?\s*\)/
      .exec(this.text.slice(end + 1, end + 1 + LINK_TEXT_MAX));
    const unfinished = target === null && this.open && /^\([^\s)]*$/.test(this.text.slice(end + 1));
    if (target === null && !unfinished) return false;
    const label = this.text.slice(start, end);
    const href = unfinished ? null : safeHref(unescape(target[1].replace(/^<|>$/g, '')));
    const children = parseInline(label === '' ? (target?.[1] ?? '') : label, { depth: this.depth + 1 });
    const length = unfinished ? this.text.length - this.at : end + 1 + target[0].length - this.at;
    return this.#push({ type: 'link', href, children }, length);
  }

  #autolink(pattern) {
    const match = pattern.exec(this.text.slice(this.at, this.at + LINK_TEXT_MAX));
    if (match === null) return false;
    return this.#push({ type: 'link', href: safeHref(match[1]), children: [{ type: 'text', text: match[1] }] }, match[0].length);
  }

  #bareUrl() {
    const match = BARE_URL.exec(this.text.slice(this.at, this.at + LINK_TEXT_MAX));
    if (match === null) return false;
    const url = trimUrl(match[0].replace(/(?:\*\*|__|~~)$/, ''));
    return this.#push({ type: 'link', href: hrefOf(url), children: [{ type: 'text', text: url }] }, url.length);
  }

  #entity() {
    const match = ENTITY.exec(this.text.slice(this.at, this.at + 12));
    if (match === null) return false;
    const point = match[1] ? Number(match[1]) : match[2] ? parseInt(match[2], 16) : null;
    this.plain += point === null ? (NAMED[match[3].toLowerCase()] ?? match[0]) : fromPoint(point);
    this.at += match[0].length;
    return true;
  }
}

/** CommonMark's way with `*`, `_` and `~~`: each closer takes the nearest opener of its kind. */
function resolveEmphasis(nodes, open) {
  for (let closer = 0; closer < nodes.length; closer += 1) {
    if (nodes[closer].type !== 'delimiter' || !nodes[closer].canClose) continue;
    const opener = findOpener(nodes, closer);
    if (opener < 0) continue;
    closer = wrap(nodes, opener, closer) - 1;
  }
  if (open) closeUnfinished(nodes);
  return nodes.map((node) =>
    node.type === 'delimiter' ? { type: 'text', text: node.character.repeat(node.count) } : node);
}

function findOpener(nodes, closer) {
  const end = nodes[closer];
  for (let place = closer - 1; place >= 0; place -= 1) {
    const node = nodes[place];
    if (node.type !== 'delimiter' || !node.canOpen || node.character !== end.character || node.count === 0) continue;
    const both = node.canClose || end.canOpen;
    if (both && (node.run + end.run) % 3 === 0 && !(node.run % 3 === 0 && end.run % 3 === 0)) continue;
    return place;
  }
  return -1;
}

/** Makes one node of what lies between, and returns where to go on looking for closers. */
function wrap(nodes, opener, closer) {
  const [first, last] = [nodes[opener], nodes[closer]];
  const used = first.count >= 2 && last.count >= 2 ? 2 : 1;
  const node = { type: kindOf(first.character, used), children: plainDelimiters(nodes.slice(opener + 1, closer)) };
  const replacement = [node];
  if (first.count > used) replacement.unshift({ ...first, count: first.count - used });
  if (last.count > used) replacement.push({ ...last, count: last.count - used });
  nodes.splice(opener, closer - opener + 1, ...replacement);
  return opener + replacement.length - (last.count > used ? 1 : 0);
}

/** In a text still being written, what is begun lasts to the end; a marker at the very end is not shown yet. */
function closeUnfinished(nodes) {
  if (nodes.at(-1)?.type === 'delimiter') nodes.pop();
  for (let place = nodes.length - 1; place >= 0; place -= 1) {
    const node = nodes[place];
    if (node.type !== 'delimiter' || !node.canOpen) continue;
    let children = plainDelimiters(nodes.slice(place + 1));
    for (let count = node.count; count > 0; count -= 2) {
      children = [{ type: kindOf(node.character, count >= 2 ? 2 : 1), children }];
    }
    nodes.splice(place, nodes.length - place, ...children);
  }
}

const kindOf = (character, used) => (character === '~' ? 'del' : used === 2 ? 'strong' : 'em');

const plainDelimiters = (nodes) => mergeText(nodes.map((node) =>
  node.type === 'delimiter' ? { type: 'text', text: node.character.repeat(node.count) } : node));

function mergeText(nodes) {
  const merged = [];
  for (const node of nodes) {
    const last = merged.at(-1);
    if (node.type === 'text' && last?.type === 'text') merged[merged.length - 1] = { type: 'text', text: last.text + node.text };
    else if (node.type !== 'text' || node.text !== '') merged.push(node);
  }
  return merged;
}

/** Whether a run beside `inner` and `outer` hugs `inner` (CommonMark's left- and right-flanking). */
function flanks(inner, outer) {
  if (/\s/.test(inner)) return false;
  return !isPunctuation(inner) || /\s/.test(outer) || isPunctuation(outer);
}

const isPunctuation = (character) => /[\p{P}\p{S}]/u.test(character);

function findRun(text, run, start) {
  for (let at = text.indexOf(run, start); at >= 0; at = text.indexOf(run, at)) {
    let end = at;
    while (text[end] === '`') end += 1;
    if (end - at === run.length) return at;
    at = end;
  }
  return -1;
}

/** A code span's text: line ends are spaces, and one space inside each end only keeps backticks apart. */
function codeText(text) {
  const line = text.replaceAll('\n', ' ');
  return /^ .*[^ ].* $|^ [^ ] $/.test(line) ? line.slice(1, -1) : line;
}

function closingBracket(text, start) {
  let depth = 1;
  const end = Math.min(text.length, start + LINK_TEXT_MAX);
  for (let at = start; at < end; at += 1) {
    if (text[at] === '\\') at += 1;
    else if (text[at] === '[') depth += 1;
    else if (text[at] === ']') {
      depth -= 1;
      if (depth === 0) return at;
    }
  }
  return -1;
}

/** The full stop behind an address, and a bracket that it did not open, are not of it. */
function trimUrl(url) {
  let trimmed = url;
  for (;;) {
    const last = trimmed.at(-1);
    const unopened = last === ')' && trimmed.split('(').length < trimmed.split(')').length;
    if (!unopened && !'.,;:!?\'"*_~]'.includes(last)) return trimmed;
    trimmed = trimmed.slice(0, -1);
  }
}

const unescape = (text) => text.replace(/\\([!-/:-@[-`{-~])/g, '$1').replaceAll('&amp;', '&');

const fromPoint = (point) => (point === 0 || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff) ? '\ufffd' : String.fromCodePoint(point));
