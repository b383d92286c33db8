/**
 * `<salon-app>`: who is here, which room is open, and what lies between the page and the browser (address, title,
 * visibility, network). It makes the one `Salon` and hands it to the other elements.
 */
import { Refusal, Salon, keptInBrowser } from '../salon.js';
import { alarm, announce, h } from '../dom.js';
import { Memory, hadAccount, knowAccount, leaveNote, signsOut, takeNote, takePlace } from '../memory.js';
import { permalink, placeOf } from '../permalink.js';
import { returned } from '../organisation.js';
import { RoomBook } from '../room-book.js';
import { followKeyboard } from '../viewport.js';
import { invitation, inviteToken } from '../roles.js';
import { Keyboard } from './keyboard.js';
import { Notifier, showIcon } from './notifier.js';
import { ReplyNews } from './reply-news.js';
import { VersionWatch } from './version-watch.js';
import { openAccountDialog, openInvitation } from './dialogs.js';
import './banner.js';
import './room-list.js';
import './room.js';
import './sign-in.js';
import { t } from '../words.js';

/** A page hidden for longer reads what it missed as soon as it is shown. */
const HIDDEN_MS = 60_000;

class SalonApp extends HTMLElement {
  #salon = null;
  #book = null;
  #memory = null;
  #config = null;
  #notifier = null;
  #narrow = matchMedia('(max-width: 720px)');
  #hiddenAt = null;
  /** Whether one signs out: it was asked for, or the server has told so already. @type {null | 'asked' | 'done'} */
  #leaving = null;

