/**
 * How an outgoing webhook does, in words. Pure.
 */
import { clockTime, dayName } from './time.js';

/** What a webhook may be told of. */
export const EVENTS = {
  message: 'New messages',
  'message.changed': 'Edits, deletions and reactions',
  'room.changed': 'Settings and members',
};
/** How an attempt may end. */
export const OUTCOMES = {
  delivered: 'delivered', refused: 'refused', timeout: 'no answer in time', unreachable: 'not reached', blocked: 'not allowed by this server',
};
const REASONS = { failing: 'Switched off after three days of failures', gone: 'Switched off: the receiver wants nothing more' };

/** How a webhook does, in one line. @param {object} webhook as the server lists it @param {number} [now] */
export function webhookLine(webhook, now = Date.now()) {
  if (!webhook.enabled) return REASONS[webhook.disabled_reason] ?? 'Off';
  const { last, failures } = webhook;
  if (last === null) return 'On; nothing sent yet';
  const at = Date.parse(last.at);
  const status = last.status === null ? '' : ` (${last.status})`;
  const when = `${dayName(at, now)}, ${clockTime(at)}`;
  const often = failures > 1 ? `, ${failures} times in a row` : '';
  return failures === 0 ? `Delivered ${when}` : `Failing: ${OUTCOMES[last.outcome]}${status}${often}, last ${when}`;
}
