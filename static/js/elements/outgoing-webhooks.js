/**
 * The part of a room's settings about outgoing webhooks: which there are and how they do; making, testing, switching and deleting.
 * Secrets are shown once, when they are made.
 */
import { h } from '../dom.js';
import { EVENTS, OUTCOMES, webhookLine } from '../webhook-line.js';
import { submitting } from './dialog.js';

/**
 * @param {import('../api.js').Api} api
 * @param {object} room
 * @returns {HTMLElement}
 */
export function outgoingWebhooks(api, room) {
  const list = h('ul.webhooks', { 'aria-label': 'Webhooks' });
  const note = h('p.problem', { role: 'alert' });
  const secret = h('div.webhook-secret', { hidden: true });
  const url = h('input', { id: 'webhook-url', type: 'url', required: true, maxlength: 2048, autocomplete: 'off', placeholder: 'https://example.org/salon' });
  const boxes = Object.entries(EVENTS).map(([value, title]) => h('label.webhook-check', {},
    h('input', { type: 'checkbox', name: 'events', value, checked: value === 'message' }), title));

  const showSecret = (text) => {
    const field = h('input', { readonly: true, value: text, 'aria-label': 'Signing secret', onfocus: () => field.select() });
    secret.replaceChildren(h('p.hint', { text: 'The signing secret, shown this once. Keep it where the receiver finds it.' }), field);
    secret.hidden = false;
    field.focus();
  };
  const reload = async () => {
    try {
      const webhooks = await api.outgoingWebhooks(room.slug);
      list.replaceChildren(...webhooks.map(row));
    } catch (refusal) {
      note.textContent = refusal.message;
    }
  };
  const doing = (work) => async (event) => {
    const button = event.currentTarget;
    button.disabled = true;
    note.textContent = '';
    try {
      await work();
    } catch (refusal) {
      note.textContent = refusal.message;
    }
    button.disabled = false;
  };
  const action = (text, label, work) => h('button.text-button', { type: 'button', text, 'aria-label': label, onclick: doing(work) });
  const row = (webhook) => {
    const line = h('small', { role: 'status', text: webhookLine(webhook) });
    const test = async () => {
      line.textContent = 'Sending…';
      let told;
      try {
        told = await api.testOutgoingWebhook(room.slug, webhook.id);
      } catch (refusal) {
        line.textContent = webhookLine(webhook);
        throw refusal;
      }
      line.textContent = `Test: ${OUTCOMES[told.outcome]}${told.status === null ? '' : ` (${told.status})`}`;
    };
    const turn = async () => {
      await api.changeOutgoingWebhook(room.slug, webhook.id, { enabled: !webhook.enabled });
      await reload();
    };
    const rotate = async () => showSecret(await api.newOutgoingWebhookSecret(room.slug, webhook.id));
    const turnText = webhook.enabled ? 'Switch off' : 'Switch on';
    const remove = async () => {
      if (!confirm('Delete this webhook? What is not delivered yet never will be.')) return;
      await api.deleteOutgoingWebhook(room.slug, webhook.id);
      await reload();
    };
    return h('li', { 'data-state': webhook.enabled && webhook.failures === 0 ? 'well' : 'ill' },
      h('strong.webhook-url', { text: webhook.url, title: webhook.url }),
      h('small', { text: webhook.events.map((event) => EVENTS[event] ?? event).join(' · ') }), line,
      h('div.webhook-actions', {}, action('Test', `Test ${webhook.url}`, test), action(turnText, `${turnText} ${webhook.url}`, turn),
        action('New secret', `New secret for ${webhook.url}`, rotate), action('Delete', `Delete ${webhook.url}`, remove)));
  };
  const create = (event) => submitting(event, note, async () => {
    const events = new FormData(event.target).getAll('events');
    const made = await api.makeOutgoingWebhook(room.slug, { url: url.value.trim(), events });
    url.value = '';
    await reload();
    showSecret(made.secret);
  });
  reload();
  return h('details.outgoing-webhooks', {}, h('summary', { text: 'Outgoing webhooks' }),
    h('p.hint', { text: 'What is written here is sent on to another server, signed. Members are not asked.' }),
    list,
    h('form', { onsubmit: create },
      h('label', { for: 'webhook-url', text: 'Send to' }), url,
      h('fieldset', {}, h('legend', { text: 'What' }), ...boxes), note, secret,
      h('footer', {}, h('button.quiet', { type: 'submit', id: 'webhook-create', text: 'Add webhook' }))));
}
