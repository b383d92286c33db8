/**
 * What replies used and cost, as lines for people. Pure.
 */

const MICROS = 1_000_000;

/**
 * An amount, with as many digits as it takes to see that it is not nothing.
 * @param {number} micros millionths
 * @param {string} currency
 */
export function money(micros, currency) {
  const amount = micros / MICROS;
  if (micros > 0 && amount < 0.0001) return `below ${currency} 0.0001`;
  return `${currency} ${amount.toFixed(amount !== 0 && amount < 1 ? 4 : 2)}`;
}

/** @param {number} count */
const tokens = (count) => count.toLocaleString('en-US');

/** @param {number} ms */
const duration = (ms) => (ms < 10_000 ? `${(ms / 1_000).toFixed(1)} s` : `${Math.round(ms / 1_000)} s`);

/**
 * What one reply used; empty where nothing is known.
 * @param {{usage?: {input_tokens: number, output_tokens: number, cached_tokens?: number, estimated?: boolean}, cost_micros?: number | null,
 *   first_token_ms?: number | null}} reply
 * @param {string} currency
 * @returns {string}
 */
export function usageLine({ usage, cost_micros: cost, first_token_ms: first }, currency) {
  const about = usage?.estimated ? 'about ' : '';
  return [
    usage && `${about}${tokens(usage.input_tokens)} tokens in${usage.cached_tokens ? ` (${tokens(usage.cached_tokens)} cached)` : ''}`,
    usage && `${about}${tokens(usage.output_tokens)} out`,
    cost !== undefined && cost !== null && `${about}${money(cost, currency)}`,
    first !== undefined && first !== null && `first words after ${duration(first)}`,
  ].filter(Boolean).join(' · ');
}

/** The address of a room that people know by no name. */
const DIRECT = /^direct-[0-9a-f]{32}$/;

/** How attempts ended that did not end well. */
const ENDS = { running: 'runs', stopped: 'stopped', failed: 'failed', interrupted: 'interrupted', lost: 'lost with its server: the most it could have used' };

/**
 * One attempt at a reply.
 * @param {object} row as the server has it
 * @param {string} currency
 * @param {{who: boolean}} shown whether it says who asked, or where
 * @returns {{title: string, line: string}}
 */
export function attemptLine(row, currency, { who }) {
  const line = usageLine({ ...row, usage: row.state === 'running' ? undefined : row }, currency);
  const again = row.attempt > 1 ? `, attempt ${row.attempt}` : '';
  return {
    title: `${who ? row.user.name : DIRECT.test(row.room) ? 'In a direct room you' : `In #${row.room} you`} asked @${row.assistant.name}${again}`,
    line: [row.model, ENDS[row.state], line].filter(Boolean).join(' · '),
  };
}

/**
 * How much is spent in a day or month, and how much may be.
 * @param {{cost_micros: number, cost_limit_micros: number | null, tokens: number, tokens_limit: number | null}} standing
 * @param {string} currency
 */
export function standingLine({ cost_micros: cost, cost_limit_micros: most, tokens: used, tokens_limit: limit }, currency) {
  const of = (spent, cap) => (cap === null ? spent : `${spent} of ${cap}`);
  return [
    of(money(cost, currency), most === null ? null : money(most, currency)),
    `${of(tokens(used), limit === null ? null : tokens(limit))} tokens`,
  ].join(' · ');
}

/**
 * A sum, for administrators.
 * @param {object} sum
 * @param {string} currency
 */
export function sumLine(sum, currency) {
  const about = sum.estimated > 0 ? ` (${tokens(sum.estimated)} estimated)` : '';
  return [`${tokens(sum.attempts)} ${sum.attempts === 1 ? 'attempt' : 'attempts'}${about}`, `${tokens(sum.input_tokens)} tokens in`,
    `${tokens(sum.output_tokens)} out`, money(sum.cost_micros, currency)].join(' · ');
}
