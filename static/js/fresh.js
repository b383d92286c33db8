/**
 * Which words of a growing text are new, and how new. Pure: `fading.js` shows it. Places are counted from the end of the text,
 * because only the end of a growing text changes.
 */

/** New words are pale for so long, and in so many steps. */
export const FRESH_MS = 320;
export const STEPS = 4;

export class FreshWords {
  /** @type {{back: number, at: number}[]} the oldest first: each reaches from `back` to where the next one begins */
  #parts = [];

  /**
   * The end of the text became another one.
   * @param {string} before @param {string} after @param {number} at milliseconds
   */
  grew(before, after, at) {
    let same = 0;
    while (same < before.length && before[same] === after[same]) same += 1;
    const fresh = after.length - same;
    const moved = this.#parts.map((part) => ({ ...part, back: part.back + after.length - before.length }));
    // What was built in another shape is new with all of it.
    this.#parts = moved.filter(({ back }) => back > fresh);
    if (fresh > 0) this.#parts.push({ back: fresh, at });
  }

  /** Nothing is new any more. */
  clear() {
    this.#parts = [];
  }

  /**
   * The parts that are still pale.
   * @param {number} now @returns {{step: number, from: number, to: number}[]} from the first to the last; `step` 0 is the newest
   */
  steps(now) {
    const stepOf = ({ at }) => Math.floor(((now - at) / FRESH_MS) * STEPS);
    this.#parts = this.#parts.filter((part) => stepOf(part) < STEPS);
    const steps = [];
    for (const [place, part] of this.#parts.entries()) {
      const step = stepOf(part);
      const to = this.#parts[place + 1]?.back ?? 0;
      if (steps.at(-1)?.step === step) steps.at(-1).to = to;
      else steps.push({ step, from: part.back, to });
    }
    return steps;
  }
}
