/**
 * What stands above the first message: that the room begins here, that earlier ones come, or what an empty room is. Made and told of
 * the room by `<salon-messages>`.
 */
import { h, icon } from '../dom.js';
import { shapeOf, titleOf } from '../room-line.js';
import { emptyRoom } from './empty-room.js';
import { t } from '../words.js';

export class Above {
  #context;
  #suggest;
  /** What an empty room shows, while it is empty. */
  #empty = null;

  /** @param {object} context @param {(text: string) => void} suggest something to ask was chosen */
  constructor(context, suggest) {
    this.#context = context;
    this.#suggest = suggest;
    this.element = h('div.above', {});
  }

  /** Who is here. @param {object[]} users */
  tell(users) {
    this.#empty?.tell(users);
  }

  /** @param {import('../store.js').RoomState} state @param {boolean} isEmpty @param {object[]} users who is here */
  update(state, isEmpty, users) {
    const { room } = state;
    const kind = room === null ? 'opening' : !state.complete ? 'more' : isEmpty ? 'empty' : 'start';
    const name = room === null ? '' : titleOf(room, this.#context.salon.user.name);
    const { dataset } = this.element;
    if (dataset.kind === kind && (kind !== 'start' || dataset.name === name)) return;
    [dataset.kind, dataset.name] = [kind, name];
    this.#empty = null;
    this.element.replaceChildren(...({
      opening: () => [h('div.skeletons', { 'aria-hidden': 'true' }, h('i'), h('i'), h('i'))],
      more: () => [h('p.loading', {}, h('span.spinner', { 'aria-hidden': 'true' }), t('messages.earlier'))],
      empty: () => {
        this.#empty = emptyRoom(room, this.#context, this.#suggest);
        this.#empty.tell(users);
        return [this.#empty.element];
      },
      start: () => [h('p.start', {}, icon(shapeOf(room)), t(room.visibility === 'direct' ? 'messages.begins_direct' : 'messages.begins', { name }))],
    })[kind]());
  }
}
