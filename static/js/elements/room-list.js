/**
 * `<salon-room-list>`: one's own rooms with what is unread, public rooms to join, and the way to a new one.
 */
import { h, icon, iconButton } from '../dom.js';
import { avatar } from '../avatar.js';
import { previewOf, titleOf } from '../room-line.js';
import { openAccountDialog } from './account-dialog.js';
import { openBrowseDialog, openDirectDialog } from './find-dialogs.js';
import { openRoomDialog } from './room-dialog.js';

/** With fewer rooms than this there is nothing to search. */
const SEARCH_FROM = 8;

class SalonRoomList extends HTMLElement {
  #context;
  #filter = '';

  /** @param {{salon: import('../salon.js').Salon, book: import('../room-book.js').RoomBook}} context */
  show(context) {
    this.#context = context;
    this.className = 'room-list';
    this.search = h('input.search', {
      type: 'search', placeholder: 'Find a room', 'aria-label': 'Find a room', hidden: true,
      oninput: (event) => { this.#filter = event.target.value.trim().toLowerCase(); this.#render(); },
    });
    this.rooms = h('nav.rooms', { 'aria-label': 'Rooms' });
    this.append(
      h('header.list-head', {},
        h('p.brand', {}, h('img', { src: '/icon.svg', alt: '', width: 28, height: 28 }), h('span', { text: 'Salon' })),
        h('span.list-tools', {},
          iconButton('search', 'Public rooms', () => openBrowseDialog(context, this)),
          iconButton('chat', 'Direct message', () => openDirectDialog(context, this)),
          iconButton('plus', 'New room', () => openRoomDialog(context, this), 'icon-button'))),
      this.search, this.rooms, this.#me());
    context.book.on('change', () => this.#render());
    this.#render();
  }

  #me() {
    const { user } = this.#context.salon;
    return h('footer.me', {}, avatar(user),
      h('span.me-name', {}, h('strong', { text: user.name }), h('small', { text: user.kind === 'guest' ? 'Guest' : 'Signed in' })),
      iconButton('settings', 'Your account', () => openAccountDialog(this.#context)),
      iconButton('leave', 'Sign out', () => this.#signOut(user)));
  }

  #signOut(user) {
    const question = 'Sign out? A guest cannot come back as the same person: your private rooms are closed to you after that.';
    if (user.kind === 'guest' && !confirm(question)) return;
    this.dispatchEvent(new CustomEvent('salon-sign-out', { bubbles: true }));
  }

  #render() {
    const { book } = this.#context;
    const fits = (room) => this.#filter === '' || `${room.name} ${room.slug}`.toLowerCase().includes(this.#filter);
    const [mine, others] = [book.mine(), book.others()];
    this.search.hidden = mine.length + others.length < SEARCH_FROM;
    const shown = [
      this.#group('Your rooms', mine.filter(fits), mine.length === 0 ? 'None yet. Open a public room, or make one.' : ''),
      others.length > 0 && this.#group('Public rooms', others.filter(fits), ''),
    ];
    const nothing = this.#filter !== '' && ![...mine, ...others].some(fits);
    const focused = document.activeElement?.closest?.('.room-link')?.dataset.slug;
    const asks = document.activeElement?.classList.contains('more-rooms');
    const more = book.more && h('button.text-button.more-rooms', { type: 'button', text: 'More rooms', onclick: () => book.loadMore() });
    this.rooms.replaceChildren(...[...(nothing ? [h('p.empty', { text: 'No room is called that.' })] : shown), more].filter(Boolean));
    if (asks) this.rooms.querySelector('.more-rooms')?.focus();
    if (focused !== undefined) this.rooms.querySelector(`[data-slug="${CSS.escape(focused)}"]`)?.focus();
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
    const preview = room.role === null ? '' : previewOf(room, salon.user.name);
    const shape = room.visibility === 'private' ? 'lock' : room.visibility === 'direct' ? 'chat' : 'hash';
    return h('a.room-link', {
      href: `#/rooms/${encodeURIComponent(room.slug)}`, 'data-slug': room.slug, 'data-unread': unread > 0 && !room.muted, 'data-muted': room.muted,
      'aria-current': current ? 'page' : null,
    }, icon(shape),
    h('span.room-text', {}, h('span.room-name', { text: titleOf(room, salon.user.name) }), preview !== '' && h('small.room-preview', { text: preview })),
    room.archived && h('span.state', { text: 'Archived' }),
    room.muted && h('span.state', { 'aria-label': 'Muted', title: 'Muted' }, icon('muted')),
    mentions > 0 && h('span.badge.mentioned', { 'aria-label': `${mentions} mention you`, text: `@${mentions > 99 ? '99+' : mentions}` }),
    unread > 0 && h('span.badge', { 'aria-label': `${unread} unread`, text: unread > 99 ? '99+' : unread }),
    room.role === null && h('span.join', { text: 'Join' }));
  }
}

customElements.define('salon-room-list', SalonRoomList);