  connectedCallback() {
    addEventListener('hashchange', () => this.#route());
    document.addEventListener('click', (event) => this.#followed(event));
    // The network is another one, or came, or went: the socket may hang on one that is no more. Not every browser tells all of it.
    const probe = () => this.#salon?.probe();
    for (const name of ['online', 'offline']) addEventListener(name, probe);
    navigator.connection?.addEventListener?.('change', probe);
    document.addEventListener('visibilitychange', () => this.#visibilityChanged());
    // A page that the browser keeps for its back button is kept empty, and read anew: who comes back may be somebody else.
    addEventListener('pagehide', ({ persisted }) => persisted && this.#empty());
    addEventListener('pageshow', ({ persisted }) => persisted && location.reload());
    this.addEventListener('salon-open', (event) => this.#open(event.detail.slug));
    this.addEventListener('salon-list', () => { location.hash = '#/'; });
    this.addEventListener('salon-sign-out', ({ detail }) => this.#signOut(detail?.forGood));
    this.addEventListener('salon-signed-in', ({ detail }) => this.#enter(detail.user, detail.invite));
    this.addEventListener('salon-left', (event) => this.#left(event.detail.slug));
    this.#narrow.addEventListener('change', () => this.#landmarks());
    followKeyboard();
    this.#begin();
  }

  async #begin() {
    const { problem, place } = returned(location.hash);
    if (place !== null) history.replaceState(null, '', location.pathname + place);
    this.#salon = new Salon(await keptInBrowser());
    this.#salon.on('signed_out', () => this.#signedOut());
    this.#salon.on('me', ({ kind }) => knowAccount(kind === 'user'));
    try {
      this.#config = await this.#salon.api.config();
      if (this.#config.user === null) this.#showSignIn(problem || takeNote());
      else await this.#enter(this.#config.user);
    } catch (refusal) {
      if (!(refusal instanceof Refusal)) throw refusal;
      if (refusal.status === 401) this.#showSignIn();
      else this.#showUnreachable();
    }
  }

  /** @param {object} user @param {string | null} [invite] that somebody read on the first page and came in by */
  async #enter(user, invite = null) {
    // What is said to who signs in says nothing to who need not: the session was replaced by another page.
    takeNote();
    knowAccount(user.kind === 'user');
    signsOut(false);
    this.#memory = new Memory(user.id);
    await this.#salon.connect(user);
    this.#book = new RoomBook(this.#salon, this.#memory);
    this.#book.on('change', () => this.#titleChanged());
    this.#showChat();
    const place = takePlace();
    if (invite !== null && invite === inviteToken(location.hash)) await this.#accept(invite);
    // Which room is asked for may be known before which rooms there are.
    const asked = location.hash.length > 2;
    if (asked) this.#route();
    await this.#book.load();
    if (!asked && this.#narrow.matches && place?.pane === 'list') this.#route();
    else if (!asked) this.#openFirst();
    if (place?.dialog) this.#backToSettings();
  }

  /** Who changed the language in the account's dialog goes on there. */
  async #backToSettings() {
    await openAccountDialog(this.#context());
    document.querySelector('dialog #setting-language')?.focus();
  }

  #showSignIn(note = '') {
    const form = document.createElement('salon-sign-in');
    const place = takePlace();
    form.show({ salon: this.#salon, config: this.#config ?? { guests: true, signup: true }, note, name: place?.name, returns: hadAccount() });
    this.#tellInvitation(form);
    this.className = 'app signed-out';
    this.replaceChildren(form);
    if (place !== null) form.querySelector('#setting-language').focus();
    document.title = 'Salon';
  }

  /** Who follows an invite is told where it leads before signing in. */
  async #tellInvitation(form) {
    const token = inviteToken(location.hash);
    if (token === null) return;
    try {
      form.tell(invitation(await this.#salon.api.lookUpInvite(token)), token);
    } catch (refusal) {
      form.tell(refusal.message);
    }
  }

  #showUnreachable() {
    this.className = 'app signed-out';
    const again = h('button.primary', { type: 'button', text: t('app.try_again'), onclick: () => location.reload() });
    this.replaceChildren(h('main.unreachable', {},
      h('h1', { text: t('app.unreachable') }),
      h('p', { text: t('app.unreachable_hint') }), again));
  }

  #showChat() {
    const [list, room, banner] = ['salon-room-list', 'salon-room', 'salon-banner'].map((tag) => document.createElement(tag));
    const context = this.#context();
    this.className = 'app';
    this.dataset.pane = 'list';
    // A link, so that it is found where such links are looked for; it leads to no address.
    const skip = h('a.skip', { href: '#composer-input', text: t('app.skip'), onclick: (event) => this.#skip(event) });
    this.replaceChildren(skip, list, h('main.main', { id: 'main' }, banner, room));
    for (const element of [list, room, banner]) element.show(context);
    new Keyboard(context, this);
    this.#notifier = new Notifier(context);
    new ReplyNews(context);
    new VersionWatch(this.#salon, this.#config?.page, banner);
  }

  #context() {
    return { salon: this.#salon, book: this.#book, memory: this.#memory, config: this.#config };
  }

  /** To the box, or to what stands in its place. */
  #skip(event) {
    event.preventDefault();
    const stops = ['#composer-input', '.scroller', '.nothing button'].flatMap((css) => [...this.querySelectorAll(css)]);
    stops.find((stop) => stop.getClientRects().length > 0)?.focus();
  }

  /** A newcomer lands in the lobby; who has been here, in the last room; a narrow screen shows the list first. */
  #openFirst() {
    const slug = this.#book.first();
    if (slug !== null) location.replace(permalink(slug));
    else this.#route();
  }

  #open(slug) {
    const hash = permalink(slug);
    if (location.hash === hash) this.#route();
    else location.hash = hash;
  }

  #route() {
    const token = inviteToken(location.hash);
    if (this.#book === null) {
      const form = this.querySelector('salon-sign-in');
      if (token !== null && form !== null) this.#tellInvitation(form);
      return;
    }
    if (token !== null) {
      // The secret does not stay in the address, nor in the browser's history.
      history.replaceState(null, '', '#/');
      this.#openInvitation(token);
    }
    const { slug, seq } = placeOf(location.hash) ?? { slug: null, seq: null };
    this.dataset.pane = slug === null ? 'list' : 'room';
    this.#landmarks();
    if (slug !== null) this.#book.open(slug);
    this.querySelector('salon-room')?.open(slug ?? this.#book.current, seq);
    this.#titleChanged();
  }

  /** What was read on the first page is not asked again. */
  async #accept(token) {
    try {
      const room = await this.#salon.api.acceptInvite(token);
      this.#book.put(room);
      history.replaceState(null, '', permalink(room.slug));
    } catch {
      // The invite stays in the address: its dialog says what is wrong.
    }
  }

  /** An invite whose dialog could not be loaded stays in the address, for another try. */
  async #openInvitation(token) {
    const opened = await openInvitation({ salon: this.#salon, book: this.#book }, token, this);
    if (!opened && location.hash === '#/') history.replaceState(null, '', `#/invite/${token}`);
  }

  /** A link to where one is already changes no hash, and yet one wants to be led there. */
  #followed(event) {
    const { defaultPrevented, button, ctrlKey, metaKey, shiftKey, altKey } = event;
    if (defaultPrevented || button !== 0 || ctrlKey || metaKey || shiftKey || altKey) return;
    const link = event.target.closest?.('a[href^="#/"]');
    if (link && link.hash === location.hash) this.#route();
  }

  /** Where the list stands alone it is what the page is about. */
  #landmarks() {
    const alone = this.#narrow.matches && this.dataset.pane === 'list';
    const list = this.querySelector('salon-room-list');
    list?.setAttribute('role', alone ? 'main' : 'complementary');
    // What the banner says is for whoever looks at the one pane that is shown.
    const pane = alone ? list : this.querySelector('main');
    const banner = this.querySelector('salon-banner');
    if (pane && banner && banner.parentElement !== pane) pane.prepend(banner);
    const brand = this.querySelector('.list-head .brand');
    if (alone) brand?.setAttribute('aria-level', '1');
    else brand?.removeAttribute('aria-level');
    if (alone) brand?.setAttribute('role', 'heading');
    else brand?.removeAttribute('role');
  }

  #left(slug) {
    this.#book.forget(slug);
    location.hash = '#/';
    this.querySelector('salon-room')?.open(null);
    this.#book.load();
  }

  #titleChanged() {
    const [unread, mentions] = [this.#book.unreadTotal(), this.#book.mentionsTotal()];
    const count = (number) => (number > 99 ? '99+' : number);
    showIcon({ unread, mentions });
    const news = [mentions > 0 && `@${count(mentions)}`, unread > 0 && count(unread)].filter(Boolean).join(' · ');
    const name = this.#book.name(this.#book.current);
    document.title = `${news === '' ? '' : `(${news}) `}${name === null ? '' : `${name} · `}Salon`;
  }

  #visibilityChanged() {
    if (document.hidden) {
      this.#hiddenAt = Date.now();
      return;
    }
    if (this.#hiddenAt !== null && Date.now() - this.#hiddenAt > HIDDEN_MS) this.#salon?.resync();
    else this.#salon?.probe();
    this.#hiddenAt = null;
  }

  /** @param {boolean} [forGood] nobody comes back by this name */
  async #signOut(forGood = false) {
    this.#leaving = 'asked';
    signsOut(true);
    try {
      await this.#salon.api.signOut();
    } catch (refusal) {
      // The socket may have been told before the answer was lost.
      if (refusal.status !== 401 && this.#leaving !== 'done') {
        this.#leaving = null;
        signsOut(false);
        announce(t('app.sign_out_failed'));
        return;
      }
    }
    this.#memory.clear();
    this.#sessionEnded('', forGood);
  }

  /** The session is over. Who signs out here has still to take away what it left, and is told nothing. */
  #signedOut() {
    if (this.#leaving === null) this.#sessionEnded();
    else this.#leaving = 'done';
  }

  /** The page is loaded anew: whatever was read lives in its memory in many places, and all of them end with it. */
  #sessionEnded(note = null, forGood = false) {
    if (forGood) knowAccount(false);
    note ??= t(this.#salon.user?.kind === 'guest' ? 'app.guest_ended' : 'app.session_ended');
    this.#salon.disconnect();
    this.#book = null;
    this.#empty();
    if (note === '') history.replaceState(null, '', location.pathname);
    else leaveNote(note);
    location.reload();
  }

  /** Takes everything off the screen, dialogs too. */
  #empty() {
    for (const dialog of document.querySelectorAll('dialog')) dialog.remove();
    this.#notifier?.clear();
    this.replaceChildren();
    announce('');
    alarm('');
    document.title = 'Salon';
    showIcon({ unread: 0, mentions: 0 });
  }
}

customElements.define('salon-app', SalonApp);
