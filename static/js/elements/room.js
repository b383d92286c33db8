/**
 * `<salon-room>`: the pane of the open room: its head, its messages, the composer, and what stands there instead when
 * there is no room, or it may not be entered.
 */
import { h, icon, iconButton } from '../dom.js';
import { commandsOf } from './commands.js';
import { roomMenu } from './room-menu.js';
import { hereLine, seenLine, typingLine } from '../people.js';
import { permalink } from '../permalink.js';
import { shapeOf, titleOf } from '../room-line.js';
import { replyRefusal } from '../salon.js';
import { keepFocus } from '../refocus.js';
import { showNote } from './banner.js';
import './composer.js';
import './messages.js';
import { t } from '../words.js';
import { openBrowseDialog, openIntegrationsDialog, openLinkDialog, openMembersDialog, openPinsDialog, openRoomDialog, openRoomUsageDialog, openSearchDialog, openSettingsDialog } from './dialogs.js';

const REFUSALS = {
  not_a_member: t('refused.not_a_member'),
  room_not_found: t('refused.room_not_found'),
  removed: t('refused.removed'),
  deleted: t('refused.deleted'),
  banned: t('refused.banned'),
};

/** Rooms that are offered in place of one that is closed. */
const OTHERS_SHOWN = 5;

class SalonRoom extends HTMLElement {
  #context;
  #room = null;
  #ends = [];
  #frame = null;
  #learning = null;
  /** What one was in the open room when it was last drawn. */
  #role = null;

  /** @param {object} context as `<salon-app>` makes it */
  show(context) {
    this.#context = context;
    this.className = 'room';
    this.#showNothing(t('room.choose'), t('room.choose_hint'));
  }

  /** Shows a room, or none, and of it a message. @param {string | null} slug @param {number | null} [seq] */
  open(slug, seq = null) {
    if (slug !== null && this.#room?.slug === slug) {
      if (seq !== null) this.messages.goTo(seq);
      else this.composer.begin();
      // On a phone the list may have stood in its place.
      this.messages.visible();
      return;
    }
    for (const end of this.#ends) end();
    this.#ends = [];
    this.#learning = null;
    this.#role = null;
    this.#room = slug === null ? null : this.#context.salon.room(slug);
    if (this.#room === null) {
      this.#showNothing(t('room.choose'), t('room.choose_hint'));
      return;
    }
    this.#build();
    this.#ends.push(
      this.#room.on('change', () => this.#later()),
      this.#room.on('people', () => this.#later()),
      this.#context.book.on('change', () => this.#later()),
      this.#room.on('reply_refused', ({ code }) => showNote(replyRefusal(code))),
    );
    if (seq !== null) this.messages.goTo(seq);
    this.#update();
  }

  #build() {
    this.messages = document.createElement('salon-messages');
    this.composer = document.createElement('salon-composer');
    this.heading = h('h1.room-title', { dir: 'auto' });
    this.sub = h('p.room-sub');
    this.place = h('span.room-place');
    this.here = h('button.here', { type: 'button', hidden: true, onclick: () => this.#openMembers() }, h('i.dot', { 'aria-hidden': 'true' }), h('span'));
    this.topic = h('span.room-topic', { dir: 'auto' });
    this.sub.append(this.place, this.here, this.topic);
    this.typing = h('p.typing-line', { role: 'status' });
    this.seen = h('p.seen-line');
    this.buttons = h('div.room-buttons');
    this.replaceChildren(
      h('header.room-head', {},
        iconButton('back', t('room.back'), () => this.dispatchEvent(new CustomEvent('salon-list', { bubbles: true })), 'icon-button.back'),
        h('div.room-titles', {}, this.heading, this.sub), this.buttons),
      this.messages, h('div.people-line', {}, this.typing, this.seen), this.composer);
    this.messages.show(this.#context, this.#room);
    this.composer.show(this.#context, this.#room, this.messages, () => this.#commands());
  }

  /** Several frames at once make one drawing; a hidden page draws when it is shown. */
  #later() {
    this.#frame ??= requestAnimationFrame(() => {
      this.#frame = null;
      this.#update();
    });
  }

