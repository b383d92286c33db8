/**
 * The dialog of a room's integrations: by which addresses other programs post into it, and where
 * what is written is sent on to. For owners and moderators.
 */
import { h } from '../dom.js';
import { hookLine } from '../use.js';
import { openDialog, submitting } from './dialog.js';
import { outgoingWebhooks } from './outgoing-webhooks.js';
import { secretBox } from './secret.js';

/**
 * @param {{salon: import('../salon.js').Salon}} context
 * @param {{slug: string}} room
 */
export function openIntegrationsDialog({ salon }, room) {
  openDialog('Integrations', incomingSection(salon, room), outgoingWebhooks(salon.api, room)).classList.add('wide');
}

function incomingSection(salon, room) {
  const problem = h('p.problem', { role: 'alert' });
  const made = h('div');
  const rows = h('ul.uses', { 'aria-label': 'Incoming webhooks' });
  const reload = async () => {
    try {
      rows.replaceChildren(...(await salon.api.incomingHooks(room.slug)).map(row));
      if (rows.children.length === 0) rows.append(h('li.empty', { text: 'None yet.' }));
    } catch (refusal) {
      problem.textContent = refusal.message;
    }
  };
  const show = ({ path, hook }) => made.replaceChildren(
    secretBox(`${location.origin}${path}`, `Whoever has this address can post here as “${hook.user.name}”.`));
  const trying = async (work) => {
    problem.textContent = '';
    await work().catch((refusal) => { problem.textContent = refusal.message; });
    await reload();
  };
  const row = (hook) => h('li', { 'data-hook': hook.id },
    h('span.use', {}, h('strong', { text: hook.user.name }), h('small', { text: hookLine(hook) })),
    h('button.text-button', {
      type: 'button', text: 'New address', 'aria-label': `New address for ${hook.user.name}`,
      onclick: () => {
        if (!confirm(`Give “${hook.user.name}” a new address? The one it has stops working at once.`)) return;
        trying(async () => show(await salon.api.rotateIncomingHook(room.slug, hook.id)));
      },
    }),
    h('button.text-button', {
      type: 'button', text: 'Revoke', 'aria-label': `Revoke ${hook.user.name}`,
      onclick: () => {
        if (!confirm(`Revoke “${hook.user.name}”? Its address stops working at once. What it said stays.`)) return;
        trying(() => salon.api.revokeIncomingHook(room.slug, hook.id));
      },
    }));
  const name = h('input', { id: 'hook-name', required: true, maxlength: 64, autocomplete: 'off', placeholder: 'Name, such as “Build server”', 'aria-label': 'Name of a new webhook' });
  const create = (event) => submitting(event, problem, async () => {
    show(await salon.api.createIncomingHook(room.slug, name.value.trim()));
    name.value = '';
    await reload();
  });
  reload();
  return h('section.uses-section', {}, h('h3', { text: 'Incoming webhooks' }),
    h('p.hint', { text: 'Another program posts into this room by an address of its own, under the name you give it.' }),
    made, rows,
    h('form.use-form.short', { onsubmit: create }, name, h('button.quiet', { type: 'submit', id: 'hook-create', text: 'Make a webhook' })), problem);
}
