/**
 * Scrolling that never moves the reader: it follows the end only while the reader is there, and otherwise keeps the
 * line that is being read where it is, whatever grows, comes or goes around it. Browsers' own scroll anchoring is off
 * for the column (Safari has none), so this is the only mechanism.
 *
 * A question can be held near the top instead: room is kept below it, which the answer then fills downward, and nothing
 * moves meanwhile. Made by `<salon-messages>`.
 */

/** So near to the end counts as being there. Less than any step of a reader: whoever has left the end has left it. */
const END_PX = 4;
/** The jump button appears beyond the first and goes within the second: no flicker between. */
const AWAY_PX = 200;
const NEAR_PX = 60;
/** How far below the top a held question stands, and how much of the view a long one may take. */
const HELD_TOP_PX = 16;
const HELD_PART = 0.4;
/** Keys that scroll up: the end is left at once, before the browser's smooth scrolling begins. */
const UPWARD = new Set(['ArrowUp', 'PageUp', 'Home']);

export class ScrollKeeper {
  #scroller;
  #content;
  #spacer;
  #onScroll;
  #last = 0;
  #size = '';
  #anchor = null;
  #held = null;
  #resize;
  /** Whether the reader is at the end and stays there. */
  following = true;
  /** Whether the reader is so far from the end that a way back is offered. */
  away = false;
  /** Whether the end of what is shown is the room's: a part of the past is never followed. */
  mayFollow = true;

