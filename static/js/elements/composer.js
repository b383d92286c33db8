/**
 * `<salon-composer>`: where one writes. It is never disabled; its one button sends, and stops one's own running
 * reply while there is nothing to send. What is written is kept per room and survives a reload; an edit is no draft.
 */
import { alarm, h, icon, iconButton } from '../dom.js';
import { asksAssistant } from '../asks.js';
import { goingOn } from '../going-on.js';
import { myRunningReply, repliesTo } from '../items.js';
import { savesAlone } from '../keys.js';
import { fenced } from '../paste.js';
import { isRunning } from '../replies.js';
import { spaceIn } from '../size.js';
import { steering } from '../steering.js';
import { commandSource } from './commands.js';
import { emojiSource } from './emoji-source.js';
import { mentionSource } from './mention-source.js';
import { Suggestions } from './suggestions.js';
import { showNote } from './banner.js';
import { PromptQueue } from './prompt-queue.js';
import { excerpt } from './quote.js';
import { mayBegin } from '../viewport.js';
import { t } from '../words.js';

/** The counter appears when less than this part of the limit is left. */
const COUNTER_FROM = 0.8;
const encoder = new TextEncoder();

class SalonComposer extends HTMLElement {
  #context;
  #room;
  #messages;
  #running = null;
  /** What is written is to answer this message, or to be its text: `{kind: 'reply' | 'edit', message}`. */
  #target = null;
  #suggestions;
  #queue;
  #closed = null;
  /** How long the text was when its height was measured. */
  #measured = 0;
  /** A soft keyboard has no Shift: there Enter makes a line and the button sends. */
  #touch = matchMedia('(hover: none) and (pointer: coarse)');
  #narrow = matchMedia('(max-width: 720px)');

