/**
 * Scrolling that never moves the reader: it follows the end only while the reader is there, and otherwise keeps the
 * line that is being read where it is, whatever grows, comes or goes around it. Browsers' own scroll anchoring is off
 * for the column (Safari has none), so this is the only mechanism.
 */

/** So near to the end counts as being there. */
const END_PX = 24;
/** The jump button appears beyond the first and goes within the second: no flicker between. */
const AWAY_PX = 200;
const NEAR_PX = 60;

export class ScrollKeeper {
  #scroller;
  #content;
  #onScroll;
  #last = 0;
  #anchor = null;
  #resize;
  /** Whether the reader is at the end and stays there. */
  following = true;
  /** Whether the reader is so far from the end that a way back is offered. */
  away = false;

  /**
   * @param {HTMLElement} scroller
   * @param {HTMLElement} content its only child, whose children are the lines
   * @param {(keeper: ScrollKeeper) => void} onScroll after each move by the reader
   */
  constructor(scroller, content, onScroll) {
    this.#scroller = scroller;
    this.#content = content;
    this.#onScroll = onScroll;
    scroller.addEventListener('scroll', () => this.#scrolled(), { passive: true });
    scroller.addEventListener('wheel', (event) => event.deltaY < 0 && this.#detach(), { passive: true });
    this.#resize = new ResizeObserver(() => this.#restore());
    this.#resize.observe(content);
    this.#resize.observe(scroller);
  }

  /** Pixels from the last visible line to the end. */
  get distance() {
    const { scrollHeight, clientHeight, scrollTop } = this.#scroller;
    return scrollHeight - clientHeight - scrollTop;
  }

  /** Pixels above the first visible line. */
  get above() {
    return this.#scroller.scrollTop;
  }

  /** Changes the content without moving the reader. @param {() => void} change */
  keep(change) {
    if (!this.following) this.#remember();
    change();
    this.#restore();
  }

  /** Goes to the end and stays there. */
  toEnd() {
    this.following = true;
    this.#restore();
  }

  /** Puts a line near the top, and leaves the end. @param {HTMLElement} line */
  showLine(line) {
    this.following = false;
    this.#move(line.offsetTop - this.#scroller.clientHeight / 4);
    this.following = this.distance <= END_PX;
    this.#remember();
  }

  disconnect() {
    this.#resize.disconnect();
  }

  #detach() {
    if (this.#scroller.scrollHeight > this.#scroller.clientHeight) this.following = false;
    this.#remember();
  }

  #scrolled() {
    const top = this.#scroller.scrollTop;
    const moved = top - this.#last;
    this.#last = top;
    if (moved < -1 && this.distance > END_PX) this.following = false;
    else if (this.distance <= END_PX && moved >= 0) this.following = true;
    this.#remember();
    this.#judge();
    this.#onScroll(this);
  }

  #judge() {
    const { distance } = this;
    this.away = !this.following && (this.away ? distance > NEAR_PX : distance > AWAY_PX);
  }

  /** The first visible line and how far it is from the top. */
  #remember() {
    const top = this.#scroller.scrollTop;
    const lines = this.#content.children;
    let low = 0;
    let high = lines.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (lines[middle].offsetTop + lines[middle].offsetHeight <= top) low = middle + 1;
      else high = middle;
    }
    const line = lines[low];
    this.#anchor = line === undefined ? null : { line, offset: line.offsetTop - top };
  }

  #restore() {
    if (this.following) this.#move(this.#scroller.scrollHeight);
    else if (this.#anchor?.line.isConnected) this.#move(this.#anchor.line.offsetTop - this.#anchor.offset);
    this.#judge();
  }

  #move(top) {
    if (Math.abs(this.#scroller.scrollTop - top) >= 1) this.#scroller.scrollTop = top;
    this.#last = this.#scroller.scrollTop;
  }
}
