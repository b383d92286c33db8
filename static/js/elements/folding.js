/**
 * Long messages of people are folded: their beginning, a fade, and a button that shows all. All of their text stays in the document.
 * Answers are never folded. What the reader, a link or an edit opened stays open while the page lives. Each `<salon-message>` has one
 * of these; `<salon-messages>` has the new ones judged together, before anything is drawn, and moves the view.
 */
import { h } from '../dom.js';
import { goingOn } from '../going-on.js';
import { t } from '../words.js';

/** Lines beyond which a message is folded; the style sheet shows fewer, so that what is hidden is worth a press. */
const FOLDED_FROM_LINES = 30;
/** A text with less of both cannot be so high, however narrow the page: it is not even measured. */
const [LEAST_CHARACTERS, LEAST_LINES] = [700, 12];
/** Messages that were opened, remembered at most: the earliest are folded again. */
const OPENED_MAX = 1_000;
const opened = new Set();

/** Whether a message is somebody's own words, and enough of them. @param {import('../items.js').Item} item */
function mayBeLong({ message, entry }) {
  if (message !== undefined && (message.kind !== 'user' || message.deleted_at || goingOn(message) !== null)) return false;
  const { body } = message ?? entry;
  return body.length >= LEAST_CHARACTERS || body.split('\n', LEAST_LINES).length === LEAST_LINES;
}

export class Fold {
  #body;
  #key;
  #button = null;
  #move;
  /** Whether its height is to be judged: it was drawn, or the page became another width. */
  due = false;
  #maybe = false;

  /**
   * @param {HTMLElement} body
   * @param {string} key under which it is remembered
   * @param {(placeOf: () => number, change: () => void) => void} move makes a change, and keeps a place of it where it is on the screen
   */
  constructor(body, key, move) {
    this.#body = body;
    this.#key = key;
    this.#move = move;
    // The browser scrolls to what it finds or focuses in what is hidden: that is shown.
    body.addEventListener('scroll', () => this.folded && body.scrollTop > 0 && this.#open());
  }

  get folded() {
    return this.#body.classList.contains('folded');
  }

  /** The body was drawn. @param {import('../items.js').Item} item */
  drawn(item) {
    this.#maybe = mayBeLong(item);
    if (this.#maybe) this.due = true;
    else if (this.#button !== null) this.#end();
  }

  again() {
    this.due ||= this.#maybe;
  }

  get height() {
    return this.#body.scrollHeight;
  }

  /** @param {boolean} long */
  judge(long) {
    this.due = false;
    if (!long) return void (this.#button !== null && this.#end());
    if (this.#button === null) {
      this.#button = h('button.text-button.unfold', { type: 'button', onclick: () => this.#toggle() });
      this.#body.after(this.#button);
    }
    this.#show(!opened.has(this.#key));
  }

  /** Shows all of it, and goes on doing so. */
  open() {
    remember(this.#key);
    if (this.folded) this.#show(false);
  }

  #show(folded) {
    this.#body.classList.toggle('folded', folded);
    if (!folded) this.#body.scrollTop = 0;
    this.#button.setAttribute('aria-expanded', String(!folded));
    this.#button.textContent = t(folded ? 'message.show_all' : 'message.show_less');
  }

  #end() {
    this.#body.classList.remove('folded');
    this.#button.remove();
    this.#button = null;
  }

  /** What was read stays, and what was found too: the text grows downward. */
  #open() {
    this.#move(() => this.#top() - this.#body.scrollTop, () => this.open());
  }

  #top() {
    return this.#body.getBoundingClientRect().top;
  }

  /** What stands below stays, if the button that was pressed is in sight; else where the text begins. */
  #toggle() {
    if (this.folded) return this.#open();
    opened.delete(this.#key);
    const { top, bottom } = this.#button.getBoundingClientRect();
    const isSeen = top >= 0 && bottom <= innerHeight;
    return this.#move(() => (isSeen ? this.#button.getBoundingClientRect().top : this.#top()), () => this.#show(true));
  }
}

function remember(key) {
  opened.delete(key);
  opened.add(key);
  if (opened.size > OPENED_MAX) opened.delete(opened.values().next().value);
}

/** Judges those that are due: all are measured before the first is folded. @param {Fold[]} folds @param {number} line pixels of one */
export function judgeFolds(folds, line) {
  const due = folds.filter((fold) => fold.due);
  const heights = due.map((fold) => fold.height);
  // What is not displayed has no height yet.
  for (const [place, fold] of due.entries()) if (heights[place] > 0) fold.judge(heights[place] > FOLDED_FROM_LINES * line);
}
