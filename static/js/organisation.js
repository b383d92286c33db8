/**
 * The way to the organisation's sign-in and back. The browser leaves the page, so where it was is remembered for its tab; and the
 * server sends it back to the page alone, with what went wrong, if anything did, in the address. Nothing of an address is shown.
 */
import { t } from './words.js';

const PLACE = 'salon-place';

const PROBLEMS = {
  sign_in_expired: t('organisation.sign_in_expired'),
  sign_in_refused: t('organisation.sign_in_refused'),
  sign_in_invalid: t('organisation.sign_in_invalid'),
  sign_in_unavailable: t('organisation.sign_in_unavailable'),
  origin_refused: t('organisation.origin_refused'),
  rate_limited: t('organisation.rate_limited'),
};

/** Remembers where the tab is. @param {string} hash @param {Storage} [storage] */
export function remember(hash, storage = globalThis.sessionStorage) {
  try {
    storage.setItem(PLACE, hash);
  } catch {
    // Then it lands at the beginning.
  }
}

/**
 * What an address of a page that was just loaded says about a sign-in.
 * @param {string} hash @param {Storage} [storage]
 * @returns {{problem: string, place: string | null}} a sentence, or ''; and the place to show instead of the address, if any
 */
export function returned(hash, storage = globalThis.sessionStorage) {
  let place = null;
  try {
    place = storage.getItem(PLACE);
    storage.removeItem(PLACE);
  } catch {
    // Nothing is remembered.
  }
  const code = /^#sign-in=([a-z_]{1,40})$/.exec(hash)?.[1];
  if (code === undefined) return { problem: '', place: hash === '' && place?.startsWith('#/') ? place : null };
  const problem = Object.hasOwn(PROBLEMS, code) ? PROBLEMS[code] : t('organisation.failed');
  return { problem, place: place?.startsWith('#/') ? place : '' };
}
