/**
 * `<salon-banner>`: says that the connection is lost, but only when it stays lost; and passes on what went wrong.
 */
import { h, iconButton } from '../dom.js';
import { t } from '../words.js';

/** Shorter interruptions are not worth a word. */
const GRACE_MS = 5_000;
const NOTE_MS = 8_000;

class SalonBanner extends HTMLElement {
  #timer = null;
  #shown = false;

  /** @param {{salon: import('../salon.js').Salon}} context */
  show({ salon }) {
    this.className = 'banners';
    this.lost = h('div.banner', { role: 'alert', hidden: true });
    this.notes = h('div.notes', { role: 'alert' });
    this.append(this.lost, this.notes);
    salon.on('status', (status) => this.#statusChanged(salon, status));
    addEventListener('salon-note', (event) => this.#note(event.detail));
    this.#statusChanged(salon, salon.status);
  }

  #statusChanged(salon, status) {
    if (status === 'open') {
      clearTimeout(this.#timer);
      this.#timer = null;
      this.#shown = false;
      leaveFocus(this.lost);
      this.lost.hidden = true;
      this.lost.replaceChildren();
    } else if (status !== 'idle' && this.#timer === null) {
      this.#timer = setTimeout(() => this.#showLost(salon), GRACE_MS);
    }
    this.lost.classList.toggle('trying', status === 'connecting');
  }

  #showLost(salon) {
    if (this.#shown || !this.isConnected) return;
    this.#shown = true;
    this.lost.replaceChildren(
      h('span.pulse', { 'aria-hidden': 'true' }),
      h('span', {}, t('banner.lost'), ' ', h('span.banner-more', { text: t('banner.kept') })),
      h('button.text-button', { type: 'button', text: t('banner.now'), onclick: () => salon.retryNow() }),
    );
    this.lost.hidden = false;
  }

  #note(sentence) {
    const note = h('div.note', {}, h('span', { text: sentence }),
      iconButton('close', t('dismiss'), () => { leaveFocus(note); note.remove(); }, 'icon-button.small'));
    this.notes.append(note);
    while (this.notes.children.length > 3) this.notes.firstElementChild.remove();
    setTimeout(() => { leaveFocus(note); note.remove(); }, NOTE_MS);
  }
}

/** Who pressed something on what goes now goes on with writing. @param {HTMLElement} going */
export function leaveFocus(going) {
  if (going.contains(document.activeElement)) document.querySelector('salon-composer')?.begin();
}

/** Shows a sentence about something that went wrong. @param {string} sentence */
export function showNote(sentence) {
  dispatchEvent(new CustomEvent('salon-note', { detail: sentence }));
}

customElements.define('salon-banner', SalonBanner);
