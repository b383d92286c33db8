/**
 * What `:` offers in the composer: emoji by name. Their names are read when the first one is wanted. A source of `suggestions.js`.
 */
import { h } from '../dom.js';
import { emojiBegun, findEmoji, loadEmoji } from '../emoji.js';
import { t } from '../words.js';

const SHOWN = 6;

/** @param {boolean} composes as of keyboards of glass, which compose every word @returns {import('./suggestions.js').Source} */
export function emojiSource(composes) {
  let all = null;
  return {
    label: t('emoji'),
    composes,
    begun: emojiBegun,
    matches: (query, again) => {
      if (all !== null) return findEmoji(all, query).slice(0, SHOWN);
      // Without a connection there are none to offer.
      loadEmoji().then((loaded) => { all = loaded; again(); }, () => {});
      return [];
    },
    row: ({ emoji, name }) => [h('span.emoji', { 'aria-hidden': 'true', text: emoji }), h('span', { text: name })],
    take: ({ emoji }) => `${emoji} `,
  };
}
