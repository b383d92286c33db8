/**
 * Messages' bodies as nodes: the tree of `markdown.js`, plain text with links, or the server's HTML; all dressed the
 * same way (links say where they lead, code has a copy button). Never a string of HTML; see `html.js` for that.
 */
import { h, icon } from './dom.js';
import { wordsOf } from './fading.js';
import { highlight } from './highlight.js';
import { fragmentOf } from './html.js';
import { hostOf, linkify, safeHref } from './inline.js';
import { GrowingMarkdown } from './markdown.js';
import { t } from './words.js';

/** @param {import('./inline.js').Inline[]} nodes @returns {Node[]} */
export function renderInline(nodes) {
  return nodes.map((node) => {
    switch (node.type) {
      case 'text': return document.createTextNode(node.text);
      case 'break': return h('br');
      case 'code': return h('code', { text: node.text });
      case 'link': return h('a', { href: node.href }, ...renderInline(node.children));
      default: return h(node.type, {}, ...renderInline(node.children));
    }
  });
}

/** @param {import('./markdown.js').Block} block @returns {HTMLElement} */
export function renderBlock(block) {
  switch (block.type) {
    case 'paragraph': return h('p', {}, ...renderInline(block.inline));
    case 'heading': return h(`h${block.level}`, {}, ...renderInline(block.inline));
    case 'rule': return h('hr');
    case 'code': {
      const language = block.language.replace(/[^\w+#.-]/g, '');
      return h('pre', { 'data-open': block.open }, h('code', { class: language && `language-${language}`, text: block.text }));
    }
    case 'quote': return h('blockquote', {}, ...block.blocks.map(renderBlock));
    case 'list': return renderList(block);
    default: return renderTable(block);
  }
}

function renderList({ ordered, start, tight, items }) {
  const list = h(ordered ? 'ol' : 'ul', { start: ordered && start !== 1 ? start : null });
  for (const blocks of items) {
    const item = h('li');
    for (const block of blocks) {
      if (tight && block.type === 'paragraph') item.append(...renderInline(block.inline));
      else item.append(renderBlock(block));
    }
    list.append(item);
  }
  return list;
}

function renderTable({ align, head, rows }) {
  const cell = (tag) => (inline, place) =>
    h(tag, { class: align[place] && `align-${align[place]}` }, ...renderInline(inline));
  return h('table', {},
    h('thead', {}, h('tr', {}, ...head.map(cell('th')))),
    h('tbody', {}, ...rows.map((row) => h('tr', {}, ...row.map(cell('td'))))));
}

/** The body of a running reply: with each piece of text only its last blocks are built anew. */
export class GrowingBody {
  #markdown = new GrowingMarkdown();
  #code = null;
  #container;
  #fading;
  /** How long the text was, and none before it was shown at first. */
  #length = -1;

  /**
   * @param {HTMLElement} container which this owns from now on
   * @param {import('./fading.js').Fading | null} [fading] shows what is new of it
   */
  constructor(container, fading = null) {
    this.#container = container;
    this.#fading = fading;
    container.replaceChildren();
  }

  /**
   * @param {string} text the whole text so far
   * @param {{open?: boolean, told?: number | null}} [options] `told`: so much of it was written while one was away
   */
  update(text, { open = true, told = 0 } = {}) {
    const fades = this.#fading?.wanted === true && this.#length >= 0 && told !== null && told <= this.#length;
    this.#length = text.length;
    const { blocks, kept } = this.#markdown.update(text, { open });
    if (kept === blocks.length - 1 && this.#container.children.length === blocks.length && this.#grewInPlace(blocks[kept], fades)) return;
    const tail = () => [...this.#container.children].slice(kept);
    const before = fades ? tail().map(wordsOf).join('') : '';
    for (const holder of tail()) holder.remove();
    for (const block of blocks.slice(kept)) {
      const holder = h('div.block', {}, renderBlock(block));
      dress(holder, { copyable: block.type === 'code' && !block.open });
      this.#container.append(holder);
    }
    this.#code = openCode(blocks.at(-1), this.#container.lastElementChild);
    if (fades) this.#fading.grew(before, tail().map(wordsOf).join(''));
    else this.#fading?.end();
  }

  /** Code may be long before its fence is closed: what is new of it is appended. */
  #grewInPlace(block, fades) {
    const before = this.#code;
    if (before === null || !block.open || block.language !== before.language || !block.text.startsWith(before.text)) return false;
    const fresh = block.text.slice(before.text.length);
    before.node.appendData(fresh);
    before.text = block.text;
    if (fades) this.#fading.grew('', fresh);
    else this.#fading?.end();
    return true;
  }

  /** It does not grow any more: nothing of it is new. */
  end() {
    this.#fading?.end();
  }
}

/** The last block, when it is code that may yet grow. */
function openCode(block, holder) {
  const node = block?.type === 'code' && block.open ? holder.querySelector('code').firstChild : null;
  return node === null ? null : { node, text: block.text, language: block.language };
}

/** Beyond this length a text without HTML had HTML too long to send: then the page reads the Markdown itself. */
const PLAIN_MAX = 8_000;

/**
 * Fills the body of a settled message.
 * @param {HTMLElement} container
 * @param {{kind: string, body: string, html?: string}} message
 */
export function renderSettled(container, { kind, body, html }) {
  if (html !== undefined && html !== null) {
    container.replaceChildren(fragmentOf(html));
    linkText(container);
    dress(container, { copyable: true });
  } else if (kind === 'assistant' || body.length > PLAIN_MAX) {
    new GrowingBody(container).update(body, { open: false });
  } else {
    renderPlain(container, body);
  }
}

/** @param {HTMLElement} container @param {string} text */
export function renderPlain(container, text) {
  container.replaceChildren(h('p.plain', {}, ...renderInline(linkify(text))));
  dress(container, { copyable: false });
}

/** The server leaves addresses without brackets as text; readers expect them to be links. */
function linkText(container) {
  const walker = document.createTreeWalker(container, NodeFilter.SHOW_TEXT);
  const texts = [];
  while (walker.nextNode()) {
    const { currentNode } = walker;
    if (/:\/\/|www\./i.test(currentNode.data) && !currentNode.parentElement.closest('a, code, pre')) texts.push(currentNode);
  }
  for (const text of texts) text.replaceWith(...renderInline(linkify(text.data)));
}

/** Links lead out of the page and say where to; tables scroll by themselves; code can be copied. */
function dress(container, { copyable }) {
  for (const link of container.querySelectorAll('a')) dressLink(link);
  for (const table of container.querySelectorAll('table')) {
    const frame = h('div.table-frame', { role: 'group', 'aria-label': t('message.table') });
    table.replaceWith(frame);
    frame.append(table);
    stopIfWide(frame);
  }
  for (const pre of container.querySelectorAll('pre')) dressCode(pre, copyable);
}

function dressLink(link) {
  const href = safeHref(link.getAttribute('href') ?? '');
  if (href === null) {
    link.removeAttribute('href');
    return;
  }
  link.target = '_blank';
  link.rel = 'noopener noreferrer nofollow ugc';
  link.title = href;
  const host = hostOf(href);
  if (host !== '' && !link.textContent.includes(host)) link.dataset.host = host;
}

/** Measures when the browser has laid out: then it costs nothing. Node has none. */
let widths = null;

/** What is wider than its place is a stop of the Tab key, for only so can it be scrolled by keys; all else would be one for nothing. */
function stopIfWide(element) {
  widths ??= new ResizeObserver((entries) => {
    for (const { target } of entries) {
      if (!target.isConnected) widths.unobserve(target);
      else if (target.scrollWidth > target.clientWidth) target.tabIndex = 0;
      else if (target !== document.activeElement) target.removeAttribute('tabindex');
    }
  });
  widths.observe(element);
}

function dressCode(pre, copyable) {
  const code = pre.querySelector('code');
  const language = /language-(\S+)/.exec(code?.className ?? '')?.[1] ?? '';
  const frame = h('div.code', {}, h('div.code-bar', {}, h('span.code-language', { text: language || 'text' })));
  pre.replaceWith(frame);
  frame.append(pre);
  stopIfWide(pre);
  if (!copyable) return;
  frame.firstElementChild.append(copyButton(() => code?.textContent ?? pre.textContent, t('message.copy_code')));
  if (code !== null) colour(code, language);
}

/** Once for each block that is closed; while it grows it is plain. */
function colour(code, language) {
  const pieces = highlight(code.textContent, language);
  if (pieces === null) return;
  code.replaceChildren(...pieces.map(({ kind, text }) => (kind === null ? document.createTextNode(text) : h(`span.code-${kind}`, { text }))));
}

/**
 * A button that copies and says so.
 * @param {() => string} text
 * @param {string} label
 * @param {{shape?: string, text?: string, tool?: string}} [look]
 */
export function copyButton(text, label, { shape = 'copy', text: words = t('copy'), tool } = {}) {
  const button = h('button.copy', { type: 'button', 'aria-label': label, title: label, 'data-tool': tool }, icon(shape), h('span', { text: words }));
  button.addEventListener('click', async () => {
    const done = await copy(text());
    button.replaceChildren(icon(done ? 'check' : 'alert'), h('span', { text: done ? t('copied') : t('message.not_copied') }));
    setTimeout(() => button.replaceChildren(icon(shape), h('span', { text: words })), 1_600);
  });
  return button;
}

/** `navigator.clipboard` is missing on pages served over plain HTTP; there a selection is copied. */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = h('textarea.visually-hidden', { 'aria-hidden': 'true' });
    area.value = text;
    document.body.append(area);
    area.select();
    const done = document.execCommand('copy');
    area.remove();
    return done;
  }
}