  /**
   * @param {HTMLElement} scroller
   * @param {HTMLElement} content its only child, whose children are the lines
   * @param {HTMLElement} spacer the last of them: the room kept below a held question
   * @param {(keeper: ScrollKeeper) => void} onScroll after each move by the reader
   */
  constructor(scroller, content, spacer, onScroll) {
    this.#scroller = scroller;
    this.#content = content;
    this.#spacer = spacer;
    this.#onScroll = onScroll;
    scroller.addEventListener('scroll', () => this.#scrolled(), { passive: true });
    scroller.addEventListener('wheel', (event) => event.deltaY < 0 && this.#detach(), { passive: true });
    scroller.addEventListener('keydown', ({ key, target }) => target === scroller && UPWARD.has(key) && this.#detach());
    this.#resize = new ResizeObserver(() => this.#restore());
    this.#resize.observe(content);
    this.#resize.observe(scroller);
  }

  /** Pixels from the last visible line to the end of what is said. */
  get distance() {
    const { scrollHeight, clientHeight, scrollTop } = this.#scroller;
    return Math.max(0, scrollHeight - this.#spacer.offsetHeight - clientHeight - scrollTop);
  }

  /** Pixels above the first visible line. */
  get above() {
    return this.#scroller.scrollTop;
  }

  /** The last message that begins above the view, and how far above. @returns {{line: HTMLElement, hidden: number} | null} */
  get previous() {
    if (this.#isHidden()) return null;
    const top = this.#scroller.scrollTop;
    const lines = this.#content.children;
    let place = this.#firstLine((line) => line.offsetTop > top - 1) - 1;
    while (place >= 0 && !lines[place].matches('salon-message')) place -= 1;
    return place < 0 ? null : { line: lines[place], hidden: top - lines[place].offsetTop };
  }

  /** Where the reader is, to come back to: the message at the top and how far below it; null at the end. @returns {{seq: number, offset: number} | null} */
  get place() {
    const seq = this.following ? undefined : this.#anchor?.line.dataset.seq;
    return seq === undefined ? null : { seq: Number(seq), offset: this.#anchor.offset };
  }

  /** The last message whose end is in sight; null where there is none. @returns {HTMLElement | null} */
  get lastInSight() {
    if (this.#isHidden()) return null;
    const bottom = this.#scroller.scrollTop + this.#scroller.clientHeight + 1;
    const lines = this.#content.children;
    let place = this.#firstLine((line) => line.offsetTop + line.offsetHeight > bottom) - 1;
    while (place >= 0 && !lines[place].matches('salon-message')) place -= 1;
    return lines[place] ?? null;
  }

  /** Whether the end of what is said is in sight. */
  get atEnd() {
    return this.mayFollow && (this.following || this.distance <= END_PX);
  }

  /** Changes the content without moving the reader. @param {() => void} change */
  keep(change) {
    const moved = Math.abs(this.#scroller.scrollTop - this.#last) >= 1 && !this.#resized();
    if (moved || !this.#anchor?.line.isConnected) this.#remember();
    change();
    this.#restore();
  }

  /**
   * Makes a change that the reader asked for, within what is read: a part of it stays where it is, and the end is not gone to.
   * @param {() => number} placeOf where that part is, on the screen
   * @param {() => void} change
   */
  keepStill(placeOf, change) {
    const before = placeOf();
    this.following = false;
    change();
    this.#move(this.#scroller.scrollTop + placeOf() - before);
    this.following = this.mayFollow && this.#held === null && this.distance <= END_PX;
    this.#remember();
    this.#judge();
  }

  /** Goes to the end and stays there. */
  toEnd() {
    this.#release();
    this.following = true;
    this.#restore();
  }

  /** Stays where the reader is, whatever comes at the end. */
  leave() {
    if (!this.following) return;
    this.following = false;
    this.#remember();
  }

  /** Puts a line near the top, and leaves the end. @param {HTMLElement} line @param {number} [gap] pixels above it */
  showLine(line, gap = this.#scroller.clientHeight / 4) {
    this.#release();
    this.following = false;
    this.#move(line.offsetTop - gap);
    this.following = this.mayFollow && this.distance <= END_PX;
    this.#remember();
    this.#judge();
  }

  /** Whether the end of a line is in sight. @param {HTMLElement} line */
  isWhole({ offsetTop, offsetHeight }) {
    return offsetTop + offsetHeight <= this.#scroller.scrollTop + this.#scroller.clientHeight + 1;
  }

  /** Goes down as far as the end of a line, and stays there. @param {HTMLElement} line */
  showEnd({ offsetTop, offsetHeight }) {
    this.#move(offsetTop + offsetHeight - this.#scroller.clientHeight);
    this.#remember();
    this.#judge();
  }

  /** Puts the start of a message near the top, and leaves the end. @param {HTMLElement} line */
  showStart(line) {
    this.showLine(line, HELD_TOP_PX);
  }

  /** Puts a question near the top and keeps the rest of the view free for its answer. @param {HTMLElement} line */
  hold(line) {
    this.following = false;
    this.#held = line;
    this.#makeRoom();
    this.#move(Math.max(0, line.offsetTop + this.#hiddenOf(line) - HELD_TOP_PX));
    this.#remember();
    this.#judge();
  }

  disconnect() {
    this.#resize.disconnect();
  }

  #detach() {
    if (this.#scroller.scrollHeight > this.#scroller.clientHeight) this.following = false;
    this.#remember();
  }

  #scrolled() {
    // A view that became another size is put somewhere by the browser: that was not the reader, and is put right at once.
    if (this.#isHidden() || this.#resized()) return;
    const top = this.#scroller.scrollTop;
    const moved = top - this.#last;
    this.#last = top;
    const { distance } = this;
    // A column that shrank puts the view to its very end: that was not the reader.
    if (moved < -0.5 && distance > 1) this.following = false;
    else if (moved > 0 && distance <= END_PX && this.mayFollow && this.#held === null) this.following = true;
    if (Math.abs(moved) >= 0.5) this.#remember();
    this.#judge();
    this.#onScroll(this);
  }

  #resized() {
    const { clientWidth, clientHeight } = this.#scroller;
    return this.#size !== '' && this.#size !== `${clientWidth} ${clientHeight}`;
  }

  #judge() {
    const { distance } = this;
    this.away = !this.following && (this.away ? distance > NEAR_PX : distance > AWAY_PX);
  }

  /** A narrow screen shows the list instead, and nothing has a place: it is found again when the room is shown. */
  #isHidden() {
    return this.#scroller.clientHeight === 0;
  }

  /** The first visible message and how far it is from the top; the lines between messages come and go. */
  #remember() {
    if (this.#isHidden()) return;
    const top = this.#scroller.scrollTop;
    const lines = this.#content.children;
    let low = this.#firstLine((line) => line.offsetTop + line.offsetHeight > top);
    while (low < lines.length && !lines[low].matches('salon-message')) low += 1;
    const line = lines[low];
    this.#anchor = line === undefined ? null : { line, offset: line.offsetTop - top };
  }

  /** The place of the first line from which on all are so: lines stand below each other. @param {(line: HTMLElement) => boolean} isSo */
  #firstLine(isSo) {
    const lines = this.#content.children;
    let low = 0;
    let high = lines.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (isSo(lines[middle])) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  #restore() {
    if (this.#isHidden()) return;
    if (this.#held !== null) this.#makeRoom();
    if (this.following) this.#move(this.#scroller.scrollHeight);
    else if (this.#anchor?.line.isConnected) this.#move(this.#anchor.line.offsetTop - this.#anchor.offset);
    const { clientWidth, clientHeight } = this.#scroller;
    this.#size = `${clientWidth} ${clientHeight}`;
    this.#judge();
  }

  /** As much room below as lets the held line stand where it is; what is said below it takes it up. */
  #makeRoom() {
    if (!this.#held.isConnected) {
      this.#release();
      return;
    }
    const { offsetTop, offsetHeight } = this.#spacer;
    const padding = this.#scroller.scrollHeight - offsetTop - offsetHeight;
    // Distances between lines, not their places: those shift while the column is lower than the view.
    const said = offsetTop - this.#held.offsetTop - this.#hiddenOf(this.#held);
    const missing = this.#scroller.clientHeight - HELD_TOP_PX - said - padding;
    this.#spacer.style.height = `${Math.max(0, missing)}px`;
    if (missing <= 0) this.#held = null;
  }

  /** Of a question that would fill the view only the end is shown. */
  #hiddenOf({ offsetHeight }) {
    return Math.max(0, offsetHeight - this.#scroller.clientHeight * HELD_PART);
  }

  #release() {
    this.#held = null;
    this.#spacer.style.height = '0px';
  }

  #move(top) {
    if (Math.abs(this.#scroller.scrollTop - top) >= 0.5) this.#scroller.scrollTop = top;
    this.#last = this.#scroller.scrollTop;
  }
}
