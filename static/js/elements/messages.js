/**
 * `<salon-messages>`: the message column. It shows at most `SHOWN_MAX` of the messages that are held, asks for older
 * ones near the top, and follows the end only while the reader is there.
 */
import { h, icon } from '../dom.js';
import { buildItems } from '../items.js';
import { titleOf } from '../room-line.js';
import { ScrollKeeper } from '../scroll.js';
import { messageAt } from '../store.js';
import { viewOf } from '../window.js';
import { showNote } from './banner.js';
import { emptyRoom } from './empty-room.js';
import './message.js';
import { t } from '../words.js';

/** Messages in the document at most. */
export const SHOWN_MAX = 400;
/** What is kept when the reader is at the end and it became more. */
const TRIM_TO = 300;
/** Messages that come into sight at once. */
const STEP = 60;
/** Pages of history read to find a message that one is led to. */
const JUMP_PAGES = 20;
/** So near to an edge more is shown. */
const EDGE_PX = 800;

class SalonMessages extends HTMLElement {
  #context;
  #room;
  #keeper;
  #elements = new Map();
  #readSeq = Infinity;
  #opened = false;
  #lowSeq = null;
  #highSeq = null;
  #upward = false;
  #newCount = 0;
  #lastSeq = 0;
  #target = null;
  #marked = null;
  #inWindow = false;

  /** @param {object} context @param {import('../room.js').Room} room */
  show(context, room) {
    this.#context = context;
    this.#room = room;
    this.className = 'messages';
    this.above = h('div.above', {});
    this.column = h('div.column', { role: 'log', 'aria-live': 'off', 'aria-label': t('messages.title') });
    this.scroller = h('div.scroller', { tabindex: '0', 'aria-label': t('messages.scroller'), role: 'region' }, this.column);
    this.jump = h('button.jump', { id: 'jump-latest', type: 'button', hidden: true, onclick: () => this.toLatest() });
    // The button lies over the column; the wheel goes on scrolling there.
    this.jump.addEventListener('wheel', ({ deltaY }) => this.scroller.scrollBy(0, deltaY), { passive: true });
    this.append(this.scroller, this.jump);
    this.addEventListener('salon-jump', ({ detail }) => this.jumpTo(detail.seq));
    this.#keeper = new ScrollKeeper(this.scroller, this.column, () => this.#scrolled());
    this.visible = () => this.#keeper.following && this.#markRead();
    document.addEventListener('visibilitychange', this.visible);
    window.addEventListener('focus', this.visible);
  }

  disconnectedCallback() {
    this.#keeper?.disconnect();
    document.removeEventListener('visibilitychange', this.visible);
    window.removeEventListener('focus', this.visible);
  }

