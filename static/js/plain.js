/**
 * Markdown as plain words in one line: what is said, without its marks. Pure; for previews, quotes and notifications.
 */
import { parseMarkdown } from './markdown.js';

/** So much of a text is read at most: what is shown of it is far less. */
const READ_CHARS = 2_000;

/** @param {string} text Markdown @param {{cut?: boolean}} [options] `cut`: it went on @returns {string} */
export function plainOf(text, { cut = false } = {}) {
  const part = text.slice(0, READ_CHARS);
  return parseMarkdown(part, { open: cut || part.length < text.length }).map(wordsOf).join(' ').replace(/\s+/g, ' ').trim();
}

/** @param {import('./markdown.js').Block} block @returns {string} */
function wordsOf(block) {
  switch (block.type) {
    case 'rule': return '';
    case 'code': return block.text;
    case 'quote': return block.blocks.map(wordsOf).join(' ');
    case 'list': return block.items.flat().map(wordsOf).join(' ');
    case 'table': return [block.head, ...block.rows].flat().map(inlineWords).join(' ');
    default: return inlineWords(block.inline);
  }
}

/** @param {import('./inline.js').Inline[]} nodes */
const inlineWords = (nodes) => nodes.map((node) => {
  if (node.type === 'break') return ' ';
  return node.children === undefined ? node.text : inlineWords(node.children);
}).join('');
