/**
 * `<salon-message>`: one message in every state it can have: on its way, settled, or a reply that waits, grows, was
 * stopped, failed or broke off. It draws again only what changed.
 */
import { announce, h, icon } from '../dom.js';
import { avatar, guestMark } from '../avatar.js';
import { isolateCalls, wayOf } from '../bidi.js';
import { replyFailure, sentenceOf } from '../errors.js';
import { queueLine } from '../people.js';
import { Fading } from '../fading.js';
import { goingOn } from '../going-on.js';
import { GrowingBody, copyButton, renderPlain, renderSettled } from '../render.js';
import { permalink } from '../permalink.js';
import { plainOf } from '../plain.js';
import { keepFocus } from '../refocus.js';
import { isRunning } from '../replies.js';
import { steering } from '../steering.js';
import { clockTime, fullTime } from '../time.js';
import { messageAt } from '../store.js';
import { showNote } from './banner.js';
import { isAlone, placeBeside, reactionChips, reactionChoice, rights, toolButtons, variantSwitch } from './message-tools.js';
import { Fold } from './folding.js';
import { quoteOf } from './quote.js';
import { t } from '../words.js';
import { modelMark } from './usage-mark.js';
import { ask, openEditsDialog, openEmojiChoice, openPersonDialog } from './dialogs.js';

/** Waiting becomes worth a number after this. */
const ELAPSED_AFTER_S = 3;

class SalonMessage extends HTMLElement {
  #room;
  #context;
  #item;
  #drawn = {};
  /** What was drawn: items of a column are made anew with each change of the room, few of them differ. */
  #before = null;
  #growing = null;
  #waitingSince = null;
  #ticker = null;
  #toolsLater = null;
  /** The version that the reader chose: beside it stands for whom. */
  #chosen = null;

  disconnectedCallback() {
    clearInterval(this.#ticker);
    this.#ticker = null;
  }

  /** @param {import('../items.js').Item} item @param {import('../room.js').Room} room @param {object} context */
  update(item, room, context) {
    this.#room = room;
    this.#context = context;
    this.#item = item;
    if (this.#isSame(item)) return;
    if (this.body === undefined) this.#build();
    const { message, entry } = item;
    const own = item.type === 'outgoing' || item.mine;
    const classes = ['message', own ? 'own' : message.kind === 'assistant' ? 'assistant' : 'other', item.grouped && 'grouped',
      message !== undefined && goingOn(message) !== null && 'goes-on',
      message?.mentions?.includes(room.state.me) && 'mentions-me',
      ...['opened', 'led-to'].filter((name) => this.classList.contains(name))];
    this.className = classes.filter(Boolean).join(' ');
    this.dataset.state = item.type === 'outgoing' ? entry.state : this.#stateOf(item);
    if (message !== undefined) this.dataset.seq = message.seq;
    this.#drawHead(item);
    this.#drawQuote(item);
    this.#drawBody(item);
    this.#drawFoot(item);
    this.#drawMarks(item);
  }

  #isSame(item) {
    const { state } = this.#room;
    const quoted = item.message?.reply_to ?? item.entry?.replyTo ?? null;
    const now = { ...item, room: state.room, quoted: quoted === null ? undefined : messageAt(state, quoted)?.version, online: this.#online(item) };
    const before = this.#before;
    this.#before = now;
    return before !== null && Object.keys(now).every((key) => now[key] === before[key] || samePlace(now[key], before[key]));
  }

  /** Of what is on its way, whether there is a connection: it says so. */
  #online({ type }) {
    return type === 'outgoing' ? this.#context.salon.status === 'open' : null;
  }

  /** `queued` on the wire covers waiting and being written; readers see the difference. */
  #stateOf({ message, reply }) {
    if (message.deleted_at) return 'deleted';
    if (!isRunning(message)) return message.state;
    if (reply?.frozen !== null && reply?.frozen !== undefined) return 'stopping';
    return reply === null || reply.text === '' ? 'queued' : 'streaming';
  }

