/**
 * Which way a message runs, and the names in it that run the other way. Called by `<salon-message>`.
 */
import { h } from './dom.js';

/** Letters of the scripts that run from right to left. */
const FROM_RIGHT = /[\p{Script=Arabic}\p{Script=Hebrew}\p{Script=Syriac}\p{Script=Thaana}\p{Script=Nko}]/u;
/** Whom a message calls says nothing of the language that it is written in. */
const CALLS = /^(?:\s*@\S+)+/u;

/**
 * The way of a message by its first letter, as a browser has it, but for the names that it begins with.
 * @param {string} text @returns {'ltr' | 'rtl' | 'auto'}
 */
export function wayOf(text) {
  const first = /\p{L}/u.exec(text.replace(CALLS, ''));
  return first === null ? 'auto' : FROM_RIGHT.test(first[0]) ? 'rtl' : 'ltr';
}

/** A name in letters from left to right, as it is called. */
const NAME = /@[A-Za-z][\w.-]*/g;

/**
 * Keeps the @ on its side of a name that runs the other way than the text around it. What is so already stays.
 * @param {Element} element whose words run from right to left
 */
export function isolateCalls(element) {
  const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
  const texts = [];
  while (walker.nextNode()) {
    const { currentNode } = walker;
    if (currentNode.data.includes('@') && !currentNode.parentElement.closest('a, code, bdi')) texts.push(currentNode);
  }
  for (const text of texts) {
    const parts = [];
    let end = 0;
    for (const { 0: name, index } of text.data.matchAll(NAME)) {
      parts.push(text.data.slice(end, index), h('bdi', { text: name }));
      end = index + name.length;
    }
    if (end > 0) text.replaceWith(...parts, text.data.slice(end));
  }
}
