/**
 * The way to the organisation's sign-in and back. The browser leaves the page, so where it was is remembered for its tab; and the
 * server sends it back to the page alone, with what went wrong, if anything did, in the address. Nothing of an address is shown.
 */

const PLACE = 'salon-place';

const PROBLEMS = {
  sign_in_expired: 'This sign-in took too long, was begun in another browser, or was used already. Begin again.',
  sign_in_refused: 'You were not let in by the sign-in provider, or may not come in here.',
  sign_in_invalid: 'What the sign-in provider answered was not to be believed. The operator has to look at it.',
  sign_in_unavailable: 'The sign-in provider cannot be reached right now. Try again a little later.',
  origin_refused: 'A sign-in begins on this page: press the button.',
  rate_limited: 'Too many sign-ins from here. Try again a little later.',
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
  const problem = Object.hasOwn(PROBLEMS, code) ? PROBLEMS[code] : 'Signing in did not work.';
  return { problem, place: place?.startsWith('#/') ? place : '' };
}