  #build() {
    this.setAttribute('role', 'article');
    this.tabIndex = -1;
    this.picture = h('div.picture');
    this.head = h('div.head');
    this.body = h('div.body.markdown', { dir: 'auto' });
    this.quote = h('div.quoted');
    this.marks = h('div.marks');
    this.foot = h('div.foot');
    this.tools = h('div.tools');
    this.told = h('span.for-all');
    // A tap on the words shows what can be done.
    this.body.addEventListener('click', ({ target }) => {
      if (isTouch() && target.closest('a, button') === null) this.classList.toggle('opened');
    });
    this.content = h('div.content', {}, this.head, this.quote, this.body, this.marks, h('div.under', {}, this.foot, this.tools, this.told));
    this.append(this.picture, this.content);
    this.fold = new Fold(this.body, `${this.#room.slug} ${this.#item.key}`, (placeOf, change) => this.#tell('salon-moves', { placeOf, change }));
  }

  #drawHead({ type, message, entry, grouped, namesake }) {
    const at = type === 'outgoing' ? entry.at : Date.parse(message.created_at);
    const author = message?.author;
    const key = `${author?.id} ${author?.name} ${author?.kind} ${at} ${grouped} ${namesake} ${message?.reply?.model} ${message?.reply?.attempt}`;
    if (this.#drawn.head === key) return;
    this.#drawn.head = key;
    const time = h('time', { datetime: new Date(at).toISOString(), title: fullTime(at), text: clockTime(at) });
    const about = author && author.kind !== 'deleted' && author.id !== this.#room.state.me ? () => openPersonDialog(this.#context, author, this.closest('salon-room')) : null;
    this.picture.replaceChildren(...(!author || grouped ? [] : about === null ? [avatar(author)]
      : [h('button.picture-button', { type: 'button', 'aria-label': t('person.about', { name: author.name }), title: t('person.about', { name: author.name }), onclick: about }, avatar(author))]));
    this.head.replaceChildren(...[
      author && h('span.author', { dir: 'auto', text: author.name, title: author.kind === 'guest' ? t('guest.named', { name: author.name }) : null }),
      author && author.id !== this.#room.state.me && (namesake || author.name.toLowerCase() === this.#context.salon.user.name.toLowerCase()) && guestMark(author),
      author?.kind === 'bot' && h('span.bot-mark', { text: t('message.bot') }),
      modelMark(message?.reply, this.#context.config?.currency),
      time,
    ].filter(Boolean));
    this.setAttribute('aria-label', t('message.said', { name: author?.name ?? t('message.you'), time: clockTime(at) }));
  }

  #drawBody({ type, message, entry, reply }) {
    const { state } = this.dataset;
    // An answer calls nobody: the browser knows its way, while it grows too.
    this.body.dir = message?.kind === 'assistant' ? 'auto' : wayOf(entry?.body ?? message.body ?? '');
    if (type === 'outgoing') {
      this.#drawOnce(`plain ${entry.body}`, () => renderPlain(this.body, entry.body));
    } else if (state === 'deleted') {
      this.#drawOnce('deleted', () => this.body.replaceChildren(h('p.deleted', { text: t('message.deleted') })));
    } else if (isRunning(message)) {
      this.#drawGrowing(reply);
    } else if (goingOn(message) !== null) {
      this.#drawOnce('goes-on', () => this.body.replaceChildren(...goingOnLine(goingOn(message))));
    } else {
      // The echo of one's own plain words looks like what is there already: nothing to draw.
      const key = message.html === undefined && message.kind === 'user' ? `plain ${message.body}` : `version ${message.version}`;
      this.#drawOnce(key, () => renderSettled(this.body, message));
    }
    if (this.body.dir === 'rtl') isolateCalls(this.body);
  }

