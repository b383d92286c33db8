/**
 * `<salon-messages>`: the message column. It shows at most `SHOWN_MAX` of the messages that are held, asks for older
 * ones near the top, and follows the end only while the reader is there.
 */
import { asksAssistant } from '../asks.js';
import { h } from '../dom.js';
import { buildItems, promptOf } from '../items.js';
import { leavePlaceIn, placeIn } from '../places.js';
import { ScrollKeeper } from '../scroll.js';
import { placeFrom, shownPart } from '../shown.js';
import { messageAt } from '../store.js';
import { NO_LINE, cameMark, openMark, seenMark, unseenCount } from '../unread.js';
import { viewOf } from '../window.js';
import { Above } from './above.js';
import { showNote } from './banner.js';
import { judgeFolds } from './folding.js';
import { Jumps } from './jumps.js';
import { contextLine, dayLine, newLine } from './lines.js';
import './message.js';
import { RovingTab } from './roving.js';
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
/** With so few that are new the end is shown, and the line above them is in sight all the same. */
const FEW = 3;

class SalonMessages extends HTMLElement {
  #context;
  #room;
  #keeper;
  #roving;
  #elements = new Map();
  #items = new Map();
  /** What the column was drawn from, to draw only words where only words came. */
  #drawn = null;
  #mark = openMark(null, 0);
  #opened = false;
  /** The line above what is new is yet to be shown. */
  #placing = false;
  /** The question that was just asked, to be held near the top once it is answered: its client id. */
  #asking = null;
  #lowSeq = null;
  #highSeq = null;
  #upward = false;
  #lastSeq = 0;
  #target = null;
  #marked = null;
  #above;
  #inWindow = false;
  /** Where the reader was when the room was left, until it is shown again. */
  #returning = null;
  /** The version that was asked for, and where its arrows are: they stay there. */
  #choosing = null;
  #widths;
  #width = 0;

