/**
 * What is said of a token or a webhook in the lists of them: since when, how long, when it was last used. Pure.
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

/** @param {{created_by: {name: string}, created_at: string, last_used_at: string | null}} hook @param {number} [now] */
export const hookLine = (hook, now = Date.now()) => [`Made by ${hook.created_by.name} ${day(hook.created_at, now)}`, usedLine(hook, now)].join(' · ');
