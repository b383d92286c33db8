/**
 * Who somebody is at a glance: initials on a colour that is always the same for the same user.
 */
import { h, icon } from './dom.js';
import { t } from './words.js';

const HUES = 10;

/** @param {string} name @returns {string} one or two letters */
export function initials(name) {
  const words = name.trim().split(/[\s._-]+/u).filter(Boolean);
  const letters = words.length > 1 ? [words[0], words.at(-1)] : [words[0] ?? '?'];
  return letters.map((word) => [...word][0]).join('').toUpperCase();
}

/** @param {string} id @returns {number} from 0 to 9 */
export function hueOf(id) {
  let hash = 2166136261;
  for (const character of id) hash = Math.imul(hash ^ character.codePointAt(0), 16777619);
  return (hash >>> 0) % HUES;
}

/** Beside a guest's name: guests may be called as anybody is. @param {{kind: string}} user @returns {HTMLElement | null} */
export const guestMark = ({ kind }) => (kind === 'guest' ? h('small.guest-mark', { text: t('kind.guest') }) : null);

/** @param {{id: string, name: string, kind: string}} user @returns {HTMLElement} */
export function avatar(user) {
  if (user.kind === 'assistant') return h('span.avatar.avatar-assistant', { 'aria-hidden': 'true' }, icon('spark'));
  return h(`span.avatar.hue-${hueOf(user.id)}`, { 'aria-hidden': 'true', text: initials(user.name) });
}
