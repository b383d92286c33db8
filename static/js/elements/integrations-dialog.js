/**
 * The dialog of a room's integrations: by which addresses other programs post into it, and where
 * what is written is sent on to. For owners and moderators.
 */
import { h } from '../dom.js';
import { hookLine } from '../use.js';
import { openDialog, readInto, showLines, submitting } from './dialog.js';
import { ask } from './dialogs.js';
import { outgoingWebhooks } from './outgoing-webhooks.js';
import { secretBox } from './secret.js';
import { t } from '../words.js';

/**
 * @param {{salon: import('../salon.js').Salon}} context
 * @param {{slug: string}} room
 */
export function openIntegrationsDialog({ salon }, room) {
  openDialog(t('integrations.title'), incomingSection(salon, room), outgoingWebhooks(salon.api, room)).classList.add('wide');
}

function incomingSection(salon, room) {
  const problem = h('p.problem', { role: 'alert' });
  const made = h('div');
  const rows = h('ul.uses', { 'aria-label': t('incoming.title') });
  const reload = () => readInto(rows, async () => {
    showLines(rows, (await salon.api.incomingHooks(room.slug)).map(row));
    if (rows.children.length === 0) rows.append(h('li.empty', { text: t('none_yet') }));
  });
  const show = ({ path, hook }) => made.replaceChildren(
    secretBox(`${location.origin}${path}`, t('incoming.secret', { name: hook.user.name })));
  const trying = async (work) => {
    problem.textContent = '';
    try {
      await work();
    } catch (refusal) {
      problem.textContent = refusal.message;
      // Nor could the list be read, which would say the same.
      if (refusal.code === 'network') return;
    }
    await reload();
  };
  const row = (hook) => h('li', { 'data-hook': hook.id },
    h('span.use', {}, h('strong', { text: hook.user.name }), h('small', { text: hookLine(hook) })),
    h('button.text-button', {
      type: 'button', text: t('incoming.rotate'), 'aria-label': t('incoming.rotate_of', { name: hook.user.name }),
      onclick: async () => {
        if (!(await ask(t('incoming.rotate_ask', { name: hook.user.name }), t('incoming.rotate')))) return;
        trying(async () => show(await salon.api.rotateIncomingHook(room.slug, hook.id)));
      },
    }),
    h('button.text-button', {
      type: 'button', text: t('tokens.revoke'), 'aria-label': t('tokens.revoke_of', { name: hook.user.name }),
      onclick: async () => {
        if (!(await ask(t('incoming.revoke_ask', { name: hook.user.name }), t('tokens.revoke')))) return;
        trying(() => salon.api.revokeIncomingHook(room.slug, hook.id));
      },
    }));
  const name = h('input', { id: 'hook-name', required: true, maxlength: 64, autocomplete: 'off', placeholder: t('incoming.name_example'), 'aria-label': t('incoming.new_name') });
  const create = (event) => submitting(event, problem, async () => {
    show(await salon.api.createIncomingHook(room.slug, name.value.trim()));
    name.value = '';
    await reload();
  });
  reload();
  return h('section.uses-section', {}, h('h3', { text: t('incoming.title') }),
    h('p.hint', { text: t('incoming.hint') }),
    made, rows,
    h('form.use-form.short', { onsubmit: create }, name, h('button.quiet', { type: 'submit', id: 'hook-create', text: t('incoming.make') })), problem);
}