  /** @param {import('../store.js').RoomState} state */
  update(state) {
    if (!this.#opened && state.room !== null) this.#open(state);
    const view = this.#viewOf(state);
    const messages = this.#shown(view.messages);
    const atEnd = this.#highSeq === null && !this.#inWindow;
    const items = buildItems(view, messages, { readSeq: this.#readSeq, atEnd, queue: this.#room.people.queue });
    this.#countNew(state);
    this.#keeper.keep(() => {
      this.#renderAbove(view, items);
      this.#render(items);
    });
    this.#reachTarget(state, view);
    this.#showJump();
    if (this.#keeper.following) this.#atEnd(state);
    if (this.#keeper.above < EDGE_PX && !view.complete && view.history === null) this.#older(view);
    else this.#newer();
  }

  /** Goes to a message and marks it, however old it is. @param {number} seq */
  goTo(seq) {
    this.#target = seq;
    this.#marked = seq;
    this.#readSeq = Infinity;
    if (this.#room.state.room !== null) this.update(this.#room.state);
  }

  /** What is shown of a room. A part of the past has an end of its own, at which nothing is to be followed. */
  #viewOf(state) {
    const view = viewOf(state);
    const inWindow = view !== state;
    if (inWindow !== this.#inWindow) {
      this.#inWindow = inWindow;
      if (inWindow) [this.#lowSeq, this.#highSeq] = [null, null];
      // Where the past met the present the reader stays at what was read.
      else this.#upward = !this.#keeper.following;
    }
    if (inWindow) this.#keeper.following = false;
    return view;
  }

  /** Scrolls to the message that was asked for, once it is there; asks for it where it is not held. */
  #reachTarget(state, view) {
    const seq = this.#target;
    if (seq === null || state.phase !== 'joined' || state.window?.loading === 'around') return;
    if (messageAt(view, seq) === null) {
      this.#target = null;
      this.#room.showAround(seq).then((isThere) => {
        if (isThere) this.goTo(seq);
        else showNote(t('messages.missing'));
      });
      return;
    }
    const line = this.column.querySelector(`[data-seq="${seq}"]`);
    if (line === null) {
      // Held, but not in the document: the window of what is shown moves there.
      const place = placeFrom(view.messages, seq);
      this.#lowSeq = view.messages[Math.max(0, place - STEP)].seq;
      const high = view.messages[place + STEP];
      this.#highSeq = high === undefined ? null : high.seq;
      this.#keeper.following = false;
      requestAnimationFrame(() => this.update(this.#room.state));
      return;
    }
    this.#target = null;
    this.#keeper.showLine(line);
    line.focus({ preventScroll: true });
  }

  /** Near the end of a part of the past, what follows it. */
  #newer() {
    if (this.#inWindow && this.#highSeq === null && this.#keeper.distance < EDGE_PX) this.#room.loadNewer();
  }

  /** Shows the end of the room and stays there. */
  toLatest() {
    this.#room.showPresent();
    this.#target = null;
    this.#marked = null;
    this.#inWindow = false;
    this.#lowSeq = null;
    this.#highSeq = null;
    this.#upward = false;
    this.#newCount = 0;
    this.#keeper.following = true;
    this.update(this.#room.state);
    this.#keeper.toEnd();
    this.#showJump();
  }

  /**
   * Leads to a message; earlier pages are read until it is there.
   * @param {number} seq
   */
  async jumpTo(seq) {
    const room = this.#room;
    for (let page = 0; page < JUMP_PAGES && seq < room.state.from; page += 1) {
      if (!(await room.loadOlder()) || this.#room !== room || !this.isConnected) break;
    }
    const place = placeFrom(room.state.messages, seq);
    if (room.state.messages[place]?.seq !== seq) return;
    this.#keeper.following = false;
    this.#upward = true;
    this.#lowSeq = room.state.messages[Math.max(0, place - STEP)].seq;
    this.update(room.state);
    const element = this.column.querySelector(`salon-message[data-seq="${seq}"]`);
    if (element === null) return;
    this.#keeper.showLine(element);
    element.flash();
    this.#showJump();
  }

  /** The reader wrote something: it has to be seen. */
  sent() {
    this.#readSeq = Infinity;
    this.toLatest();
  }

  #open(state) {
    this.#opened = true;
    const read = this.#context.book.readSeq(state.slug);
    this.#lastSeq = state.messages.at(-1)?.seq ?? 0;
    if (read === null || read >= this.#lastSeq) return;
    this.#readSeq = read;
    requestAnimationFrame(() => {
      const line = this.column.querySelector('.new-line');
      if (line !== null && this.#lastSeq - read > 3) this.#keeper.showLine(line);
      this.#showJump();
    });
  }

  /** The part of what is held that is in the document: a window that moves with the reader. */
  #shown(messages) {
    let low = this.#lowSeq === null ? 0 : placeFrom(messages, this.#lowSeq);
    let high = this.#highSeq === null ? messages.length : placeFrom(messages, this.#highSeq + 1);
    if (high - low > SHOWN_MAX) {
      if (this.#upward && !this.#keeper.following) high = low + SHOWN_MAX;
      else low = high - SHOWN_MAX;
    }
    this.#lowSeq = low === 0 ? null : messages[low].seq;
    this.#highSeq = high === messages.length ? null : messages[high - 1].seq;
    return messages.slice(low, high);
  }

  #scrolled() {
    const state = this.#viewOf(this.#room.state);
    const { above, distance } = this.#keeper;
    if (above < EDGE_PX && (this.#lowSeq !== null || !state.complete)) {
      this.#upward = true;
      this.#older(state);
    } else if (distance < EDGE_PX && this.#highSeq !== null) {
      this.#upward = false;
      const next = placeFrom(state.messages, this.#highSeq + 1) + STEP;
      this.#highSeq = next >= state.messages.length ? null : state.messages[next].seq;
      this.update(this.#room.state);
    } else {
      this.#newer();
    }
    if (this.#keeper.following && this.#highSeq === null) this.#atEnd(state);
    this.#showJump();
  }

  #older(state) {
    if (this.#lowSeq === null) {
      this.#room.loadOlder();
      return;
    }
    const low = Math.max(0, placeFrom(state.messages, this.#lowSeq) - STEP);
    this.#lowSeq = low === 0 ? null : state.messages[low].seq;
    this.update(this.#room.state);
  }

  #atEnd(state) {
    this.#newCount = 0;
    if (state.messages.length > SHOWN_MAX) this.#room.trim(TRIM_TO);
    this.#markRead();
  }

  /** What is in sight of somebody who looks was read. */
  #markRead() {
    if (document.hidden || !document.hasFocus()) return;
    const last = this.#room.state.messages.at(-1);
    if (last !== undefined && this.isConnected) this.#context.book.read(this.#room.slug, last.seq);
  }

  #countNew(state) {
    const last = state.messages.at(-1)?.seq ?? 0;
    if (last > this.#lastSeq && !this.#keeper.following) this.#newCount += last - this.#lastSeq;
    this.#lastSeq = last;
  }

  #render(items) {
    const held = this.#elements;
    this.#elements = new Map();
    let place = this.above.nextSibling;
    if (this.above.parentNode !== this.column) this.column.prepend(this.above);
    place = this.above.nextSibling;
    for (const item of items) {
      const element = held.get(item.key) ?? makeElement(item);
      held.delete(item.key);
      this.#elements.set(item.key, element);
      if (element === place) place = place.nextSibling;
      else this.column.insertBefore(element, place);
      if (element.update) element.update(item, this.#room, this.#context);
      element.classList.toggle('marked', this.#marked !== null && item.message?.seq === this.#marked);
    }
    for (const element of held.values()) element.remove();
  }

  #title({ room }) {
    return room === null ? '' : titleOf(room, this.#context.salon.user.name);
  }

  #renderAbove(state, items) {
    const kind = state.room === null ? 'opening' : !state.complete ? 'more' : items.length === 0 ? 'empty' : 'start';
    if (this.above.dataset.kind === kind && kind !== 'start') return;
    if (this.above.dataset.kind === kind && this.above.dataset.name === this.#title(state)) return;
    this.above.dataset.kind = kind;
    this.above.dataset.name = this.#title(state);
    this.above.replaceChildren(...({
      opening: () => [h('div.skeletons', { 'aria-hidden': 'true' }, h('i'), h('i'), h('i'))],
      more: () => [h('p.loading', {}, h('span.spinner', { 'aria-hidden': 'true' }), t('messages.earlier'))],
      empty: () => [emptyRoom(state.room, this.#context, (text) =>
        this.dispatchEvent(new CustomEvent('salon-suggest', { bubbles: true, detail: { text } })))],
      start: () => [h('p.start', {}, icon('hash'), t('messages.begins', { name: this.#title(state) }))],
    })[kind]());
  }

  #showJump() {
    const show = this.#keeper.away || this.#highSeq !== null || this.#inWindow;
    this.jump.hidden = !show;
    const label = this.#newCount > 0 ? t('messages.jump_new', { count: this.#newCount }) : t('messages.jump');
    if (this.jump.dataset.label === label) return;
    this.jump.dataset.label = label;
    this.jump.replaceChildren(icon('down'), h('span', { text: label }));
  }
}

function makeElement(item) {
  if (item.type === 'day') return h('div.day', { role: 'separator', 'aria-label': item.label }, h('span', { text: item.label }));
  if (item.type === 'new') return h('div.new-line', { role: 'separator', 'aria-label': t('messages.new_long') }, h('span', { text: t('messages.new') }));
  return document.createElement('salon-message');
}

/** The place of the first message whose seq is at least `seq`. */
function placeFrom(messages, seq) {
  let low = 0;
  let high = messages.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (messages[middle].seq < seq) low = middle + 1;
    else high = middle;
  }
  return low;
}

customElements.define('salon-messages', SalonMessages);
