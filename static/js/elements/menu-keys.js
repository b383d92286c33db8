/**
 * The keys of a menu, as the ARIA practices have them: the arrows go round, Home and End to its ends, a letter to the next entry that
 * begins with it; Tab leaves it. Called by `room-menu.js`; the browser itself closes a menu by Escape and gives the focus back.
 */

/** Letters that are typed so soon one after the other are one word. */
const WORD_MS = 500;

/**
 * @param {HTMLElement} menu a popover whose entries are `[role^=menuitem]`
 */
export function menuKeys(menu) {
  let typed = '';
  let timer = null;
  const entries = () => [...menu.querySelectorAll('[role^="menuitem"]')].filter((entry) => entry.getClientRects().length > 0);
  const go = (entry) => entry?.focus();
  const typing = (letter) => {
    clearTimeout(timer);
    timer = setTimeout(() => { typed = ''; }, WORD_MS);
    typed += letter.toLowerCase();
    const all = entries();
    const at = all.indexOf(document.activeElement);
    // The same letter again goes on to the next that has it.
    const word = /^(.)\1+$/u.test(typed) ? [...typed][0] : typed;
    const begin = word.length > 1 ? Math.max(at, 0) : at + 1;
    const round = [...all.slice(begin), ...all.slice(0, begin)];
    go(round.find(({ textContent }) => textContent.trim().toLowerCase().startsWith(word)));
  };
  menu.addEventListener('toggle', ({ newState }) => newState === 'open' && go(entries()[0]));
  menu.addEventListener('keydown', (event) => {
    const { key, ctrlKey, metaKey, altKey, isComposing } = event;
    if (ctrlKey || metaKey || altKey || isComposing) return;
    if (key === 'Tab') {
      // The focus goes on from the menu's button, to which closing gives it.
      menu.hidePopover();
      return;
    }
    const all = entries();
    const at = all.indexOf(document.activeElement);
    if (key === 'ArrowDown') go(all[(at + 1) % all.length]);
    else if (key === 'ArrowUp') go(all[(at <= 0 ? all.length : at) - 1]);
    else if (key === 'Home') go(all[0]);
    else if (key === 'End') go(all.at(-1));
    else if ([...key].length === 1 && key !== ' ') typing(key);
    else return;
    event.preventDefault();
  });
}
