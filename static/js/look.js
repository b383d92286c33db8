/**
 * What this browser is set to: language, theme, whether single keys act on messages, whether it notifies. Settings are the
 * browser's, not a person's: they hold no secret and stay after signing out. `theme.js` reads the theme before anything is drawn.
 */
import { local } from './memory.js';
import { direction, language, languageOf, speak } from './words.js';

/** Every setting and its values, the first being what it is at first. */
export const SETTINGS = {
  language: ['', 'en', 'de', 'ar'],
  theme: ['system', 'light', 'dark', 'contrast', 'contrast_dark'],
  keys: ['on', 'off'],
  notify: ['off', 'on'],
};

const key = (name) => `salon.look.${name}`;

/** @param {keyof typeof SETTINGS} name @returns {string} */
export function setting(name) {
  const held = local.getItem(key(name));
  return SETTINGS[name].includes(held) ? held : SETTINGS[name][0];
}

/** @param {keyof typeof SETTINGS} name @param {string} value */
export function setSetting(name, value) {
  try {
    if (value === SETTINGS[name][0]) local.removeItem(key(name));
    else local.setItem(key(name), value);
  } catch {
    // A full storage: it lasts as long as the page.
  }
  if (name === 'theme') applyTheme(value);
}

/** @param {string} theme */
export function applyTheme(theme) {
  const root = document.documentElement;
  if (theme === 'system') delete root.dataset.theme;
  else root.dataset.theme = theme;
}

const wantedByBrowser = () => navigator.languages ?? [navigator.language];

/** The browser's first language that is known. @returns {string} */
export const browserLanguage = () => languageOf('', wantedByBrowser());

/** Speaks the language that was chosen, or the browser's first that is known; before any element is made. */
export async function chooseLanguage() {
  const wanted = wantedByBrowser();
  await speak(languageOf(setting('language'), wanted), wanted);
  document.documentElement.lang = language();
  document.documentElement.dir = direction();
}
