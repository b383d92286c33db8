/**
 * A row of the audit log as a line for people. Pure. Each act has a sentence of its own in the catalogues, `audit.<act>`; why
 * something was refused is `audit.why.<code>`, and a few words of the server's are `audit.detail.<words>`.
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
export const actName = (act) => t(`audit.${act}`, { who: '…', whom: '…', role: '…', room: '…' });

/** What was refused again within so long of the first time is one line. */
const FOLD_MS = 60_000;

/**
 * @typedef {{act: string, outcome: string | null, way: string, address?: string | null, at?: string, who: {id?: string, name: string} | null,
 *   whom: {id?: string, name: string} | null, room: string | null, detail: string, times: number}} Row
 */

/**
 * The rows with what was refused in the same way, to the same asker, within a minute as one, in the place of the newest.
 * @param {Row[]} rows the newest first
 * @returns {Row[]}
 */
export function folded(rows) {
  const open = new Map();
  const lines = [];
  for (const row of rows) {
    const kind = JSON.stringify([row.act, row.outcome, row.way, row.address, row.who?.id, row.whom?.id, row.room, row.detail]);
    const held = row.outcome === null ? undefined : open.get(kind);
    if (held !== undefined && Date.parse(held.at) - Date.parse(row.at) < FOLD_MS) {
      held.times += row.times;
      continue;
    }
    const line = { ...row };
    open.set(kind, line);
    lines.push(line);
  }
  return lines;
}

/** @param {Row} row @returns {string} */
export function auditLine(row) {
  let line = deed(row);
  // What is done to a room names it itself.
  if (row.room !== null && !row.act.startsWith('room.')) line = t('audit.in', { what: line, room: row.room });
  if (row.outcome !== null) line = t('audit.because', { what: line, why: why(row.outcome) });
  return row.times > 1 ? t('audit.times', { what: line, count: row.times }) : line;
}

function deed({ act, outcome, way, who: actor, whom: other, room, detail }) {
  const who = actor?.name ?? t(way === 'command' ? 'audit.operator' : way === 'server' ? 'audit.server' : 'audit.somebody');
  const whom = other === null ? '' : isSame(actor, other) ? t('audit.itself') : other.name;
  if (outcome !== null && act === 'session.started') return whom === '' ? t('audit.sign_in_unknown') : t('audit.sign_in_refused', { whom });
  const role = says(`role.${detail}`) ? t(`role.${detail}`) : detail;
  const key = whom !== '' && says(`audit.${act}.of`) ? `audit.${act}.of` : `audit.${act}`;
  const line = says(key) ? t(key, { who, whom, role, room: room === null ? '' : `\u2066#${room}\u2069` }) : [who, act, whom].filter(Boolean).join(' ');
  return outcome === null || act === 'refused' ? line : t('audit.denied', { what: line });
}

/** Guests may share a name: where there is an id it tells. */
const isSame = (one, other) => one !== null && (one.id ?? one.name) === (other.id ?? other.name);

const why = (code) => (says(`audit.why.${code}`) ? t(`audit.why.${code}`) : code.replaceAll('_', ' '));

/** What else the server noted, in small: the parts of a room that changed, what was asked for. @param {Row} row @returns {string} */
export function auditDetail({ act, detail }) {
  if (act === 'member.role' || detail === '') return '';
  return detail.split(', ').map((part) => (says(`audit.detail.${part}`) ? t(`audit.detail.${part}`) : `\u2066${part}\u2069`)).join(', ');
}
