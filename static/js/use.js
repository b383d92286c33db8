/**
 * What is said of a session, a token or a webhook in the lists of them: since when, how long, when it was last used. Pure.
 */
import { dayName } from './time.js';

/** @param {string} time @param {number} now */
const day = (time, now) => {
  const name = dayName(Date.parse(time), now);
  return name === 'Today' || name === 'Yesterday' ? name.toLowerCase() : name;
};

/** @param {{last_used_at: string | null}} one @param {number} [now] */
export const usedLine = ({ last_used_at: at }, now = Date.now()) => (at === null ? 'Never used' : `Last used ${day(at, now)}`);

/**
 * @param {{scope: 'read' | 'write', created_at: string, expires_at: string | null, last_used_at: string | null}} token
 * @param {number} [now]
 */
export function tokenLine(token, now = Date.now()) {
  const may = token.scope === 'write' ? 'Reads and writes' : 'Reads only';
  const ends = token.expires_at === null ? 'no end' : `ends ${day(token.expires_at, now)}`;
  return [may, ends, usedLine(token, now)].join(' · ');
}

/** What a browser or program is called, of all that it says of itself. @param {string | null} agent */
export function programName(agent) {
  if (agent === null || agent === '') return 'A program';
  const known = [['Edg/', 'Edge'], ['OPR/', 'Opera'], ['Firefox/', 'Firefox'], ['Chrome/', 'Chrome'], ['Safari/', 'Safari']];
  const browser = known.find(([mark]) => agent.includes(mark))?.[1];
  if (browser === undefined) return agent.split(/[\s/]/, 1)[0].slice(0, 40);
  const systems = [['Android', 'Android'], ['iPhone', 'iPhone'], ['iPad', 'iPad'], ['Windows', 'Windows'], ['Mac OS', 'macOS'], ['Linux', 'Linux']];
  const system = systems.find(([mark]) => agent.includes(mark))?.[1];
  return system === undefined ? browser : `${browser} on ${system}`;
}

/** @param {{created_at: string, last_seen_at: string, address: string | null}} session @param {number} [now] */
export function sessionLine({ created_at: made, last_seen_at: seen, address }, now = Date.now()) {
  const from = address === null ? '' : ` from ${address}`;
  return `Signed in ${day(made, now)}${from} · last used ${day(seen, now)}`;
}

/** @param {{created_by: {name: string}, created_at: string, last_used_at: string | null}} hook @param {number} [now] */
export const hookLine = (hook, now = Date.now()) => [`Made by ${hook.created_by.name} ${day(hook.created_at, now)}`, usedLine(hook, now)].join(' · ');
