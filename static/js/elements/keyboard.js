/**
 * The keys that act on the whole page and on the message that has the focus. `<salon-app>` starts it; `keys.js` says which key
 * is which. It presses the buttons that are there: what has no button, no key does.
 */
import { setting } from '../look.js';
import { command, messageCommand } from '../keys.js';
import { openHelpDialog, openSwitcher } from './dialogs.js';

/** The regions that F6 goes through, each by what takes the focus there. */
const REGIONS = ['.room-link[aria-current], .room-link', '.room-buttons button', '.scroller', '#composer-input'];

const seen = (element) => element !== null && element.getClientRects().length > 0;
const inDialog = () => document.querySelector('dialog[open]') !== null;

export class Keyboard {
  #context;
  #opener;
  #ends;

  /** @param {object} context as `<salon-app>` makes it @param {HTMLElement} opener the app */
  constructor(context, opener) {
    this.#context = context;
    this.#opener = opener;
    const listen = (event) => this.#pressed(event);
    document.addEventListener('keydown', listen);
    this.#ends = () => document.removeEventListener('keydown', listen);
  }

  /** Hears nothing any more. */
  stop() {
    this.#ends();
  }

  #pressed(event) {
    if (event.defaultPrevented || event.isComposing) return;
    const wanted = command(event);
    if (wanted !== null) {
      if (inDialog()) return;
      event.preventDefault();
      if (wanted === 'switch') openSwitcher(this.#context, this.#opener);
      else if (wanted === 'help') openHelpDialog();
      else if (wanted === 'previous') this.#opener.querySelector('#jump-previous')?.click();
      else this.#region(wanted === 'forward' ? 1 : -1);
      return;
    }
    const at = document.activeElement;
    if (at?.tagName === 'SALON-MESSAGE' || at?.classList.contains('scroller')) this.#message(event, at);
  }

  #region(step) {
    const stops = REGIONS.map((css) => [...this.#opener.querySelectorAll(css)].find(seen)).filter(Boolean);
    if (stops.length === 0) return;
    const part = (element) => element?.closest('salon-room-list, .room-head, salon-messages, salon-composer');
    const here = stops.findIndex((stop) => part(stop) === part(document.activeElement));
    const next = here < 0 ? (step > 0 ? 0 : stops.length - 1) : (here + step + stops.length) % stops.length;
    stops[next].focus();
  }

  #message(event, at) {
    const asked = messageCommand(event, setting('keys') === 'on');
    if (asked === null) return;
    if (asked.move !== undefined) this.#move(event, at, asked.move);
    // A key that is held down does a deed once.
    else if (at.tagName === 'SALON-MESSAGE' && !event.repeat) this.#deed(event, at, asked.deed);
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
    const tools = message.querySelector('.tools');
    const button = tools?.querySelector(`[data-tool="${deed}"]`) ?? null;
    if (button === null) return;
    event.preventDefault();
    button.click();
  }
}

/** Whether the arrow has to scroll first: a message may be longer than the window. */
function hiddenPart(message, scroller, move) {
  const [box, frame] = [message.getBoundingClientRect(), scroller.getBoundingClientRect()];
  return (move === 'next' && box.bottom > frame.bottom + 4) || (move === 'previous' && box.top < frame.top - 4);
}
