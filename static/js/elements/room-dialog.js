/**
 * The dialogs that make, change and delete a room. One button saves all that is changed of it.
 */
import { ADDRESS_CHARS, addressOf } from '../address.js';
import { announce, h } from '../dom.js';
import { openAssistantsDialog } from './assistants-dialog.js';
import { openDialog, submitting } from './dialog.js';
import { ask } from './dialogs.js';
import { openIntegrationsDialog } from './integrations-dialog.js';
import { mayBegin } from '../viewport.js';
import { joined, t } from '../words.js';
import { openRoomUsageDialog } from './usage-dialog.js';

const choice = (name, value, title, sentence, checked) => h('label.choice', {},
  h('input', { type: 'radio', name, value, checked }),
  h('span', {}, h('strong', { text: title }), h('small', { text: sentence })));

const choices = (visibility) => h('fieldset', {}, h('legend', { text: t('room.who_enters') }),
  choice('visibility', 'public', t('room.public'), t('room.public_hint'), visibility === 'public'),
  choice('visibility', 'private', t('room.private'), t('room.private_hint'), visibility === 'private'));

/**
 * @param {{salon: import('../salon.js').Salon, book: import('../room-book.js').RoomBook}} context
 * @param {HTMLElement} opener which dispatches `salon-open` with the new room
 */
export function openRoomDialog({ salon, book }, opener) {
  const name = h('input', { autofocus: mayBegin(), id: 'room-name', required: true, maxlength: 64, dir: 'auto', autocomplete: 'off', placeholder: t('room.name_example') });
  const slug = h('input', {
    id: 'room-slug', required: true, maxlength: ADDRESS_CHARS, dir: 'ltr', pattern: '[a-z0-9]([a-z0-9\\-]*[a-z0-9])?', autocomplete: 'off', spellcheck: 'false',
    title: t('room.slug_form'), 'aria-describedby': 'room-slug-hint',
  });
  let touched = false;
  // The letters that a name gets by chance stay the same while it is written.
  const luck = Array.from({ length: 5 }, Math.random);
  const offer = () => {
    let throws = 0;
    slug.value = addressOf(name.value, () => luck[throws++ % luck.length]);
  };
  name.addEventListener('input', () => { if (!touched) offer(); });
  slug.addEventListener('input', () => { touched = slug.value !== ''; });
  const problem = h('p.problem', { role: 'alert' });
  const create = async (event) => submitting(event, problem, async () => {
    const visibility = new FormData(event.target).get('visibility');
    const room = await salon.api.createRoom({ slug: slug.value, name: name.value.trim(), visibility });
    book.put(room);
    dialog.close();
    opener.dispatchEvent(new CustomEvent('salon-open', { bubbles: true, detail: { slug: room.slug } }));
  });
  const dialog = openDialog(t('room.new'), h('form', { onsubmit: create },
    h('label', { for: 'room-name', text: t('name') }), name,
    h('label', { for: 'room-slug', text: t('room.address') }), slug,
    h('p.hint', { id: 'room-slug-hint', text: `${t('room.slug_form')} ${t('room.address_hint')}` }),
    choices('public'), problem,
    h('div.buttons', {}, h('button.primary', { type: 'submit', id: 'room-create', text: t('room.create') }))));
}

/**
 * @param {{salon: import('../salon.js').Salon, book: import('../room-book.js').RoomBook}} context
 * @param {object} room
 * @param {{deletes?: boolean}} [options] whether one comes to delete the room
 */
