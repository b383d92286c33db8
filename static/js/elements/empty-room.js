/**
 * What an empty room shows: what it is, who is here, how to call its assistants, and something to begin with.
 */
import { h, icon } from '../dom.js';
import { keepFocus } from '../refocus.js';
import { keepsOrder } from '../roles.js';
import { titleOf } from '../room-line.js';
import { joined, pieces, t } from '../words.js';
import { openInvitesDialog } from './dialogs.js';

/** Names that are shown. */
const NAMES = 5;

/**
 * @param {object} room
 * @param {{config: object | null, salon: import('../salon.js').Salon}} context
 * @param {(text: string) => void} suggest puts a sample into the composer
 * @returns {{element: HTMLElement, tell: (here: object[]) => void}} `tell`: who is there now
 */
export function emptyRoom(room, context, suggest) {
  const { config, salon } = context;
  const alone = room.visibility === 'direct' && !(room.people > 0);
  const scripted = config?.assistant?.scripted === true;
  const who = h('p', { text: alone ? t('empty.assistant') : t(`empty.${room.visibility}`) });
  const people = h('p.empty-people', { hidden: true });
  const call = h('p');
  const samples = h('div.samples');
  const invite = (name) => {
    const code = h('code', { dir: 'ltr', text: `@${name}` });
    call.replaceChildren(...(alone ? [t('empty.answers')] : pieces('empty.call', { assistant: code })), scripted ? h('small.demo', { text: t('empty.demo') }) : '');
    keepFocus(samples, () => samples.replaceChildren(...['empty.sample_1', 'empty.sample_2', 'empty.sample_3'].map((key) =>
      h('button.sample', { type: 'button', text: t(key), onclick: () => suggest(alone ? t(key) : `@${name} ${t(key)}`) }))));
  };
  invite('assistant');
  const known = { members: null, here: [] };
  const show = () => {
    if (known.members === null) return;
    const all = new Map([...known.members, ...known.here].map((user) => [user.id, user]));
    const others = [...all.values()].filter(({ id, kind }) => id !== salon.user.id && kind !== 'assistant');
    const names = others.slice(0, NAMES).map(({ name }) => name);
    if (others.length > NAMES) names.push(t('empty.others', { count: others.length - NAMES }));
    people.textContent = others.length === 0 ? t('empty.alone') : t('empty.people', { count: others.length, names: joined(names) });
    people.hidden = alone;
  };
  salon.api.membersPage(room.slug).then(({ members }) => {
    known.members = members.map(({ user }) => user);
    show();
  }, () => {});
  salon.api.assistants(room.slug).then((assistants) => {
    const first = assistants.find(({ enabled }) => enabled);
    if (first !== undefined) invite(first.name);
    else {
      call.textContent = t('empty.no_assistant');
      samples.replaceChildren();
    }
  }, () => {});
  const element = h('div.empty-room', {},
    h('span.empty-mark', { 'aria-hidden': 'true' }, icon('spark')),
    h('h2', { text: room.visibility === 'direct' ? t('empty.welcome_direct', { name: titleOf(room, salon.user.name) }) : t('empty.welcome', { name: room.name }) }),
    room.topic ? h('p.empty-topic', { dir: 'auto', text: room.topic }) : null, who, people,
    room.visibility === 'private' && keepsOrder(room.role)
      && h('button.quiet', { type: 'button', id: 'empty-invite', text: t('empty.invite'), onclick: () => openInvitesDialog(context, room) }),
    call, samples);
  return {
    element,
    tell: (here) => {
      if (here === known.here) return;
      known.here = here;
      show();
    },
  };
}
