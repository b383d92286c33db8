/**
 * How an outgoing webhook does, in words. Pure.
 */
import { clockTime, dayName } from './time.js';
import { t } from './words.js';

/** What a webhook may be told of. */
export const EVENTS = {
  message: t('events.message'),
  'message.changed': t('events.message_changed'),
  'room.changed': t('events.room_changed'),
};
/** How an attempt may end. */
export const OUTCOMES = {
  delivered: t('outcome.delivered'), refused: t('outcome.refused'), timeout: t('outcome.timeout'), unreachable: t('outcome.unreachable'), blocked: t('outcome.blocked'),
};
const REASONS = { failing: t('outgoing.failing'), gone: t('outgoing.gone') };

/** How an attempt ended, with the receiver's status. @param {{outcome: string, status: number | null}} attempt */
export const outcomeLine = ({ outcome, status }) => `${OUTCOMES[outcome] ?? outcome}${status === null ? '' : ` (${status})`}`;

/** How a webhook does, in one line. @param {object} webhook as the server lists it @param {number} [now] */
export function webhookLine(webhook, now = Date.now()) {
  if (!webhook.enabled) return REASONS[webhook.disabled_reason] ?? t('off');
  const { last, failures } = webhook;
  if (last === null) return t('outgoing.unsent');
  const at = Date.parse(last.at);
  const when = `${dayName(at, now)}, ${clockTime(at)}`;
  if (failures === 0) return t('outgoing.delivered', { when });
  const outcome = failures > 1 ? t('outgoing.often', { outcome: outcomeLine(last), count: failures }) : outcomeLine(last);
  return t('outgoing.fails', { outcome, when });
}