  /** The message that a person's message answers; a reply stands right below its prompt. */
  #drawQuote({ message, entry }) {
    const quotes = message?.kind === 'user' && !message.deleted_at && goingOn(message) === null;
    const seq = (quotes ? message.reply_to : entry?.replyTo) ?? null;
    const key = seq === null ? '' : `${seq} ${messageAt(this.#room.state, seq)?.version}`;
    if ((this.#drawn.quote ?? '') === key) return;
    this.#drawn.quote = key;
    const jump = () => this.#tell('salon-jump', { seq });
    this.quote.replaceChildren(...(seq === null ? [] : [quoteOf(this.#room, this.#context.salon.api, seq, jump)]));
  }

  /** Reactions, the pin, and that it was edited. */
  #drawMarks({ message, mine }) {
    const { room } = this.#room.state;
    const key = message === undefined || message.deleted_at ? '' : `${message.version} ${room?.role} ${room?.archived} ${mine}`;
    if ((this.#drawn.marks ?? '') === key) return;
    if (mine && message.edited_at && this.#drawn.edited !== message.edited_at && this.#drawn.marks !== undefined) restTools(this.closest('.column'));
    this.#drawn.edited = message?.edited_at;
    this.#drawn.marks = key;
    if (key === '') return void this.#redraw(this.marks, []);
    const { state } = this.#room;
    const may = rights(message, mine, room);
    const names = new Map(state.messages.map(({ author }) => [author.id, author.name]));
    const chips = reactionChips(message, { me: state.me, names, reacts: may.reacts }, (emoji, on) => this.#react(emoji, on));
    this.#redraw(this.marks, [
      ...chips,
      message.pinned && h('span.mark-note', {}, icon('pin'), t('message.pinned')),
      message.edited_at && (may.readsEdits
        ? h('button.mark-note', { type: 'button', text: t('message.edited'), title: t('message.former'), onclick: () => openEditsDialog(this.#context.salon.api, state.slug, message) })
        : h('span.mark-note', { text: t('message.edited'), title: fullTime(Date.parse(message.edited_at)) })),
    ], (control) => control.firstElementChild?.textContent ?? control.className);
  }

  /** The button that has the focus keeps it where it is there again; else the next key is still for this message. */
  #redraw(part, children, name) {
    keepFocus(part, () => part.replaceChildren(...children.filter(Boolean)), { fallback: () => this, name });
  }

  #drawOnce(key, draw) {
    this.#growing?.end();
    this.#growing = null;
    if (this.#drawn.body === key) return;
    this.#drawn.body = key;
    draw();
    this.fold.drawn(this.#item);
  }

  #drawGrowing(reply) {
    const text = reply?.frozen ?? reply?.text ?? '';
    const key = `growing ${reply?.attempt} ${text.length}`;
    if (this.#drawn.body === key && this.#growing !== null) return;
    this.#drawn.body = key;
    this.#growing ??= new GrowingBody(this.body, new Fading(this.body));
    this.#growing.update(text, { open: true, told: reply?.told ?? 0 });
  }

  #drawFoot(item) {
    const { state } = this.dataset;
    const { place, entry, message } = item;
    const { room } = this.#room.state;
    const key = `${state} ${place?.position} ${item.continued} ${entry?.error?.code} ${message?.version} ${room?.role} ${room?.archived} ${this.#online(item)} ${JSON.stringify(this.#steering())}`;
    if (this.#drawn.foot === key) return;
    this.#drawn.foot = key;
    clearInterval(this.#ticker);
    this.#ticker = null;
    if (state !== 'queued') this.#waitingSince = null;
    this.#redraw(this.foot, FEET[state]?.call(this, item) ?? []);
    if (!SETTLED.has(state) || message === undefined) this.#drawTools(null);
    else if (message.kind === 'assistant' || this.tools.childElementCount > 0) this.#drawTools(item);
    // Beside people's messages they take no room and wait for a pointer: the words come first.
    else this.#toolsLater ??= whenIdle(() => this.#drawTools(SETTLED.has(this.dataset.state) && this.#item.message !== undefined ? this.#item : null));
  }

  #drawTools(item) {
    this.#toolsLater = null;
    this.told.textContent = '';
    if (item === null) return void this.#redraw(this.tools, []);
    const { message } = item;
    const may = rights(message, item.mine, this.#room.state.room, item.asked);
    const forAll = !isAlone(this.#room.state.room);
    const select = (variant) => this.#select(variant, forAll);
    this.#redraw(this.tools, [variantSwitch(message, { selects: may.selects, forAll }, select), ...toolButtons(message, may, (deed) => this.#do(deed)), this.#linkButton()]);
    this.told.textContent = forAll && message.reply?.variants?.selected === this.#chosen ? t('message.for_all') : '';
  }

  /** The arrows stay under the pointer; and what was chosen is so for everybody, which is said. */
  async #select(variant, forAll) {
    const { seq } = this.#item.message;
    this.#chosen = variant;
    this.#tell('salon-choose', { seq, variant, line: this, placeOf: () => this.tools.getBoundingClientRect().top });
    if ((await this.#ask(this.#room.selectVariant(seq, variant))) && forAll) announce(t('message.for_all'), true);
  }

  #linkButton() {
    const { slug } = this.#room;
    const link = () => new URL(permalink(slug, this.#item.message.seq), location.href).href;
    return copyButton(link, t('message.copy_link'), { shape: 'link', text: t('message.link') });
  }

  /** Stop and Retry: whose prompt it was, and those who keep order. */
  #steering() {
    return steering(this.#room.state.room, this.#item.message?.author.id, this.#item.asked);
  }

  stopButton() {
    return this.#steering().stops && button('stop', 'stop', () => this.#ask(this.#room.stop(this.#item.message.seq)));
  }

  againButtons() {
    const { seq, body } = this.#item.message;
    const { room } = this.#room.state;
    if (room?.archived) return [];
    // To go on is to ask, in one's own name: that is for who asked.
    const goes = this.#item.asked && !this.#item.continued && room?.role !== 'reader' && body !== '';
    return [
      this.#steering().again && button('retry', 'retry', () => this.#ask(this.#room.retryReply(seq)), { words: 'retry_reply', title: t('message.retry_hint') }),
      goes && button('more', 'continue', () => this.#ask(this.#room.continueReply(seq)), { title: t('message.continue_hint') }),
    ];
  }

  /** How a message stands that is on its way. */
  sendingLine({ error }) {
    if (error !== null) return t('message.next_try');
    return t(this.#context.salon.status === 'open' ? 'sending' : 'message.when_back');
  }

  sendButtons() {
    const { clientId } = this.#item.entry;
    return [
      button('retry', 'retry', () => this.#room.retrySend(clientId)),
      button('close', 'discard', () => this.#room.discardSend(clientId)),
    ];
  }

  /** Who had it stopped, where that is known and has a name here. @param {string | undefined} id */
  stoppedLine(id) {
    const { state, people } = this.#room;
    if (id === undefined) return t('message.stopped');
    if (id === state.me) return t('message.stopped_by_you');
    const known = people.users.find((user) => user.id === id) ?? state.messages.find(({ author }) => author.id === id)?.author;
    return known === undefined ? t('message.stopped') : t('message.stopped_by', { name: known.name });
  }

  /** A line that says how long one waits, once that is worth saying. */
  waiting(place) {
    this.#waitingSince ??= Date.now();
    const seconds = h('span.seconds');
    const tick = () => {
      const elapsed = Math.floor((Date.now() - this.#waitingSince) / 1_000);
      seconds.textContent = elapsed >= ELAPSED_AFTER_S ? t('message.seconds', { count: elapsed }) : '';
    };
    tick();
    this.#ticker = setInterval(tick, 1_000);
    const sign = place === null
      ? h('span.dots', { 'aria-hidden': 'true' }, h('i'), h('i'), h('i'))
      : h('span.in-line', { 'aria-hidden': 'true', text: place.position });
    return h('span.waiting', { 'data-position': place?.position }, sign, h('span', { text: queueLine(place) }), seconds);
  }

  #tell(event, detail) {
    this.dispatchEvent(new CustomEvent(event, { bubbles: true, detail }));
  }

  /** One of the tools was pressed. */
  #do(deed) {
    const { message } = this.#item;
    switch (deed) {
      case 'reply': return this.#tell('salon-reply', { message });
      case 'edit': return this.#tell('salon-edit', { message });
      case 'regenerate': return this.#ask(this.#room.regenerate(message.seq));
      case 'pin': return this.#ask(this.#room.pin(message.seq, message.pinned === undefined));
      case 'delete': return this.#delete(message.seq);
      default: {
        const react = (emoji) => this.#react(emoji, true);
        const choice = reactionChoice(react, () => openEmojiChoice(this, this.tools, react));
        this.content.append(choice);
        placeBeside(choice, this.tools, this.closest('.scroller'));
        choice.querySelector('button').focus({ preventScroll: true });
        return undefined;
      }
    }
  }

  /** Who was led here by the keyboard goes on with the message beside it, everybody else with writing. */
  async #delete(seq) {
    if (!(await ask(t('message.delete_ask'), t('delete'))) || !(await this.#ask(this.#room.delete(seq)))) return;
    const at = document.activeElement;
    if (at !== null && at !== document.body && !this.contains(at)) return;
    const neighbour = this.dataset.keyed === undefined ? null : neighbourOf(this);
    if (neighbour !== null) {
      neighbour.dataset.keyed = '';
      neighbour.focus({ preventScroll: true });
    } else {
      document.querySelector('salon-composer')?.begin();
    }
  }

  #react(emoji, on) {
    this.#ask(this.#room.react(this.#item.message.seq, emoji, on));
  }

  /** Shows where one was led to. */
  flash() {
    this.classList.remove('led-to');
    requestAnimationFrame(() => this.classList.add('led-to'));
  }

  /** @returns {Promise<boolean>} whether it was done */
  async #ask(promise) {
    try {
      await promise;
      return true;
    } catch (refusal) {
      showNote(refusal.code === 'disconnected' ? t('message.no_connection') : refusal.message);
      return false;
    }
  }
}

/** A finger does not hover. */
const isTouch = () => matchMedia('(hover: none) and (pointer: coarse)').matches;

/** After an edit everything stands elsewhere: what is under the pointer is no button until that moves. */
function restTools(column) {
  if (column === null || column.dataset.rest !== undefined || isTouch()) return;
  column.dataset.rest = '';
  const moved = ({ movementX, movementY }) => {
    if (movementX === 0 && movementY === 0) return;
    delete column.dataset.rest;
    removeEventListener('pointermove', moved);
  };
  addEventListener('pointermove', moved);
}

/** The states in which something can be done to a message. A `failed` one may also be on its way. */
const SETTLED = new Set(['complete', 'stopped', 'failed', 'interrupted']);

/** The message after that one, or else before it, of which something is left. */
function neighbourOf(message) {
  for (const way of ['nextElementSibling', 'previousElementSibling']) {
    for (let one = message[way]; one !== null; one = one[way]) if (one.dataset.seq !== undefined && one.dataset.state !== 'deleted') return one;
  }
  return null;
}

/** Safari has no idle callbacks. */
const whenIdle = globalThis.requestIdleCallback ?? ((call) => setTimeout(call, 50));

/** Each telling of the queue makes its places anew. */
const samePlace = (one, other) => one?.position !== undefined && one.position === other?.position && one.user.id === other.user.id;

const chip = (kind, shape, text) => h(`span.chip.chip-${kind}`, {}, icon(shape), h('span', { text }));

const button = (shape, action, onclick, { words = action, title = null } = {}) =>
  h('button.quiet', { type: 'button', 'data-action': action, title, onclick }, icon(shape), h('span', { text: t(`message.${words}`) }));

/** That somebody asked to go on; what with is folded. */
const goingOnLine = ({ quote }) => [
  h('p.going-on', {}, icon('more'), h('span', { text: t(quote === '' ? 'message.asked_again' : 'message.asked_on') })),
  ...(quote === '' ? [] : [h('details.going-on-quote', {}, h('summary', { text: t('message.asked_on_with') }), h('p', { dir: 'auto', text: plainOf(quote) }))]),
];

/** What stands under a message, by its state. */
const FEET = {
  sending({ entry }) {
    return [h('span.sending', { text: this.sendingLine(entry) })];
  },
  failed(item) {
    if (item.type === 'outgoing') return [chip('bad', 'alert', t('message.not_sent', { why: sentenceOf(item.entry.error) })), ...this.sendButtons()];
    return [chip('bad', 'alert', replyFailure(item.message.reply?.error)), ...this.againButtons()];
  },
  queued({ place }) {
    return [this.waiting(place), this.stopButton()];
  },
  streaming() {
    return [h('span.caret', { 'aria-hidden': 'true' }), this.stopButton()];
  },
  stopping() {
    return [chip('calm', 'stop', t('message.stopping'))];
  },
  stopped({ message }) {
    return [chip('calm', 'stop', this.stoppedLine(message.reply?.stopped_by)), ...this.againButtons()];
  },
  interrupted() {
    return [chip('warn', 'alert', t('message.interrupted')), ...this.againButtons()];
  },
};

customElements.define('salon-message', SalonMessage);