  /** @param {object} context @param {import('../room.js').Room} room */
  show(context, room) {
    this.#context = context;
    this.#room = room;
    this.className = 'messages';
    this.#above = new Above(context, (text) => this.dispatchEvent(new CustomEvent('salon-suggest', { bubbles: true, detail: { text } })));
    this.below = h('div.below', { 'aria-hidden': 'true' });
    this.column = h('div.column', { role: 'log', 'aria-live': 'off', 'aria-label': t('messages.title') }, this.#above.element, this.below);
    this.scroller = h('div.scroller', { tabindex: '0', 'aria-label': t('messages.scroller'), role: 'region' }, this.column);
    this.jumps = new Jumps(this.scroller, { toLatest: () => this.toLatest(), toPrevious: () => this.toPrevious() });
    this.append(this.scroller, this.jumps.element);
    this.addEventListener('salon-jump', ({ detail }) => this.jumpTo(detail.seq));
    this.addEventListener('salon-moves', ({ detail: { placeOf, change } }) => {
      this.#keeper.keepStill(placeOf, change);
      this.#showJump();
    });
    this.addEventListener('salon-choose', ({ detail }) => { this.#choosing = detail; });
    this.#roving = new RovingTab(this.column);
    this.#keeper = new ScrollKeeper(this.scroller, this.column, this.below, () => this.#scrolled());
    this.#widths = new ResizeObserver(() => this.#foldAgain());
    this.#widths.observe(this.scroller);
    this.visible = () => this.#seen();
    document.addEventListener('visibilitychange', this.visible);
    window.addEventListener('focus', this.visible);
  }

  disconnectedCallback() {
    if (this.#opened) leavePlaceIn(this.#room.slug, this.#keeper.place);
    this.#keeper?.disconnect();
    this.#roving?.disconnect();
    this.#widths?.disconnect();
    document.removeEventListener('visibilitychange', this.visible);
    window.removeEventListener('focus', this.visible);
  }

  /** @param {import('../store.js').RoomState} state */
  update(state) {
    this.#above.tell(this.#room.people.users);
    if (!this.#opened && state.room !== null) this.#open(state);
    const view = this.#viewOf(state);
    if (this.#onlyWords(state, view)) {
      this.#keeper.keep(() => this.#renderWords(state));
      this.#showJump();
      return;
    }
    const messages = this.#shown(view.messages, view.outgoing.length);
    const atEnd = this.#highSeq === null && !this.#inWindow;
    this.#keeper.mayFollow = atEnd;
    this.#came(state);
    const { readSeq } = this.#mark;
    const items = buildItems(view, messages, { readSeq, atEnd, queue: this.#room.people.queue });
    this.#change(view, () => {
      this.#above.update(view, items.length === 0, this.#room.people.users);
      this.#render(items);
    });
    this.#drawn = { state, view, queue: this.#room.people.queue, readSeq, low: this.#lowSeq, high: this.#highSeq };
    this.#reachTarget(state, view);
    this.#place();
    this.#holdQuestion(state);
    this.column.classList.toggle('placing', this.#placing);
    this.#look(state);
    this.#showJump();
    if (this.#placing) return;
    if (this.#keeper.above < EDGE_PX && !view.complete && view.history === null) this.#older(view);
    else this.#newer();
  }

  /** Draws and moves nothing that is read. Who goes through the versions of an answer by its arrows, or acts on a message by keys, goes on there. */
  #change(view, draw) {
    const led = this.column.querySelector('salon-message[data-keyed]');
    const wasSeen = led !== null && this.#keeper.isWhole(led);
    const choosing = this.#choosing;
    if (choosing !== null && messageAt(view, choosing.seq)?.reply?.variants?.selected === choosing.variant) {
      this.#choosing = null;
      this.#keeper.keepStill(choosing.placeOf, draw);
    } else {
      this.#keeper.keep(draw);
    }
    if (wasSeen && led.isConnected && !this.#keeper.isWhole(led)) this.#keeper.showEnd(led);
  }

  /** Whether nothing but the words of running replies is other than what was drawn. */
  #onlyWords(state, view) {
    const drawn = this.#drawn;
    if (drawn === null || this.#target !== null || this.#placing || this.#asking !== null) return false;
    const { replies, ...rest } = drawn.state;
    return Object.keys(rest).every((key) => state[key] === rest[key])
      && replies.size === state.replies.size && [...replies].every(([seq, before]) => sameSight(before, state.replies.get(seq)))
      && view.messages === drawn.view.messages && drawn.queue === this.#room.people.queue
      && drawn.readSeq === this.#mark.readSeq && drawn.low === this.#lowSeq && drawn.high === this.#highSeq;
  }

  /** A reply grows: only its element is touched, however many messages there are. */
  #renderWords(state) {
    for (const [key, item] of this.#items) {
      const reply = item.type === 'message' && item.reply !== null ? state.replies.get(item.message.seq) : item.reply;
      if (reply === undefined || reply === item.reply) continue;
      this.#items.set(key, { ...item, reply });
      this.#elements.get(key).update(this.#items.get(key), this.#room, this.#context);
    }
  }

  /** What is in sight counts as read, and is not offered. */
  #seen() {
    this.#look(this.#room.state);
    this.#showJump();
  }

  /** Goes to a message and marks it, however old it is. @param {number} seq */
  goTo(seq) {
    this.#target = seq;
    this.#marked = seq;
    this.#placing = false;
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
    this.#keeper.mayFollow = !inWindow && this.#highSeq === null;
    if (inWindow) this.#keeper.leave();
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
      this.#keeper.leave();
      requestAnimationFrame(() => this.update(this.#room.state));
      return;
    }
    this.#target = null;
    line.fold.open();
    this.#keeper.showLine(line);
    line.focus({ preventScroll: true });
  }

  /** Near the end of a part of the past, what follows it. */
  #newer() {
    if (this.#inWindow && this.#highSeq === null && this.#keeper.distance < EDGE_PX) this.#room.loadNewer();
  }

  /** Shows the end of the room and stays there. */
  toLatest() {
    // The button that was pressed goes: the keys scroll on from where it has led, and letters are written.
    if (document.activeElement?.closest('.jumps')) this.scroller.focus({ preventScroll: true });
    this.#room.showPresent();
    this.#target = this.#marked = this.#asking = this.#lowSeq = this.#highSeq = null;
    this.#placing = this.#inWindow = this.#upward = false;
    this.#keeper.mayFollow = this.#keeper.following = true;
    this.update(this.#room.state);
    this.#keeper.toEnd();
    this.#showJump();
  }

  /** Goes to the start of the message that begins above the view: of a long one that is read, to its own. */
  toPrevious() {
    const { previous } = this.#keeper;
    if (previous === null) return;
    this.#placing = false;
    this.#upward = true;
    this.#keeper.showStart(previous.line);
    // Who writes goes on writing.
    if (document.activeElement?.id !== 'composer-input') previous.line.focus({ preventScroll: true });
    this.#showJump();
  }

  /**
   * Leads to a message; earlier pages are read until it is there.
   * @param {number} seq
   */
  async jumpTo(seq) {
    // What is on the screen is not the present: the past around that message is shown instead.
    if (this.#inWindow) {
      this.goTo(seq);
      return;
    }
    const room = this.#room;
    for (let page = 0; page < JUMP_PAGES && seq < room.state.from; page += 1) {
      if (!(await room.loadOlder()) || this.#room !== room || !this.isConnected) break;
    }
    const place = placeFrom(room.state.messages, seq);
    if (room.state.messages[place]?.seq !== seq) return;
    this.#keeper.leave();
    this.#upward = true;
    this.#lowSeq = room.state.messages[Math.max(0, place - STEP)].seq;
    this.update(room.state);
    const element = this.column.querySelector(`salon-message[data-seq="${seq}"]`);
    if (element === null) return;
    element.fold.open();
    this.#keeper.showLine(element);
    element.flash();
    this.#showJump();
  }

  /** The reader wrote something: it has to be seen. */
  sent() {
    this.toLatest();
    const entry = this.#room.state.outgoing.at(-1);
    if (entry === undefined || this.#context.memory.reading() !== 'question') return;
    this.#asking = entry.clientId;
    if (asksAssistant(entry.body, this.#room.state.room)) this.#keeper.hold(this.#elements.get(entry.clientId));
    this.#showJump();
  }

  /** An answer began below the question that was just asked: it is held near the top if that was not foreseen. */
  #holdQuestion(state) {
    const line = this.#asking === null ? undefined : this.#elements.get(this.#asking);
    if (line === undefined) return;
    const { message } = this.#items.get(this.#asking);
    if (message === undefined) return;
    const answered = state.messages.some((reply) => reply.kind === 'assistant' && promptOf(state, reply) === message.seq);
    if (answered && this.#keeper.following) this.#keeper.hold(line);
    if (answered || message.seq < this.#lastSeq) this.#asking = null;
  }

  #open(state) {
    this.#opened = true;
    const read = this.#context.book.readSeq(state.slug);
    this.#lastSeq = state.messages.at(-1)?.seq ?? 0;
    this.#mark = openMark(read, this.#lastSeq);
    if (this.#target !== null) return;
    // One's own words are not new to one.
    const isNew = read + 1 < state.from || state.messages.some(({ seq, author }) => seq > read && author.id !== state.me);
    if (this.#mark.readSeq === NO_LINE || !isNew) return void this.#return(state);
    if (this.#lastSeq - read <= FEW) return;
    this.#placing = true;
    this.#keeper.leave();
    // More is new than is held: the view begins in the past, and goes on from there to the present.
    if (read + 1 < state.from && !state.complete) {
      this.#room.showAround(read + 1).then((isThere) => !isThere && this.isConnected && this.#placing && this.toLatest());
    }
  }

  /** Nothing is new: the view begins where the reader was. */
  #return(state) {
    const place = placeIn(state.slug);
    if (place === null || place.seq > this.#lastSeq) return;
    this.#returning = place;
    this.#placing = true;
    this.#upward = true;
    this.#keeper.leave();
    if (place.seq < state.from) {
      this.#room.showAround(place.seq).then((isThere) => !isThere && this.isConnected && this.#placing && this.toLatest());
    } else {
      this.#lowSeq = state.messages[Math.max(0, placeFrom(state.messages, place.seq) - STEP)].seq;
    }
  }

  /** Shows the line above what is new, or the one that was read, once it is there. */
  #place() {
    if (!this.#placing || this.#room.state.window?.loading === 'around') return;
    const back = this.#returning;
    const line = this.column.querySelector(back === null ? '.new-line' : `[data-seq="${back.seq}"]`);
    this.#placing = false;
    this.#returning = null;
    if (line !== null) this.#keeper.showLine(line, back?.offset);
    else this.#keeper.toEnd();
  }

  /** The part of what is held that is in the document: a window that moves with the reader. */
  #shown(messages, outgoing) {
    const most = Math.max(STEP, SHOWN_MAX - outgoing);
    const upward = this.#upward && !this.#keeper.following;
    const { low, high } = shownPart(messages, { lowSeq: this.#lowSeq, highSeq: this.#highSeq, most, upward });
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
    this.#seen();
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

  /**
   * What is in sight of somebody who looks was read: all of it once its end is; where a question stays on top also what came below it,
   * as far as one sees it.
   */
  #look(state) {
    if (state.messages.length > SHOWN_MAX && this.#keeper.following && this.#keeper.atEnd) this.#room.trim(TRIM_TO);
    const last = this.#room.state.messages.at(-1)?.seq;
    if (last === undefined || !this.isConnected || !this.#keeper.mayFollow || this.#placing || !this.#isLookedAt()) return;
    const seq = this.#keeper.following ? last : this.#seenUpTo(last);
    if (seq === null) return;
    this.#mark = seenMark(this.#mark, seq);
    this.#context.book.read(this.#room.slug, seq);
  }

  /** Of somebody who does not follow the end: up to where nothing is unread and out of sight; null while nothing is read by that. */
  #seenUpTo(last) {
    if (this.#keeper.atEnd) return last;
    const seq = Number(this.#keeper.lastInSight?.dataset.seq ?? 0);
    if (seq >= last) return last;
    if (this.#context.memory.reading() !== 'question' || seq <= this.#mark.seenSeq) return null;
    const top = this.#keeper.place?.seq ?? Infinity;
    return top <= this.#mark.seenSeq + 1 ? seq : null;
  }

  /** Whether somebody looks at the page, and on a phone at this pane of it. */
  #isLookedAt() {
    return isLooking() && this.scroller.getClientRects().length > 0;
  }

  /** Takes notice of new messages: who was not looking finds a line above them. */
  #came(state) {
    const newest = state.messages.at(-1);
    const last = newest?.seq ?? 0;
    if (last === this.#lastSeq) return;
    const looking = this.#isLookedAt();
    const present = looking && !this.#inWindow && this.#keeper.atEnd;
    // Who sees the end and does not follow it needs no line, and has not seen yet what came below.
    const mine = newest !== undefined && newest.author.id === state.me;
    if (present && !mine && !this.#keeper.following && last > this.#lastSeq) {
      this.#lastSeq = last;
      return;
    }
    if (last > this.#lastSeq) this.#mark = cameMark(this.#mark, { before: this.#lastSeq, last, mine, present, looking });
    else this.#mark = openMark(null, last); // A history that was replaced ends earlier.
    this.#lastSeq = last;
  }

  #render(items) {
    const held = this.#elements;
    this.#elements = new Map();
    this.#items = new Map();
    // What goes is gone before the others are placed: else all below it would be moved, and lose focus and selection.
    const keys = new Set(items.map(({ key }) => key));
    for (const [key, element] of held) if (!keys.has(key)) element.remove();
    let place = this.#above.element.nextSibling;
    for (const item of items) {
      const element = held.get(item.key) ?? makeElement(item);
      held.delete(item.key);
      this.#elements.set(item.key, element);
      this.#items.set(item.key, item);
      if (element === place) place = place.nextSibling;
      else this.column.insertBefore(element, place);
      if (element.update) element.update(item, this.#room, this.#context);
      element.classList.toggle('marked', this.#marked !== null && item.message?.seq === this.#marked);
    }
    this.#judgeFolds();
  }

  #judgeFolds() {
    const folds = [...this.#elements.values()].map(({ fold }) => fold).filter((fold) => fold?.due);
    if (folds.length > 0) judgeFolds(folds, parseFloat(getComputedStyle(this.column).lineHeight));
  }

  /** What is long on a narrow page is not so on a wide one. */
  #foldAgain() {
    const { clientWidth } = this.scroller;
    if (clientWidth === this.#width || clientWidth === 0) return;
    this.#width = clientWidth;
    this.#keeper.keep(() => {
      for (const { fold } of this.#elements.values()) fold?.again();
      this.#judgeFolds();
    });
  }

  /** Shows all of a message, and moves nothing that is read. @param {number} seq */
  showWhole(seq) {
    const element = this.column.querySelector(`salon-message[data-seq="${seq}"]`);
    if (element !== null) this.#keeper.keep(() => element.fold.open());
  }

  #showJump() {
    const unseen = unseenCount(this.#mark, this.#lastSeq);
    const below = unseen > 0 && !this.#keeper.following && !this.#keeper.atEnd;
    const show = this.#keeper.away || this.#highSeq !== null || this.#inWindow || below;
    this.jumps.update({ show, count: show ? unseen : 0, previous: this.#keeper.previous, last: this.below });
  }
}

function makeElement(item) {
  if (item.type === 'day') return dayLine(item);
  if (item.type === 'new') return newLine(item);
  if (item.type === 'context') return contextLine(item);
  return document.createElement('salon-message');
}

/** Whether a running reply is told of the same part of the room: the line above that part comes with its first words. */
const sameSight = (before, now) => now !== undefined && before.chunks > 0 === now.chunks > 0 && before.contextFrom === now.contextFrom;

/** Whether somebody looks at this page. */
const isLooking = () => !document.hidden && document.hasFocus();

customElements.define('salon-messages', SalonMessages);
