/**
 * The part of a room's settings about what it keeps: so many days, the latest so many. Made by `room-dialog.js`, whose one button saves
 * it with the rest; who would have older messages deleted is asked by the words of that deed.
 */
import { h } from '../dom.js';
import { joined, t } from '../words.js';
import { ask } from './dialogs.js';

const countOf = (input) => (input.value === '' ? null : Number(input.value));
const isLess = (now, before) => now !== null && (before === null || now < before);

/**
 * @param {import('../api.js').Api} api
 * @param {{slug: string}} room
 * @returns {{element: HTMLElement, agreed: () => Promise<boolean>, save: () => Promise<void>}} `agreed`: whether what would go may go;
 *   `save` changes nothing where nothing was changed, or it is not known what is kept
 */
export function retentionFields(api, { slug }) {
  const days = h('input', { id: 'room-days', type: 'number', min: 1, max: 36_500, step: 1, disabled: true, placeholder: t('retention.ever') });
  const messages = h('input', { id: 'room-messages', type: 'number', min: 1, max: 1_000_000_000, step: 1, disabled: true, placeholder: t('retention.all') });
  const problem = h('p.problem', { role: 'alert' });
  const again = h('button.quiet', { type: 'button', text: t('app.try_again'), hidden: true, onclick: () => read() });
  let kept = null;
  const read = async () => {
    [problem.textContent, again.hidden] = ['', true];
    try {
      const { days: keptDays, messages: keptMessages = null } = await api.retention(slug);
      kept = { days: keptDays, messages: keptMessages };
    } catch (refusal) {
      [problem.textContent, again.hidden] = [refusal.message, false];
      return;
    }
    [days.value, messages.value] = [kept.days ?? '', kept.messages ?? ''];
    days.disabled = messages.disabled = false;
  };
  const wanted = () => ({ days: countOf(days), messages: countOf(messages) });
  const isChanged = () => kept !== null && (wanted().days !== kept.days || wanted().messages !== kept.messages);
  read();
  return {
    element: h('fieldset.retention', {}, h('legend', { text: t('retention.title') }),
      h('label', { for: 'room-days', text: t('retention.days') }), days,
      h('label', { for: 'room-messages', text: t('retention.messages') }), messages, problem, again),
    agreed: async () => {
      if (!isChanged()) return true;
      const now = wanted();
      const goes = [
        isLess(now.days, kept.days) && t('retention.older', { count: now.days }),
        isLess(now.messages, kept.messages) && t('retention.before', { count: now.messages }),
      ].filter(Boolean);
      return goes.length === 0 || ask(t('retention.ask', { what: joined(goes) }), t('retention.delete'));
    },
    save: async () => {
      if (!isChanged()) return;
      const now = wanted();
      await api.setRetention(slug, now);
      kept = now;
    },
  };
}
