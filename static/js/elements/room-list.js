/**
 * `<salon-room-list>`: one's own rooms with what is unread, public rooms to join, and the way to a new one.
 */
import { h, icon, iconButton } from '../dom.js';
import { avatar } from '../avatar.js';
import { previewOf, shapeOf, titleOf } from '../room-line.js';
import { t } from '../words.js';
import { openAccountDialog, openAdministrationDialog, openBrowseDialog, openDirectDialog, openRoomDialog, openSignOutDialog } from './dialogs.js';

/** With fewer rooms than this there is nothing to search. */
const SEARCH_FROM = 8;

/** So long at most the list stands still under a finger that is down. */
const PRESS_MS = 2_000;
/** So long after it is lifted its click may yet come. */
const CLICK_MS = 150;

class SalonRoomList extends HTMLElement {
  #context;
  #filter = '';
  /** The timer that ends a press, while there is one. */
  #press = null;
  /** Something changed during the press. */
  #stale = false;

  /** @param {{salon: import('../salon.js').Salon, book: import('../room-book.js').RoomBook}} context */
  show(context) {
    this.#context = context;
    this.className = 'room-list';
    this.setAttribute('role', 'complementary');
    this.setAttribute('aria-label', t('list.rooms'));
    this.search = h('input.search', {
      type: 'search', placeholder: t('list.find'), 'aria-label': t('list.find'), hidden: true,
      oninput: (event) => { this.#filter = event.target.value.trim().toLowerCase(); this.#render(); },
    });
    this.rooms = h('nav.rooms', { 'aria-label': t('list.rooms') });
    this.append(
      h('div.list-head', {},
        h('p.brand', {}, h('img', { src: '/icon.svg', alt: '', width: 28, height: 28 }), h('span', { text: 'Salon' })),
        h('span.list-tools', {},
          iconButton('compass', t('list.public'), () => openBrowseDialog(context, this)),
          iconButton('chat', t('direct.title'), () => openDirectDialog(context, this)),
          iconButton('plus', t('room.new'), () => openRoomDialog(context, this), 'icon-button'))),
      h('search', {}, this.search), this.rooms, this.#me());
    this.#standStill();
    context.book.on('change', () => this.#render());
    // Its buttons stay: a dialog gives the focus back to one of them.
    context.salon.on('me', () => this.querySelector('.me').replaceChildren(...this.#whoIsHere(), ...this.querySelectorAll('.me > button')));
    this.#render();
  }

  #me() {
    return h('div.me', {}, ...this.#whoIsHere(),
      iconButton('person', t('account.title'), () => openAccountDialog(this.#context)),
      this.#administration(),
      iconButton('leave', t('sign_out'), () => this.#signOut(this.#context.salon.user)));
  }

  /** The way into the administration, for whoever may go it: that is asked whenever one is connected anew, and when one comes back. */
  #administration() {
    const { salon } = this.#context;
    const button = iconButton('shield', t('administration.title'), () => openAdministrationDialog(this.#context));
    button.id = 'administration';
    button.hidden = true;
    const look = () => salon.api.me().then(({ admin }) => { button.hidden = !admin; }, () => {});
    salon.on('welcome', look);
    document.addEventListener('visibilitychange', () => document.hidden || look());
    return button;
  }

  #whoIsHere() {
    const { user } = this.#context.salon;
    return [avatar(user), h('span.me-name', {}, h('strong', { dir: 'auto', text: user.name }),
      h('small', { text: user.kind === 'guest' ? t('account.kind_guest') : t('list.signed_in') }))];
  }

  #signOut(user) {
    const leave = () => this.dispatchEvent(new CustomEvent('salon-sign-out', { bubbles: true }));
    if (user.kind === 'guest') openSignOutDialog(this.#context, leave);
    else leave();
  }

  /** A line that moved away under the finger would open another room: during a press nothing is drawn, and once after it. */
  #standStill() {
    const until = (ms) => {
      clearTimeout(this.#press);
      this.#press = setTimeout(release, ms);
    };
    const release = () => {
      clearTimeout(this.#press);
      this.#press = null;
      if (this.#stale) this.#render();
    };
    this.rooms.addEventListener('pointerdown', ({ button }) => button === 0 && until(PRESS_MS));
    // The finger may be lifted elsewhere.
    document.addEventListener('pointerup', () => this.#press !== null && until(CLICK_MS));
    document.addEventListener('pointercancel', release);
    // The click itself is done first.
    this.rooms.addEventListener('click', () => this.#press !== null && until(0));
  }

  #render() {
    this.#stale = this.#press !== null;
    if (this.#stale) return;
    const { book } = this.#context;
    const fits = (room) => this.#filter === '' || `${room.name} ${room.slug}`.toLowerCase().includes(this.#filter);
    const [mine, others] = [book.mine(), book.others()];
    this.search.hidden = mine.length + others.length < SEARCH_FROM;
    const shown = [
      this.#group(t('list.mine'), mine.filter(fits), mine.length === 0 ? t('list.none') : ''),
      others.length > 0 && this.#group(t('list.public'), others.filter(fits), ''),
    ];
    const nothing = this.#filter !== '' && ![...mine, ...others].some(fits);
    const focused = document.activeElement?.closest?.('.room-link')?.dataset.slug;
    const asks = document.activeElement?.classList.contains('more-rooms');
    const more = book.more && h('button.text-button.more-rooms', { type: 'button', text: t('list.more'), onclick: () => book.loadMore() });
    this.rooms.replaceChildren(...[...(nothing ? [h('p.empty', { text: t('list.none_found') })] : shown), more].filter(Boolean));
    if (asks) this.rooms.querySelector('.more-rooms')?.focus({ preventScroll: true });
    if (focused !== undefined) this.rooms.querySelector(`[data-slug="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
  }

  #group(title, rooms, empty) {
    return h('section', {}, h('h2', { text: title }),
      h('ul', {}, ...rooms.map((room) => h('li', {}, this.#link(room)))),
      empty !== '' && this.#context.book.loaded && h('p.empty', { text: empty }));
  }

  #link(room) {
    const { book, salon } = this.#context;
    const unread = book.unread(room);
    const mentions = book.mentions(room);
    const current = room.slug === book.current;
    const { who, what } = room.role === null ? { who: '', what: '' } : previewOf(room, salon.user.id);
    return h('a.room-link', {
      href: `#/rooms/${encodeURIComponent(room.slug)}`, 'data-slug': room.slug, 'data-unread': unread > 0 && !room.muted, 'data-muted': room.muted,
      'aria-current': current ? 'page' : null,
    }, icon(shapeOf(room)),
    h('span.room-text', {}, h('span.room-name', { dir: 'auto', text: titleOf(room, salon.user.name) }), what !== '' && h('small.room-preview', { dir: 'auto' }, h('bdi', { text: who }), who === '' ? what : `: ${what}`)),
    room.archived && h('span.state', { text: t('archived') }),
    room.muted && h('span.state', { 'aria-label': t('list.muted'), title: t('list.muted') }, icon('muted')),
    mentions > 0 && h('span.badge.mentioned', { 'aria-label': t('list.mentions', { count: mentions }), text: `@${mentions > 99 ? '99+' : mentions}` }),
    unread > 0 && h('span.badge', { 'aria-label': t('list.unread', { count: unread }), text: unread > 99 ? '99+' : unread }),
    room.role === null && h('span.join', { text: t('join') }));
  }
}

customElements.define('salon-room-list', SalonRoomList);
