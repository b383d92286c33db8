/**
 * What replies used and cost, as lines for people. Pure.
 */

import { numeral, t } from './words.js';

const MICROS = 1_000_000;

/**
 * An amount, with as many digits as it takes to see that it is not nothing.
 * @param {number} micros millionths
 * @param {string} currency
 */
export function money(micros, currency) {
  const amount = micros / MICROS;
  if (micros > 0 && amount < 0.0001) return t('usage.below', { amount: `${currency} 0.0001` });
  return `${currency} ${numeral(amount, amount !== 0 && amount < 1 ? 4 : 2)}`;
}

/** @param {number} ms */
const duration = (ms) => (ms < 100 ? t('usage.under', { time: t('usage.seconds', { time: numeral(0.1, 1) }) }) : t('usage.seconds', { time: ms < 10_000 ? numeral(ms / 1_000, 1) : numeral(Math.round(ms / 1_000)) }));

/**
 * What one reply used; empty where nothing is known.
 * @param {{usage?: {input_tokens: number, output_tokens: number, cached_tokens?: number, estimated?: boolean}, cost_micros?: number | null,
 *   first_token_ms?: number | null}} reply
 * @param {string} currency
 * @returns {string}
 */
export function usageLine({ usage, cost_micros: cost, first_token_ms: first }, currency) {
  const about = (text) => (usage?.estimated ? t('usage.about', { text }) : text);
  const read = usage && t('usage.tokens_in', { count: usage.input_tokens });
  return [
    usage && about(usage.cached_tokens ? t('usage.cached', { text: read, count: usage.cached_tokens }) : read),
    usage && about(t('usage.tokens_out', { count: usage.output_tokens })),
    cost !== undefined && cost !== null && about(money(cost, currency)),
    first !== undefined && first !== null && t('usage.first', { time: duration(first) }),
  ].filter(Boolean).join(' · ');
}

/** The address of a room that people know by no name. */
const DIRECT = /^direct-[0-9a-f]{32}$/;

/** How attempts ended that did not end well. */
const ENDS = ['running', 'stopped', 'failed', 'interrupted', 'lost'];

/**
 * One attempt at a reply.
 * @param {object} row as the server has it
 * @param {string} currency
 * @param {{who: boolean}} shown whether it says who asked, or where
 * @returns {{title: string, line: string}}
 */
export function attemptLine(row, currency, { who }) {
  const line = usageLine({ ...row, usage: row.state === 'running' ? undefined : row }, currency);
  const key = who ? 'usage.asked' : DIRECT.test(row.room) ? 'usage.asked_direct' : 'usage.asked_in';
  const asked = t(key, { who: row.user?.name ?? '', room: row.room, assistant: `@${row.assistant.name}` });
  return {
    title: row.attempt > 1 ? t('usage.again', { text: asked, count: row.attempt }) : asked,
    line: [row.model, ENDS.includes(row.state) && t(`usage.end_${row.state}`), line].filter(Boolean).join(' · '),
  };
}

/**
 * How much is spent in a day or month, and how much may be.
 * @param {{cost_micros: number, cost_limit_micros: number | null, tokens: number, tokens_limit: number | null}} standing
 * @param {string} currency
 */
export function standingLine({ cost_micros: cost, cost_limit_micros: most, tokens: used, tokens_limit: limit }, currency) {
  const of = (spent, cap) => (cap === null ? spent : t('usage.of', { spent, cap }));
  return [
    of(money(cost, currency), most === null ? null : money(most, currency)),
    t('usage.tokens', { text: of(numeral(used), limit === null ? null : numeral(limit)) }),
  ].join(' · ');
}

/**
 * A sum, for administrators.
 * @param {object} sum
 * @param {string} currency
 */
export function sumLine(sum, currency) {
  const attempts = t('usage.count', { count: sum.attempts });
  return [sum.estimated > 0 ? t('usage.estimated', { text: attempts, count: sum.estimated }) : attempts, t('usage.tokens_in', { count: sum.input_tokens }),
    t('usage.tokens_out', { count: sum.output_tokens }), money(sum.cost_micros, currency)].join(' · ');
}
