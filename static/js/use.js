/**
 * What is said of a session, a token or a webhook in the lists of them: since when, how long, when it was last used. Pure.
 */
import { clockTime, dayName } from './time.js';
import { t } from './words.js';

/** @param {string} time @param {number} now */
const day = (time, now) => {
  const name = dayName(Date.parse(time), now);
  if (name === t('today')) return t('today_at', { time: clockTime(Date.parse(time)) });
  return name === t('yesterday') ? t('yesterday_within') : name;
};

/** @param {{last_used_at: string | null}} one @param {number} [now] */
export const usedLine = ({ last_used_at: at }, now = Date.now()) => (at === null ? t('used.never') : t('used.last', { day: day(at, now) }));

/**
 * @param {{scope: 'read' | 'write', created_at: string, expires_at: string | null, last_used_at: string | null}} token
 * @param {number} [now]
 */
export function tokenLine(token, now = Date.now()) {
  const may = token.scope === 'write' ? t('tokens.writes') : t('tokens.reads');
  const ends = token.expires_at === null ? t('tokens.no_end') : t('tokens.ends', { day: day(token.expires_at, now) });
  return [may, ends, usedLine(token, now)].join(' · ');
}

/** What a browser or program is called, of all that it says of itself. @param {string | null} agent */
export function programName(agent) {
  if (agent === null || agent === '') return t('program.unknown');
  const known = [['Edg/', 'Edge'], ['OPR/', 'Opera'], ['Firefox/', 'Firefox'], ['Chrome/', 'Chrome'], ['Safari/', 'Safari']];
  const browser = known.find(([mark]) => agent.includes(mark))?.[1];
  if (browser === undefined) return agent.split(/[\s/]/, 1)[0].slice(0, 40);
  const systems = [['Android', 'Android'], ['iPhone', 'iPhone'], ['iPad', 'iPad'], ['Windows', 'Windows'], ['Mac OS', 'macOS'], ['Linux', 'Linux']];
  const system = systems.find(([mark]) => agent.includes(mark))?.[1];
  return system === undefined ? browser : t('program.on', { browser, system });
}

/** @param {{created_at: string, last_seen_at: string, address: string | null}} session @param {number} [now] */
export function sessionLine({ created_at: made, last_seen_at: seen, address }, now = Date.now()) {
  const [began, last] = [day(made, now), day(seen, now)];
  return address === null ? t('sessions.line', { day: began, seen: last }) : t('sessions.line_from', { day: began, address, seen: last });
}

/** The session that asks, then those that were used last. @param {{current: boolean, last_seen_at: string}[]} sessions */
export const inOrder = (sessions) => sessions.toSorted((one, other) => other.current - one.current || Date.parse(other.last_seen_at) - Date.parse(one.last_seen_at));

/** @param {{created_by: {name: string}, created_at: string, last_used_at: string | null}} hook @param {number} [now] */
export const hookLine = (hook, now = Date.now()) => [t('hooks.made', { name: hook.created_by.name, day: day(hook.created_at, now) }), usedLine(hook, now)].join(' · ');
