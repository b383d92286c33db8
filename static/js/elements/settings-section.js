/**
 * The part of the account's dialog about this browser: language, theme, keys, notifications. They are kept in the browser, and
 * a newcomer has the first two before signing in.
 */
import { h } from '../dom.js';
import { SETTINGS, browserLanguage, setSetting, setting } from '../look.js';
import { leavePlace } from '../memory.js';
import { LANGUAGES, t } from '../words.js';
import { mayBegin } from '../viewport.js';
import { notifies, permission, turnOn } from './notifier.js';
import { openHelpDialog } from './dialogs.js';

/** A menu of languages; choosing one loads the page anew, where what was written still is, and one is where one was. */
export function languageMenu() {
  const names = SETTINGS.language.map((value) => [value, LANGUAGES[value] ?? t('settings.language_browser', { language: LANGUAGES[browserLanguage()] })]);
  return h('select', {
    id: 'setting-language',
    onchange: (event) => {
      setSetting('language', event.target.value);
      leavePlace({
        dialog: event.target.closest('dialog') !== null, pane: document.querySelector('salon-app').dataset.pane,
        name: document.querySelector('#guest-name, #account-name')?.value,
      });
      location.reload();
    },
  }, ...names.map(([value, text]) => h('option', { value, text, lang: value || null, selected: setting('language') === value })));
}

const themeMenu = () => h('select', {
  id: 'setting-theme', onchange: (event) => setSetting('theme', event.target.value),
}, ...SETTINGS.theme.map((value) => h('option', { value, text: t(`settings.theme_${value}`), selected: setting('theme') === value })));

/** What is shown of notifications: asked for by this press alone. */
function notifications() {
  const said = h('p.hint', { role: 'status' });
  const button = h('button.quiet', {
    id: 'setting-notify', type: 'button',
    onclick: async () => {
      if (notifies()) setSetting('notify', 'off');
      else await turnOn();
      show();
    },
  });
  const show = () => {
    const on = notifies();
    button.textContent = t(on ? 'settings.notify_off' : 'settings.notify_on');
    button.setAttribute('aria-pressed', String(on));
    button.disabled = ['denied', 'missing'].includes(permission());
    said.textContent = t(`settings.notify_${on ? 'granted' : permission()}`);
  };
  show();
  return h('div.setting', {}, h('span', {}, h('strong', { text: t('settings.notify') }), said), button);
}

/** The section. */
export function settingsSection() {
  // Who has a keyboard of glass has another one now and then, where the letters act.
  const hasKeys = mayBegin();
  const line = (id, text, control) => h('div.setting', {}, h('label', { for: id, text }), control);
  const keys = h('input', {
    type: 'checkbox', id: 'setting-keys', checked: setting('keys') === 'on',
    onchange: (event) => setSetting('keys', event.target.checked ? 'on' : 'off'),
  });
  return h('section.uses-section.settings', {}, h('h3', { text: t('settings.title') }),
    line('setting-language', t('settings.language'), languageMenu()),
    line('setting-theme', t('settings.theme'), themeMenu()),
    h('label.choice', { for: 'setting-keys' }, keys, h('span', {}, h('strong', { text: t('settings.keys') }), h('small', { text: t('settings.keys_hint') }))),
    notifications(),
    hasKeys && h('p.use-buttons', {}, h('button.quiet', { type: 'button', id: 'show-keys', text: t('settings.show_keys'), onclick: () => openHelpDialog() })));
}
