/**
 * What can be done to a settled message: the row of buttons beside it, the choice of reactions, and the reactions that are
 * there. Called by `<salon-message>`; it keeps no state but whether the choice is open.
 */
import { h, icon } from '../dom.js';
import { goingOn } from '../going-on.js';
import { OFFERED, reactedBy } from '../marks.js';
import { copyButton } from '../render.js';
import { steering } from '../steering.js';
import { t } from '../words.js';

/** Between the buttons and what opens beside them. */
const GAP_PX = 6;

/**
 * What the reader may do to a message.
 * @param {object} message
 * @param {boolean} mine
 * @param {{role: string | null, archived?: boolean} | null} room an archived one takes nothing new; messages can go from it
 * @param {boolean} asked whether it answers a message of the reader's own
 */
export function rights(message, mine, room, asked = false) {
  const role = room?.role ?? null;
  const writes = role !== null && role !== 'reader';
  const open = room?.archived !== true;
  const keepsOrder = role === 'owner' || role === 'moderator';
  return {
    reacts: writes && open, replies: writes && open, edits: writes && open && mine && message.kind === 'user' && goingOn(message) === null,
    deletes: (writes && mine) || keepsOrder, pins: keepsOrder && open, readsEdits: mine || keepsOrder,
    ...(message.kind === 'assistant' ? steering(room, message.author?.id, asked) : { stops: false, again: false, selects: false }),
  };
}

/**
 * The buttons.
 * @param {object} message
 * @param {ReturnType<typeof rights>} may
 * @param {(deed: string) => void} act `regenerate`, `react`, `reply`, `edit`, `pin` or `delete`
 * @returns {HTMLElement[]}
 */
export function toolButtons(message, may, act) {
  const tool = (shape, label, deed) => h('button.copy', {
    type: 'button', title: label, 'aria-label': label, 'data-tool': deed, onclick: () => act(deed),
  }, icon(shape));
  const fails = message.kind === 'assistant' && message.state !== 'complete';
  // Beside “Try again” words tell the two apart.
  const another = (named) => (named
    ? h('button.copy.named', { type: 'button', title: t('message.another'), 'data-tool': 'regenerate', onclick: () => act('regenerate') },
      icon('another'), h('span', { text: t('message.another_short') }))
    : tool('another', t('message.another'), 'regenerate'));
  return [
    message.body !== '' && copyButton(() => message.body, t('message.copy'), { tool: 'copy' }),
    // Of an answer without words it would do what “Try again” does, which stands beside it.
    may.again && !(fails && message.body === '') && another(fails),
    may.reacts && tool('smile', t('message.react'), 'react'),
    may.replies && tool('reply', t('message.reply'), 'reply'),
    may.edits && tool('pencil', t('message.edit'), 'edit'),
    may.pins && tool('pin', message.pinned ? t('message.unpin') : t('message.pin'), 'pin'),
    may.deletes && tool('trash', t('delete'), 'delete'),
  ].filter(Boolean);
}

/** Whether only the reader and an assistant are in the room. @param {{visibility?: string, people?: number} | null} room */
export const isAlone = (room) => room?.visibility === 'direct' && !(room.people > 0);

/**
 * Which of a reply's texts is shown, with arrows to the others for those who may say so; nothing while there is one.
 * @param {object} message
 * @param {{selects: boolean, forAll: boolean}} reader `forAll`: whether others see what is chosen, which the titles say
 * @param {(variant: number) => void} select
 * @returns {HTMLElement | null}
 */
export function variantSwitch(message, { selects, forAll }, select) {
  const { count = 1, selected = 1 } = message.reply?.variants ?? {};
  if (count < 2) return null;
  const all = (words) => (forAll ? `${words} · ${t('message.for_all')}` : words);
  const arrow = (shape, label, variant) => h('button.copy', {
    type: 'button', title: all(label), 'aria-label': label, 'data-variant': variant, disabled: variant < 1 || variant > count, onclick: () => select(variant),
  }, icon(shape));
  return h('span.variants', { role: 'group', 'aria-label': t('message.variants') },
    selects && arrow('earlier', t('message.earlier'), selected - 1),
    h('span.place', { text: `${selected} / ${count}`, title: selects ? null : t('message.chosen_for_all') }),
    selects && arrow('later', t('message.later'), selected + 1));
}

/**
 * The choice of reactions, to be put beside a message; it takes itself away.
 * @param {(emoji: string) => void} choose
 * @param {() => void} more opens the choice among all emoji
 * @returns {HTMLElement}
 */
export function reactionChoice(choose, more) {
  let open = true;
  const close = () => {
    // Taking it away takes the focus from it, which would take it away.
    if (open) {
      open = false;
      choice.remove();
    }
  };
  const button = (look, deed, drawing) => h('button', {
    type: 'button', ...look,
    // Safari gives no button the focus that is pressed, and takes it from the choice, which would go before the press is done.
    onmousedown: (event) => event.preventDefault(),
    onclick: () => {
      const message = choice.closest('salon-message');
      close();
      message?.focus({ preventScroll: true });
      deed();
    },
  }, drawing);
  const choice = h('div.reaction-choice', {
    role: 'group', 'aria-label': t('message.reactions'),
    onkeydown: (event) => {
      if (event.key !== 'Escape') return;
      event.preventDefault();
      const message = choice.closest('salon-message');
      close();
      message?.focus();
    },
    onfocusout: ({ relatedTarget }) => !choice.contains(relatedTarget) && close(),
  }, ...OFFERED.map((emoji) => button({ text: emoji, 'aria-label': t('message.react_with', { emoji }) }, () => choose(emoji))),
  button({ 'data-action': 'more-emoji', 'aria-label': t('emoji.more'), title: t('emoji.more') }, more, icon('plus')));
  return choice;
}

/**
 * Puts what was just opened over the page right beside the buttons it comes from: above them, or below where there is no room.
 * Nothing else moves, and the pointer that pressed a button is on none of the new ones.
 * @param {HTMLElement} opened within the message's content
 * @param {HTMLElement} buttons
 * @param {HTMLElement} view what scrolls
 */
export function placeBeside(opened, buttons, view) {
  const frame = opened.parentElement.getBoundingClientRect();
  const [at, box, seen] = [buttons, opened, view].map((one) => one.getBoundingClientRect());
  const above = at.top - box.height - GAP_PX;
  const top = above >= seen.top ? above : at.bottom + GAP_PX;
  const left = Math.max(seen.left + GAP_PX, Math.min(at.left, seen.right - box.width - 3 * GAP_PX));
  opened.style.top = `${top - frame.top}px`;
  opened.style.left = `${left - frame.left}px`;
}

/**
 * The reactions that are there; each is a button that adds or takes back one's own.
 * @param {object} message
 * @param {{me: string, names: Map<string, string>, reacts: boolean}} reader
 * @param {(emoji: string, on: boolean) => void} toggle
 * @returns {HTMLElement[]}
 */
export function reactionChips(message, { me, names, reacts }, toggle) {
  return (message.reactions ?? []).map((reaction) => {
    const own = reaction.users.includes(me);
    const label = reactedBy(reaction, names, me);
    return h('button.reaction', {
      type: 'button', title: label, 'aria-label': label, 'aria-pressed': String(own), disabled: !reacts,
      onclick: () => toggle(reaction.emoji, !own),
    }, h('span', { text: reaction.emoji }), h('span.count', { text: reaction.count }));
  });
}
