/**
 * The HTTP half of the protocol: accounts, rooms, members. JSON in and out; the session is the server's cookie.
 * Every refusal is a `Refusal` with the server's stable code; no answer at all has the code `network`.
 */
import { Refusal } from './errors.js';
import { parsed } from './named.js';

/** A request without an answer after this long is given up. */
const TIMEOUT_MS = 20_000;

export class Api {
  #base;
  #fetch;

  /** @param {string} base such as `/api` @param {typeof fetch} [fetcher] */
  constructor(base, fetcher = (...args) => globalThis.fetch(...args)) {
    this.#base = base;
    this.#fetch = fetcher;
  }

  /** What this server offers, and `user`: whose the session is, or null. Never refused to a newcomer. */
  config() { return this.#call('GET', '/config'); }
  /** Who the session is. @throws {Refusal} `unauthenticated` */
  me() { return this.#call('GET', '/me'); }
  /** @param {string} name */
  guest(name) { return this.#call('POST', '/guests', { name }); }
  /** @param {string} name @param {string} password */
  signUp(name, password) { return this.#call('POST', '/users', { name, password }); }
  /** @param {string} name @param {string} password */
  signIn(name, password) { return this.#call('POST', '/sessions', { name, password }); }
  signOut() { return this.#call('DELETE', '/sessions/current'); }
  /** Where one is signed in. */
  async sessions() { return (await this.#call('GET', '/sessions')).sessions; }
  /** @param {string} session */
  endSession(session) { return this.#call('DELETE', `/sessions/${encodeURIComponent(session)}`); }
  endOtherSessions() { return this.#call('DELETE', '/sessions'); }
  endAllSessions() { return this.#call('DELETE', '/sessions?all=true'); }
  /** @param {string} password @param {string} fresh */
  changePassword(password, fresh) { return this.#call('PUT', '/me/password', { password, new_password: fresh }); }
  /** The guest that one is becomes an account; the session is replaced, so call `Salon.upgradeGuest`. @param {string} name @param {string} password */
  upgradeGuest(name, password) { return this.#call('POST', '/me/account', { name, password }); }
  /** @param {string} [password] a guest has none */
  deleteAccount(password) { return this.#call('DELETE', '/me', { password }); }

  /**
   * One's own rooms, then the public ones, a page of them.
   * @param {string | null} [after] the `next` of the page before
   * @returns {Promise<{rooms: object[], next?: string | null}>}
   */
  rooms(after = null) {
    return this.#call('GET', `/rooms?${new URLSearchParams({ limit: 200, ...(after !== null && { after }) })}`);
  }
  /** @param {{slug: string, name: string, visibility: 'public' | 'private'}} room */
  createRoom(room) { return this.#call('POST', '/rooms', room); }
  /** Public rooms by address. @param {{q?: string, after?: string}} page @returns {Promise<{rooms: object[], more: boolean}>} */
  publicRooms({ q, after }) {
    const query = new URLSearchParams(Object.entries({ q, after }).filter(([, value]) => value !== undefined && value !== ''));
    return this.#call('GET', `/rooms/public?${query}`);
  }
  /** One's direct room with people of these names and ids. @param {string[]} users @param {string[]} [ids] of people one shares a room with */
  direct(users, ids = []) { return this.#call('POST', '/direct', { users, user_ids: ids }); }
  /** @param {string} slug @param {boolean} muted */
  mute(slug, muted) { return this.#call('PUT', `/rooms/${encodeURIComponent(slug)}/mute`, { muted }); }
  /** @param {string} slug @param {{name?: string, topic?: string, visibility?: string, archived?: boolean}} change */
  changeRoom(slug, change) { return this.#call('PATCH', `/rooms/${encodeURIComponent(slug)}`, change); }
  /** @param {string} slug */
  deleteRoom(slug) { return this.#call('DELETE', `/rooms/${encodeURIComponent(slug)}`); }
  /** @param {string} slug @returns {Promise<{user: object, role: string}[]>} the first page of them */
  async members(slug) { return (await this.membersPage(slug)).members; }
  /** @param {string} slug @param {string | null} [after] the id of the last one of the page before @returns {Promise<{members: object[], more: boolean}>} */
  membersPage(slug, after = null) { return this.#call('GET', `/rooms/${encodeURIComponent(slug)}/members?${given({ after })}`); }
  /** @param {string} slug @param {{name: string, role?: string}} member */
  addMember(slug, member) { return this.#call('POST', `/rooms/${encodeURIComponent(slug)}/members`, member); }
  /** @param {string} slug @param {string} user the id */
  removeMember(slug, user) {
    return this.#call('DELETE', `/rooms/${encodeURIComponent(slug)}/members/${encodeURIComponent(user)}`);
  }

  /** @param {string} slug @param {string} user the id @param {string} role */
  setRole(slug, user, role) { return this.addMember(slug, { user, role }); }
  /** Gives a room to another member. @param {string} slug @param {string} user the id */
  transferRoom(slug, user) { return this.#call('POST', `/rooms/${encodeURIComponent(slug)}/transfer`, { user }); }
  /** @param {string} slug @returns {Promise<{user: object, by: object, reason: string, created_at: string}[]>} */
  async bans(slug) { return (await this.#call('GET', `/rooms/${encodeURIComponent(slug)}/bans`)).bans; }
  /** @param {string} slug @param {string} user the id @param {string} reason */
  ban(slug, user, reason) {
    return this.#call('PUT', `/rooms/${encodeURIComponent(slug)}/bans/${encodeURIComponent(user)}`, { reason });
  }
  /** Keeps somebody out who need not be there. @param {string} slug @param {string} name @param {string} reason */
  banByName(slug, name, reason) { return this.#call('POST', `/rooms/${encodeURIComponent(slug)}/bans`, { name, reason }); }
  /** @param {string} slug @param {string} user the id */
  unban(slug, user) { return this.#call('DELETE', `/rooms/${encodeURIComponent(slug)}/bans/${encodeURIComponent(user)}`); }
  /** @param {string} slug @returns {Promise<object[]>} those that have not ended */
  async invites(slug) { return (await this.#call('GET', `/rooms/${encodeURIComponent(slug)}/invites`)).invites; }
  /** @param {string} slug @param {{role: string, expires_in_s: number, max_uses: number}} wanted @returns {Promise<{link: string}>} */
  createInvite(slug, wanted) { return this.#call('POST', `/rooms/${encodeURIComponent(slug)}/invites`, wanted); }
  /** @param {string} slug @param {string} invite the id */
  revokeInvite(slug, invite) {
    return this.#call('DELETE', `/rooms/${encodeURIComponent(slug)}/invites/${encodeURIComponent(invite)}`);
  }
  /** Where an invite leads; nobody has to be signed in. @param {string} token @returns {Promise<{room: string, name: string, by: object, role: string}>} */
  lookUpInvite(token) { return this.#call('POST', '/invites/look', { token }); }
  /** Follows an invite. @param {string} token @returns {Promise<object>} the room */
  acceptInvite(token) { return this.#call('POST', '/invites/accept', { token }); }

  /** One message. @param {string} slug @param {number} seq */
  message(slug, seq) { return this.#call('GET', `/rooms/${encodeURIComponent(slug)}/messages/${seq}`); }
  /** What a message said before its edits, the oldest first. @param {string} slug @param {number} seq */
  async edits(slug, seq) {
    return (await this.#call('GET', `/rooms/${encodeURIComponent(slug)}/messages/${seq}/edits`)).edits;
  }
  /** The pinned messages, the latest pin first. @param {string} slug */
  async pins(slug) { return (await this.#call('GET', `/rooms/${encodeURIComponent(slug)}/pins`)).messages; }
  /**
   * @param {{q: string, room?: string, author?: string, before?: string, after?: string, cursor?: string}} search
   * @returns {Promise<{results: object[], next: string | null}>}
   */
  search(search) {
    const given = Object.entries(search).filter(([, value]) => value !== undefined && value !== '');
    return this.#call('GET', `/search?${new URLSearchParams(given)}`);
  }
  /** What is kept: so many days, the latest so many; null: all. @param {string} slug @returns {Promise<{days: number | null, messages?: number | null}>} */
  retention(slug) { return this.#call('GET', `/rooms/${encodeURIComponent(slug)}/retention`); }
  /** @param {string} slug @param {{days: number | null, messages: number | null}} kept */
  setRetention(slug, kept) { return this.#call('PUT', `/rooms/${encodeURIComponent(slug)}/retention`, kept); }
  /** Who answers in a room, the server's own first. @param {string} slug @returns {Promise<object[]>} */
  async assistants(slug) { return (await this.#call('GET', `/rooms/${encodeURIComponent(slug)}/assistants`)).assistants; }
  /** @param {string} slug @param {object} assistant its `name` and what the room says of it */
  addAssistant(slug, assistant) { return this.#call('POST', `/rooms/${encodeURIComponent(slug)}/assistants`, assistant); }
  /** @param {string} slug @param {string} id @param {object} change */
  changeAssistant(slug, id, change) { return this.#call('PATCH', `/rooms/${encodeURIComponent(slug)}/assistants/${encodeURIComponent(id)}`, change); }
  /** @param {string} slug @param {string} id */
  removeAssistant(slug, id) { return this.#call('DELETE', `/rooms/${encodeURIComponent(slug)}/assistants/${encodeURIComponent(id)}`); }
  /** The models that may write replies here. @returns {Promise<{default: object, providers: {name: string, models: {name: string}[]}[]}>} */
  models() { return this.#call('GET', '/models'); }
  /** One's own tokens. */
  async tokens() { return (await this.#call('GET', '/tokens')).tokens; }
  /** @param {{name: string, scope: 'read' | 'write', expires_in_s?: number}} token @returns {Promise<{secret: string, token: object}>} */
  createToken(token) { return this.#call('POST', '/tokens', token); }
  /** One's own, or one of a bot of one's own. @param {string} token the id */
  revokeToken(token) { return this.#call('DELETE', `/tokens/${encodeURIComponent(token)}`); }
  /** One's own bots. */
  async bots() { return (await this.#call('GET', '/bots')).bots; }
  /** @param {string} name */
  createBot(name) { return this.#call('POST', '/bots', { name }); }
  /** @param {string} bot the id */
  removeBot(bot) { return this.#call('DELETE', `/bots/${encodeURIComponent(bot)}`); }
  /** @param {string} bot the id */
  async botTokens(bot) { return (await this.#call('GET', `/bots/${encodeURIComponent(bot)}/tokens`)).tokens; }
  /** @param {string} bot the id @param {{name: string, scope: 'read' | 'write', expires_in_s?: number}} token */
  createBotToken(bot, token) { return this.#call('POST', `/bots/${encodeURIComponent(bot)}/tokens`, token); }
  /** @param {string} slug */
  async incomingHooks(slug) { return (await this.#call('GET', `/rooms/${encodeURIComponent(slug)}/incoming-hooks`)).hooks; }
  /** @param {string} slug @param {string} name @returns {Promise<{path: string, hook: object}>} */
  createIncomingHook(slug, name) { return this.#call('POST', `/rooms/${encodeURIComponent(slug)}/incoming-hooks`, { name }); }
  /** @param {string} slug @param {string} hook the id */
  rotateIncomingHook(slug, hook) {
    return this.#call('POST', `/rooms/${encodeURIComponent(slug)}/incoming-hooks/${encodeURIComponent(hook)}/rotate`);
  }
  /** @param {string} slug @param {string} hook the id */
  revokeIncomingHook(slug, hook) {
    return this.#call('DELETE', `/rooms/${encodeURIComponent(slug)}/incoming-hooks/${encodeURIComponent(hook)}`);
  }
  /** @param {string} slug @returns {Promise<object[]>} where what is written is sent on to, the oldest first */
  async outgoingWebhooks(slug) { return (await this.#call('GET', `/rooms/${encodeURIComponent(slug)}/outgoing-webhooks`)).webhooks; }
  /** @param {string} slug @param {{url: string, events: string[]}} webhook @returns {Promise<{webhook: object, secret: string}>} */
  makeOutgoingWebhook(slug, webhook) { return this.#call('POST', `/rooms/${encodeURIComponent(slug)}/outgoing-webhooks`, webhook); }
  /** @param {string} slug @param {string} id @param {{url?: string, events?: string[], enabled?: boolean}} change */
  changeOutgoingWebhook(slug, id, change) { return this.#call('PATCH', `/rooms/${encodeURIComponent(slug)}/outgoing-webhooks/${id}`, change); }
  /** @param {string} slug @param {string} id */
  deleteOutgoingWebhook(slug, id) { return this.#call('DELETE', `/rooms/${encodeURIComponent(slug)}/outgoing-webhooks/${id}`); }
  /** @param {string} slug @param {string} id @returns {Promise<{outcome: string, status: number | null, detail: string}>} */
  testOutgoingWebhook(slug, id) { return this.#call('POST', `/rooms/${encodeURIComponent(slug)}/outgoing-webhooks/${id}/test`); }
  /** The last deliveries of a webhook, the latest first. @param {string} slug @param {string} id @returns {Promise<object[]>} */
  async outgoingWebhookAttempts(slug, id) {
    return (await this.#call('GET', `/rooms/${encodeURIComponent(slug)}/outgoing-webhooks/${id}/attempts`)).attempts;
  }
  /** @param {string} slug @param {string} id @returns {Promise<string>} shown this once */
  async newOutgoingWebhookSecret(slug, id) {
    return (await this.#call('POST', `/rooms/${encodeURIComponent(slug)}/outgoing-webhooks/${id}/secret`)).secret;
  }
  /** All users, for administrators. @param {{text: string, after: string | null}} page @returns {Promise<{users: object[], more: boolean}>} */
  adminUsers({ text, after }) { return this.#call('GET', `/admin/users?${given({ text, after })}`); }
  /** @param {string} user the id @param {boolean} admin */
  setAdmin(user, admin) { return this.#call('PUT', `/admin/users/${encodeURIComponent(user)}/admin`, { admin }); }
  /** @param {string} user the id @param {boolean} disabled */
  setDisabled(user, disabled) { return this.#call('PUT', `/admin/users/${encodeURIComponent(user)}/disabled`, { disabled }); }
  /** @param {string} user the id */
  endSessions(user) { return this.#call('DELETE', `/admin/users/${encodeURIComponent(user)}/sessions`); }
  /** All rooms but direct ones, for administrators. @param {{text: string, after: string | null}} page @returns {Promise<{rooms: object[], more: boolean}>} */
  adminRooms({ text, after }) { return this.#call('GET', `/admin/rooms?${given({ text, after })}`); }
  /** @param {string} slug @param {boolean} archived */
  adminArchiveRoom(slug, archived) { return this.#call('PATCH', `/admin/rooms/${encodeURIComponent(slug)}`, { archived }); }
  /** @param {string} slug */
  adminDeleteRoom(slug) { return this.#call('DELETE', `/admin/rooms/${encodeURIComponent(slug)}`); }
  /** Gives a room whose owners are gone to somebody. @param {string} slug @param {string} user the id */
  adminGiveRoom(slug, user) { return this.#call('PUT', `/admin/rooms/${encodeURIComponent(slug)}/owner`, { user }); }
  /**
   * The audit log, the latest first.
   * @param {{before: string | null, limit: number, since?: string, user?: string, act?: string, room?: string}} page
   * @returns {Promise<{rows: object[], more: boolean}>}
   */
  audit(page) { return this.#call('GET', `/admin/audit?${given(page)}`); }

  /** What one's own questions used, the latest first. @param {string | null} before @returns {Promise<{rows: object[], more: boolean, spent: object, currency: string}>} */
  ownUsage(before) { return this.#call('GET', `/me/usage?${given({ before, limit: 50 })}`); }
  /** What the replies of a room used. @param {string} slug @param {string | null} before */
  roomUsage(slug, before) { return this.#call('GET', `/rooms/${encodeURIComponent(slug)}/usage?${given({ before, limit: 50 })}`); }
  /** What all replies used, summed up. @param {{by: string, from: string, after: string | null}} sums */
  adminUsage({ by, from, after }) { return this.#call('GET', `/admin/usage?${given({ by, from, after, limit: 50 })}`); }
  /** Where the same is as a table. @param {{by: string, from: string}} sums */
  adminUsageCsvUrl({ by, from }) { return `${this.#base}/admin/usage?${given({ by, from, format: 'csv' })}`; }
  /** One's own as a table, or a room's. @param {string | null} slug */
  usageCsvUrl(slug) { return `${this.#base}/${slug === null ? 'me' : `rooms/${encodeURIComponent(slug)}`}/usage?format=csv`; }

  /** Where a room's export is. @param {string} slug @param {'ndjson' | 'markdown'} format */
  exportUrl(slug, format) { return `${this.#base}/rooms/${encodeURIComponent(slug)}/export?format=${format}`; }

  async #call(method, path, body) {
    let response;
    let text;
    try {
      response = await this.#fetch(this.#base + path, {
        method,
        credentials: 'same-origin',
        headers: body === undefined ? {} : { 'content-type': 'application/json' },
        body: body === undefined ? undefined : JSON.stringify(body),
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
      text = await response.text();
    } catch {
      throw new Refusal('network', 'The server cannot be reached.');
    }
    const answer = parse(text);
    if (response.ok) return answer;
    throw new Refusal(answer?.code ?? 'internal', answer?.detail ?? answer?.title ?? 'Something went wrong on the server.', {
      retryAfterMs: answer?.retry_after_ms ?? null,
      status: response.status,
    });
  }
}

/** A query of what is given. */
function given(parts) {
  return new URLSearchParams(Object.entries(parts).filter(([, value]) => value !== null && value !== undefined && value !== ''));
}

function parse(text) {
  try {
    return parsed(text);
  } catch {
    return null;
  }
}
