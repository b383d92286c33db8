/**
 * The smallest event source that the library needs. Used by `Connection`, `Room` and `Salon`; works without a
 * DOM, so the tests run the same code as the page.
 */
export class Emitter {
  #listeners = new Map();

  /**
   * Calls `listener` with what is emitted under `name`.
   * @param {string} name
   * @param {(detail: any) => void} listener
   * @returns {() => void} ends it
   */
  on(name, listener) {
    const listeners = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, listeners);
    listeners.add(listener);
    return () => listeners.delete(listener);
  }

  /**
   * @param {string} name
   * @param {any} [detail]
   */
  emit(name, detail) {
    for (const listener of [...(this.#listeners.get(name) ?? [])]) listener(detail);
  }
}
