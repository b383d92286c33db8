/**
 * Which way a message runs. Pure; `<salon-message>` calls it.
 */

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