  #update() {
    const state = this.#room?.state;
    // What was on its way when somebody signed out is refused after that.
    if (state === undefined || this.#context.salon.user === null) return;
    if (state.phase === 'refused' || state.phase === 'removed') {
      this.#showNothing(t('room.closed'), REFUSALS[state.refusal.code] ?? state.refusal.message, state.slug);
      this.#context.salon.closeRoom(state.slug);
      this.#room = null;
      return;
    }
    this.#tellRole(state.room?.role ?? null);
    this.#updateHead(state);
    this.#updatePeople();
    this.messages.update(state);
    this.composer.update(state);
    if (state.phase === 'joined' && state.room.assistants === undefined && this.#learning !== state.slug) this.#learnAssistants(this.#room);
  }

  /** Whoever got another role is told so: of what one may no longer do nothing else speaks. @param {string | null} role */
  #tellRole(role) {
    if (role === null || role === this.#role) return;
    if (this.#role !== null) showNote(t(`room.role_${role}`));
    this.#role = role;
  }

  #updateHead(state) {
    const { book, salon } = this.#context;
    const name = state.room === null ? book.name(state.slug) : titleOf(state.room, salon.user.name);
    const { topic = '', archived = false } = state.room ?? {};
    const muted = book.muted(state.slug);
    const role = state.room?.role ?? null;
    const visibility = state.room?.visibility ?? 'public';
    const head = JSON.stringify([name, role, visibility, topic, archived, muted, state.room?.people]);
    if (this.dataset.head === head) return;
    this.dataset.head = head;
    this.heading.textContent = name;
    const direct = visibility === 'direct';
    this.place.replaceChildren(icon(direct ? 'chat' : visibility === 'private' ? 'lock' : 'hash'), direct ? t('room.direct') : state.slug);
    if (archived) this.place.append(h('span.state', { text: t('archived') }));
    this.topic.textContent = topic;
    this.topic.title = topic;
    this.#drawButtons(() => this.buttons.replaceChildren(...this.#headButtons(role, muted, state.room)));
    this.buttons.hidden = state.room === null;
  }

  /** A menu that is open stays so, and is drawn when it is closed. */
  #drawButtons(draw) {
    const menu = this.buttons.querySelector(':popover-open');
    // By its place: what mutes has other words once it has.
    const name = (button) => [...this.buttons.children].indexOf(button);
    if (menu === null) return keepFocus(this.buttons, draw, { name, fallback: () => this.buttons.querySelector('.room-menu-button') });
    return menu.addEventListener('toggle', () => {
      delete this.dataset.head;
      this.#later();
    }, { once: true });
  }

