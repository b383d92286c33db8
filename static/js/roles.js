/**
 * What a role may do to the members of a room, as `docs/permissions.md` has it: which buttons the page shows. The server
 * judges for itself.
 */
import { region, t } from './words.js';

/** Every role, the highest first. */
export const ROLES = { owner: t('role.owner'), moderator: t('role.moderator'), member: t('role.member'), reader: t('role.reader') };

/** Whether a role keeps order: manages members, invites, bans. @param {string | null} role */
export const keepsOrder = (role) => role === 'owner' || role === 'moderator';

/** The roles that somebody of a role may invite into. @param {string | null} role @returns {string[]} */
export function invitable(role) {
  if (role === 'owner') return ['member', 'reader', 'moderator'];
  return role === 'moderator' ? ['member', 'reader'] : [];
}

/**
 * What may be done to a member.
 * @param {{role: string | null, visibility: string, people: number}} room as the reader sees it
 * @param {{role: string, user: {kind: string}}} member
 * @param {boolean} self whether that is the reader
 * @returns {{roles: string[], removes: boolean, bans: boolean, gives: boolean}} `roles`: those it may be given
 */
export function memberRights({ role, visibility, people }, member, self) {
  const owner = role === 'owner';
  const below = owner || member.role !== 'owner';
  const open = visibility !== 'direct';
  const manages = keepsOrder(role) && below && open && !self;
  // A program speaks in its rooms: it keeps no order in them and owns none, whatever it was given once.
  const person = member.user.kind !== 'bot' && member.user.kind !== 'assistant';
  const mayHave = Object.keys(ROLES).filter((name) => (person ? owner || name !== 'owner' : name === 'member' || name === 'reader' || name === member.role));
  const mayBan = owner || member.role === 'member' || member.role === 'reader';
  return {
    roles: manages && member.user.kind !== 'assistant' ? mayHave : [],
    removes: self ? open || people > 2 : keepsOrder(role) && below,
    bans: manages && mayBan && member.user.kind !== 'assistant',
    gives: manages && owner && person,
  };
}

const UNITS = [['day', 86_400_000], ['hour', 3_600_000], ['minute', 60_000]];
const inUnits = (count, unit) => new Intl.NumberFormat(region() ?? 'en', { style: 'unit', unit, unitDisplay: 'long' }).format(count);

/** How long there is until a time, in words. @param {string} time @param {number} [now] */
export function timeLeft(time, now = Date.now()) {
  const left = Date.parse(time) - now;
  for (const [unit, size] of UNITS) {
    const count = Math.round(left / size);
    if (left >= size) return inUnits(count, unit);
  }
  return t('time.soon');
}

/** How an invite stands, in a line. @param {{role: string, uses: number, max_uses: number, expires_at: string, works: boolean}} invite */
export function inviteLine(invite, now = Date.now()) {
  const uses = t('invites.used', { count: invite.uses, max: invite.max_uses });
  const ends = invite.works ? t('invites.ends', { time: timeLeft(invite.expires_at, now) }) : t('invites.asleep');
  return `${ROLES[invite.role]} · ${uses} · ${ends}`;
}

/** The token in the page's address, if it is that of an invite. @param {string} hash @returns {string | null} */
export function inviteToken(hash) {
  return /^#\/invite\/([0-9a-f]{64})$/.exec(hash)?.[1] ?? null;
}

/** What an invite says, in a sentence. as what one comes @param {{name: string, by: {name: string}, role: string}} invite */
export const invitation = ({ name, by, role }) => t({ reader: 'invites.says_reader', moderator: 'invites.says_moderator' }[role] ?? 'invites.says', { by: by.name, name });
