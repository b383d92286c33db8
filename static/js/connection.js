/**
 * One socket that stays: it connects, says whether it is up, matches answers to requests by `ref`, notices a
 * silent connection, and comes back with full jitter. It knows nothing of rooms: `Salon` joins them again on
 * `welcome`.
 *
 * Events: `status` (a `Status`), `welcome` (the frame), `frame` (every other frame, in order), `failed` (a
 * connection that ended before its welcome; the session may be over), `ended` ({code}; it will not return).
 *
 * @typedef {'idle' | 'connecting' | 'open' | 'waiting' | 'ended'} Status
 */
import { Emitter } from './emitter.js';
import { Refusal } from './errors.js';
import { BASE_MS, CAP_MS, SIGNED_OUT, fullJitter, mayReturn } from './backoff.js';
import { parsed } from './named.js';

/** A request without an answer after this long is refused with `deadline`. */
export const DEADLINE_MS = 15_000;
/** A socket that is not welcomed after this long is given up. */
const WELCOME_MS = 10_000;
/** The answer to a ping must come within this time, where nobody waits for anything. */
const PONG_MS = 8_000;
/** Somebody asked, and no frame at all has come for so long: a ping asks for a sign of life. */
const QUIET_MS = 4_000;
/** The answer to that ping, or to `probe`, must come within this time. */
const PROBE_MS = 4_000;
/** On a line so slow that a large answer takes longer than all this, the waits grow, so many times at most. */
const PATIENCE_MAX = 4;
/** A timer that is later than this tells of a page that slept: what came meanwhile is heard first. */
const LATE_MS = 1_000;
/** A connection that lasted this long was a good one: the next wait starts small again. */
const STABLE_MS = 10_000;

export class Connection extends Emitter {
  #environment;
  #url;
  #socket = null;
  #status = 'idle';
  #failures = 0;
  #attempt = 0;
  #requests = new Map();
  #counter = 0;
  #timers = { retry: null, silence: null, welcome: null, drain: null };
  #welcomedAt = null;
  #features = new Set();
  #heartbeatMs = 15_000;
  #returnAt = null;
  /** When the ping that is on its way was sent, and when its answer must have come at last; null while there is none. */
  #pinged = null;
  /** Doubled by each connection that is given up in silence, until a ping is answered in time. */
  #patience = 1;

