/**
 * What waits for an answer, above the composer: one's own questions first, each with its place, and a way to take it out.
 * Messages themselves go out at once; it is the assistant's answers that wait, on the server. Made by `<salon-composer>`.
 */
import { waitingQuestions } from '../asks.js';
import { h, iconButton } from '../dom.js';
import { keepFocus } from '../refocus.js';
import { showNote } from './banner.js';
import { excerpt } from './quote.js';
import { t } from '../words.js';

export class PromptQueue {
  #room;
  #jump;
  #drawn = '';

  /** @param {import('../room.js').Room} room @param {(seq: number) => void} jump shows a message */
  constructor(room, jump) {
    this.#room = room;
    this.#jump = jump;
    this.element = h('ol.prompt-queue', { 'aria-label': t('waiting.title'), hidden: true });
  }

  /** @param {import('../store.js').RoomState} state */
  update(state) {
    const { shown, more } = waitingQuestions(state, this.#room.people);
    const key = JSON.stringify([shown, more]);
    if (key === this.#drawn) return;
    this.#drawn = key;
    // What is hidden holds no focus: it goes on below, where one writes.
    keepFocus(this.element, () => this.element.replaceChildren(...shown.map((question) => this.#line(question)),
      ...(more > 0 ? [h('li.prompt-more', { text: t('waiting.more', { count: more }) })] : [])),
    { fallback: () => this.element.closest('salon-composer')?.querySelector('#composer-input') });
    this.element.hidden = shown.length === 0;
  }

  #line({ seq, position, mine, user, question, stops }) {
    const said = question === null ? (mine ? t('waiting.yours') : t('waiting.theirs', { name: user.name })) : excerpt(question);
    return h('li', { 'data-seq': seq, 'data-position': position },
      h('span.prompt-place', { text: position > 1 ? t('waiting.ahead', { count: position - 1 }) : t('waiting.next') }),
      !mine && h('strong', { text: user.name }),
      h('button.prompt-said', { type: 'button', dir: 'auto', title: t('waiting.show'), text: said, onclick: () => this.#jump(seq) }),
      stops && iconButton('close', t('waiting.cancel'), () => this.#cancel(seq), 'icon-button.small'));
  }

  async #cancel(seq) {
    try {
      await this.#room.stop(seq);
    } catch (refusal) {
      if (refusal.code !== 'reply_settled') showNote(refusal.message);
    }
  }
}
