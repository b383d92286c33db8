/**
 * Refusals as JavaScript errors, and the sentences people read for the stable codes of the protocol.
 * Branch on `code`, never on a sentence.
 */
import { says, t } from './words.js';

/** The codes after which the same request may work later, unchanged. `disconnected` and `deadline` are the client's own. */
const RETRYABLE = new Set([
  'rate_limited', 'busy', 'unavailable', 'shutting_down', 'outcome_unknown', 'behind', 'disconnected', 'deadline',
]);

/** A typed no: of the server, or of this client (`disconnected`, `deadline`, `network`). */
export class Refusal extends Error {
  /**
   * @param {string} code stable
   * @param {string} message a sentence for people, in English; where the reader's catalogue has one for the code, that one is said
   * @param {{retryAfterMs?: number | null, status?: number}} [more]
   */
  constructor(code, message, { retryAfterMs = null, status = 0 } = {}) {
    super(sentenceOf({ code, message }));
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

/**
 * What is said of a refusal: in the reader's language where the catalogue has the code, else as the server says it.
 * @param {{code: string, message: string} | null} refusal
 */
export function sentenceOf(refusal) {
  // That of an earlier page was told by that page.
  if (!refusal || refusal.code === 'failed') return '';
  return says(`error.${refusal.code}`) ? t(`error.${refusal.code}`) : refusal.message;
}

const REPLY_FAILURES = {
  provider_unavailable: t('failure.provider_unavailable'),
  provider_overloaded: t('failure.provider_overloaded'),
  provider_rate_limited: t('failure.provider_rate_limited'),
  provider_quota: t('failure.provider_quota'),
  provider_auth: t('failure.provider_auth'),
  provider_refused: t('failure.provider_refused'),
  provider_timeout: t('failure.provider_timeout'),
  provider_truncated: t('failure.provider_truncated'),
  provider_malformed: t('failure.provider_malformed'),
  reply_too_long: t('failure.reply_too_long'),
  spend_limit_reached: t('failure.spend_limit_reached'),
  not_a_member: t('failure.not_a_member'),
};

/**
 * Why a reply failed, in a sentence.
 * @param {string | undefined} code
 */
export function replyFailure(code) {
  return REPLY_FAILURES[code] ?? t('failure.other');
}

const REPLY_REFUSALS = {
  too_many_prompts: t('refusal.too_many_prompts'),
  too_many_replies: t('refusal.too_many_replies'),
  spend_limit_reached: t('refusal.spend_limit_reached'),
  no_assistant: t('refusal.no_assistant'),
  bots_not_answered: t('refusal.bots_not_answered'),
};

/**
 * Why a sent message gets no reply, in a sentence.
 * @param {string} code
 */
export function replyRefusal(code) {
  return REPLY_REFUSALS[code] ?? t('refusal.other');
}
