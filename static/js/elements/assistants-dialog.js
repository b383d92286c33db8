/**
 * The dialog of a room's assistants: who answers there, what each is told, who may ask it. Owners change it; everybody reads it.
 */
import { h } from '../dom.js';
import { openDialog, submitting } from './dialog.js';

const ROLES = [['reader', 'Everybody'], ['member', 'Members'], ['moderator', 'Moderators and owners'], ['owner', 'Owners']];

/**
 * @param {{salon: import('../salon.js').Salon}} context
 * @param {{slug: string, role: string | null, visibility: string}} room
 */
export function openAssistantsDialog({ salon }, room) {
  const manages = room.role === 'owner';
  const problem = h('p.problem', { role: 'alert' });
  const rows = h('div.assistants');
  const reload = async () => {
    try {
      const assistants = await salon.api.assistants(room.slug);
      rows.replaceChildren(...assistants.map((assistant, place) => row(assistant, place === 0)));
    } catch (refusal) {
      problem.textContent = refusal.message;
    }
  };
  const row = (assistant, isDefault) => (manages ? form(salon, room, assistant, isDefault, reload) : told(assistant));
  const name = h('input', { id: 'assistant-name', required: true, maxlength: 64, autocomplete: 'off', placeholder: 'Name, such as “poet”', 'aria-label': 'Name of a new assistant' });
  const add = (event) => submitting(event, problem, async () => {
    await salon.api.addAssistant(room.slug, { name: name.value.trim() });
    name.value = '';
    await reload();
  });
  reload();
  openDialog('Assistants', h('section.uses-section', {},
    h('p.hint', { text: 'Each is called by @ and its name, and answers with a message of its own.' }), rows,
    manages && h('form.use-form.short', { onsubmit: add }, name, h('button.quiet', { type: 'submit', id: 'assistant-add', text: 'Add an assistant' })),
    problem)).classList.add('wide');
}

const told = (assistant) => h('section.assistant-row', { 'data-assistant': assistant.name },
  h('strong', { text: `@${assistant.name}` }), h('small', { text: [assistant.enabled ? 'On' : 'Off', assistant.model].filter(Boolean).join(' · ') }),
  assistant.system !== '' && h('p', { text: assistant.system }));

/** What an owner sets. */
function form(salon, room, assistant, isDefault, reload) {
  const id = (field) => `${field}-${assistant.id}`;
  const said = h('p.problem', { role: 'alert' });
  const text = (field, label, more = {}) => [
    h('label', { for: id(field), text: label }),
    h('input', { id: id(field), name: field, value: assistant[field] ?? '', autocomplete: 'off', ...more }),
  ];
  const roles = (field, label) => [
    h('label', { for: id(field), text: label }),
    h('select', { id: id(field), name: field }, ...ROLES.map(([role, title]) =>
      h('option', { value: role, text: title, selected: assistant[field] === role }))),
  ];
  const system = h('textarea', { id: id('system'), name: 'system', rows: 3, maxlength: 8_192 });
  system.value = assistant.system;
  const enabled = h('input', { type: 'checkbox', id: id('enabled'), name: 'enabled', checked: assistant.enabled });
  const save = (event) => submitting(event, said, async () => {
    const fields = new FormData(event.target);
    const orNull = (field) => (fields.get(field).trim() === '' ? null : fields.get(field).trim());
    const number = (field) => (orNull(field) === null ? null : Number(orNull(field)));
    await salon.api.changeAssistant(room.slug, assistant.id, {
      enabled: enabled.checked, model: orNull('model'), provider: orNull('provider'), system: system.value,
      temperature: number('temperature'), max_tokens: number('max_tokens'), history_tokens: number('history_tokens'),
      may_prompt: fields.get('may_prompt'), may_stop: fields.get('may_stop'), may_regenerate: fields.get('may_regenerate'),
    });
    said.textContent = 'Saved.';
  });
  const remove = async () => {
    const question = isDefault ? `Set “${assistant.name}” back to what it was at first?` : `Take “${assistant.name}” away from this room? What it said stays.`;
    if (!confirm(question)) return;
    await salon.api.removeAssistant(room.slug, assistant.id).catch((refusal) => { said.textContent = refusal.message; });
    await reload();
  };
  return h('details.assistant-row', { 'data-assistant': assistant.name, open: false },
    h('summary', { text: `@${assistant.name}${assistant.enabled ? '' : ' (off)'}` }),
    h('form', { onsubmit: save },
      h('label.choice', { for: id('enabled') }, enabled, h('span', {}, h('strong', { text: 'On' }), h('small', { text: 'It answers whoever calls it.' }))),
      h('label', { for: id('system'), text: 'What it is told' }), system,
      ...text('model', 'Model', { maxlength: 128, placeholder: 'The server’s own' }),
      ...text('provider', 'Provider', { maxlength: 128, placeholder: 'The server’s own' }),
      ...text('temperature', 'Temperature', { type: 'number', min: 0, max: 2, step: 0.01 }),
      ...text('max_tokens', 'Tokens of an answer, at most', { type: 'number', min: 1, max: 8_192 }),
      ...text('history_tokens', 'Tokens of history, about', { type: 'number', min: 1, max: 1_000_000 }),
      ...roles('may_prompt', 'Who may ask it'),
      ...roles('may_stop', 'Who may stop what others asked for'),
      ...roles('may_regenerate', 'Who may have that written another way'),
      said,
      h('footer', {}, h('button.text-button', { type: 'button', text: isDefault ? 'Set back' : 'Take away', onclick: remove }),
        h('button.primary', { type: 'submit', text: 'Save' }))));
}
