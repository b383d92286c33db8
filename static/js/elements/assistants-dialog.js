/**
 * The dialog of a room's assistants: who answers there, what each is told, who may ask it. Owners change it; everybody reads it.
 */
import { h } from '../dom.js';
import { openDialog, showLines, submitting } from './dialog.js';
import { ask } from './dialogs.js';
import { t } from '../words.js';

/** Tokens that may be set at most, of an answer and of the history. */
const [MOST_ANSWER, MOST_HISTORY] = [8_192, 1_000_000];
const ROLES = [['reader', t('assistants.everybody')], ['member', t('assistants.members')], ['moderator', t('assistants.moderators')], ['owner', t('assistants.owners')]];

/**
 * @param {{salon: import('../salon.js').Salon}} context
 * @param {{slug: string, role: string | null, visibility: string}} room
 */
export function openAssistantsDialog({ salon }, room) {
  const manages = room.role === 'owner';
  const problem = h('p.problem', { role: 'alert' });
  const rows = h('div.assistants');
  // Without them the fields take what is typed.
  const models = manages ? salon.api.models().catch(() => null) : null;
  const reload = async () => {
    try {
      const [assistants, known] = await Promise.all([salon.api.assistants(room.slug), models]);
      const row = (assistant, isDefault) => (manages ? form({ salon, room, known, reload }, assistant, isDefault) : told(assistant));
      showLines(rows, assistants.map((assistant, place) => row(assistant, place === 0)));
    } catch (refusal) {
      problem.textContent = refusal.message;
    }
  };
  const name = h('input', { id: 'assistant-name', required: true, maxlength: 64, autocomplete: 'off', placeholder: t('assistants.name_example'), 'aria-label': t('assistants.new_name') });
  const add = (event) => submitting(event, problem, async () => {
    await salon.api.addAssistant(room.slug, { name: name.value.trim() });
    name.value = '';
    await reload();
  });
  reload();
  openDialog(t('assistants.title'), h('section.uses-section', {},
    h('p.hint', { text: t('assistants.hint') }), rows,
    manages && h('form.use-form.short', { onsubmit: add }, name, h('button.quiet', { type: 'submit', id: 'assistant-add', text: t('assistants.add') })),
    problem)).classList.add('wide');
}

/**
 * The provider and its models as lists. What was chosen and is there no more stays chosen until something else is.
 * @param {{default: {provider: string, model: string}, providers: {name: string, models: {name: string}[]}[]}} known
 */
function modelFields(known, assistant, id) {
  const select = (field, value, first, names) => {
    const rest = value === null || names.includes(value) ? names : [value, ...names];
    return [h('option', { value: '', text: first }), ...rest.map((name) => h('option', { value: name, text: name, selected: name === value }))];
  };
  const provider = h('select', { id: id('provider'), name: 'provider', onchange: () => offer(null) },
    ...select('provider', assistant.provider, t('assistants.own_is', { name: known.default.provider }), known.providers.map(({ name }) => name)));
  const model = h('select', { id: id('model'), name: 'model', onchange: () => model.dispatchEvent(new Event('salon-model', { bubbles: true })) });
  const offer = (chosen) => {
    const own = provider.value === '';
    const names = (known.providers.find(({ name }) => name === (own ? known.default.provider : provider.value))?.models ?? []).map(({ name }) => name);
    const usual = own ? t('assistants.own_is', { name: known.default.model }) : t('assistants.usual', { name: names[0] ?? '' });
    model.replaceChildren(...select('model', chosen, usual, names));
    model.dispatchEvent(new Event('salon-model', { bubbles: true }));
  };
  offer(assistant.model);
  return [h('label', { for: provider.id, text: t('assistants.provider') }), provider, h('label', { for: model.id, text: t('assistants.model') }), model];
}

/** The same as fields to type in, where the models could not be read. */
const typedFields = (text) => [
  ...text('provider', t('assistants.provider'), { maxlength: 128, placeholder: t('assistants.own') }),
  ...text('model', t('assistants.model'), { maxlength: 128, placeholder: t('assistants.own') }),
];

