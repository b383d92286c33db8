/**
 * Times as people read them, in the reader's own language and zone.
 */

const clock = new Intl.DateTimeFormat(undefined, { hour: 'numeric', minute: '2-digit' });
const full = new Intl.DateTimeFormat(undefined, { dateStyle: 'full', timeStyle: 'medium' });
const weekday = new Intl.DateTimeFormat(undefined, { weekday: 'long', day: 'numeric', month: 'long' });
const dated = new Intl.DateTimeFormat(undefined, { weekday: 'short', day: 'numeric', month: 'long', year: 'numeric' });

/** @param {number} time @returns {string} such as 14:05 */
export const clockTime = (time) => clock.format(time);

/** @param {number} time @returns {string} everything, for a tooltip */
export const fullTime = (time) => full.format(time);

/** @param {number} time @returns {string} the same for all times of one local day */
export function dayKey(time) {
  const date = new Date(time);
  return `${date.getFullYear()}-${date.getMonth() + 1}-${date.getDate()}`;
}

/** @param {number} time @param {number} [now] @returns {string} Today, Yesterday, or the date */
export function dayName(time, now = Date.now()) {
  if (dayKey(time) === dayKey(now)) return 'Today';
  if (dayKey(time) === dayKey(now - 86_400_000)) return 'Yesterday';
  return new Date(time).getFullYear() === new Date(now).getFullYear() ? weekday.format(time) : dated.format(time);
}
