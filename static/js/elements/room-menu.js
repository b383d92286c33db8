/**
 * The menu of the open room: everything that can be done with the room itself, so that it is one press away on any screen. The
 * browser shows and hides it (`popover`), and gives the focus back.
 */
import { h, icon, iconButton } from '../dom.js';
import { keepsOrder } from '../roles.js';
import { permalink } from '../permalink.js';
import { copy } from '../render.js';
import { t } from '../words.js';
import { showNote } from './banner.js';
import { leaveRoom } from './leave.js';
import { menuKeys } from './menu-keys.js';
import { openAssistantsDialog, openExportDialog, openIntegrationsDialog, openInvitesDialog, openRoomUsageDialog, openSettingsDialog } from './dialogs.js';

const copyLink = async (slug) => {
  const done = await copy(new URL(permalink(slug), location.href).href);
  showNote(t(done ? 'menu.copied' : 'menu.not_copied'));
};

/**
 * What stands in the menu for somebody of that role.
 * @param {object} context @param {object} room @param {HTMLElement} opener
 * @returns {[string, string, string, () => void][]} shape, key of its words, name, deed
 */
export function menuEntries(context, room, opener) {
  const { salon } = context;
  const direct = room.visibility === 'direct';
  const hidden = room.visibility === 'private';
  const owns = room.role === 'owner';
  const leave = () => leaveRoom(context, room, opener).catch((refusal) => showNote(refusal.message));
  return [
    // The address of a private room lets nobody in: there the link is an invite.
    keepsOrder(room.role) && !direct && [hidden ? 'link' : 'people', hidden ? 'members.invite' : 'menu.invite', 'invite', () => openInvitesDialog(context, room)],
    !direct && ['spark', 'assistants.open', 'assistants', () => openAssistantsDialog(context, room)],
    !(hidden && keepsOrder(room.role)) && ['link', hidden || direct ? 'menu.link_members' : 'menu.link', 'link', () => copyLink(room.slug)],
    ['download', 'menu.export', 'export', () => openExportDialog(context, room)],
    keepsOrder(room.role) && ['hash', 'integrations.open', 'integrations', () => openIntegrationsDialog(context, room)],
    keepsOrder(room.role) && ['usage', 'usage.open', 'usage', () => openRoomUsageDialog(salon, room)],
    owns && ['gear', 'menu.settings', 'settings', () => openSettingsDialog(context, room)],
    (!direct || room.people > 2) && ['leave', 'menu.leave', 'leave', leave],
  ].filter(Boolean);
}

/**
 * How answers are read: the end is followed, or the question stays near the top and its answer fills the page below it. What was
 * chosen is remembered.
 */
function readingItem(memory, close) {
  const item = h('button.menu-item', {
    type: 'button', role: 'menuitemcheckbox', tabindex: -1, 'data-menu': 'reading',
    onclick: () => {
      memory.setReading(memory.reading() === 'question' ? 'follow' : 'question');
      show();
      close();
    },
  }, icon('top'), h('span', { text: t('menu.reading') }), icon('check'));
  const show = () => item.setAttribute('aria-checked', String(memory.reading() === 'question'));
  show();
  return item;
}

/**
 * The button of the menu and the menu itself.
 * @param {object} context as `<salon-app>` makes it
 * @param {object} room as the reader sees it
 * @param {HTMLElement} opener which dispatches `salon-left` when one leaves
 * @param {[string, string, string, () => void][]} first what stands there before, on a narrow screen alone: shape, key, name, deed
 * @returns {HTMLElement[]}
 */
export function roomMenu(context, room, opener, first) {
  const button = iconButton('dots', t('menu.title'), () => {}, 'icon-button.room-menu-button');
  const item = ([shape, key, name, deed], narrow) => h(`button.menu-item${narrow ? '.only-narrow' : ''}`, {
    type: 'button', role: 'menuitem', tabindex: -1, 'data-menu': name, onclick: () => { menu.hidePopover(); deed(); },
  }, icon(shape), h('span', { text: t(key) }));
  const all = menuEntries(context, room, opener).map((one) => item(one, false));
  // What takes one out stands last.
  const leave = all.at(-1)?.dataset.menu === 'leave' ? all.pop() : null;
  const menu = h('div.room-menu', { id: 'room-menu', popover: 'auto', role: 'menu', 'aria-label': t('menu.title') },
    ...first.map((one) => item(one, true)), ...all, readingItem(context.memory, () => menu.hidePopover()), leave);
  button.setAttribute('popovertarget', 'room-menu');
  button.setAttribute('aria-haspopup', 'menu');
  menuKeys(menu);
  return [button, menu];
}
