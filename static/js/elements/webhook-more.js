/**
 * What opens below an outgoing webhook: a form that changes where it sends and what, and its last deliveries. Made by
 * `outgoing-webhooks.js`.
 */
import { h } from '../dom.js';
import { fullTime, shortDate, clockTime } from '../time.js';
import { EVENTS, outcomeLine } from '../webhook-line.js';
import { numeral, t } from '../words.js';
import { submitting } from './dialog.js';

/** The boxes of what a webhook may be told of. @param {string[]} chosen */
export const eventBoxes = (chosen) => Object.entries(EVENTS).map(([value, title]) => h('label.webhook-check', {},
  h('input', { type: 'checkbox', name: 'events', value, checked: chosen.includes(value) }), title));

/**
 * @param {object} webhook as the server lists it
 * @param {(change: {url: string, events: string[]}) => Promise<void>} change
 * @returns {HTMLElement}
 */
export function changeForm(webhook, change) {
  const problem = h('p.problem', { role: 'alert' });
  const id = `webhook-url-${webhook.id}`;
  const url = h('input', { id, type: 'url', required: true, maxlength: 2048, autocomplete: 'off', value: webhook.url });
  const submit = (event) => submitting(event, problem, () => change({ url: url.value.trim(), events: new FormData(event.target).getAll('events') }));
  return h('form.webhook-change', { onsubmit: submit }, h('label', { for: id, text: t('outgoing.to') }), url,
    h('fieldset', {}, h('legend', { text: t('outgoing.what') }), ...eventBoxes(webhook.events)), problem,
    h('div.buttons', {}, h('button.quiet', { type: 'submit', text: t('save') })));
}

/** The last deliveries, the latest first. @param {object[]} attempts */
export function attemptList(attempts) {
  const row = ({ at, events, outcome, status, detail, took_ms: took }) => {
    const time = Date.parse(at);
    return h('li', { 'data-outcome': outcome },
      h('time', { datetime: at, title: fullTime(time), text: `${shortDate(time)} ${clockTime(time)}` }),
      h('span', { text: outcomeLine({ outcome, status }) }),
      h('small', { text: t('outgoing.attempt', { count: events, took: numeral(took) }) }),
      detail !== '' && h('code', { dir: 'ltr', text: detail.slice(0, 400) }));
  };
  return h('ol.attempts', { 'aria-label': t('outgoing.attempts') },
    ...(attempts.length === 0 ? [h('li.empty', { text: t('outgoing.no_attempts') })] : attempts.map(row)));
}
