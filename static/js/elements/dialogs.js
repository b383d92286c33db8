/**
 * The ways into the dialogs. Each is loaded when it is first opened: who reads and writes waits for none of them. A dialog that
 * cannot be loaded is said so. The elements call these and no dialog's own module; each tells whether its dialog was opened.
 */
import { t } from '../words.js';
import { showNote } from './banner.js';

/** @param {() => Promise<object>} load @param {string} name what the module calls its opening */
export function opener(load, name) {
  let opening = null;
  const open = async (context) => {
    let module;
    try {
      module = await load();
    } catch {
      showNote(t('dialog.not_loaded'));
      return false;
    }
    module[name](...context);
    return true;
  };
  return (...context) => {
    // Who presses again while it is on its way wants it once.
    opening ??= open(context).finally(() => { opening = null; });
    return opening;
  };
}

const openAskDialog = opener(() => import('./ask-dialog.js'), 'openAskDialog');
const openAskForDialog = opener(() => import('./ask-dialog.js'), 'openAskForDialog');

export const openAccountDialog = opener(() => import('./account-dialog.js'), 'openAccountDialog');
export const openAdministrationDialog = opener(() => import('./administration-dialog.js'), 'openAdministrationDialog');
export const openAssistantsDialog = opener(() => import('./assistants-dialog.js'), 'openAssistantsDialog');
export const openBrowseDialog = opener(() => import('./find-dialogs.js'), 'openBrowseDialog');
export const openDirectDialog = opener(() => import('./find-dialogs.js'), 'openDirectDialog');
export const openLinkDialog = opener(() => import('./find-dialogs.js'), 'openLinkDialog');
export const openEditsDialog = opener(() => import('./message-dialogs.js'), 'openEditsDialog');
export const openEmojiChoice = opener(() => import('./emoji-choice.js'), 'openEmojiChoice');
export const openOwnUsageDialog = opener(() => import('./usage-dialog.js'), 'openOwnUsageDialog');
export const openPersonDialog = opener(() => import('./person-dialog.js'), 'openPersonDialog');
export const openPinsDialog = opener(() => import('./message-dialogs.js'), 'openPinsDialog');
export const openExportDialog = opener(() => import('./export-dialog.js'), 'openExportDialog');
export const openHelpDialog = opener(() => import('./help-dialog.js'), 'openHelpDialog');
export const openIntegrationsDialog = opener(() => import('./integrations-dialog.js'), 'openIntegrationsDialog');
export const openInvitation = opener(() => import('./invite-dialogs.js'), 'openInvitation');
export const openInvitesDialog = opener(() => import('./invite-dialogs.js'), 'openInvitesDialog');
export const openMembersDialog = opener(() => import('./members-dialog.js'), 'openMembersDialog');
export const openRoomDialog = opener(() => import('./room-dialog.js'), 'openRoomDialog');
export const openRoomUsageDialog = opener(() => import('./usage-dialog.js'), 'openRoomUsageDialog');
export const openSettingsDialog = opener(() => import('./room-dialog.js'), 'openSettingsDialog');
export const openSearchDialog = opener(() => import('./search-dialog.js'), 'openSearchDialog');
export const openSignOutDialog = opener(() => import('./keep-account.js'), 'openSignOutDialog');
export const openSwitcher = opener(() => import('./switcher.js'), 'openSwitcher');

/** @param {(...asked: [...any[], answer: (agreed: boolean) => void]) => Promise<boolean>} open */
export function asker(open) {
  let opening = false;
  return async (...asked) => {
    // While one is on its way another would not be put.
    if (opening) return false;
    opening = true;
    let told;
    const answer = new Promise((resolve) => { told = resolve; });
    const opened = await open(...asked, told).finally(() => { opening = false; });
    return opened && answer;
  };
}

/**
 * Asks before a deed that cannot be taken back. A question that could not be put was not answered with yes.
 * @param {string} question
 * @param {string} deed what is done after a yes, as its button says it
 * @returns {Promise<boolean>}
 */
export const ask = asker(openAskDialog);

/**
 * Asks for a word before a deed: why, or whom. What is refused is said in the question, which stays.
 * @param {string} question
 * @param {string} deed
 * @param {{label: string, maxLength: number, required?: boolean, work: (value: string) => Promise<void>}} field
 * @returns {Promise<boolean>} whether it was done
 */
export const askFor = asker(openAskForDialog);
