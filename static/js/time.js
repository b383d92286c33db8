/**
 * Times as people read them, in the reader's own language and zone.
 */
import { region, t } from './words.js';

const clock = new Intl.DateTimeFormat(region(), { hour: 'numeric', minute: '2-digit' });
const full = new Intl.DateTimeFormat(region(), { dateStyle: 'full', timeStyle: 'medium' });
const weekday = new Intl.DateTimeFormat(region(), { weekday: 'long', day: 'numeric', month: 'long' });
const short = new Intl.DateTimeFormat(region(), { day: 'numeric', month: 'short', year: 'numeric' });
const dated = new Intl.DateTimeFormat(region(), { weekday: 'short', day: 'numeric', month: 'long', year: 'numeric' });

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
  if (dayKey(time) === dayKey(now)) return t('today');
  if (dayKey(time) === dayKey(now - 86_400_000)) return t('yesterday');
  return new Date(time).getFullYear() === new Date(now).getFullYear() ? weekday.format(time) : dated.format(time);
}

/** @param {number} time @returns {string} the day alone, short */
export const shortDate = (time) => short.format(time);
