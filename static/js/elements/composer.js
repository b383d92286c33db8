/**
 * `<salon-composer>`: where one writes. It is never disabled; its one button sends, and stops one's own running
 * reply while there is nothing to send.
 */
import { h, icon, iconButton } from '../dom.js';
import { myRunningReply, repliesTo } from '../items.js';
import { MentionMenu } from './mention-menu.js';
import { showNote } from './banner.js';
import { excerpt } from './quote.js';
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
  #menu;
  #touch = matchMedia('(hover: none) and (pointer: coarse)');

  /** @param {object} context @param {import('../room.js').Room} room @param {HTMLElement} messages */
  show(context, room, messages) {
    this.#context = context;
    this.#room = room;
    this.#messages = messages;
    this.className = 'composer';
    this.input = h('textarea', {
      id: 'composer-input', rows: 1, 'aria-label': t('composer.title'), placeholder: matchMedia('(max-width: 720px)').matches ? t('composer.ask_short') : t('composer.ask'),
      autocomplete: 'off', enterkeyhint: this.#touch.matches ? 'enter' : 'send',
      oninput: () => this.#typed(), onkeydown: (event) => this.#key(event),
    });
    this.button = h('button.send', { id: 'composer-send', type: 'button', onclick: () => this.#pressed() });
    this.counter = h('span.counter', { 'aria-live': 'polite', hidden: true });
    this.box = h('div.box', {}, this.input, this.counter, this.button);
    this.hint = this.#touch.matches ? '' : t('composer.hint');
    this.keys = h('p.keys', { text: this.hint });
    this.about = h('div.about', { hidden: true });
    this.append(this.about, this.box, this.keys);
    this.#menu = new MentionMenu(this.input, this.box, () => this.#members());
    messages.addEventListener('salon-suggest', (event) => this.#put(event.detail.text));
    messages.addEventListener('salon-reply', ({ detail }) => this.#aim('reply', detail.message));
    messages.addEventListener('salon-edit', ({ detail }) => this.#aim('edit', detail.message));
    this.input.value = context.memory.draft(room.slug);
    this.#edited();
    if (matchMedia('(hover: hover)').matches) this.input.focus({ preventScroll: true });
  }

  /** @param {import('../store.js').RoomState} state */
  update(state) {
    this.#running = myRunningReply(state);
    const archived = state.room?.archived ?? false;
    this.hidden = state.room?.role === 'reader';
    this.box.hidden = archived;
    this.keys.textContent = archived ? t('composer.archived') : this.hint;
    this.#showMode();
  }

  /** What is written from now on is for that message. */
  #aim(kind, message) {
    this.#target = { kind, message };
    const label = kind === 'edit' ? t('composer.editing') : t('composer.replying', { name: message.author.name });
    const asked = kind === 'edit' && repliesTo(this.#room.state, message.seq).length > 0;
    this.about.replaceChildren(h('strong', { text: label }), h('span', { text: excerpt(message.body) }), ...[
      asked && h('button.quiet', { type: 'button', 'data-action': 'ask again', title: t('composer.save_ask'), onclick: () => this.#send(true) },
        icon('another'), h('span', { text: t('message.ask_again') }))].filter(Boolean),
      iconButton('close', kind === 'edit' ? t('composer.no_edit') : t('composer.no_reply'), () => this.#unaim()));
    this.about.hidden = false;
    if (kind === 'edit') this.#put(message.body);
    else this.input.focus();
  }

  #unaim() {
    if (this.#target?.kind === 'edit') this.input.value = '';
    this.#target = null;
    this.about.hidden = true;
    this.#edited();
    this.input.focus();
  }

  /** ↑ in an empty box: the last message of one's own. */
  #editLast() {
    const { state } = this.#room;
    const own = ({ author, kind, deleted_at: deletedAt }) => author.id === state.me && kind === 'user' && !deletedAt;
    const last = state.messages.findLast(own);
    if (last !== undefined) this.#aim('edit', last);
  }

  #put(text) {
    this.input.value = text;
    this.#edited();
    this.input.focus();
  }

  #typed() {
    this.#edited();
    if (this.input.value.trim() !== '') this.#room.typing();
  }

  #edited() {
    this.#context.memory.setDraft(this.#room.slug, this.input.value);
    this.#grow();
    this.#count();
    this.#showMode();
  }

  /** As high as its text, up to the limit of the style sheet. */
  #grow() {
    this.input.style.height = 'auto';
    this.input.style.height = `${this.input.scrollHeight}px`;
  }

  #count() {
    const limit = this.#context.salon.limits.body_bytes;
    const used = this.input.value.length * 3 < limit * COUNTER_FROM ? 0 : encoder.encode(this.input.value).length;
    this.counter.hidden = used < limit * COUNTER_FROM;
    this.tooLong = used > limit;
    this.counter.classList.toggle('over', this.tooLong);
    const left = limit - used;
    this.counter.textContent = left >= 0 ? t('composer.left', { count: left }) : t('composer.over', { count: -left });
  }

  #showMode() {
    const empty = this.input.value.trim() === '';
    const mode = empty && this.#running !== null ? 'stop' : 'send';
    this.button.disabled = mode === 'send' && (empty || this.tooLong);
    if (this.button.dataset.mode === mode) return;
    this.button.dataset.mode = mode;
    const label = mode === 'stop' ? t('composer.stop') : t('composer.send');
    this.button.setAttribute('aria-label', label);
    this.button.title = label;
    this.button.replaceChildren(icon(mode));
  }

  #key(event) {
    if (event.isComposing || event.keyCode === 229) return;
    if (this.#menu.key(event)) return;
    if (event.key === 'Escape' && this.#target !== null) {
      event.preventDefault();
      this.#unaim();
      return;
    }
    if (event.key === 'ArrowUp' && this.input.value === '' && this.#target === null) {
      event.preventDefault();
      this.#editLast();
      return;
    }
    if (event.key === 'Enter' && !event.shiftKey && !event.altKey && (!this.#touch.matches || event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      this.#send();
    }
  }

  #pressed() {
    if (this.button.dataset.mode === 'stop') this.#stop();
    else this.#send();
    this.input.focus();
  }

  #send(resend = false) {
    const body = this.input.value.trim();
    if (body === '' || this.tooLong) return;
    const text = body.replaceAll('\0', '');
    const target = this.#target;
    if (target?.kind === 'edit') {
      this.#edit(target.message, text, resend);
      return;
    }
    this.#target = null;
    this.about.hidden = true;
    this.input.value = '';
    this.#edited();
    this.#room.send(text, { replyTo: target?.message.seq ?? null });
    // In the same frame: the words are in the column before the box is seen empty.
    this.#messages.sent();
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

  async #members() {
    try {
      const members = await this.#context.salon.api.members(this.#room.slug);
      return members.map(({ user }) => user);
    } catch {
      return [];
    }
  }
}

customElements.define('salon-composer', SalonComposer);
