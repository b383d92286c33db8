/**
 * A row of the audit log as a line for people. Pure. Each act has a sentence of its own in the catalogues, `audit.<act>`.
 */
import { says, t } from './words.js';

/** The acts that the log may be asked for. */
export const ACTS = [
  'user.created', 'guest.came', 'guest.upgraded', 'session.started', 'session.ended', 'sessions.ended', 'password.set', 'user.disabled', 'user.enabled',
  'user.deleted', 'admin.given', 'admin.taken', 'token.made', 'token.removed', 'bot.made', 'bot.removed', 'hook.made', 'hook.rotated',
  'hook.removed', 'webhook.made', 'webhook.changed', 'webhook.rotated', 'webhook.removed', 'room.created', 'room.changed',
  'room.retention', 'room.transferred', 'room.taken_over', 'room.deleted', 'room.exported', 'room.new_epoch', 'member.role',
  'member.removed', 'member.banned', 'member.unbanned', 'invite.made', 'invite.accepted', 'invite.revoked', 'refused', 'audit.dropped',
];

/** What an act is called in a list of them. @param {string} act */
export const actName = (act) => t(`audit.${act}`, { who: '…', whom: '…' });

/**
 * @param {{act: string, outcome: string | null, way: string, who: {name: string} | null, whom: {name: string} | null,
 *   room: string | null, detail: string, times: number}} row
 * @returns {string}
 */
export function auditLine(row) {
  const who = row.who?.name ?? t(row.way === 'command' ? 'audit.operator' : row.way === 'server' ? 'audit.server' : 'audit.somebody');
  const whom = row.whom === null ? '' : row.whom.name === who ? t('audit.itself') : row.whom.name;
  let line = says(`audit.${row.act}`) ? t(`audit.${row.act}`, { who, whom }).trim() : [who, row.act, whom].filter(Boolean).join(' ');
  if (row.outcome !== null && row.act !== 'refused') line = t('audit.denied', { what: line });
  if (row.room !== null) line = t('audit.in', { what: line, room: row.room });
  const more = [row.outcome, row.detail].filter((text) => text !== null && text !== '');
  if (more.length > 0) line = `${line} (${more.join(', ')})`;
  return row.times > 1 ? t('audit.times', { what: line, count: row.times }) : line;
}
