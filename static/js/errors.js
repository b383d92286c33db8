/**
 * Refusals as JavaScript errors, and the sentences people read for the stable codes of the protocol.
 * Branch on `code`, never on a sentence.
 */

/** The codes after which the same request may work later, unchanged. `disconnected` and `deadline` are the client's own. */
const RETRYABLE = new Set([
  'rate_limited', 'busy', 'unavailable', 'shutting_down', 'outcome_unknown', 'behind', 'disconnected', 'deadline',
]);

/** A typed no: of the server, or of this client (`disconnected`, `deadline`, `network`). */
export class Refusal extends Error {
  /**
   * @param {string} code stable
   * @param {string} message a sentence for people
   * @param {{retryAfterMs?: number | null, status?: number}} [more]
   */
  constructor(code, message, { retryAfterMs = null, status = 0 } = {}) {
    super(message);
    this.name = 'Refusal';
    this.code = code;
    this.retryAfterMs = retryAfterMs;
    /** The HTTP status, 0 for a socket's. */
    this.status = status;
  }

  /** Whether the same request may work later without being changed. */
  get retryable() {
    return RETRYABLE.has(this.code);
  }
}

/** @param {string} code @returns {boolean} */
export const isRetryable = (code) => RETRYABLE.has(code);

const REPLY_FAILURES = {
  provider_unavailable: 'The model provider could not be reached.',
  provider_overloaded: 'The model provider is overloaded at the moment.',
  provider_rate_limited: 'The model provider is limiting requests. Wait a little, then retry.',
  provider_quota: 'The model provider’s quota or spend limit is used up.',
  provider_auth: 'The model provider did not accept this server’s key. The operator has to look at it.',
  provider_refused: 'The model provider refused the request.',
  provider_timeout: 'The model provider did not answer in time.',
  provider_truncated: 'The answer broke off before its end.',
  provider_malformed: 'The model provider’s answer could not be read.',
  reply_too_long: 'The answer grew past the longest that is kept.',
  spend_limit_reached: 'What may be spent on answers is used up for now.',
  not_a_member: 'The person who asked is no longer a member of this room.',
};

/**
 * Why a reply failed, in a sentence.
 * @param {string | undefined} code
 */
export function replyFailure(code) {
  return REPLY_FAILURES[code] ?? 'The answer could not be written.';
}

const REPLY_REFUSALS = {
  too_many_prompts: 'Many of your questions already wait for an answer. Ask again when some are done.',
  too_many_replies: 'The assistant already has as many replies to write in this room as it takes. Ask again when one is done.',
  spend_limit_reached: 'What may be spent on answers is used up for now. Ask again tomorrow, or next month.',
  no_assistant: 'No assistant takes prompts in this room.',
  bots_not_answered: 'The assistant does not answer bots.',
};

/**
 * Why a sent message gets no reply, in a sentence.
 * @param {string} code
 */
export function replyRefusal(code) {
  return REPLY_REFUSALS[code] ?? 'The assistant cannot take this prompt now.';
}
