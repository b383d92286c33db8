/**
 * Notices that the server has another page than this one, and offers to load it; never while somebody writes or an answer is being
 * written, and never by itself. `<salon-app>` starts it.
 */
import { h, iconButton } from '../dom.js';
import { t } from '../words.js';
import { leaveFocus } from './banner.js';

/** How often it is looked whether the offer may be shown now. */
const QUIET_MS = 2_000;

export class VersionWatch {
  #salon;
  #place;
  #loaded;
  #timer = null;

  /**
   * @param {import('../salon.js').Salon} salon
   * @param {string | undefined} loaded the server's `page` as this page was loaded
   * @param {HTMLElement} place what the offer is shown in
   */
  constructor(salon, loaded, place) {
    this.#salon = salon;
    this.#loaded = loaded;
    this.#place = place;
    // A new connection is how a page meets a new server.
    salon.on('welcome', () => this.#look());
  }

  async #look() {
    if (this.#loaded === undefined || this.#timer !== null) return;
    const config = await this.#salon.api.config().catch(() => null);
    if (config?.page === undefined || config.page === this.#loaded) return;
    this.#timer ??= setInterval(() => this.#offer(), QUIET_MS);
    this.#offer();
  }

  #offer() {
    const writes = [...document.querySelectorAll('textarea, dialog input')].some(({ value }) => value !== '');
    const answers = document.querySelector('.message[data-state="streaming"], .message[data-state="queued"]') !== null;
    if (writes || answers || !this.#place.isConnected) return;
    clearInterval(this.#timer);
    const offer = h('div.banner.update', { role: 'status' }, h('span', { text: t('banner.update') }),
      h('button.text-button', { type: 'button', text: t('banner.reload'), onclick: () => location.reload() }),
      iconButton('close', t('dismiss'), () => { leaveFocus(offer); offer.remove(); }, 'icon-button.small'));
    this.#place.prepend(offer);
  }
}
