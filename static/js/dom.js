/**
 * Building nodes without HTML strings: the only ways that the page makes elements. (`html.js` has the one exception.)
 */

/**
 * @param {string} tag with classes, such as `button.quiet`
 * @param {Record<string, any>} [properties] `on…` listen; `text` is the text; others are attributes, left out when
 *   null, undefined or false
 * @param {...(Node | string | null | undefined | false)} children
 * @returns {HTMLElement}
 */
export function h(tag, properties = {}, ...children) {
  const [name, ...classes] = tag.split('.');
  const element = document.createElement(name);
  if (classes.length > 0) element.className = classes.join(' ');
  for (const [key, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith('on')) element.addEventListener(key.slice(2), value);
    else if (key === 'text') element.textContent = value;
    else element.setAttribute(key, value === true ? '' : String(value));
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

const SHAPES = {
  send: ['M12 19V5', 'M5.5 11.5 12 5l6.5 6.5'],
  stop: ['M7 7h10v10H7z'],
  back: ['M15 5l-7 7 7 7'],
  up: ['M12 19V5', 'M5.5 11.5 12 5l6.5 6.5'],
  down: ['M12 5v14', 'M5.5 12.5 12 19l6.5-6.5'],
  top: ['M5 4.500h14', 'M12 20V9', 'M6.500 14 12 8.500l5.500 5.500'],
  end: ['M5 19.500h14', 'M12 4v11', 'M6.500 10 12 15.500l5.500-5.500'],
  plus: ['M12 5v14', 'M5 12h14'],
  close: ['M6 6l12 12', 'M18 6 6 18'],
  people: ['M9 11.5a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7z', 'M2.5 20c.4-3.6 3-5.5 6.500-5.500s6.100 1.900 6.500 5.500', 'M16 4.800a3.300 3.300 0 0 1 0 6.400', 'M18 14.900c2 .7 3.200 2.400 3.500 5.100'],
  person: ['M12 11.500a4 4 0 1 0 0-8 4 4 0 0 0 0 8z', 'M4.500 20.500c.5-4 3.500-6 7.500-6s7 2 7.500 6'],
  compass: ['M12 3.500a8.500 8.500 0 1 0 0 17 8.500 8.500 0 0 0 0-17z', 'M15.500 8.500l-2 5-5 2 2-5z'],
  gear: ['M12 9a3 3 0 1 0 0 6 3 3 0 0 0 0-6z', 'M10.2 5.3L10.4 2.9L13.6 2.9L13.8 5.3L15.4 6.0L17.3 4.5L19.5 6.7L18.0 8.6L18.7 10.2L21.1 10.4L21.1 13.6L18.7 13.8L18.0 15.4L19.5 17.3L17.3 19.5L15.4 18.0L13.8 18.7L13.6 21.1L10.4 21.1L10.2 18.7L8.6 18.0L6.7 19.5L4.5 17.3L6.0 15.4L5.3 13.8L2.9 13.6L2.9 10.4L5.3 10.2L6.0 8.6L4.5 6.7L6.7 4.5L8.6 6.0z'],
  copy: ['M9 9h11v11H9z', 'M5 15H4V4h11v1'],
  link: ['M10 14a4 4 0 0 0 5.700 0l3-3a4 4 0 0 0-5.700-5.700l-1 1', 'M14 10a4 4 0 0 0-5.700 0l-3 3a4 4 0 0 0 5.700 5.700l1-1'],
  check: ['M5 12.500l4.500 4.500L19 7.500'],
  retry: ['M20 11a8 8 0 1 0-2.300 6.300', 'M20 4.500V11h-6.500'],
  earlier: ['M14.500 6l-6 6 6 6'],
  later: ['M9.500 6l6 6-6 6'],
  another: ['M4 12a8 8 0 0 1 13.500-5.800', 'M17.800 3v3.600h-3.600', 'M20 12a8 8 0 0 1-13.500 5.800', 'M6.200 21v-3.600h3.600'],
  more: ['M5 12h14', 'M13 6l6 6-6 6'],
  lock: ['M6 11h12v9H6z', 'M8.500 11V8a3.500 3.500 0 0 1 7 0v3'],
  hash: ['M9.500 4 7.500 20', 'M16.500 4l-2 16', 'M4.500 9h16', 'M3.500 15h16'],
  chat: ['M4 5h16v11H10l-4.500 4v-4H4z'],
  leave: ['M14 4H5v16h9', 'M10 12h11', 'M17 8l4 4-4 4'],
  alert: ['M12 4 2.500 20h19z', 'M12 10v4.500', 'M12 17.300v.2'],
  smile: ['M12 3.500a8.500 8.500 0 1 0 0 17 8.500 8.500 0 0 0 0-17z', 'M8.500 14c.8 1.300 2 2 3.500 2s2.700-.7 3.500-2', 'M9 9.500v.4', 'M15 9.500v.4'],
  reply: ['M10 6 4 11.500 10 17', 'M4 11.500h9c4 0 6.500 2 7 6.500'],
  pencil: ['M4 20l1-4.500L16 4.500l3.500 3.500L8.500 19z', 'M13.500 7l3.500 3.500'],
  pin: ['M9 4h6l-1 6 3 3.500H7L10 10z', 'M12 13.500V20'],
  bell: ['M6 16.500c1.200-1.200 1.500-3 1.500-6a4.500 4.500 0 0 1 9 0c0 3 .3 4.800 1.500 6z', 'M10.500 19.500h3'],
  muted: ['M6 16.500c1.200-1.200 1.500-3 1.500-6a4.500 4.500 0 0 1 9 0c0 3 .3 4.800 1.500 6z', 'M10.500 19.500h3', 'M4 4l16 16'],
  search: ['M10.500 4a6.500 6.500 0 1 0 0 13 6.500 6.500 0 0 0 0-13z', 'M15.300 15.300 20.500 20.500'],
  dots: ['M5 12h.01', 'M12 12h.01', 'M19 12h.01'],
  download: ['M12 4v11', 'M6.500 10 12 15.500 17.500 10', 'M5 20h14'],
  help: ['M9 9a3 3 0 1 1 4.500 2.600c-1 .6-1.500 1.200-1.500 2.400', 'M12 17.300v.2', 'M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18z'],
  trash: ['M5 7h14', 'M9.500 7V4.500h5V7', 'M7 7l1 13h8l1-13'],
  usage: ['M5 20v-6', 'M12 20V5', 'M19 20v-9'],
  shield: ['M12 3l7.500 2.500v6c0 4.500-3 7.700-7.500 9.500-4.500-1.800-7.500-5-7.500-9.500v-6z'],
  spark: ['M12 3c.6 5.200 3.500 8.300 9 9-5.500.7-8.400 3.800-9 9-.6-5.200-3.500-8.300-9-9 5.500-.7 8.400-3.800 9-9z'],
};

/** Each drawing is made once; hundreds of messages have copies of it. */
const drawn = new Map();

/** @param {keyof typeof SHAPES} name @returns {SVGElement} a drawing beside a label; screen readers pass it over */
export function icon(name) {
  if (!drawn.has(name)) drawn.set(name, draw(name));
  return drawn.get(name).cloneNode(true);
}

function draw(name) {
  const namespace = 'http://www.w3.org/2000/svg';
  const svg = document.createElementNS(namespace, 'svg');
  svg.setAttribute('viewBox', '0 0 24 24');
  svg.setAttribute('aria-hidden', 'true');
  svg.setAttribute('class', `icon icon-${name}`);
  for (const shape of SHAPES[name]) {
    const path = document.createElementNS(namespace, 'path');
    path.setAttribute('d', shape);
    svg.append(path);
  }
  return svg;
}

/**
 * A button that is only a drawing.
 * @param {keyof typeof SHAPES} shape
 * @param {string} label
 * @param {(event: Event) => void} onclick
 * @param {string} [classes]
 */
export function iconButton(shape, label, onclick, classes = 'icon-button') {
  return h(`button.${classes}`, { type: 'button', 'aria-label': label, title: label, onclick }, icon(shape));
}

/**
 * Says something once to those who listen instead of look, when they are done listening to what is said.
 * @param {string} sentence @param {boolean} [again] also when it was the last thing said
 */
export function announce(sentence, again = false) {
  say('status', sentence, again);
}

/** Says at once that something went wrong. @param {string} sentence */
export function alarm(sentence) {
  say('alarm', sentence, true);
}

function say(id, sentence, again) {
  const region = document.getElementById(id);
  if (region === null || (!again && region.textContent === sentence)) return;
  // A text that is the same is not a change, so it is one node less first.
  region.replaceChildren();
  region.append(sentence);
}
