/**
 * The lines between messages: the day, what is new below, what an assistant does not see above. Called by `<salon-messages>`.
 */
import { h } from '../dom.js';
import { clockTime, dayKey, dayName } from '../time.js';
import { t } from '../words.js';

/** @param {{label: string}} item @returns {HTMLElement} */
export function dayLine({ label }) {
  return h('div.day', { role: 'separator', 'aria-label': label }, h('span', { text: label }));
}

/** @param {{since: number}} item when the first new message came @returns {HTMLElement} */
export function newLine({ since }, now = Date.now()) {
  const time = dayKey(since) === dayKey(now) ? clockTime(since) : `${dayName(since, now)}, ${clockTime(since)}`;
  return h('div.new-line', { role: 'separator', 'aria-label': t('messages.new_long') }, h('span', { text: t('messages.new_since', { time }) }));
}

/** @param {{label: string}} item what an assistant does not see any more is above @returns {HTMLElement} */
export function contextLine({ label }) {
  return h('div.context-line', { role: 'separator', 'aria-label': label }, h('span', { text: label }));
}