  /**
   * @param {object} context
   * @param {import('../room.js').Room} room
   * @param {HTMLElement} messages
   * @param {() => import('./commands.js').Command[]} commands what one can have done by a word
   */
  show(context, room, messages, commands) {
    this.#context = context;
    this.#room = room;
    this.#messages = messages;
    this.className = 'composer';
    this.input = h('textarea', {
      id: 'composer-input', rows: 1, 'aria-label': t('composer.title'),
      autocomplete: 'off', enterkeyhint: this.#touch.matches ? 'enter' : 'send', 'aria-haspopup': 'listbox',
      oninput: (event) => this.#typed(event), onkeydown: (event) => this.#key(event), onpaste: (event) => this.#pasted(event),
    });
    this.#narrow.onchange = () => this.#invite();
    this.#invite();
    this.button = h('button.send', { id: 'composer-send', type: 'button', onclick: () => this.#pressed() });
    this.counter = h('span.counter', { 'aria-live': 'polite', hidden: true });
    this.box = h('div.box', {}, this.input, this.counter, this.button);
    this.hint = this.#touch.matches ? '' : t('composer.hint');
    this.keys = h('p.keys', { text: this.hint });
    this.about = h('div.about', { hidden: true });
    this.#queue = new PromptQueue(room, (seq) => this.#messages.jumpTo(seq));
    this.append(this.#queue.element, this.about, this.box, this.keys);
    // The text of an edit is no command, and would be lost by one.
    const offered = () => (this.#target?.kind === 'edit' ? [] : commands());
    const sources = [mentionSource(() => this.#called()), emojiSource(this.#touch.matches), commandSource(offered, () => this.#put(''))];
    this.#suggestions = new Suggestions(this.input, this.box, sources, (text) => this.#insert(text));
    messages.addEventListener('salon-suggest', (event) => this.#put(event.detail.text));
    messages.addEventListener('salon-reply', ({ detail }) => this.#aim('reply', detail.message));
    messages.addEventListener('salon-edit', ({ detail }) => this.#aim('edit', detail.message));
    this.#setText(context.memory.draft(room.slug));
    this.#drawn();
    // Its height is known only once it is in the page, and changes with its width.
    let width = 0;
    new ResizeObserver(([{ contentRect }]) => {
      if (contentRect.width === width) return;
      width = contentRect.width;
      this.#measured = Infinity;
      this.#grow();
    }).observe(this.box);
    this.begin();
  }

  /** What stands in the empty box. Where the assistant answers all that is said, nobody has to call it. */
  #invite() {
    const { room } = this.#room.state;
    const said = asksAssistant('', room) ? 'composer.ask_alone' : this.#narrow.matches ? 'composer.ask_short' : 'composer.ask';
    if (this.input.placeholder !== t(said)) this.input.placeholder = t(said);
  }

  /** One writes here: but a keyboard of glass comes only when it is asked for. */
  begin() {
    if (mayBegin()) this.input.focus({ preventScroll: true });
  }

  disconnectedCallback() {
    this.#narrow.onchange = null;
  }

  /** @param {import('../store.js').RoomState} state */
  update(state) {
    this.#invite();
    this.#running = myRunningReply(state);
    const archived = state.room?.archived ?? false;
    const reads = state.room?.role === 'reader';
    const closed = archived ? 'composer.archived' : reads ? 'composer.reader' : null;
    this.box.hidden = closed !== null;
    // What it is for stays, and is seen again where the room takes words again.
    this.about.hidden = this.box.hidden || this.#target === null;
    if (closed !== this.#closed) {
      this.#closed = closed;
      this.#hintAgain();
    }
    this.#queue.update(state);
    this.#showMode();
  }

  /** What is written from now on is for that message. */
  #aim(kind, message) {
    const leavesEdit = this.#target?.kind === 'edit' && kind === 'reply';
    const again = kind === 'edit' && this.#askedAgain(message);
    this.#target = { kind, message, again };
    const label = kind === 'edit' ? t('composer.editing') : t('composer.replying', { name: message.author.name });
    this.about.replaceChildren(h('strong', { text: label }), h('span', { text: excerpt(message.body) }), ...[
      again && h('button.primary', { type: 'button', 'data-action': 'ask again', title: t('composer.save_ask'), onclick: () => this.#send(true) }, t('composer.save_and_ask')),
      again && h('button.quiet', { type: 'button', 'data-action': 'save-only', title: t('composer.save_only_hint'), onclick: () => this.#send(false) }, t('composer.save_only'))].filter(Boolean),
      iconButton('close', kind === 'edit' ? t('composer.no_edit') : t('composer.no_reply'), () => this.#unaim()));
    this.about.hidden = false;
    this.#showMode();
    if (kind === 'edit') {
      this.#messages.showWhole(message.seq);
      this.#put(message.body);
    }
    // The text of an edit is not what one wants to reply.
    else if (leavesEdit) this.#put(this.#context.memory.draft(this.#room.slug));
    else this.input.focus();
  }

  /** Whether answers of a question would be written again with it: that is what one mostly wants of a question put better. */
  #askedAgain({ seq }) {
    const { state } = this.#room;
    const replies = repliesTo(state, seq);
    return replies.length > 0 && replies.every((reply) => !isRunning(reply) && steering(state.room, reply.author.id, true).again);
  }

  /** What was written before an edit began is there again. */
  #unaim() {
    const edited = this.#target?.kind === 'edit';
    this.#target = null;
    this.about.hidden = true;
    if (edited) this.#setText(this.#context.memory.draft(this.#room.slug));
    this.#edited();
    this.input.focus();
  }

  /** ↑ in an empty box: the last message of one's own; to go on was asked by a press, in words of the server's. */
  #editLast() {
    const { state } = this.#room;
    const own = ({ author, kind, deleted_at: deletedAt }) => author.id === state.me && kind === 'user' && !deletedAt;
    const last = state.messages.findLast((message) => own(message) && goingOn(message) === null);
    if (last !== undefined) this.#aim('edit', last);
  }

  #setText(text) {
    this.input.value = text;
    this.#suggestions.forget();
    this.#measured = Infinity;
    this.#hintAgain();
  }

  #put(text) {
    this.#setText(text);
    this.#edited();
    this.input.focus();
  }

  #typed({ inputType }) {
    if (inputType !== 'insertText') this.#measured = Infinity;
    this.#edited();
    if (this.input.value.trim() !== '') this.#room.typing();
  }

  /** Code that is pasted keeps its indentation by a fence around it, which one can undo, or have taken away. */
  #pasted(event) {
    const text = event.clipboardData?.getData('text/plain') ?? '';
    const { value, selectionStart, selectionEnd } = this.input;
    const code = fenced(text, value.slice(0, selectionStart), value.slice(selectionEnd));
    if (code === null) return;
    event.preventDefault();
    this.#insert(code);
    const plain = () => {
      // It stands where it was pasted: whatever is written takes this button away.
      if (this.input.value.startsWith(code, selectionStart)) {
        this.input.setSelectionRange(selectionStart, selectionStart + code.length);
        this.#insert(text.replace(/\r\n?/g, '\n'));
      }
      this.#hintAgain();
      this.input.focus();
    };
    this.keys.replaceChildren(t('composer.pasted_code'), ' ', h('button.text-button', { type: 'button', 'data-action': 'paste-text', text: t('composer.paste_text'), onclick: plain }));
    this.input.addEventListener('input', () => this.#hintAgain(), { once: true });
  }

  #hintAgain() {
    this.keys.textContent = this.#closed === null ? this.hint : t(this.#closed);
  }

  /** As if it were typed, so that the browser can undo it. */
  #insert(text) {
    const { selectionStart, selectionEnd } = this.input;
    this.input.focus();
    // Without it, undoing takes what was typed before it too.
    this.input.setSelectionRange(selectionStart, selectionEnd);
    if (!document.execCommand('insertText', false, text)) {
      this.input.setRangeText(text, selectionStart, selectionEnd, 'end');
      this.input.dispatchEvent(new InputEvent('input', { inputType: 'insertFromPaste' }));
    }
  }

  #edited() {
    if (this.#target?.kind !== 'edit') this.#context.memory.setDraft(this.#room.slug, this.input.value);
    this.#drawn();
  }

  #drawn() {
    this.#grow();
    this.#count();
    this.#showMode();
  }

  /** As high as its text, up to the limit of the style sheet; it scrolls only beyond that. */
  #grow() {
    const { input } = this;
    if (input.clientWidth === 0) return;
    const { length } = input.value;
    // While a text gets longer its height only grows: it is measured once for each key.
    const anew = length <= this.#measured;
    const { scrollTop } = input;
    if (anew) {
      // The box stays as high meanwhile: else the messages above it are moved, and their end is left.
      this.box.style.height = `${this.box.offsetHeight}px`;
      input.style.height = '0';
    }
    this.#measured = length;
    const high = length === 0 ? 0 : input.scrollHeight;
    if (high > input.clientHeight || high === 0) input.style.height = `${high}px`;
    this.box.style.height = '';
    const full = high > input.clientHeight + 1;
    input.classList.toggle('full', full);
    if (anew && full) this.#showCaret(scrollTop);
  }

  /** Whole lines are shown of a text that is longer than the box, and behind a paste its last one. @param {number} before where it was scrolled to */
  #showCaret(before) {
    const { input } = this;
    const line = parseFloat(getComputedStyle(input).lineHeight);
    const atEnd = input.value.slice(input.selectionEnd).trim() === '';
    input.scrollTop = atEnd ? input.scrollHeight : Math.ceil(before / line - 0.1) * line;
  }

  #count() {
    const limit = this.#context.salon.limits.body_bytes;
    const used = this.input.value.length * 3 < limit * COUNTER_FROM ? 0 : encoder.encode(this.input.value).length;
    this.counter.hidden = used < limit * COUNTER_FROM;
    this.tooLong = used > limit;
    this.counter.classList.toggle('over', this.tooLong);
    if (this.counter.hidden) return;
    const { left, over } = spaceIn(this.input.value, limit);
    this.counter.textContent = this.tooLong ? t('composer.over', { count: over }) : t('composer.left', { count: left });
  }

  #showMode() {
    const empty = this.input.value.trim() === '';
    const mode = empty && this.#running !== null ? 'stop' : 'send';
    this.button.disabled = mode === 'send' && (empty || this.tooLong);
    const label = mode === 'stop' ? t('composer.stop') : this.#target?.again ? t('composer.save_and_ask') : t('composer.send');
    if (this.button.dataset.mode === mode && this.button.title === label) return;
    this.button.dataset.mode = mode;
    this.button.setAttribute('aria-label', label);
    this.button.title = label;
    this.button.replaceChildren(icon(mode));
  }

  #key(event) {
    if (event.isComposing || event.keyCode === 229) return;
    if (this.#suggestions.key(event)) return;
    if (event.key === 'Escape') {
      // One that is held down cancels one thing.
      if (!event.repeat && this.cancel()) event.preventDefault();
      return;
    }
    if (event.key === 'ArrowUp' && this.input.value === '' && this.#target === null) {
      event.preventDefault();
      this.#editLast();
      return;
    }
    if (this.#target?.kind === 'edit' && savesAlone(event)) {
      event.preventDefault();
      this.#send(false);
      return;
    }
    if (event.key === 'Enter' && !event.shiftKey && !event.altKey && (!this.#touch.matches || event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      this.#send();
    }
  }

  /**
   * Cancels the edit or reply that was begun; else stops one's own answer, whatever is written: a draft stays.
   * @returns {boolean} whether there was something to cancel
   */
  cancel() {
    if (this.#target !== null) this.#unaim();
    else if (this.#running !== null) this.#stop();
    else return false;
    return true;
  }

  #pressed() {
    if (this.button.dataset.mode === 'stop') this.#stop();
    else this.#send();
    this.input.focus();
  }

  #send(resend = this.#target?.again ?? false) {
    const body = this.input.value.trim();
    if (body === '') return;
    if (this.tooLong) {
      this.#tellTooLong();
      return;
    }
    const text = body.replaceAll('\0', '');
    const target = this.#target;
    if (target?.kind === 'edit') {
      this.#edit(target.message, text, resend);
      return;
    }
    this.#target = null;
    this.about.hidden = true;
    this.#setText('');
    this.#edited();
    this.#room.send(text, { replyTo: target?.message.seq ?? null });
    // In the same frame: the words are in the column before the box is seen empty.
    this.#messages.sent();
  }

  /** It says why Enter did nothing, until what is written changes. */
  #tellTooLong() {
    const said = t('composer.too_long', { over: this.counter.textContent });
    this.keys.replaceChildren(h('span.problem', { text: said }));
    alarm(said);
    this.input.addEventListener('input', () => this.#hintAgain(), { once: true });
  }

  /** A refusal leaves what was written. */
  async #edit(message, text, resend) {
    try {
      await this.#room.edit(message.seq, text, message.version, resend);
      if (this.#target?.message === message) this.#unaim();
    } catch (refusal) {
      showNote(refusal.code === 'disconnected' ? t('message.no_connection') : refusal.message);
    }
  }

  async #stop() {
    try {
      await this.#room.stop(this.#running);
    } catch (refusal) {
      if (refusal.code !== 'reply_settled') showNote(refusal.message);
    }
  }

  /** Who may be called by name here: the assistants that answer, and the members; who spoke last comes first. */
  async #called() {
    const { api } = this.#context.salon;
    const { slug } = this.#room;
    const or = (fallback) => () => fallback;
    const [assistants, members] = await Promise.all([
      api.assistants(slug).catch(or([{ name: 'assistant' }])),
      api.members(slug).catch(or([])),
    ]);
    const { messages, me } = this.#room.state;
    const spoke = messages.toReversed().map(({ author }) => author).filter(({ kind }) => kind === 'user' || kind === 'guest' || kind === 'bot');
    const people = new Map([...spoke, ...this.#room.people.users, ...members.map(({ user }) => user)].map((user) => [user.id, user]));
    people.delete(me);
    return [
      ...assistants.filter(({ enabled }) => enabled !== false).map(({ name }) => ({ id: name, name, kind: 'assistant' })),
      ...[...people.values()].filter(({ kind }) => kind !== 'assistant' && kind !== 'deleted'),
    ];
  }
}

customElements.define('salon-composer', SalonComposer);
