/**
 * Where the Tab key stops among the messages: the column is one stop, and what can be pressed in a message is one while the focus
 * is in that message. Else the way to the composer would lead through every button of every message. Made by
 * `<salon-messages>`; the arrows that go from message to message are `keyboard.js`'s.
 */

/** What can be pressed. A block of code or a table that is wider than the page stays a stop: only so can it be scrolled by keys. */
const STOPS = 'a[href], button, summary, input';

export class RovingTab {
  /** The message whose buttons are stops. */
  #open = null;
  #column;
  #observer;
  #listen = ({ target }) => this.#enter(target);

  /** @param {HTMLElement} column what holds the messages, now or later */
  constructor(column) {
    this.#column = column;
    // Whatever draws in a message, and whenever: its buttons come late, its words while it grows.
    this.#observer = new MutationObserver((records) => {
      for (const { addedNodes } of records) for (const node of addedNodes) this.#added(node);
    });
    this.#observer.observe(column, { childList: true, subtree: true });
    document.addEventListener('focusin', this.#listen);
  }

  /** Sees nothing any more. */
  disconnect() {
    this.#observer.disconnect();
    document.removeEventListener('focusin', this.#listen);
  }

  #added(node) {
    if (node.nodeType !== Node.ELEMENT_NODE) return;
    const message = node.closest('salon-message');
    if (message === null || message === this.#open) return;
    if (node !== message && node.matches(STOPS)) node.tabIndex = -1;
    setStops(node, -1);
  }

  #enter(target) {
    const message = this.#column.contains(target) ? target.closest('salon-message') : null;
    if (message === this.#open) return;
    if (this.#open !== null) setStops(this.#open, -1);
    this.#open = message;
    if (message !== null) setStops(message, 0);
  }
}

function setStops(within, tabIndex) {
  for (const stop of within.querySelectorAll(STOPS)) stop.tabIndex = tabIndex;
}
