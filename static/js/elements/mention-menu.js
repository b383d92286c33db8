/**
 * The list that `@` opens in the composer: the assistants and the members of this room, and nobody else. Made by
 * `<salon-composer>`.
 */
import { h } from '../dom.js';
import { avatar, guestMark } from '../avatar.js';
import { t } from '../words.js';

const ASSISTANT = { id: 'assistant', name: 'assistant', kind: 'assistant' };
const SHOWN = 6;
/** Who is in a room is read again when the list is opened after so long. */
const FRESH_MS = 30_000;

export class MentionMenu {
  #input;
  #list;
  #read;
  #users = [ASSISTANT];
  #askedAt = -Infinity;
  #matches = [];
  #chosen = 0;

  /**
   * @param {HTMLTextAreaElement} input
   * @param {HTMLElement} box which the list hangs above
   * @param {() => Promise<object[]>} readMembers who may be called here; asked when an `@` is typed
   */
  constructor(input, box, readMembers) {
    this.#input = input;
    this.#read = readMembers;
    this.#list = h('ul.mentions', { id: 'mentions', role: 'listbox', 'aria-label': t('mention'), hidden: true });
    box.append(this.#list);
    input.setAttribute('aria-controls', 'mentions');
    input.setAttribute('aria-autocomplete', 'list');
    input.addEventListener('input', () => this.#open());
    input.addEventListener('blur', () => this.#close());
  }

  /** Takes a key while the list is open. @param {KeyboardEvent} event @returns {boolean} whether it was taken */
  key(event) {
    if (this.#list.hidden) return false;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step !== undefined) {
      this.#chosen = (this.#chosen + step + this.#matches.length) % this.#matches.length;
      this.#draw();
    } else if (event.key === 'Enter' || event.key === 'Tab') {
      this.#take(this.#matches[this.#chosen]);
    } else if (event.key === 'Escape') {
      this.#close();
    } else {
      return false;
    }
    event.preventDefault();
    return true;
  }

  /** The `@…` that ends at the caret. */
  #begun() {
    const before = this.#input.value.slice(0, this.#input.selectionStart);
    return /(?:^|[\s(])@([\p{L}\p{N}_.-]{0,32})$/u.exec(before);
  }

  #open() {
    const begun = this.#begun();
    if (begun === null) {
      this.#close();
      return;
    }
    if (performance.now() - this.#askedAt > FRESH_MS) this.#readMembers();
    const wanted = begun[1].toLowerCase();
    this.#matches = matchesOf(this.#users, wanted).slice(0, SHOWN);
    // A name that is all there needs no help, and Enter has to send.
    const whole = this.#matches.length === 1 && this.#matches[0].name.toLowerCase() === wanted;
    this.#chosen = 0;
    if (this.#matches.length === 0 || whole) this.#close();
    else this.#draw();
  }

  async #readMembers() {
    this.#askedAt = performance.now();
    this.#users = await this.#read();
    if (document.activeElement === this.#input) this.#open();
  }

  #draw() {
    this.#list.replaceChildren(...this.#matches.map((user, place) => h('li', {
      id: `mention-${place}`, role: 'option', 'aria-selected': String(place === this.#chosen),
      onmousedown: (event) => { event.preventDefault(); this.#take(user); },
    }, avatar(user), h('span', { text: user.name }), user.kind === 'assistant' ? h('small', { text: t('mention.assistant') }) : guestMark(user))));
    this.#input.setAttribute('aria-activedescendant', `mention-${this.#chosen}`);
    this.#list.hidden = false;
  }

  #take({ name }) {
    const begun = this.#begun();
    if (begun !== null) {
      const end = this.#input.selectionStart;
      this.#input.setRangeText(`@${name} `, end - begun[1].length - 1, end, 'end');
      this.#input.dispatchEvent(new Event('input'));
    }
    this.#close();
  }

  #close() {
    this.#list.hidden = true;
    this.#input.removeAttribute('aria-activedescendant');
  }
}

/** Names that begin so, then names of which another word does. @param {{name: string}[]} users @param {string} wanted in lower case */
export function matchesOf(users, wanted) {
  const begins = ({ name }) => name.toLowerCase().startsWith(wanted);
  const within = ({ name }) => name.toLowerCase().split(/\s+/).slice(1).some((word) => word.startsWith(wanted));
  return [...users.filter(begins), ...users.filter((user) => !begins(user) && within(user))];
}
