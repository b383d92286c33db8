/**
 * When to connect again. Pure: the clock and the dice are handed in. Called by `connection.js` only.
 *
 * Full jitter (a uniform wait between nothing and the ceiling) spreads the clients of a stopped instance over the
 * whole wait; a fixed step would bring them back all at once.
 */

/** The first ceiling, in milliseconds. */
export const BASE_MS = 500;
/** The highest ceiling, in milliseconds. */
export const CAP_MS = 15_000;

/**
 * @param {number} failures how many connections in a row have failed, from 0
 * @param {{random?: () => number, baseMs?: number, capMs?: number}} [options]
 * @returns {number} milliseconds to wait, from 0 to min(cap, base · 2^failures)
 */
export function fullJitter(failures, { random = Math.random, baseMs = BASE_MS, capMs = CAP_MS } = {}) {
  const ceiling = Math.min(capMs, baseMs * 2 ** Math.min(failures, 30));
  return Math.floor(random() * ceiling);
}

/**
 * What a close code asks of a client: 4500 to 4999 say "do not come back", all others "come back".
 * @param {number} code
 * @returns {boolean} whether to connect again
 */
export function mayReturn(code) {
  return !(code >= 4500 && code <= 4999);
}

/** The close code of a session that has ended: sign in first. */
export const SIGNED_OUT = 4501;
