/**
 * The words of the page: one catalogue a language, in `words/<tag>.js`, with the same keys. `t` gives a sentence, `pieces` one with
 * nodes in it; numbers and plural forms are those of the language. The language is chosen before any element is made, in
 * `main.js`, and only its catalogue is loaded; whoever changes it loads the page anew. Outside of this page, in programs, tests and
 * pages of other sites, it is English.
 *
 * A catalogue's value is a sentence with `{names}`, or an object of plural forms, chosen by the parameter `count`.
 */
/** The languages there are, each by its own name. */
export const LANGUAGES = { en: 'English', de: 'Deutsch', ar: 'العربية' };

const LOADERS = { en: () => import('./words/en.js'), de: () => import('./words/de.js'), ar: () => import('./words/ar.js') };
const RIGHT_TO_LEFT = new Set(['ar']);

let tag = 'en';
/** Whether this is the page whose `main.js` will choose; modules run when its document was read. */
const chosenLater = Boolean(globalThis.document?.querySelector('salon-app'));
// A copy of the library without its catalogues speaks in keys, and works.
let words = chosenLater ? {} : await LOADERS.en().then((catalogue) => catalogue.default, () => ({}));
let plurals = new Intl.PluralRules('en');
let numbers = new Intl.NumberFormat('en');
let locale;

/**
 * The language to speak.
 * @param {string} chosen in the settings; empty for the browser's
 * @param {readonly string[]} wanted the browser's, the best first
 * @returns {string}
 */
export function languageOf(chosen, wanted) {
  const known = [chosen, ...wanted].map((one) => one.toLowerCase().split('-')[0]).find((one) => Object.hasOwn(LANGUAGES, one));
  return known ?? 'en';
}

/**
 * Speaks a language from now on.
 * @param {string} wanted one of `LANGUAGES`
 * @param {readonly string[]} [regions] the browser's languages: `de-AT` tells how a speaker of `de` writes dates
 */
export async function speak(wanted, regions = []) {
  words = (await LOADERS[wanted]()).default;
  tag = wanted;
  locale = regions.find((one) => one.toLowerCase().split('-')[0] === tag) ?? tag;
  plurals = new Intl.PluralRules(tag);
  numbers = new Intl.NumberFormat(locale);
}

/** The language that is spoken. @returns {string} */
export const language = () => tag;

/** How dates and lists are written; undefined, the browser's own way, until a language was chosen. @returns {string | undefined} */
export const region = () => locale;

/** @param {string} [of] a language @returns {'ltr' | 'rtl'} */
export const direction = (of = tag) => (RIGHT_TO_LEFT.has(of) ? 'rtl' : 'ltr');

/** @param {number} number @param {number} [digits] behind the point @returns {string} */
export function numeral(number, digits) {
  if (digits === undefined) return numbers.format(number);
  return new Intl.NumberFormat(locale ?? 'en', { minimumFractionDigits: digits, maximumFractionDigits: digits }).format(number);
}

/** @param {string} key @returns {boolean} */
export const says = (key) => Object.hasOwn(words, key);

/**
 * A sentence in the reader's language.
 * @param {string} key
 * @param {Record<string, string | number>} [params]
 * @returns {string}
 */
export const t = (key, params = {}) => pieces(key, params).join('');

/**
 * A sentence with nodes among its words.
 * @param {string} key
 * @param {Record<string, string | number | Node>} params
 * @returns {(string | Node)[]}
 */
export function pieces(key, params) {
  const said = words[key] ?? key;
  const text = typeof said === 'string' ? said : said[plurals.select(Number(params.count))] ?? said.other;
  return text.split(/\{(\w+)\}/).map((part, place) => (place % 2 === 0 ? part : shown(params[part])));
}

const shown = (value) => (typeof value === 'number' ? numeral(value) : value ?? '');

/** Several names in a row, as the language joins them. @param {string[]} names @returns {string} */
export const joined = (names) => new Intl.ListFormat(locale ?? 'en-GB', { type: 'conjunction' }).format(names);