  /**
   * @param {string | (() => Promise<string>)} url `ws:` or `wss:`; or what tells it anew for each connection, such as one
   *   with a single-use ticket. When that is refused with the status 401 it is not asked again
   * @param {object} [environment] what tests replace: WebSocket, random, now, setTimeout, clearTimeout, baseMs, capMs
   */
  constructor(url, environment = {}) {
    super();
    this.#url = url;
    this.#environment = {
      WebSocket: globalThis.WebSocket,
      random: Math.random,
      now: () => Date.now(),
      setTimeout: (call, ms) => globalThis.setTimeout(call, ms),
      clearTimeout: (timer) => globalThis.clearTimeout(timer),
      baseMs: BASE_MS,
      capMs: CAP_MS,
      ...environment,
    };
  }

  /** @returns {Status} */
  get status() {
    return this.#status;
  }

  /** Connects and stays connected until `stop`, or until the server says not to return. */
  start() {
    if (this.#status === 'idle' || this.#status === 'ended') this.#connect();
  }

  /** Leaves for good; requests in flight are refused. */
  stop() {
    this.#clearTimers();
    this.#drop(1000);
    this.#setStatus('idle');
  }

  /** Connects at once when it is waiting to: "Try now", the `online` event. */
  retryNow() {
    if (this.#status === 'waiting') this.#connect();
  }

  /** Gives this socket up and connects again: it is open but does not answer. */
  restart() {
    if (this.#status !== 'open' && this.#status !== 'connecting') return;
    this.#lost(4000);
  }

  /** Asks for a sign of life now, and does not wait long: for a page that was hidden or a network that changed. */
  probe() {
    if (this.#status === 'open') this.#ping(PROBE_MS * this.#patience);
    else this.retryNow();
  }

  /** @returns {string} a `ref` that no other request of this page has */
  nextRef() {
    this.#counter += 1;
    return String(this.#counter);
  }

  /**
   * Sends a frame and waits for its answer.
   * @param {object} frame with `type`; `ref` is added when it has none
   * @param {{deadlineMs?: number}} [options]
   * @returns {Promise<object>} the answering frame
   * @throws {Refusal} of the server, or `disconnected`, or `deadline`
   */
  request(frame, { deadlineMs = DEADLINE_MS } = {}) {
    if (this.#status !== 'open') return Promise.reject(disconnected());
    const ref = frame.ref ?? this.nextRef();
    return new Promise((resolve, reject) => {
      const timer = this.#environment.setTimeout(() => {
        this.#requests.delete(ref);
        reject(new Refusal('deadline', 'The server did not answer in time.'));
      }, deadlineMs);
      this.#requests.set(ref, { resolve, reject, timer });
      this.#socket.send(JSON.stringify({ ...frame, ref }));
      // Those that wait already have their own watch.
      if (this.#requests.size === 1) this.#watchSilence();
    });
  }

  /** Sends a frame that has no answer; without a connection it is dropped. @param {object} frame */
  tell(frame) {
    if (this.#status === 'open') this.#socket.send(JSON.stringify(frame));
  }

  /** Whether the server named this feature. @param {string} feature @returns {boolean} */
  can(feature) {
    return this.#features.has(feature);
  }

  #connect() {
    this.#clearTimers();
    this.#drop(1000);
    this.#returnAt = null;
    this.#attempt += 1;
    this.#setStatus('connecting');
    this.#timers.welcome = this.#environment.setTimeout(() => this.#lost(4000), WELCOME_MS);
    if (typeof this.#url === 'string') this.#open(this.#url);
    else this.#askUrl(this.#attempt);
  }

  async #askUrl(attempt) {
    const isCurrent = () => attempt === this.#attempt && this.#status === 'connecting' && this.#socket === null;
    try {
      const url = await this.#url();
      if (isCurrent()) this.#open(url);
    } catch (refusal) {
      if (isCurrent()) this.#lost(refusal?.status === 401 ? SIGNED_OUT : 1006);
    }
  }

  #open(url) {
    let socket;
    try {
      socket = new this.#environment.WebSocket(url, ['salon.v1']);
    } catch {
      this.#lost(1006);
      return;
    }
    this.#socket = socket;
    // Events of a socket that was given up are not heard: each handler checks that it is still the one.
    socket.onmessage = (event) => this.#socket === socket && this.#received(event.data);
    socket.onclose = (event) => this.#socket === socket && this.#lost(event.code);
  }

  #received(data) {
    let frame;
    try {
      frame = parsed(data);
    } catch {
      return;
    }
    this.#alive(frame);
    if (frame.type === 'welcome') this.#welcomed(frame);
    else if (frame.type === 'drain') this.#drained(frame.reconnect_after_ms);
    else this.#settle(frame);
  }

  #welcomed(frame) {
    this.#environment.clearTimeout(this.#timers.welcome);
    this.#welcomedAt = this.#environment.now();
    this.#heartbeatMs = frame.heartbeat_ms ?? this.#heartbeatMs;
    this.#features = new Set(frame.features);
    this.#watchSilence();
    this.#setStatus('open');
    this.emit('welcome', frame);
  }

  /** The frame goes to the listeners first, so that what is told of a room stays in the order it came in. */
  #settle(frame) {
    this.emit('frame', frame);
    const request = frame.ref === undefined ? undefined : this.#requests.get(frame.ref);
    if (request === undefined) return;
    this.#requests.delete(frame.ref);
    this.#environment.clearTimeout(request.timer);
    if (this.#requests.size === 0) this.#watchSilence();
    if (frame.type === 'error') {
      request.reject(new Refusal(frame.code, frame.message, { retryAfterMs: frame.retry_after_ms }));
    } else {
      request.resolve(frame);
    }
  }

  /**
   * Browsers hide the server's pings, so a quiet time asks for a `pong`; none means a dead connection. Somebody who waits for an
   * answer is not left to wait that long. Any frame is a sign of life: a server that is only slow is never given up.
   */
  #watchSilence() {
    const asked = this.#requests.size > 0;
    // A ping is on its way already, sent when nobody waited.
    if (this.#pinged !== null) return void (asked && this.#ping(PROBE_MS * this.#patience));
    const quietMs = asked ? Math.min(QUIET_MS * this.#patience, this.#heartbeatMs) : this.#heartbeatMs;
    this.#await(quietMs, () => this.#ping(this.#requests.size > 0 ? PROBE_MS * this.#patience : Math.max(PONG_MS, PROBE_MS * this.#patience)));
  }

  /** One ping is on its way at a time; whoever is in more of a hurry shortens the wait for it. @param {number} waitMs */
  #ping(waitMs) {
    const now = this.#environment.now();
    const until = Math.min(this.#pinged?.until ?? Infinity, now + waitMs);
    if (this.#pinged === null && this.#status === 'open') this.#socket.send(JSON.stringify({ type: 'ping', ref: this.nextRef() }));
    this.#pinged = { at: this.#pinged?.at ?? now, until };
    this.#await(until - now, () => this.#silent(until));
  }

  #await(ms, call) {
    this.#environment.clearTimeout(this.#timers.silence);
    this.#timers.silence = this.#environment.setTimeout(call, ms);
  }

  /** A page that slept, or had much to do, may have the answer waiting behind this timer: it is heard first. */
  #silent(until) {
    if (this.#environment.now() - until > LATE_MS) return this.#await(0, () => this.#await(LATE_MS, () => this.#giveUp()));
    return this.#giveUp();
  }

  #giveUp() {
    this.#patience = Math.min(PATIENCE_MAX, this.#patience * 2);
    this.#lost(4000);
  }

  /** A frame came: the socket lives. */
  #alive({ type }) {
    if (type === 'pong' && this.#pinged !== null && this.#environment.now() - this.#pinged.at <= QUIET_MS) this.#patience = 1;
    this.#pinged = null;
    this.#watchSilence();
  }

  /** The server is stopping: come back when it says, whether it closes this socket before or not. */
  #drained(afterMs) {
    this.#returnAt = this.#environment.now() + afterMs;
    this.#timers.drain = this.#environment.setTimeout(() => this.#connect(), afterMs);
  }

  #lost(code) {
    const welcomed = this.#welcomedAt !== null;
    const stable = welcomed && this.#environment.now() - this.#welcomedAt >= STABLE_MS;
    const returnAt = this.#returnAt;
    this.#clearTimers();
    this.#drop(code === 4000 ? 4000 : 1000);
    if (!mayReturn(code)) {
      this.#setStatus('ended');
      this.emit('ended', { code });
      return;
    }
    if (stable) this.#failures = 0;
    const wait = returnAt === null
      ? fullJitter(this.#failures, this.#environment)
      : Math.max(0, returnAt - this.#environment.now());
    this.#failures += 1;
    this.#setStatus('waiting');
    this.#timers.retry = this.#environment.setTimeout(() => this.#connect(), wait);
    if (!welcomed) this.emit('failed', { code, failures: this.#failures });
  }

  #drop(code) {
    const socket = this.#socket;
    this.#socket = null;
    this.#welcomedAt = null;
    this.#pinged = null;
    if (socket !== null) {
      socket.onmessage = null;
      socket.onclose = null;
      try {
        socket.close(code);
      } catch {
        // A socket that is already closed has nothing left to close.
      }
    }
    const requests = [...this.#requests.values()];
    this.#requests.clear();
    for (const request of requests) {
      this.#environment.clearTimeout(request.timer);
      request.reject(disconnected());
    }
  }

  #clearTimers() {
    for (const [name, timer] of Object.entries(this.#timers)) {
      this.#environment.clearTimeout(timer);
      this.#timers[name] = null;
    }
  }

  #setStatus(status) {
    if (this.#status === status) return;
    this.#status = status;
    this.emit('status', status);
  }
}

const disconnected = () => new Refusal('disconnected', 'There is no connection to the server.');
