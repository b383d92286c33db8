/**
 * Parts of a dialog, one shown at a time: a row of tabs and the part that is chosen, made anew whenever it is. Arrows go from
 * tab to tab, Home and End to the ends, as WAI-ARIA has it.
 */
import { h } from '../dom.js';

/**
 * @param {string} label
 * @param {[name: string, title: string, make: () => HTMLElement][]} parts
 * @returns {HTMLElement[]} the tabs and the parts
 */
export function tabs(label, parts) {
  const panels = parts.map(([name]) => h('div.tab-part', { role: 'tabpanel', id: `part-${name}`, 'aria-labelledby': `tab-${name}`, tabindex: -1, hidden: true }));
  const heads = parts.map(([name, title], place) => h('button.tab', {
    type: 'button', role: 'tab', id: `tab-${name}`, 'aria-controls': `part-${name}`, text: title, onclick: () => choose(place),
  }));
  const choose = (chosen) => {
    // What was done in another part shows in this one: it is read anew.
    if (panels[chosen].hidden) panels[chosen].replaceChildren(parts[chosen][2]());
    heads.forEach((head, place) => {
      head.setAttribute('aria-selected', String(place === chosen));
      head.tabIndex = place === chosen ? 0 : -1;
      panels[place].hidden = place !== chosen;
    });
    heads[chosen].scrollIntoView?.({ block: 'nearest', inline: 'nearest' });
  };
  const key = (event) => {
    const at = heads.indexOf(document.activeElement);
    const step = getComputedStyle(list).direction === 'rtl' ? -1 : 1;
    const to = { ArrowRight: at + step, ArrowLeft: at - step, Home: 0, End: heads.length - 1 }[event.key];
    if (to === undefined || at < 0) return;
    event.preventDefault();
    const next = (to + heads.length) % heads.length;
    choose(next);
    heads[next].focus();
  };
  const list = h('div.tabs', { role: 'tablist', 'aria-label': label, onkeydown: key }, ...heads);
  choose(0);
  return [list, ...panels];
}
