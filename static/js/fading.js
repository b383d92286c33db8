/**
 * New words of a running reply come from pale to full. Highlights of CSS do it: they colour a range and leave no mark in the
 * document, so what grew is what would be built anew, and settled blocks keep their nodes. A browser without them, a reader who
 * wants no motion and a page that nobody sees have the words at once. `GrowingBody` tells what grew.
 */
import { FRESH_MS, FreshWords, STEPS } from './fresh.js';

/** So long after the page was hidden what comes is what was missed. */
const BACK_MS = 250;

const still = globalThis.matchMedia?.('(prefers-reduced-motion: reduce), (forced-colors: active)');
const highlights = globalThis.CSS?.highlights === undefined || globalThis.Highlight === undefined ? null
  : Array.from({ length: STEPS }, (_, step) => {
    const highlight = new Highlight();
    CSS.highlights.set(`fresh-${step}`, highlight);
    return highlight;
  });

/** The bodies in which words are pale. */
const fading = new Set();
let timer = null;
let shownAt = -Infinity;
globalThis.document?.addEventListener('visibilitychange', () => { shownAt = performance.now(); });

/** Whether words that come now are to fade in. */
const wanted = () => highlights !== null && !still.matches && !document.hidden && performance.now() - shownAt > BACK_MS;

export class Fading {
  #container;
  #words = new FreshWords();

  /** @param {HTMLElement} container whose text grows at its end */
  constructor(container) {
    this.#container = container;
  }

  /** Whether it is of use to tell what grew. */
  get wanted() {
    return wanted();
  }

  /** The last of the text became another one. @param {string} before @param {string} after */
  grew(before, after) {
    if (!wanted()) return void this.end();
    this.#words.grew(before, after, performance.now());
    fading.add(this);
    draw();
  }

  /** All is at once as it will be. */
  end() {
    this.#words.clear();
    if (fading.delete(this)) draw();
  }

  /** Puts what is pale at present into the highlights. @param {number} now @returns {boolean} whether there is any */
  draw(now) {
    const steps = this.#container.isConnected ? this.#words.steps(now) : [];
    if (steps.length === 0) return false;
    const places = placesFromEnd(this.#container, [...steps.map(({ from }) => from), steps.at(-1).to]);
    for (const [number, { step }] of steps.entries()) {
      const [start, end] = [places[number], places[number + 1]];
      highlights[step].add(new StaticRange({ startContainer: start.node, startOffset: start.offset, endContainer: end.node, endOffset: end.offset }));
    }
    return true;
  }
}

/** All bodies anew, and again a little later while there is something pale: a step takes several frames. */
function draw() {
  for (const highlight of highlights) highlight.clear();
  const now = performance.now();
  for (const body of fading) if (!body.draw(now)) fading.delete(body);
  clearTimeout(timer);
  timer = fading.size > 0 ? setTimeout(draw, FRESH_MS / STEPS / 2) : null;
}

/** The texts of an element but those of the bars above code, from the last to the first. @param {Element} element */
function* textsFromEnd(element) {
  const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT | NodeFilter.SHOW_ELEMENT, (node) =>
    (node.nodeType === Node.ELEMENT_NODE && node.classList.contains('code-bar') ? NodeFilter.FILTER_REJECT : NodeFilter.FILTER_ACCEPT));
  while (walker.lastChild() !== null);
  do {
    if (walker.currentNode.nodeType === Node.TEXT_NODE) yield walker.currentNode;
  } while (walker.previousNode() !== null);
}

/** The words of an element, without those of the bars above code. @param {Element} element */
export const wordsOf = (element) => [...textsFromEnd(element)].reverse().map(({ data }) => data).join('');

/**
 * Where places are that are counted from the end of an element's words.
 * @param {Element} element @param {number[]} backs falling
 * @returns {{node: Text, offset: number}[]}
 */
function placesFromEnd(element, backs) {
  const places = [];
  const left = [...backs];
  let passed = 0;
  let node = null;
  for (node of textsFromEnd(element)) {
    while (left.length > 0 && left.at(-1) <= passed + node.length) {
      places.unshift({ node, offset: node.length - (left.pop() - passed) });
    }
    if (left.length === 0) return places;
    passed += node.length;
  }
  // Beyond its beginning there is nothing.
  while (left.pop() !== undefined) places.unshift({ node: node ?? element, offset: 0 });
  return places;
}
