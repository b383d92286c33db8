/**
 * A row of the audit log as a line for people. Pure.
 */

/** What each act is, said of who did it. */
const SAYS = {
  'user.created': 'made an account',
  'guest.came': 'came as a guest',
  'session.started': 'signed in',
  'session.ended': 'signed out',
  'sessions.ended': 'ended all sessions of',
  'password.set': 'set the password of',
  'user.disabled': 'disabled',
  'user.enabled': 'enabled',
  'user.deleted': 'deleted the account of',
  'admin.given': 'made an administrator of',
  'admin.taken': 'took the right to administer from',
  'token.made': 'made a token for',
  'token.removed': 'revoked a token of',
  'bot.made': 'made the bot',
  'bot.removed': 'removed the bot',
  'room.taken_over': 'gave the room to',
  'room.created': 'made the room',
  'room.changed': 'changed the room',
  'room.deleted': 'deleted the room',
  'room.exported': 'exported the room',
  'member.role': 'gave a role to',
  'member.removed': 'removed',
  'member.banned': 'banned',
  'member.unbanned': 'lifted the ban of',
  refused: 'was refused',
};

/**
 * @param {{act: string, outcome: string | null, way: string, who: {name: string} | null, whom: {name: string} | null,
 *   room: string | null, detail: string, times: number}} row
 * @returns {string}
 */
export function auditLine(row) {
  const who = row.who?.name ?? (row.way === 'command' ? 'The operator' : row.way === 'server' ? 'The server' : 'Somebody');
  const parts = [who];
  if (row.outcome !== null && row.act !== 'refused') parts.push('was refused:');
  parts.push(SAYS[row.act] ?? row.act);
  if (row.whom !== null) parts.push(row.whom.name === who ? 'itself' : row.whom.name);
  if (row.room !== null) parts.push(`in #${row.room}`);
  const more = [row.outcome, row.detail].filter((text) => text !== null && text !== '');
  if (more.length > 0) parts.push(`(${more.join(', ')})`);
  if (row.times > 1) parts.push(`${row.times} times`);
  return parts.join(' ');
}
