/**
 * The part of a room's settings about outgoing webhooks: which there are and how they do; making, testing, switching and deleting.
 * Secrets are shown once, when they are made.
 */
import { h } from '../dom.js';
import { EVENTS, outcomeLine, webhookLine } from '../webhook-line.js';
import { readInto, showLines, submitting } from './dialog.js';
import { ask } from './dialogs.js';
import { attemptList, changeForm, eventBoxes } from './webhook-more.js';
import { t } from '../words.js';

/**
 * @param {import('../api.js').Api} api
 * @param {object} room
 * @returns {HTMLElement}
 */
export function outgoingWebhooks(api, room) {
  const list = h('ul.webhooks', { 'aria-label': t('outgoing.list') });
  const note = h('p.problem', { role: 'alert' });
  const secret = h('div.webhook-secret', { hidden: true });
  const url = h('input', { id: 'webhook-url', type: 'url', dir: 'ltr', required: true, maxlength: 2048, autocomplete: 'off', placeholder: 'https://example.org/salon' });
  const boxes = eventBoxes(['message']);

  const showSecret = (text) => {
    const field = h('input', { readonly: true, dir: 'ltr', value: text, 'aria-label': t('outgoing.secret_label'), onfocus: () => field.select() });
    secret.replaceChildren(h('p.hint', { text: t('outgoing.secret') }), field);
    secret.hidden = false;
    field.focus();
  };
  const reload = () => readInto(list, async () => showLines(list, (await api.outgoingWebhooks(room.slug)).map(row)));
  const doing = (work) => async (event) => {
    // Disabled it would lose the focus.
    const button = event.currentTarget;
    if (button.ariaDisabled === 'true') return;
    button.ariaDisabled = 'true';
    note.textContent = '';
    try {
      await work();
    } catch (refusal) {
      note.textContent = refusal.message;
    }
    button.ariaDisabled = null;
  };
  const action = (text, label, work) => h('button.text-button', { type: 'button', text, 'aria-label': label, onclick: doing(work) });
  const row = (webhook) => {
    const line = h('small', { role: 'status', text: webhookLine(webhook) });
    const test = async () => {
      line.textContent = t('sending');
      let told;
      try {
        told = await api.testOutgoingWebhook(room.slug, webhook.id);
      } catch (refusal) {
        line.textContent = webhookLine(webhook);
        throw refusal;
      }
      line.textContent = t('outgoing.tested', { outcome: outcomeLine(told) });
    };
    const turn = async () => {
      await api.changeOutgoingWebhook(room.slug, webhook.id, { enabled: !webhook.enabled });
      await reload();
    };
    const rotate = async () => showSecret(await api.newOutgoingWebhookSecret(room.slug, webhook.id));
    const turnText = webhook.enabled ? t('outgoing.off') : t('outgoing.on');
    const remove = async () => {
      if (!(await ask(t('outgoing.delete_ask'), t('delete')))) return;
      await api.deleteOutgoingWebhook(room.slug, webhook.id);
      await reload();
    };
    const below = h('div.webhook-below');
    /** What is open is closed by the button that opened it. */
    const showing = (kind, make) => async () => {
      const open = below.dataset.kind !== kind;
      below.dataset.kind = open ? kind : '';
      below.replaceChildren(...(open ? [await make()] : []));
    };
    const change = showing('change', () => changeForm(webhook, async (wanted) => {
      await api.changeOutgoingWebhook(room.slug, webhook.id, wanted);
      await reload();
    }));
    const attempts = showing('attempts', async () => attemptList(await api.outgoingWebhookAttempts(room.slug, webhook.id)));
    return h('li', { 'data-key': webhook.id, 'data-state': webhook.enabled && webhook.failures === 0 ? 'well' : 'ill' },
      h('strong.webhook-url', { text: webhook.url, title: webhook.url }),
      h('small', { text: webhook.events.map((event) => EVENTS[event] ?? event).join(' · ') }), line,
      h('div.webhook-actions', {}, action(t('outgoing.test'), t('outgoing.test_of', { url: webhook.url }), test), action(turnText, t('outgoing.turn_of', { turn: turnText, url: webhook.url }), turn),
        action(t('outgoing.rotate'), t('outgoing.rotate_of', { url: webhook.url }), rotate), action(t('delete'), t('delete_of', { name: webhook.url }), remove),
        action(t('change'), t('change_of', { name: webhook.url }), change),
        action(t('outgoing.attempts'), t('outgoing.attempts_of', { url: webhook.url }), attempts)), below);
  };
  const create = (event) => submitting(event, note, async () => {
    const events = new FormData(event.target).getAll('events');
    const made = await api.makeOutgoingWebhook(room.slug, { url: url.value.trim(), events });
    url.value = '';
    await reload();
    showSecret(made.secret);
  });
  reload();
  return h('details.outgoing-webhooks', {}, h('summary', { text: t('outgoing.title') }),
    h('p.hint', { text: t('outgoing.hint') }),
    list,
    h('form', { onsubmit: create },
      h('label', { for: 'webhook-url', text: t('outgoing.to') }), url,
      h('fieldset', {}, h('legend', { text: t('outgoing.what') }), ...boxes), note, secret,
      h('div.buttons', {}, h('button.quiet', { type: 'submit', id: 'webhook-create', text: t('outgoing.add') }))));
}
