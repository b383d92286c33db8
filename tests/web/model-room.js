/**
 * A room as a server keeps it, small enough to be plainly right: the other side of the store's tests. Every change
 * takes the next version; `joined` answers a join as the protocol says.
 */
export const ME = { id: 'me', name: 'me', kind: 'user' };
export const OTHER = { id: 'other', name: 'other', kind: 'user' };
export const ASSISTANT = { id: 'assistant', name: 'assistant', kind: 'assistant' };

export class ModelRoom {
  epoch = 'e1';
  version = 0;
  lastSeq = 0;
  messages = new Map();
  replies = new Map();
  /** The version of each range as it was published: a message may be superseded in it later. */
  frames = [];

  post(author, body, more = {}) {
    this.lastSeq += 1;
    return this.put({ seq: this.lastSeq, kind: 'user', author, body, state: 'complete', created_at: '2026-01-01T00:00:00.000Z', ...more });
  }

  prompt(author, body, more = {}) {
    const prompt = this.post(author, body, more).message;
    this.lastSeq += 1;
    this.replies.set(this.lastSeq, { seq: this.lastSeq, prompt_seq: prompt.seq, state: 'queued', attempt: 1, chunks: 0, body: '' });
    return this.put({
      seq: this.lastSeq, kind: 'assistant', author: ASSISTANT, body: '', state: 'queued', created_at: prompt.created_at,
      reply: { prompt_seq: prompt.seq, attempt: 1 },
    });
  }

  put(message) {
    const prev = this.version;
    this.version += 1;
    const whole = { ...message, version: this.version };
    this.messages.set(whole.seq, whole);
    const frame = { type: 'message', room: 'lobby', version: this.version, prev, message: whole };
    this.frames.push(frame);
    return frame;
  }

  edit(seq, body) {
    return this.put({ ...this.messages.get(seq), body });
  }

  delete(seq) {
    const { author, kind, state, created_at } = this.messages.get(seq);
    return this.put({ seq, author, kind, state, created_at, body: '', deleted_at: created_at });
  }

  /** Somebody reacts, or takes it back; the frame tells only that. */
  react(seq, emoji, user) {
    const message = this.messages.get(seq);
    const kinds = structuredClone(message.reactions ?? []);
    let kind = kinds.find((one) => one.emoji === emoji);
    if (kind === undefined) kinds.push((kind = { emoji, count: 0, users: [] }));
    const goes = kind.users.includes(user);
    kind.users = goes ? kind.users.filter((one) => one !== user) : [...kind.users, user];
    kind.count = kind.users.length;
    const reactions = kinds.filter(({ count }) => count > 0);
    const { reactions: before, ...rest } = message;
    const whole = this.put(reactions.length === 0 ? rest : { ...rest, reactions });
    const reaction = { emoji, count: kind.count, [goes ? 'removed' : 'added']: user };
    const frame = { ...whole, partial: true, message: { seq, version: this.version, reaction } };
    this.frames[this.frames.length - 1] = frame;
    return frame;
  }

  change(data) {
    const prev = this.version;
    this.version += 1;
    const frame = { type: 'room.changed', room: 'lobby', version: this.version, prev, change: 'settings', data };
    this.frames.push(frame);
    return frame;
  }

  delta(seq, text) {
    const reply = this.replies.get(seq);
    reply.chunks += 1;
    reply.body += text;
    return { type: 'reply.delta', room: 'lobby', seq, attempt: reply.attempt, chunk: reply.chunks, count: 1, text };
  }

  settle(seq, state = 'complete') {
    const { body, attempt, prompt_seq } = this.replies.get(seq);
    this.replies.delete(seq);
    return this.put({ ...this.messages.get(seq), body, state, reply: { prompt_seq, attempt } });
  }

  retry(seq) {
    const message = this.messages.get(seq);
    const attempt = message.reply.attempt + 1;
    const { prompt_seq } = message.reply;
    this.replies.set(seq, { seq, prompt_seq, state: 'queued', attempt, chunks: 0, body: '' });
    return this.put({ ...message, body: '', state: 'queued', reply: { prompt_seq, attempt } });
  }

  /** The answer to a join, and the frames that follow it. */
  joined(ref, { after = null, epoch = null } = {}, page = 50) {
    const known = epoch === this.epoch && after !== null && after <= this.version;
    const messages = known
      ? [...this.messages.values()].filter(({ version }) => version > after).sort((one, other) => one.version - other.version)
      : [...this.messages.values()].sort((one, other) => one.seq - other.seq).slice(-page);
    return {
      type: 'room.joined', ref, epoch: this.epoch, head: this.version, messages, reset: epoch !== null && !known ? 'epoch' : null,
      room: { slug: 'lobby', name: 'Lobby', visibility: 'public', role: 'member', version: this.version, last_seq: this.lastSeq, first_seq: 1 },
      replies: [...this.replies.values()].map((reply) => ({ ...reply })),
    };
  }

  page(ref, before, limit) {
    const older = [...this.messages.values()].filter(({ seq }) => seq < before).sort((one, other) => one.seq - other.seq);
    return { type: 'message.page', ref, room: 'lobby', messages: older.slice(-limit), more: older.length > limit };
  }
}
