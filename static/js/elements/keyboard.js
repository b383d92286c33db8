/**
 * The keys that act on the whole page and on the message that has the focus. `<salon-app>` starts it; `keys.js` says which key
 * is which. It presses the buttons that are there: what has no button, no key does.
 *
 * A message that the keyboard led to has `data-keyed`; letters act on it alone. What is typed on one that was clicked, or to which
 * a search led, goes to the composer.
 */
import { setting } from '../look.js';
import { LED_TO, command, messageCommand, writes } from '../keys.js';
import { openHelpDialog, openSwitcher } from './dialogs.js';

/** The regions that F6 goes through, each by what takes the focus there. */
const REGIONS = ['.room-link[aria-current], .room-link', '.room-buttons button', '.scroller', '#composer-input'];

const seen = (element) => element !== null && element.getClientRects().length > 0;
const inDialog = () => document.querySelector('dialog[open]') !== null;

export class Keyboard {
  #context;
  #opener;
  /** What gets the focus now gets it by a key. */
  #byKey = false;
  #ends;

  /** @param {object} context as `<salon-app>` makes it @param {HTMLElement} opener the app */
  constructor(context, opener) {
    this.#context = context;
    this.#opener = opener;
    const listeners = {
      keydown: (event) => this.#pressed(event), focusin: ({ target }) => this.#focused(target), pointerdown: ({ target }) => this.#pointed(target),
    };
    for (const [name, listen] of Object.entries(listeners)) document.addEventListener(name, listen);
    this.#ends = () => Object.entries(listeners).forEach(([name, listen]) => document.removeEventListener(name, listen));
  }

  /** Hears nothing any more. */
  stop() {
    this.#ends();
  }

  /** Who takes the pointer is led by no key any more, on a message that has the focus already neither. */
  #pointed(target) {
    this.#byKey = false;
    if (target.closest('dialog') === null) for (const one of this.#opener.querySelectorAll('[data-keyed]')) delete one.dataset.keyed;
  }

  /** The question whether to delete a message comes back to it; it has its class only once it is shown. */
  #focused(target) {
    if (target.closest('.ask, .ask-question') !== null) return;
    const message = target.closest('salon-message');
    for (const one of this.#opener.querySelectorAll('[data-keyed]')) if (one !== message) delete one.dataset.keyed;
    if (message !== null && this.#byKey) message.dataset.keyed = '';
  }

  #pressed(event) {
    this.#byKey = event.key === 'Tab';
    if (event.defaultPrevented || event.isComposing) return;
    const wanted = command(event);
    if (wanted !== null) {
      if (inDialog()) return;
      event.preventDefault();
      if (wanted === 'switch') openSwitcher(this.#context, this.#opener);
      else if (wanted === 'search') this.#opener.querySelector('salon-room')?.search();
      else if (wanted === 'help') openHelpDialog();
      else if (wanted === 'previous') this.#keyed(() => this.#opener.querySelector('#jump-previous')?.click());
      else this.#region(wanted === 'forward' ? 1 : -1);
      return;
    }
    if (inDialog()) return;
    const at = document.activeElement ?? document.body;
    const inColumn = at.tagName === 'SALON-MESSAGE' || at.classList.contains('scroller');
    if (event.key === 'Escape') this.#cancel(event, at);
    else if (inColumn && this.#message(event, at)) return;
    else if ((inColumn || at === document.body) && at.dataset.keyed === undefined && writes(event)) this.#write();
  }

  #keyed(lead) {
    this.#byKey = true;
    lead();
    this.#byKey = false;
  }

  /** The character itself lands in the box, as it has the focus by then. */
  #write() {
    const box = this.#opener.querySelector('#composer-input');
    if (seen(box)) box.focus({ preventScroll: true });
  }

  /** Escape is the composer's, wherever one is; but what is open has it first, and a box keeps its own. One that is held down cancels one thing. */
  #cancel(event, at) {
    if (event.repeat || document.querySelector(':popover-open') !== null || at.matches('input, select, textarea')) return;
    if (this.#opener.querySelector('salon-composer')?.cancel()) event.preventDefault();
  }

  #region(step) {
    const stops = REGIONS.map((css) => [...this.#opener.querySelectorAll(css)].find(seen)).filter(Boolean);
    if (stops.length === 0) return;
    const part = (element) => element?.closest('salon-room-list, .room-head, salon-messages, salon-composer');
    const here = stops.findIndex((stop) => part(stop) === part(document.activeElement));
    const next = here < 0 ? (step > 0 ? 0 : stops.length - 1) : (here + step + stops.length) % stops.length;
    stops[next].focus();
  }

  /** @returns {boolean} whether the key is one of the column's */
  #message(event, at) {
    const asked = messageCommand(event, at.dataset.keyed !== undefined && setting('keys') === 'on');
    if (asked === null) return false;
    if (asked.move !== undefined) this.#keyed(() => this.#move(event, at, asked.move));
    // A key that is held down does a deed once.
    else if (!event.repeat) this.#deed(event, at, asked.deed);
    return true;
  }

  #move(event, at, move) {
    const scroller = at.closest('.scroller');
    const messages = [...scroller.querySelectorAll('salon-message')];
    const here = messages.indexOf(at);
    // From the column itself one comes to the newest that is in sight.
    const start = here >= 0 ? here : messages.findLastIndex((one) => one.getBoundingClientRect().top < scroller.getBoundingClientRect().bottom);
    const to = { next: here < 0 ? start : here + 1, previous: here < 0 ? start : here - 1, first: 0, last: messages.length - 1 }[move];
    if (here >= 0 && hiddenPart(at, scroller, move)) return;
    const target = messages[to];
    event.preventDefault();
    if (target === undefined) return;
    target.focus({ preventScroll: true });
    target.scrollIntoView({ block: 'nearest' });
  }

  #deed(event, message, deed) {
    // Of an answer without words there is no other version: it is tried again.
    const button = message.querySelector(`.tools [data-tool="${deed}"]`) ?? (deed === LED_TO ? message.querySelector('[data-action=retry]') : null);
    if (button === null) return;
    event.preventDefault();
    if (deed === LED_TO) button.focus();
    else button.click();
  }
}

/** Whether the arrow has to scroll first: a message may be longer than the window. */
function hiddenPart(message, scroller, move) {
  const [box, frame] = [message.getBoundingClientRect(), scroller.getBoundingClientRect()];
  return (move === 'next' && box.bottom > frame.bottom + 4) || (move === 'previous' && box.top < frame.top - 4);
}
