/**
 * The mark on a reply: its model, which opens to what it used and cost. Called by `<salon-message>`.
 */
import { h } from '../dom.js';
import { usageLine } from '../usage-line.js';
import { t } from '../words.js';

/**
 * The model of a reply; where it is known what it used, that is below it for whoever opens it.
 * @param {object | undefined} reply
 * @param {string | undefined} currency
 * @returns {HTMLElement | null}
 */
export function modelMark(reply, currency = 'USD') {
  if (!reply?.model) return null;
  const line = usageLine(reply, currency);
  if (line === '') return h('span.model', { text: reply.model });
  return h('details.usage-mark', {}, h('summary', { title: t('usage.mark') }, h('span.model', { text: reply.model })), h('span.usage-line', { text: line }));
}