/** What the chosen model takes and writes, in tokens; null where that is not known. */
function sizesOf(known, provider, model) {
  const models = known?.providers.find(({ name }) => name === (provider || known.default.provider))?.models ?? [];
  const wanted = model || (provider === '' ? known?.default.model : null);
  return (wanted ? models.find(({ name }) => name === wanted) : models[0]) ?? null;
}

const told = (assistant) => h('section.assistant-row', { 'data-assistant': assistant.name },
  h('strong', { text: `@${assistant.name}` }), h('small', { text: [assistant.enabled ? t('on') : t('off'), assistant.model].filter(Boolean).join(' · ') }),
  assistant.system !== '' && h('p', { text: assistant.system }));

/** What an owner sets. */
function form({ salon, room, known, reload }, assistant, isDefault) {
  const id = (field) => `${field}-${assistant.id}`;
  const said = h('p.problem', { role: 'alert' });
  const text = (field, label, more = {}, hint = null) => [
    h('label', { for: id(field), text: label }),
    h('input', { id: id(field), name: field, value: assistant[field] ?? '', autocomplete: 'off', 'aria-describedby': hint && id(`${field}-hint`), ...more }),
    hint && h('p.hint', { id: id(`${field}-hint`), text: hint }),
  ].filter(Boolean);
  const roles = (field, label) => [
    h('label', { for: id(field), text: label }),
    h('select', { id: id(field), name: field }, ...ROLES.map(([role, title]) =>
      h('option', { value: role, text: title, selected: assistant[field] === role }))),
  ];
  const system = h('textarea', { id: id('system'), name: 'system', rows: 3, maxlength: 8_192, 'aria-describedby': id('system-hint') });
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
  /** What stands where nothing is set is the model's. */
  const hints = () => {
    const at = (field) => whole.querySelector(`[name=${field}]`).value.trim();
    const sizes = sizesOf(known, at('provider'), at('model'));
    const said = (field, key, most, usual) => {
      whole.querySelector(`#${CSS.escape(id(`${field}-hint`))}`).textContent = t(key, { most, usual: usual ?? '–' });
    };
    said('max_tokens', 'assistants.max_tokens_hint', MOST_ANSWER, sizes?.output_tokens);
    said('history_tokens', 'assistants.history_hint', MOST_HISTORY, sizes?.context_tokens);
  };
  const whole = h('details.assistant-row', { 'data-assistant': assistant.name, open: false },
    h('summary', { text: assistant.enabled ? `@${assistant.name}` : t('assistants.off_name', { name: `@${assistant.name}` }) }),
    h('form', { onsubmit: save },
      h('label.choice', { for: id('enabled') }, enabled, h('span', {}, h('strong', { text: t('on') }), h('small', { text: t('assistants.on_hint') }))),
      h('label', { for: id('system'), text: t('assistants.system') }), system, h('p.hint', { id: id('system-hint'), text: t('assistants.system_hint') }),
      ...(known === null ? typedFields(text) : modelFields(known, assistant, id)),
      ...text('temperature', t('assistants.temperature'), { type: 'number', min: 0, max: 2, step: 0.01 }, t('assistants.temperature_hint')),
      ...text('max_tokens', t('assistants.max_tokens'), { type: 'number', min: 1, max: MOST_ANSWER }, ' '),
      ...text('history_tokens', t('assistants.history'), { type: 'number', min: 1, max: MOST_HISTORY }, ' '),
      ...roles('may_prompt', t('assistants.may_prompt')),
      ...roles('may_stop', t('assistants.may_stop')),
      ...roles('may_regenerate', t('assistants.may_regenerate')),
      said,
      h('div.buttons', {}, h(isDefault ? 'button.text-button' : 'button.text-button.bad', { type: 'button', text: isDefault ? t('assistants.reset') : t('assistants.remove'), onclick: remove }),
        h('button.primary', { type: 'submit', text: t('save') }))));
  whole.addEventListener('salon-model', hints);
  hints();
  return whole;
}
