/**
 * What is drawn anew under the focus keeps it: the same control has it again, or the nearest thing that is left. Called by whatever
 * replaces the controls of an element: the foot of a message, a list of lines.
 */

const CONTROLS = 'button:not(:disabled), a[href], select:not(:disabled), input:not(:disabled), textarea, summary, [tabindex="0"]';
const LINES = 'li, section, form';
/** By what a line is the same one, however it looks now. */
const IDENTITIES = ['seq', 'user', 'room', 'slug', 'session', 'token', 'bot', 'hook', 'assistant', 'key'];

const identityOf = (line) => IDENTITIES.map((name) => line.dataset[name]).find((value) => value !== undefined) ?? null;
const controlsOf = (element) => [...element.querySelectorAll(CONTROLS)];

/** What a control is called: by what it does, else by its words. */
function nameOf({ dataset, id, className, ariaLabel, textContent }) {
  return dataset.action ?? dataset.tool ?? (id || `${className} ${ariaLabel ?? textContent}`);
}

/**
 * @param {Element} container
 * @param {() => void} draw replaces what is in the container, at once
 * @param {{fallback?: () => Element | null | undefined, name?: (control: Element) => string}} [options] `fallback`: what takes the
 *   focus where nothing of it is left
 */
export function keepFocus(container, draw, { fallback = () => null, name = nameOf } = {}) {
  const held = container.contains(document.activeElement) && document.activeElement !== container ? document.activeElement : null;
  if (held === null) return void draw();
  const line = held.closest(LINES);
  const within = line !== null && line !== container && container.contains(line) ? line : null;
  const before = {
    name: name(held), identity: within === null ? null : identityOf(within),
    line: within === null ? -1 : [...container.children].indexOf(within), place: controlsOf(within ?? container).indexOf(held),
  };
  draw();
  if (held.isConnected) return;
  (successor(container, before, name) ?? fallback())?.focus({ preventScroll: true });
}

function successor(container, before, name) {
  const same = (element) => controlsOf(element).find((control) => name(control) === before.name);
  if (before.line < 0) return same(container);
  const lines = [...container.children];
  const line = before.identity === null ? null : lines.find((one) => identityOf(one) === before.identity) ?? null;
  if (line === null) {
    // The line went: the one that is in its place, or the nearest that has something to press.
    const next = [...lines.slice(before.line), ...lines.slice(0, before.line).reverse()].find((one) => controlsOf(one).length > 0);
    return next === undefined ? undefined : same(next) ?? controlsOf(next)[0];
  }
  const controls = controlsOf(line);
  return same(line) ?? controls[Math.min(before.place, controls.length - 1)];
}