  /** On a narrow screen there is room for two: the others stand in the menu. */
  #headButtons(role, muted, room) {
    const wide = 'icon-button.only-wide';
    const first = this.#firstEntries(muted);
    return [
      ...first.map(([shape, key, , deed]) => iconButton(shape, t(key), deed, wide)),
      iconButton('people', t('members.open'), () => this.#openMembers()),
      ...(role === 'moderator' ? [iconButton('link', t('integrations.title'), () => openIntegrationsDialog(this.#context, this.#room.state.room), wide)] : []),
      ...(role === 'moderator' ? [iconButton('usage', t('usage.title'), () => openRoomUsageDialog(this.#context.salon, this.#room.state.room), wide)] : []),
      ...(role === 'owner' ? [iconButton('gear', t('room.settings'), () => openSettingsDialog(this.#context, this.#room.state.room), wide)] : []),
      ...(room === null ? [] : roomMenu(this.#context, room, this, first)),
    ];
  }

  /** What stands in the head of a wide page and in the menu of a narrow one: shape, key of its words, name, deed. */
  #firstEntries(muted) {
    const { api } = this.#context.salon;
    return [
      ['search', 'search.title', 'search', () => this.search()],
      muted ? ['muted', 'room.unmute', 'unmute', () => this.#mute(false)] : ['bell', 'room.mute', 'mute', () => this.#mute(true)],
      ['pin', 'pins.open', 'pins', () => openPinsDialog(api, this.#room.state.room, (seq) => this.messages.jumpTo(seq))],
    ];
  }

  /** Searches in the open room, or in all where there is none. @param {string} [said] what is searched for at once */
  search(said = '') {
    openSearchDialog(this.#context, this.#room?.state.room ?? null, said);
  }

  /** What one can have done here by a word. */
  #commands() {
    const { room, slug } = this.#room.state;
    if (room === null) return [];
    const members = ['people', 'members.open', 'members', () => this.#openMembers()];
    return commandsOf(this.#context, room, this, [...this.#firstEntries(this.#context.book.muted(slug)), members], (said) => this.search(said));
  }

  #updatePeople() {
    const { people } = this.#room;
    const [here, typing] = [hereLine(people), typingLine(people)];
    this.here.hidden = here === '';
    if (this.here.lastChild.textContent !== here) {
      this.here.lastChild.textContent = here;
      this.here.title = people.users.slice(0, 20).map(({ name }) => name).join(', ');
    }
    const seen = seenLine(people, this.#room.state);
    if (this.seen.textContent !== seen) this.seen.textContent = seen;
    // The line keeps its height, so nothing jumps; and it is said again only when it changed.
    if (this.typing.textContent !== typing) this.typing.textContent = typing;
  }

  /** Who answers here, and who may steer that. Without it the page shows what holds by default. */
  async #learnAssistants(room) {
    this.#learning = room.slug;
    try {
      room.setAssistants(await this.#context.salon.api.assistants(room.slug));
      this.#learning = null;
    } catch {
      // Asked again when the room is opened again.
    }
  }

  async #mute(muted) {
    try {
      await this.#context.book.mute(this.#room.slug, muted);
    } catch (refusal) {
      showNote(refusal.message);
    }
  }

  #openMembers() {
    if (this.#room.state.room !== null) openMembersDialog(this.#context, this.#room, this);
  }

  /** The rooms that are left, those with the latest messages first. @param {string} closed the one that is not among them */
  #otherRooms(closed) {
    const { book, salon } = this.#context;
    const rooms = book.mine().filter(({ slug }) => slug !== closed).slice(0, OTHERS_SHOWN);
    return rooms.length === 0 ? null : h('nav.nothing-rooms', { 'aria-labelledby': 'nothing-rooms' },
      h('h2', { id: 'nothing-rooms', text: t('room.others') }),
      h('ul', {}, ...rooms.map((room) => h('li', {}, h('a.quiet', { href: permalink(room.slug), 'data-slug': room.slug },
        icon(shapeOf(room)), h('span', { dir: 'auto', text: titleOf(room, salon.user.name) }))))));
  }

  /** @param {string} title @param {string} sentence @param {string | null} [closed] the room that is closed: others are offered */
  #showNothing(title, sentence, closed = null) {
    delete this.dataset.head;
    const way = (id, text, go) => h('button.quiet', { type: 'button', id, text, onclick: go });
    this.replaceChildren(h('div.nothing', {}, icon('chat'), h('h1', { text: title }), h('p', { text: sentence }),
      closed !== null && this.#otherRooms(closed),
      h('p.nothing-ways', {},
        way('nothing-browse', t('list.public'), () => openBrowseDialog(this.#context, this)),
        way('nothing-new', t('room.new'), () => openRoomDialog(this.#context, this)),
        way('nothing-link', t('link.open'), () => openLinkDialog())),
      h('button.quiet.only-narrow', {
        type: 'button', text: t('room.show_rooms'),
        onclick: () => this.dispatchEvent(new CustomEvent('salon-list', { bubbles: true })),
      })));
  }
}

customElements.define('salon-room', SalonRoom);
