/**
 * A clock and sockets that do only what a test says.
 */
import { webcrypto } from 'node:crypto';

// Browsers and newer Nodes have it as a global.
globalThis.crypto ??= webcrypto;

export class World {
  now = 0;
  sockets = [];
  #timers = new Map();
  #counter = 0;

  /** The latest socket. */
  get socket() {
    return this.sockets.at(-1);
  }

  /** What `Connection` takes. */
  environment() {
    const world = this;
    return {
      now: () => this.now,
      random: () => 0.5,
      setTimeout: (call, ms) => {
        this.#counter += 1;
        this.#timers.set(this.#counter, { call, at: this.now + ms });
        return this.#counter;
      },
      clearTimeout: (timer) => this.#timers.delete(timer),
      WebSocket: class {
        sent = [];
        closedWith = null;
        constructor(url, protocols) {
          Object.assign(this, { url, protocols });
          world.sockets.push(this);
        }
        send(text) {
          this.sent.push(JSON.parse(text));
        }
        close(code) {
          this.closedWith = code;
        }
        said(frame) {
          this.onmessage?.({ data: JSON.stringify(frame) });
        }
        closed(code) {
          this.onclose?.({ code });
        }
      },
    };
  }

  /** Lets time pass; timers run at their times, in order. @param {number} ms */
  run(ms) {
    const end = this.now + ms;
    while (this.#runNext(end));
    this.now = end;
  }

  /** Time passes while nothing runs, and then what is due, once. @param {number} ms */
  sleep(ms) {
    this.now += ms;
    const due = [...this.#timers].filter(([, { at }]) => at <= this.now).map(([timer]) => timer);
    for (const timer of due) {
      const { call } = this.#timers.get(timer) ?? {};
      this.#timers.delete(timer);
      call?.();
    }
  }

  /** Lets time pass until something holds, two minutes at most. @param {() => boolean} condition */
  runUntil(condition) {
    const end = this.now + 120_000;
    while (!condition()) if (!this.#runNext(end)) throw new Error('it did not come to that');
  }

  #runNext(end) {
    const due = [...this.#timers].filter(([, { at }]) => at <= end).sort(([, one], [, other]) => one.at - other.at)[0];
    if (due === undefined) return false;
    const [timer, { call, at }] = due;
    this.#timers.delete(timer);
    this.now = Math.max(this.now, at);
    call();
    return true;
  }
}