export function openSettingsDialog({ salon }, room, { deletes = false } = {}) {
  const name = h('input', { id: 'room-name', required: true, maxlength: 64, dir: 'auto', value: room.name, autocomplete: 'off' });
  const topic = h('input', { id: 'room-topic', maxlength: 256, dir: 'auto', value: room.topic ?? '', autocomplete: 'off', placeholder: t('room.topic_example') });
  const archived = h('input', { type: 'checkbox', id: 'room-archived', checked: room.archived });
  const problem = h('p.problem', { role: 'alert' });
  const retention = retentionFields(salon.api, room);
  const save = async (event) => {
    event.preventDefault();
    const visibility = new FormData(event.target).get('visibility') ?? undefined;
    if (!(await retention.agreed())) return;
    await submitting(event, problem, async () => {
      const change = { name: name.value.trim(), topic: topic.value, visibility, archived: archived.checked };
      await salon.api.changeRoom(room.slug, change);
      // What deletes comes last.
      await retention.save();
      dialog.close();
      announce(t('saved'));
    });
  };
  const confirmation = h('input', { id: 'room-delete-slug', autocomplete: 'off', spellcheck: 'false', required: true, pattern: room.slug, title: room.slug });
  const lost = h('p.problem', { role: 'alert' });
  const remove = (event) => submitting(event, lost, async () => {
    await salon.api.deleteRoom(room.slug);
    dialog.close();
  });
  const dialog = openDialog(t('room.settings'),
    h('form', { onsubmit: save },
      h('label', { for: 'room-name', text: t('name') }), name,
      h('label', { for: 'room-topic', text: t('room.topic') }), topic,
      room.visibility === 'direct' ? null : choices(room.visibility),
      h('label.choice', { for: 'room-archived' }, archived,
        h('span', {}, h('strong', { text: t('archived') }), h('small', { text: t('room.archived_hint') }))),
      retention.element, problem,
      h('div.buttons', {}, h('button.primary', { type: 'submit', text: t('save') }))),
    room.visibility === 'direct' ? null : h('p.settings-more', {}, h('button.quiet', {
      type: 'button', id: 'room-assistants', text: t('assistants.open'), onclick: () => openAssistantsDialog({ salon }, room),
    }), h('button.quiet', {
      type: 'button', id: 'room-integrations', text: t('integrations.open'), onclick: () => openIntegrationsDialog({ salon }, room),
    }), h('button.quiet', {
      type: 'button', id: 'room-usage', text: t('usage.open'), onclick: () => openRoomUsageDialog(salon, room),
    })),
    h('details.danger', { open: deletes }, h('summary', { text: t('room.delete') }),
      h('form', { onsubmit: remove },
        h('p', { text: t('room.delete_hint') }),
        h('label', { for: 'room-delete-slug', text: t('room.delete_write', { slug: room.slug }) }), confirmation, lost,
        h('div.buttons', {}, h('button.danger-button', { type: 'submit', text: t('room.delete_go') })))));
  if (deletes) dialog.querySelector('.danger').scrollIntoView({ block: 'nearest' });
}

const countOf = (input) => (input.value === '' ? null : Number(input.value));
const isLess = (now, before) => now !== null && (before === null || now < before);

/**
 * What a room keeps: so many days, the latest so many. Who would have older messages deleted is asked by the words of that deed.
 * @param {import('../api.js').Api} api
 * @param {{slug: string}} room
 * @returns {{element: HTMLElement, agreed: () => Promise<boolean>, save: () => Promise<void>}} `agreed`: whether what would go may go;
 *   `save` changes nothing where nothing was changed, or it is not known what is kept
 */
function retentionFields(api, { slug }) {
  const days = h('input', { id: 'room-days', type: 'number', min: 1, max: 36_500, step: 1, disabled: true, placeholder: t('retention.ever') });
  const messages = h('input', { id: 'room-messages', type: 'number', min: 1, max: 1_000_000_000, step: 1, disabled: true, placeholder: t('retention.all') });
  const problem = h('p.problem', { role: 'alert' });
  const again = h('button.quiet', { type: 'button', text: t('app.try_again'), hidden: true, onclick: () => read() });
  let kept = null;
  const read = async () => {
    [problem.textContent, again.hidden] = ['', true];
    try {
      const { days: keptDays, messages: keptMessages = null } = await api.retention(slug);
      kept = { days: keptDays, messages: keptMessages };
    } catch (refusal) {
      [problem.textContent, again.hidden] = [refusal.message, false];
      return;
    }
    [days.value, messages.value] = [kept.days ?? '', kept.messages ?? ''];
    days.disabled = messages.disabled = false;
  };
  /** What was changed of it; a number that nobody touched is left as it is, which may be otherwise by now. */
  const wanted = () => {
    if (kept === null) return {};
    const now = { days: countOf(days), messages: countOf(messages) };
    return Object.fromEntries(Object.entries(now).filter(([part, count]) => count !== kept[part]));
  };
  let agreed = {};
  read();
  return {
    element: h('fieldset.retention', {}, h('legend', { text: t('retention.title') }),
      h('label', { for: 'room-days', text: t('retention.days') }), days,
      h('label', { for: 'room-messages', text: t('retention.messages') }), messages, problem, again),
    agreed: async () => {
      const now = wanted();
      const goes = [
        now.days !== undefined && isLess(now.days, kept.days) && t('retention.older', { count: now.days }),
        now.messages !== undefined && isLess(now.messages, kept.messages) && t('retention.before', { count: now.messages }),
      ].filter(Boolean);
      agreed = now;
      return goes.length === 0 || ask(t('retention.ask', { what: joined(goes) }), t('retention.delete'));
    },
    save: async () => {
      if (Object.keys(agreed).length === 0) return;
      // The days are never left out.
      const change = 'days' in agreed ? agreed : { ...agreed, days: (await api.retention(slug)).days };
      await api.setRetention(slug, change);
      kept = { ...kept, ...agreed };
    },
  };
}
