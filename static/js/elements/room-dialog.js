/**
 * The dialogs that make, rename and delete a room.
 */
import { h } from '../dom.js';
import { openAssistantsDialog } from './assistants-dialog.js';
import { openDialog, submitting } from './dialog.js';
import { openIntegrationsDialog } from './integrations-dialog.js';
import { openRoomUsageDialog } from './usage-dialog.js';

/** A room's address from its name. @param {string} name */
const slugOf = (name) => name.normalize('NFKD').toLowerCase().replace(/[\u0300-\u036f]/g, '')
  .replace(/[^a-z0-9]+/g, '-').replace(/^-+|-+$/g, '').slice(0, 64);

const choice = (name, value, title, sentence, checked) => h('label.choice', {},
  h('input', { type: 'radio', name, value, checked }),
  h('span', {}, h('strong', { text: title }), h('small', { text: sentence })));

const choices = (visibility) => h('fieldset', {}, h('legend', { text: 'Who may enter' }),
  choice('visibility', 'public', 'Public', 'Anybody signed in finds it and may join.', visibility === 'public'),
  choice('visibility', 'private', 'Private', 'Only whom you add or invite. To others it does not exist.', visibility === 'private'));

/**
 * @param {{salon: import('../salon.js').Salon, book: import('../room-book.js').RoomBook}} context
 * @param {HTMLElement} opener which dispatches `salon-open` with the new room
 */
export function openRoomDialog({ salon, book }, opener) {
  const name = h('input', { id: 'room-name', required: true, maxlength: 64, autocomplete: 'off', placeholder: 'Reading group' });
  const slug = h('input', {
    id: 'room-slug', required: true, maxlength: 64, pattern: '[a-z0-9]([a-z0-9\\-]*[a-z0-9])?', autocomplete: 'off', spellcheck: 'false',
    title: 'Small letters, digits and hyphens',
  });
  let touched = false;
  name.addEventListener('input', () => { if (!touched) slug.value = slugOf(name.value); });
  slug.addEventListener('input', () => { touched = true; });
  const problem = h('p.problem', { role: 'alert' });
  const create = async (event) => submitting(event, problem, async () => {
    const visibility = new FormData(event.target).get('visibility');
    const room = await salon.api.createRoom({ slug: slug.value, name: name.value.trim(), visibility });
    book.put(room);
    dialog.close();
    opener.dispatchEvent(new CustomEvent('salon-open', { bubbles: true, detail: { slug: room.slug } }));
  });
  const dialog = openDialog('New room', h('form', { onsubmit: create },
    h('label', { for: 'room-name', text: 'Name' }), name,
    h('label', { for: 'room-slug', text: 'Address' }), slug,
    h('p.hint', { text: 'The address is part of links to the room and never changes.' }),
    choices('public'), problem,
    h('footer', {}, h('button.primary', { type: 'submit', id: 'room-create', text: 'Create room' }))));
}

/**
 * @param {{salon: import('../salon.js').Salon, book: import('../room-book.js').RoomBook}} context
 * @param {object} room
 */
export function openSettingsDialog({ salon }, room) {
  const name = h('input', { id: 'room-name', required: true, maxlength: 64, value: room.name, autocomplete: 'off' });
  const topic = h('input', { id: 'room-topic', maxlength: 256, value: room.topic ?? '', autocomplete: 'off', placeholder: 'What it is about' });
  const archived = h('input', { type: 'checkbox', id: 'room-archived', checked: room.archived });
  const problem = h('p.problem', { role: 'alert' });
  const save = (event) => submitting(event, problem, async () => {
    const visibility = new FormData(event.target).get('visibility') ?? undefined;
    const change = { name: name.value.trim(), topic: topic.value, visibility, archived: archived.checked };
    await salon.api.changeRoom(room.slug, change);
    dialog.close();
  });
  const days = h('input', { id: 'room-days', type: 'number', min: 1, max: 36_500, step: 1, placeholder: 'For ever' });
  const messages = h('input', { id: 'room-messages', type: 'number', min: 1, max: 1_000_000_000, step: 1, placeholder: 'All' });
  const countOf = (input) => (input.value === '' ? null : Number(input.value));
  const kept = h('p.problem', { role: 'alert' });
  const keep = (event) => submitting(event, kept, async () => {
    const wanted = { days: countOf(days), messages: countOf(messages) };
    const goes = [
      wanted.days !== null && `Messages older than ${wanted.days} days`,
      wanted.messages !== null && `${wanted.days === null ? 'All' : 'all'} messages before the latest ${wanted.messages}`,
    ].filter(Boolean);
    if (goes.length > 0 && !confirm(`${goes.join(', and ')} go for good, for everyone. Go on?`)) return;
    await salon.api.setRetention(room.slug, wanted);
    dialog.close();
  });
  const showKept = (value) => { [days.value, messages.value] = [value.days ?? '', value.messages ?? '']; };
  salon.api.retention(room.slug).then(showKept, (refusal) => { kept.textContent = refusal.message; });
  const confirmation = h('input', { id: 'room-delete-slug', autocomplete: 'off', spellcheck: 'false', required: true, pattern: room.slug, title: room.slug });
  const lost = h('p.problem', { role: 'alert' });
  const remove = (event) => submitting(event, lost, async () => {
    await salon.api.deleteRoom(room.slug);
    dialog.close();
  });
  const dialog = openDialog('Room settings',
    h('form', { onsubmit: save },
      h('label', { for: 'room-name', text: 'Name' }), name,
      h('label', { for: 'room-topic', text: 'Topic' }), topic,
      room.visibility === 'direct' ? null : choices(room.visibility),
      h('label.choice', { for: 'room-archived' }, archived,
        h('span', {}, h('strong', { text: 'Archived' }), h('small', { text: 'It takes nothing new. It can be read, and opened again.' }))),
      problem,
      h('footer', {}, h('button.primary', { type: 'submit', text: 'Save' }))),
    h('form', { onsubmit: keep },
      h('label', { for: 'room-days', text: 'Keep messages for so many days' }), days,
      h('label', { for: 'room-messages', text: 'Keep the latest, so many' }), messages, kept,
      h('footer', {}, h('button.quiet', { type: 'submit', text: 'Keep these' }))),
    room.visibility === 'direct' ? null : h('p.settings-more', {}, h('button.quiet', {
      type: 'button', id: 'room-assistants', text: 'Assistants…', onclick: () => openAssistantsDialog({ salon }, room),
    }), h('button.quiet', {
      type: 'button', id: 'room-integrations', text: 'Integrations…', onclick: () => openIntegrationsDialog({ salon }, room),
    }), h('button.quiet', {
      type: 'button', id: 'room-usage', text: 'Usage…', onclick: () => openRoomUsageDialog(salon, room),
    })),
    h('details.danger', {}, h('summary', { text: 'Delete this room' }),
      h('form', { onsubmit: remove },
        h('p', { text: 'Everything said in it goes, for everyone, and cannot be brought back.' }),
        h('label', { for: 'room-delete-slug', text: `To go on, write “${room.slug}”` }), confirmation, lost,
        h('footer', {}, h('button.danger-button', { type: 'submit', text: 'Delete room' })))));
}
