/**
 * The dialog of a room's assistants: who answers there, what each is told, who may ask it. Owners change it; everybody reads it.
 */
import { h } from '../dom.js';
import { openDialog, showLines, submitting } from './dialog.js';
import { ask } from './dialogs.js';
import { t } from '../words.js';

const ROLES = [['reader', t('assistants.everybody')], ['member', t('assistants.members')], ['moderator', t('assistants.moderators')], ['owner', t('assistants.owners')]];

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
      showLines(rows, assistants.map((assistant, place) => row(assistant, place === 0)));
    } catch (refusal) {
      problem.textContent = refusal.message;
    }
  };
  const row = (assistant, isDefault) => (manages ? form(salon, room, assistant, isDefault, reload) : told(assistant));
  const name = h('input', { id: 'assistant-name', required: true, maxlength: 64, autocomplete: 'off', placeholder: t('assistants.name_example'), 'aria-label': t('assistants.new_name') });
  const add = (event) => submitting(event, problem, async () => {
    await salon.api.addAssistant(room.slug, { name: name.value.trim() });
    name.value = '';
    await reload();
  });
  const models = h('datalist', { id: 'known-models' });
  const providers = h('datalist', { id: 'known-providers' });
  // Without them the fields take what is typed, as before.
  if (manages) salon.api.models().then((known) => offer(known, models, providers), () => {});
  reload();
  openDialog(t('assistants.title'), h('section.uses-section', {},
    h('p.hint', { text: t('assistants.hint') }), rows,
    manages && h('form.use-form.short', { onsubmit: add }, name, h('button.quiet', { type: 'submit', id: 'assistant-add', text: t('assistants.add') })),
    problem, models, providers)).classList.add('wide');
}

/** What may be chosen for a model and a provider. */
function offer(known, models, providers) {
  providers.replaceChildren(...known.providers.map(({ name }) => h('option', { value: name })));
  models.replaceChildren(...known.providers.flatMap((provider) => provider.models.map(({ name }) => h('option', { value: name, label: provider.name }))));
}

const told = (assistant) => h('section.assistant-row', { 'data-assistant': assistant.name },
  h('strong', { text: `@${assistant.name}` }), h('small', { text: [assistant.enabled ? t('on') : t('off'), assistant.model].filter(Boolean).join(' · ') }),
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
    said.textContent = t('saved');
  });
  const remove = async () => {
    const question = isDefault ? t('assistants.reset_ask', { name: assistant.name }) : t('assistants.remove_ask', { name: assistant.name });
    if (!(await ask(question, isDefault ? t('assistants.reset') : t('assistants.remove')))) return;
    await salon.api.removeAssistant(room.slug, assistant.id).catch((refusal) => { said.textContent = refusal.message; });
    await reload();
  };
  return h('details.assistant-row', { 'data-assistant': assistant.name, open: false },
    h('summary', { text: assistant.enabled ? `@${assistant.name}` : t('assistants.off_name', { name: `@${assistant.name}` }) }),
    h('form', { onsubmit: save },
      h('label.choice', { for: id('enabled') }, enabled, h('span', {}, h('strong', { text: t('on') }), h('small', { text: t('assistants.on_hint') }))),
      h('label', { for: id('system'), text: t('assistants.system') }), system,
      ...text('model', t('assistants.model'), { maxlength: 128, list: 'known-models', placeholder: t('assistants.own') }),
      ...text('provider', t('assistants.provider'), { maxlength: 128, list: 'known-providers', placeholder: t('assistants.own') }),
      ...text('temperature', t('assistants.temperature'), { type: 'number', min: 0, max: 2, step: 0.01 }),
      ...text('max_tokens', t('assistants.max_tokens'), { type: 'number', min: 1, max: 8_192 }),
      ...text('history_tokens', t('assistants.history'), { type: 'number', min: 1, max: 1_000_000 }),
      ...roles('may_prompt', t('assistants.may_prompt')),
      ...roles('may_stop', t('assistants.may_stop')),
      ...roles('may_regenerate', t('assistants.may_regenerate')),
      said,
      h('div.buttons', {}, h('button.text-button', { type: 'button', text: isDefault ? t('assistants.reset') : t('assistants.remove'), onclick: remove }),
        h('button.primary', { type: 'submit', text: t('save') }))));
}
