/**
 * The list above the composer that offers what a sign begins: `@` somebody, `:` an emoji, `/` a command. Each is a source; which of
 * them has something to offer is judged anew with each key. Made by `<salon-composer>`; it writes nothing that was not chosen.
 *
 * @typedef {object} Source
 * @property {string} label what is listed, for who listens
 * @property {(before: string, all: string) => string | null} begun what was written behind the sign, if it ends at the caret
 * @property {(query: string, again: () => void) => object[]} matches what is offered; `again` when more has come
 * @property {(item: object) => (Node | null)[]} row
 * @property {(item: object, query: string) => string | null} take what stands there in its place, or null for nothing
 * @property {boolean} [composes] whether it offers while an input method composes
 */
import { h } from '../dom.js';

export class Suggestions {
  #input;
  #list;
  #sources;
  #insert;
  /** What is open: `{source, query, items, chosen}`. */
  #open = null;
  /** What was closed by Escape stays so until another sign begins something: its source and place. */
  #left = '';

  /**
   * @param {HTMLTextAreaElement} input
   * @param {HTMLElement} box which the list hangs above
   * @param {Source[]} sources
   * @param {(text: string) => void} insert writes in the place of what is selected, as if it were typed
   */
  constructor(input, box, sources, insert) {
    this.#input = input;
    this.#sources = sources;
    this.#insert = insert;
    // What is pressed in it takes the focus, and with it the keyboard of a phone, from nobody. A stop of the Tab key, as it scrolls.
    this.#list = h('ul.suggestions', { id: 'suggestions', role: 'listbox', tabindex: 0, hidden: true, onmousedown: (event) => event.preventDefault() });
    box.append(this.#list);
    input.setAttribute('aria-controls', 'suggestions');
    input.setAttribute('aria-autocomplete', 'list');
    input.addEventListener('input', ({ isComposing }) => this.#look(isComposing));
    input.addEventListener('compositionend', () => this.#look(false));
    for (const event of ['blur', 'pointerdown']) input.addEventListener(event, () => this.close());
  }

  /** Takes a key while the list is open. @param {KeyboardEvent} event @returns {boolean} whether it was taken */
  key(event) {
    if (this.#open === null || event.ctrlKey || event.metaKey || event.altKey) return false;
    const { items, chosen } = this.#open;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step !== undefined) {
      this.#choose((chosen + step + items.length) % items.length);
    } else if ((event.key === 'Enter' || event.key === 'Tab') && !event.shiftKey) {
      this.#take(items[chosen]);
    } else if (event.key === 'Escape') {
      this.#left = this.#place(this.#open);
      this.close();
    } else {
      // The caret goes elsewhere.
      if (/^(?:Arrow|Home|End|Page)/.test(event.key)) this.close();
      return false;
    }
    event.preventDefault();
    return true;
  }

  /** Another text is in the box: what was closed in the one before says nothing of it. */
  forget() {
    this.#left = '';
    this.close();
  }

  /** Which sign is meant, of all that are written. */
  #place({ source, query }) {
    return `${this.#sources.indexOf(source)} ${this.#input.selectionStart - query.length}`;
  }

  /** What is offered for what stands before the caret. @param {boolean} composing */
  #look(composing) {
    const { value, selectionStart, selectionEnd } = this.#input;
    const before = value.slice(0, selectionStart);
    for (const source of selectionStart === selectionEnd ? this.#sources : []) {
      const query = composing && !source.composes ? null : source.begun(before, value);
      if (query === null) continue;
      if (this.#left === this.#place({ source, query })) return this.close();
      this.#left = '';
      const again = () => document.activeElement === this.#input && this.#look(false);
      const items = source.matches(query, again);
      return items.length === 0 ? this.close() : this.#draw({ source, query, items, chosen: 0 });
    }
    this.#left = '';
    return this.close();
  }

  #draw(open) {
    this.#open = open;
    this.#list.setAttribute('aria-label', open.source.label);
    this.#list.replaceChildren(...open.items.map((item, place) => h('li', {
      id: `suggestion-${place}`, role: 'option', onclick: () => this.#take(item),
      // What comes under a pointer that stands still is not meant.
      onmousemove: ({ movementX, movementY }) => (movementX !== 0 || movementY !== 0) && this.#choose(place),
    }, ...open.source.row(item))));
    this.#list.hidden = false;
    this.#choose(0);
  }

  #choose(chosen) {
    this.#open.chosen = chosen;
    for (const [place, line] of [...this.#list.children].entries()) line.setAttribute('aria-selected', String(place === chosen));
    this.#list.children[chosen].scrollIntoView({ block: 'nearest' });
    this.#input.setAttribute('aria-activedescendant', `suggestion-${chosen}`);
  }

  #take(item) {
    const { source, query } = this.#open;
    const end = this.#input.selectionStart;
    this.close();
    const text = source.take(item, query);
    if (text === null) return;
    // The sign goes with what was written behind it.
    this.#input.setSelectionRange(end - query.length - 1, end);
    this.#insert(text);
  }

  /** Offers nothing until more is written. */
  close() {
    this.#open = null;
    this.#list.hidden = true;
    this.#input.removeAttribute('aria-activedescendant');
  }
}
