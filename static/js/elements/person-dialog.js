/**
 * Who somebody in the conversation is, and the way to write to that very person; and how a direct room is opened by whatever offers
 * it.
 */
import { h } from '../dom.js';
import { avatar } from '../avatar.js';
import { openDialog, submitting } from './dialog.js';
import { t } from '../words.js';

/**
 * Opens the direct room with these, made where there is none.
 * @param {{salon: import('../salon.js').Salon, book: import('../room-book.js').RoomBook}} context
 * @param {{names?: string[], ids?: string[]}} whom
 * @param {HTMLElement} opener which dispatches `salon-open`
 * @throws {Refusal}
 */
export async function meet({ salon, book }, { names = [], ids = [] }, opener) {
  const room = await salon.api.direct(names, ids);
  book.put(room);
  opener.dispatchEvent(new CustomEvent('salon-open', { bubbles: true, detail: { slug: room.slug } }));
}

/** Whether that is the assistant with whom one can talk alone. @param {object | null} config @param {object} user */
export const isOwnAssistant = (config, { kind, name }) => kind === 'assistant' && name === (config?.assistant?.name ?? 'assistant');

/**
 * @param {object} context as `<salon-app>` makes it
 * @param {{id: string, name: string, kind: string}} user somebody else
 * @param {HTMLElement} opener which dispatches `salon-open` with the direct room
 */
export function openPersonDialog(context, user, opener) {
  const { salon, config } = context;
  const assistant = user.kind === 'assistant';
  const problem = h('p.problem', { role: 'alert' });
  const write = (event) => submitting(event, problem, async () => {
    await meet(context, assistant ? { names: [user.name] } : { ids: [user.id] }, opener);
    dialog.close();
  });
  const reaches = assistant ? isOwnAssistant(config, user) : user.id !== salon.user.id && user.kind !== 'deleted';
  const dialog = openDialog(user.name, h('form.person', { onsubmit: write },
    h('p.person-line', {}, avatar(user), h('span', { text: t(`kind.${user.kind}`) })), problem,
    h('div.buttons', {}, reaches && h('button.primary', { type: 'submit', id: 'person-write', text: t(assistant ? 'direct.assistant' : 'person.write') }))));
  return dialog;
}
