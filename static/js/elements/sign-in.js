/**
 * `<salon-sign-in>`: comes in by a name only (guest), by name and password, by a new account, or at the organisation's
 * provider; whatever the server offers. The guest's one field comes first.
 */
import { h, icon } from '../dom.js';
import { remember } from '../organisation.js';
import { mayBegin } from '../viewport.js';
import { languageMenu } from './settings-section.js';
import { t } from '../words.js';

const MODES = {
  guest: { title: t('sign_in.guest_title'), action: t('sign_in.guest_action'), note: t('sign_in.guest_note') },
  sign_in: { title: t('sign_in.title'), action: t('sign_in.title'), note: '' },
  sign_up: { title: t('sign_up.title'), action: t('sign_up.action'), note: t('sign_up.note') },
};

class SalonSignIn extends HTMLElement {
  #salon;
  #config;
  #modes;
  /** The invite that one was told of. */
  #invite = null;

  connectedCallback() {
    this.#begin();
  }

  /**
   * @param {{salon: import('../salon.js').Salon, config: object, note: string, name?: string, returns?: boolean}} context `name`: what was
   *   written already; `returns`: an account was here last, and comes back by its password
   */
  show({ salon, config, note, name = '', returns = false }) {
    this.#salon = salon;
    this.#config = config;
    this.#modes = [config.guests && 'guest', 'sign_in', config.signup && 'sign_up'].filter(Boolean);
    this.className = 'sign-in';
    this.setAttribute('role', 'main');
    this.invited = h('p.invited', { role: 'status', hidden: true });
    this.append(this.#intro(), h('div.sign-in-card', {}));
    this.#showMode(returns ? 'sign_in' : this.#modes[0], note, name);
  }

  /** The first field that is empty is where one writes; on a keyboard of glass that would hide the rest. */
  #begin() {
    const fields = [...this.querySelectorAll('input')];
    if (mayBegin()) (fields.find(({ value }) => value === '') ?? fields[0])?.focus();
  }

  /** Says why one comes. @param {string} sentence @param {string | null} [invite] by which one comes in when one goes on */
  tell(sentence, invite = null) {
    this.#invite = invite;
    this.invited.textContent = sentence;
    this.invited.hidden = false;
  }

  #intro() {
    const assistant = this.#config.assistant;
    const model = assistant?.scripted === true ? t('sign_in.demo')
      : assistant?.model ? t('sign_in.model', { model: assistant.model }) : null;
    return h('div.intro', {},
      h('p.brand', {}, h('img', { src: '/icon.svg', alt: '', width: 36, height: 36 }), h('span', { text: 'Salon' })),
      h('h1', { text: t('sign_in.headline') }),
      h('p.lead', { text: t('sign_in.lead') }),
      model && h('p.model', {}, icon('spark'), h('span', { text: model })),
      h('p.language', {}, h('label', { for: 'setting-language', text: t('settings.language') }), languageMenu()));
  }

  /** A name that was written goes along. */
  #showMode(mode, note = '', written = this.querySelector('input')?.value ?? '') {
    const { title, action, note: hint } = MODES[mode];
    const guest = mode === 'guest';
    const prefix = guest ? 'guest' : 'account';
    const name = h('input', {
      id: `${prefix}-name`, name: 'username', autocomplete: guest ? 'nickname' : 'username', maxlength: 64, required: true, value: written,
      autocapitalize: 'off', spellcheck: 'false', placeholder: guest ? t('sign_in.guest_name') : '',
    });
    const password = guest ? null : h('input', {
      id: 'account-password', type: 'password', name: 'password', required: true, maxlength: 1024,
      minlength: mode === 'sign_up' ? 8 : null, autocomplete: mode === 'sign_up' ? 'new-password' : 'current-password',
    });
    const problem = h('p.problem', { role: 'alert', text: note });
    const go = h('button.primary.wide', { id: `${prefix}-go`, type: 'submit', text: action });
    const form = h('form', { onsubmit: (event) => this.#submit(event, { mode, name, password, problem, go }) },
      h('h2', { text: title }),
      h('label', { for: name.id, text: t('name') }), name,
      password && h('label', { for: password.id, text: t('password') }), password,
      hint && h('p.hint', { text: hint }), problem, go);
    this.lastElementChild.replaceChildren(this.invited, ...[this.#organisation()].filter(Boolean), form, this.#otherWays(mode));
    this.#begin();
  }

  /** The way to the organisation's own sign-in: the browser goes there and comes back. */
  #organisation() {
    const provider = this.#config.sign_in;
    return provider && h('a.organisation', {
      id: 'organisation-go', href: provider.url, text: t('sign_in.organisation', { name: provider.name }), onclick: () => remember(location.hash),
    });
  }

  #otherWays(mode) {
    const ways = { guest: t('sign_in.guest_action'), sign_in: t('sign_in.title'), sign_up: t('sign_up.action') };
    const others = this.#modes.filter((other) => other !== mode);
    return h('p.other-ways', {}, ...others.map((other) =>
      h('button.text-button', { type: 'button', 'data-mode': other, text: ways[other], onclick: () => this.#showMode(other) })));
  }

  async #submit(event, { mode, name, password, problem, go }) {
    event.preventDefault();
    const called = name.value.trim();
    if (called === '') {
      problem.textContent = t('sign_in.no_name');
      name.focus();
      return;
    }
    go.disabled = true;
    problem.textContent = '';
    try {
      const { api } = this.#salon;
      const { user } = mode === 'guest' ? await api.guest(called)
        : mode === 'sign_in' ? await api.signIn(called, password.value)
        : await api.signUp(called, password.value);
      this.dispatchEvent(new CustomEvent('salon-signed-in', { bubbles: true, detail: { user, invite: this.#invite } }));
    } catch (refusal) {
      problem.textContent = refusal.message;
      if (refusal.code === 'name_taken') problem.append(' ', this.#itsOwner());
      go.disabled = false;
      (mode === 'sign_in' ? password : name).focus();
    }
  }

  /** Whoever has the name already signs in by it. */
  #itsOwner() {
    return h('button.text-button', { type: 'button', 'data-action': 'sign-in', text: t('sign_in.yours'), onclick: () => this.#showMode('sign_in') });
  }
}

customElements.define('salon-sign-in', SalonSignIn);
